"""The command as people run it: what it prints, how it ends, and what is in the catalogue afterwards."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.documents import object_id_of
from catalog.indexes import CATEGORIES, INDEXES, PRODUCTS
from catalog.management.commands import import_products
from catalog.tests.import_runs import jsonl, row, rows_text

GOOD = row("GOOD")


@pytest.fixture
def run(products_db: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command in this process and return what it printed."""

    def run(*arguments: str | Path) -> str:
        call_command("import_products", *map(str, arguments))
        return capsys.readouterr().out

    return run


@pytest.fixture
def fails(products_db: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command, expect it to fail in one line, and return what it printed and that line."""

    def fails(*arguments: str | Path, status: int = 1) -> str:
        with pytest.raises(CommandError) as caught:
            call_command("import_products", *map(str, arguments))
        assert caught.value.returncode == status
        assert "\n" not in str(caught.value)
        return capsys.readouterr().out + f"{caught.value}\n"

    return fails


def skus(database: Any) -> set[str]:
    return {document["sku"] for document in database[PRODUCTS].find({}, {"sku": 1})}


def figure(output: str, label: str) -> int:
    """Return the number that the report gives for ``label``."""
    (line,) = (line for line in output.splitlines() if line.startswith(f"{label} "))
    return int(line.split()[1].replace(",", ""))


def figures(output: str) -> list[int]:
    return [figure(output, label) for label in ("read", "created", "updated", "unchanged", "rejected")]


# --- What it does --------------------------------------------------------------------------------------------


def test_an_import_creates_updates_and_leaves_alone(run: Any, products_db: Any, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", row("A"), row("B"))
    assert figures(run(path)) == [2, 2, 0, 0, 0]
    jsonl(path, row("A"), row("B", price=5), row("C"))
    assert figures(run(path)) == [3, 1, 1, 1, 0]
    assert figures(run(path)) == [3, 0, 0, 3, 0]
    assert products_db[PRODUCTS].find_one({"_id": object_id_of("B")})["price"] == 500


def test_a_default_is_for_new_products_and_sales_and_editors_are_not_undone(
    run: Any, products_db: Any, tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "a.jsonl", row("A", stock=None))
    run(path, "--default=stock=10")
    products_db[PRODUCTS].update_one({}, {"$set": {"stock": 4, "active": False, "terms": []}, "$inc": {"version": 1}})
    assert figures(run(path, "--default=stock=10")) == [1, 0, 0, 1, 0]
    assert figures(run(jsonl(path, row("A", stock=None, price=1)), "--default=stock=10")) == [1, 0, 1, 0, 0]
    document = products_db[PRODUCTS].find_one({})
    assert (document["stock"], document["active"], document["price"]) == (4, False, 100)
    run(jsonl(path, row("A", stock=8, active=True)))
    document = products_db[PRODUCTS].find_one({})
    assert (document["stock"], document["active"]) == (8, True)


def test_categories_follow_and_indexes_are_there(run: Any, products_db: Any, tmp_path: Path) -> None:
    products_db[PRODUCTS].drop_index("terms_newest")
    run(jsonl(tmp_path / "a.jsonl", row("A", category="Audio > Radios"), row("B", category="Audio > Radios")))
    categories = {document["_id"]: document["product_count"] for document in products_db[CATEGORIES].find({})}
    assert categories == {"audio": 2, "audio/radios": 2}
    names = {name for index in INDEXES for name in products_db[index.collection].index_information()}
    assert names >= {index.name for index in INDEXES}


def test_a_dry_run_reports_the_same_and_writes_nothing(run: Any, products_db: Any, tmp_path: Path) -> None:
    run(jsonl(tmp_path / "a.jsonl", row("A"), row("B")))
    path = jsonl(tmp_path / "b.jsonl", row("A", price=5), row("B"), row("C"), row("C"), row("D", stock="?"))
    rehearsal = run(path, "--dry-run")
    assert rehearsal.startswith("Dry run: nothing was written.")
    assert skus(products_db) == {"A", "B"}
    assert figures(rehearsal) == figures(run(path)) == [5, 1, 1, 1, 2]


def plain(data: bytes) -> bytes:
    return data


@pytest.mark.parametrize(
    ("name", "text", "pack"),
    [
        ("feed.csv", 'sku,name,price,currency,category,stock\nA,Mouse,"1,299.00",EUR,Mice,3\n', plain),
        ("feed.csv", "\ufeffsku;name;price;currency;category;stock\r\nA;Mouse;1299,00;EUR;Mice;3\r\n", gzip.compress),
        ("feed.tsv", "sku\tname\tprice\tcurrency\tcategory\tstock\nA\tMouse\t€1299\tEUR\tMice\t3\n", plain),
        ("feed.jsonl", json.dumps({**row("A"), "price": 1299.0}), plain),
        ("feed", json.dumps({**row("A"), "price": "1.299,00"}), gzip.compress),
    ],
)
def test_every_format_gives_the_same_product(
    run: Any, products_db: Any, tmp_path: Path, name: str, text: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(pack(text.encode()))
    run(path)
    document = products_db[PRODUCTS].find_one({})
    assert (document["sku"], document["price"], document["category_path"]) == ("A", 129900, ["Mice"])


def test_options_state_what_the_file_lacks(run: Any, products_db: Any, tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_text("code|title|maker|net\nA|Mouse|Logitech|29.99\n")
    run(
        path,
        "--delimiter=|",
        "--map=sku=code",
        "--map=name={maker} {title}",
        "--map=brand=maker",
        "--map=price=net",
        "--default=stock=0",
        "--default=currency=EUR",
        "--default=category=Accessories > Mice",
    )
    document = products_db[PRODUCTS].find_one({"_id": object_id_of("A")})
    assert (document["name"], document["stock"], document["category"]) == ("Logitech Mouse", 0, "Mice")
    assert document["attributes"] == {}


def test_a_mapping_file_applies(run: Any, products_db: Any, tmp_path: Path) -> None:
    mapping = tmp_path / "feed.toml"
    mapping.write_text('[fields]\nname = "title"\n[defaults]\nstock = 4\n[price]\nminor = true\n')
    path = jsonl(tmp_path / "a.jsonl", {**row("A", price=4995), "title": "Other", "stock": None})
    run(path, "--map", mapping)
    document = products_db[PRODUCTS].find_one({})
    assert (document["name"], document["stock"], document["price"]) == ("Other", 4, 4995)


# --- Rows that cannot be used --------------------------------------------------------------------------------


def test_rejected_rows_are_listed_with_line_sku_and_reason_and_the_rest_is_loaded(
    run: Any, products_db: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(rows_text(GOOD) + "not json\n[1]\n" + rows_text(row("X", stock="?")))
    output = run(path)
    assert figures(output) == [4, 1, 0, 0, 3]
    assert "line 2: is not JSON: " in output
    assert "line 3: is a list, where one object a line is expected" in output
    assert "line 4 ('X'): stock '?' is not a whole number" in output
    assert skus(products_db) == {"GOOD"}


def test_the_screen_shows_20_rejections_and_a_file_holds_them_all(run: Any, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", GOOD, *(row(f"S{number}", price="?") for number in range(30)))
    output = run(path)
    assert output.count("price '?' is not a price") == 20
    assert "… and 10 more; --report FILE lists them all" in output
    report = tmp_path / "rejected.jsonl"
    assert f"All 30 rejections are in {report}" in run(path, "--report", report)
    listed = [json.loads(line) for line in report.read_text().splitlines()]
    assert [item["line"] for item in listed] == list(range(2, 32))
    assert listed[0] == {"line": 2, "reason": "'?' is not a price", "field": "price", "sku": "S0"}


def test_of_rows_with_the_same_sku_the_first_counts_however_far_apart(
    run: Any, products_db: Any, tmp_path: Path
) -> None:
    many = [row(f"S{number}") for number in range(1200)]
    path = jsonl(tmp_path / "a.jsonl", row("A", price=1), row("A", price=2), *many, row("A", price=3))
    output = run(path)
    assert figures(output) == [1203, 1201, 0, 0, 2]
    assert "line 2 ('A'): sku repeats the sku of line 1, which is the one that counts" in output
    assert "line 1,203 ('A'): sku repeats the sku of line 1" in output
    assert products_db[PRODUCTS].find_one({"_id": object_id_of("A")})["price"] == 100
    assert figures(run(path)) == [1203, 0, 0, 1201, 2]


def test_a_rejected_row_leaves_its_sku_to_a_later_one(run: Any, tmp_path: Path) -> None:
    assert figures(run(jsonl(tmp_path / "a.jsonl", row("A", price="?"), row("A")))) == [2, 1, 0, 0, 1]


HOSTILE_ROWS: dict[str, bytes] = {
    "another encoding": json.dumps(row("X", name="café"), ensure_ascii=False).encode("latin-1"),
    "a million characters": json.dumps(row("X", name="x" * 1_000_000)).encode(),
    "a line too long": json.dumps(row("X", description="x" * 2_000_000)).encode(),
    "NUL in text": json.dumps(row("X", name="a\0b")).encode(),
    "NUL bytes": b"\0" * 1000,
    "no sku": json.dumps({**row("X"), "sku": " "}).encode(),
    "no price": json.dumps({**row("X"), "price": None}).encode(),
    "negative price": json.dumps(row("X", price=-1)).encode(),
    "huge price": json.dumps(row("X", price=10**18)).encode(),
    "price beyond floats": b'{"sku": "X", "price": 1e400}',
    "whole number beyond floats": b'{"sku": "X", "price": 1' + b"0" * 400 + b"}",
    "NaN": b'{"sku": "X", "price": NaN}',
    "Infinity": b'{"sku": "X", "stock": Infinity}',
    "sku that lost digits": b'{"sku": 123456789012345678901234567890}',
    "nested name": json.dumps(row("X", name={"en": "Mouse"})).encode(),
    "list for a price": json.dumps(row("X", price=[1])).encode(),
    "deep nesting": b'{"sku": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep attributes": json.dumps(row("X", a={"b": {"c": {"d": 1}}})).encode(),
    "operator for an attribute": json.dumps(row("X", attributes={"$where": "1"})).encode(),
    "path for an attribute": json.dumps(row("X", attributes={"a.b": "1"})).encode(),
    "a thousand attributes": json.dumps({**row("X"), **{f"f{number}": 1 for number in range(1000)}}).encode(),
    "script for a picture": json.dumps(row("X", image_url="javascript:alert(1)")).encode(),
    "seven levels": json.dumps(row("X", category=list("abcdefg"))).encode(),
    "half a surrogate": b'{"sku": "\\ud800"}',
    "scalar": b"42",
    "array": b"[{}]",
    "unterminated": b'{"sku": "X',
    "number too large for 64 bits": json.dumps(row("X", cells=2**64 - 1)).encode(),
    "rating above 5": json.dumps(row("X", rating=6)).encode(),
}


def test_hostile_rows_are_rejected_and_their_neighbours_are_loaded(run: Any, products_db: Any, tmp_path: Path) -> None:
    path, report = tmp_path / "a.jsonl", tmp_path / "rejected.jsonl"
    with path.open("wb") as file:
        file.write(rows_text(row("AFTER nothing")).encode())
        for name, hostile in HOSTILE_ROWS.items():
            file.write(hostile + b"\r\n" + rows_text(row(f"AFTER {name}")).encode())
    output = run(path, "--report", report)
    count = len(HOSTILE_ROWS)
    rejected = [json.loads(line)["line"] for line in report.read_text().splitlines()]
    names = dict(zip(range(2, 2 * count + 1, 2), HOSTILE_ROWS, strict=True))
    assert [names.get(line, str(line)) for line in rejected] == list(HOSTILE_ROWS)
    assert figures(output) == [2 * count + 1, count + 1, 0, 0, count]
    assert "\nline 2" in output
    assert skus(products_db) == {"AFTER nothing", *(f"AFTER {name}" for name in HOSTILE_ROWS)}


def test_formulas_of_spreadsheets_are_stored_as_text(run: Any, products_db: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sku,name,price,currency,category,stock,note\n=1+1,=cmd|' /C calc'!A0,5,EUR,Mice,1,@SUM(A1)\n")
    run(path)
    document = products_db[PRODUCTS].find_one({})
    assert (document["sku"], document["name"]) == ("=1+1", "=cmd|' /C calc'!A0")
    assert document["attributes"] == {"Note": "@SUM(A1)"}


def test_control_characters_of_a_file_do_not_reach_the_terminal(run: Any, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", GOOD, row("\x1b[2J", stock="\x1b[31m"))
    assert "\x1b" not in run(path)


# --- Files that cannot be used -------------------------------------------------------------------------------


def test_half_a_gzip_loads_what_came_before_and_fails(fails: Any, products_db: Any, tmp_path: Path) -> None:
    packed = gzip.compress(rows_text(*(row(f"S{n}", note=f"{n**7 % 10**12}") for n in range(3000))).encode())
    path = tmp_path / "half.jsonl.gz"
    path.write_bytes(packed[: len(packed) // 2])
    output = fails(path)
    loaded = figure(output, "created")
    assert loaded > 500
    assert len(skus(products_db)) == loaded
    assert f"line {loaded + 1:,}: the file breaks off here (the gzip data end too early)" in output
    assert f"The file cannot be read beyond line {loaded + 1:,}." in output


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "empty.csv is empty."),
        ("blank.csv", b"\n\n\n", "The file holds nothing but blank lines."),
        ("blank.jsonl", b"\n\n\n", "The file has no rows."),
        ("header.csv", b"sku,name\n", "The file has no rows."),
        ("twice.csv", b"sku,sku\n1,2\n", "The header names 'sku' more than once; every column needs its own name."),
        ("open.csv", b'"sku,name\n1,2\n', "The header cannot be read as CSV: has a quote that is never closed."),
        ("wide.xlsx", b"PK\x03\x04...", "wide.xlsx is a ZIP archive or a spreadsheet; unpack it, or export it as CSV"),
        ("utf16.csv", "sku,name\n1,2\n".encode("utf-16"), "utf16.csv is UTF-16 or UTF-32 text; convert it to UTF-8"),
        ("zeros.jsonl", b"\0" * 5_000_000, "No row could be imported."),
        ("zeros", b"\0" * 5_000_000, "Line 1 is longer than 1,048,576 bytes; is this a text file?"),
        ("bad.jsonl", b"nothing\nof\nuse\n", "No row could be imported."),
    ],
)
def test_a_file_without_a_usable_row_fails_in_one_line(
    fails: Any, products_db: Any, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert fails(path).splitlines()[-1].startswith(message)
    assert skus(products_db) == set()


def test_a_file_without_stock_is_rejected_row_by_row_until_a_stock_is_stated(
    run: Any, fails: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sku,name,price,currency,category\nA,Mouse,5,EUR,Mice\n")
    assert "stock is missing (looked for stock); name a field (--map stock=FIELD) or state a number" in fails(path)
    assert figures(run(path, "--default=stock=0")) == [1, 1, 0, 0, 0]


def test_wrong_arguments_fail_in_one_line(fails: Any, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", GOOD)
    mapping = tmp_path / "feed.toml"
    mapping.write_text("[prices]\nminor = true\n")
    assert "gone.csv cannot be read: No such file or directory." in fails(tmp_path / "gone.csv")
    assert "cannot be read: Is a directory." in fails(tmp_path)
    assert fails(path, "--map", mapping) == "feed.toml has no key 'prices'; did you mean 'price'?\n"
    assert fails(path, "--map", "titel=x").startswith("--map: 'titel' is not a field of a product")
    assert fails(path, "--delimiter", "ab") == "--delimiter 'ab' is not one character.\n"
    assert "would overwrite the file to import" in fails(path, "--report", path)
    assert "cannot be written: No such file or directory" in fails(path, "--report", tmp_path / "no" / "such")
    assert path.read_text() == rows_text(GOOD)


def test_a_mongodb_that_does_not_answer_is_one_line(
    fails: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    from catalog import mongo
    from catalog.importing import loading

    monkeypatch.setattr(loading, "FIRST_ANSWER_SECONDS", 0.1)
    settings.MONGO_URI = "mongodb://127.0.0.1:1/"
    monkeypatch.setattr(mongo, "_clients", {})
    assert "MongoDB does not answer" in fails(jsonl(tmp_path / "a.jsonl", GOOD))
    settings.MONGO_URI = ""
    mongo._clients.clear()
    assert "No MongoDB is known" in fails(tmp_path / "a.jsonl")


def test_without_redis_products_are_loaded_and_the_report_says_what_that_means(
    run: Any, products_db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cachelayer.server import door
    from cachelayer.server.breaker import CircuitBreaker

    breaker = CircuitBreaker(failure_threshold=1, retry_seconds=60)
    breaker.record_failure("stopped")
    monkeypatch.setattr(door, "breaker", breaker)
    monkeypatch.setattr(import_products, "_TOLD_SECONDS", 0.1)
    output = run(jsonl(tmp_path / "a.jsonl", GOOD))
    assert "note: Redis did not answer; pages may show the old state of a product until it expires" in output
    assert skus(products_db) == {"GOOD"}


def test_a_redis_that_answers_again_by_the_end_has_heard_everything(
    run: Any, products_db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cachelayer.server import door

    read = door.run
    refused: list[str] = []

    def busy(*arguments: Any, name: str = "redis") -> Any:
        if name == "invalidate" and len(refused) < 2:
            refused.append(name)
            raise door.RedisUnavailable("a busy moment")
        return read(*arguments, name=name)

    monkeypatch.setattr(door, "run", busy)
    output = run(jsonl(tmp_path / "a.jsonl", GOOD))
    assert len(refused) == 2
    assert "Redis did not answer" not in output


def test_the_help_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        call_command("import_products", "--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for words in ("--map", "--default", "--dry-run", "--report", "manage.py import_products", "Exit status"):
        assert words in text
