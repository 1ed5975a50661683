"""Backups of a catalogue in use: consistent, refused when broken, equal after a restore."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command

from catalog.backup import restoring
from catalog.backup.archive import BackupError, read_documents, verify
from catalog.backup.restoring import restore
from catalog.backup.taking import prune, take_backup
from catalog.tests.test_watching import wait_for

ELSEWHERE = "speedscale_restored"
COUNT = 300


def quiet(text: str) -> None:
    """Say nothing."""


@pytest.fixture
def shop(products_db: Any) -> Any:
    call_command("seed", "--count", str(COUNT), stdout=StringIO(), stderr=StringIO())
    return products_db


@pytest.fixture
def elsewhere(products_db: Any) -> Iterator[Any]:
    database = products_db.client[f"{ELSEWHERE}_{products_db.name}"]
    yield database
    database.client.drop_database(database.name)


def taken(database: Any, target: Path) -> Path:
    take_backup(database, target, say=quiet)
    (found,) = target.iterdir()
    return found


def test_a_backup_restored_elsewhere_is_equal_with_validator_and_indexes(
    shop: Any, elsewhere: Any, tmp_path: Path
) -> None:
    manifest = restore(taken(shop, tmp_path), elsewhere, replace=False, say=quiet)
    same_types = shop.client[shop.name]
    assert manifest.documents >= COUNT
    assert list(elsewhere.products.find().sort("_id")) == list(same_types.products.find().sort("_id"))
    assert elsewhere.products.index_information() == shop.products.index_information()
    (info,) = elsewhere.list_collections(filter={"name": "products"})
    assert "$jsonSchema" in info["options"]["validator"]
    assert not [name for name in elsewhere.list_collection_names() if name.startswith("restoring.")]


def test_what_is_written_meanwhile_is_not_in_it(products_db: Any, tmp_path: Path) -> None:
    shop = products_db
    shop.aaa.drop()
    shop.zzz.drop()
    shop.aaa.insert_one({"_id": 0})
    shop.zzz.insert_one({"_id": 0})
    stopping = threading.Event()

    def write() -> None:
        number = 1
        while not stopping.is_set():
            # The later collection first: a backup that reads one after the other would have more of it.
            shop.zzz.insert_one({"_id": number})
            shop.aaa.insert_one({"_id": number})
            number += 1

    def wait_for_more(text: str) -> None:
        # Said after each collection: before the next one is read, something is written to both.
        before = shop.aaa.count_documents({})
        wait_for(lambda: shop.aaa.count_documents({}) > before + 1, seconds=60)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        take_backup(shop, tmp_path, say=wait_for_more)
    finally:
        stopping.set()
        writer.join()
        written = shop.aaa.count_documents({})
        shop.aaa.drop()
        shop.zzz.drop()
    (path,) = tmp_path.iterdir()
    counts = {one.name: one.documents for one in verify(path).collections}
    assert counts["zzz"] - counts["aaa"] in {0, 1}
    assert counts["aaa"] < written


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def change_the_manifest(path: Path) -> None:
    manifest = path.parent / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"database": "', '"database": "x', 1))


def leave_the_manifest_away(path: Path) -> None:
    (path.parent / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (flip_a_byte, "checksum does not match"),
        (cut_off, "the manifest says"),
        (Path.unlink, "cannot be read"),
        (change_the_manifest, "has been changed"),
        (leave_the_manifest_away, "manifest.json is missing"),
    ],
)
def test_a_broken_backup_is_refused_before_anything_is_touched(
    damage: Callable[[Path], None], complaint: str, products_db: Any, elsewhere: Any, tmp_path: Path
) -> None:
    products_db.things.drop()
    products_db.things.insert_many([{"_id": number, "text": "x" * number} for number in range(2000)])
    path = taken(products_db, tmp_path)
    products_db.things.drop()
    elsewhere.things.insert_one({"_id": "mine"})
    damage(path / "things.bson.zst")
    with pytest.raises(BackupError, match=complaint):
        restore(path, elsewhere, replace=True, say=quiet)
    assert elsewhere.list_collection_names() == ["things"]
    assert list(elsewhere.things.find()) == [{"_id": "mine"}]
    with pytest.raises(CommandError, match=complaint):
        call_command("verify_backup", str(path))


def add_a_document(database: Any, *arguments: Any) -> None:
    """Let what was loaded differ from the backup, as another client's write would."""
    database["restoring.things"].insert_one({"_id": "of another client"})


def press_ctrl_c(*arguments: Any) -> None:
    raise KeyboardInterrupt


def damage_the_file(database: Any, path: Path) -> None:
    flip_a_byte(path / "things.bson.zst")


@pytest.mark.parametrize(
    ("happens", "error"),
    [(add_a_document, BackupError), (damage_the_file, BackupError), (press_ctrl_c, KeyboardInterrupt)],
)
def test_a_restore_that_fails_half_way_leaves_nothing_behind(
    happens: Callable[[Any, Path], None],
    error: type[BaseException],
    products_db: Any,
    elsewhere: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    products_db.things.drop()
    products_db.things.insert_many([{"_id": number, "text": "x" * number} for number in range(2000)])
    path = taken(products_db, tmp_path)
    products_db.things.drop()
    elsewhere.things.insert_one({"_id": "mine"})
    load = restoring._load

    def load_and_more(directory: Path, one: Any, database: Any, name: str) -> None:
        if one.name != "things":
            load(directory, one, database, name)
            return
        if happens is damage_the_file:
            happens(database, path)
        load(directory, one, database, name)
        if happens is not damage_the_file:
            happens(database, path)

    # Between the loading and the comparison, or before it, where only the time can be chosen here.
    monkeypatch.setattr(restoring, "_load", load_and_more)
    with pytest.raises(error):
        restore(path, elsewhere, replace=True, say=quiet)
    assert elsewhere.list_collection_names() == ["things"]
    assert list(elsewhere.things.find()) == [{"_id": "mine"}]


def test_documents_that_are_there_are_not_replaced_unless_that_is_said(
    products_db: Any, elsewhere: Any, tmp_path: Path
) -> None:
    products_db.things.drop()
    products_db.things.insert_one({"_id": 1})
    path = taken(products_db, tmp_path)
    products_db.things.drop()
    elsewhere.things.insert_one({"_id": "mine"})
    elsewhere.others.insert_one({"_id": "stays"})
    with pytest.raises(BackupError, match="holds documents already, in things"):
        restore(path, elsewhere, replace=False, say=quiet)
    restore(path, elsewhere, replace=True, say=quiet)
    assert list(elsewhere.things.find()) == [{"_id": 1}]
    assert list(elsewhere.others.find()) == [{"_id": "stays"}]


def test_a_backup_that_fails_leaves_nothing_that_looks_like_one(
    products_db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("catalog.backup.taking.write_manifest", fail)
    with pytest.raises(OSError, match="disk full"):
        take_backup(products_db, tmp_path, say=quiet)
    assert list(tmp_path.iterdir()) == []


def test_old_backups_are_removed_and_the_last_and_foreign_ones_kept(tmp_path: Path) -> None:
    names = ["shop-20260101T000000Z", "shop-20260102T000000Z", "shop-20260103T000000Z", "shop-unfinishedZ", "other-1Z"]
    for name in names:
        (tmp_path / name).mkdir()
        if "unfinished" not in name:
            (tmp_path / name / "manifest.json").write_text(json.dumps({}))
    assert [path.name for path in prune(tmp_path, "shop", keep=2)] == names[:1]
    assert prune(tmp_path, "shop", keep=0) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_large_documents_come_out_as_they_went_in(products_db: Any, elsewhere: Any, tmp_path: Path) -> None:
    products_db.things.drop()
    large = [{"_id": ObjectId(), "text": "ä" * 3_000_000, "nested": {"n": [1, 2.5, None]}} for _ in range(3)]
    products_db.things.insert_many(large)
    path = taken(products_db, tmp_path)
    products_db.things.drop()
    assert [len(document) for document in read_documents(path / "things.bson.zst")] == [6_000_075] * 3
    restore(path, elsewhere, replace=False, say=quiet)
    assert list(elsewhere.things.find()) == large


def test_the_commands_take_check_and_restore(products_db: Any, elsewhere: Any, tmp_path: Path) -> None:
    products_db.things.drop()
    products_db.things.insert_one({"_id": 1})
    call_command("backup", str(tmp_path), keep=1, stdout=StringIO())
    products_db.things.drop()
    (path,) = tmp_path.iterdir()
    told = StringIO()
    call_command("verify_backup", str(path), stdout=told)
    assert "whole: " in told.getvalue()
    call_command("restore", str(path), database=elsewhere.name, stdout=told)
    assert elsewhere.things.find_one() == {"_id": 1}
    with pytest.raises(CommandError, match="holds no finished backup"):
        call_command("restore", str(tmp_path), database=elsewhere.name)


@pytest.mark.drill
@pytest.mark.timeout(600)
def test_a_hundred_thousand_products_are_refused_with_one_byte_flipped_and_equal_otherwise(
    products_db: Any, elsewhere: Any, tmp_path: Path
) -> None:
    call_command("seed", "--count", "100000", stdout=StringIO(), stderr=StringIO())
    path = taken(products_db, tmp_path)
    restore(path, elsewhere, replace=False, say=quiet)
    assert elsewhere.products.count_documents({}) == 100_000
    flip_a_byte(path / "products.bson.zst")
    with pytest.raises(BackupError, match="checksum does not match"):
        restore(path, elsewhere, replace=True, say=quiet)
    assert elsewhere.products.count_documents({}) == 100_000
