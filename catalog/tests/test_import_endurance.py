"""An import that is interrupted, loses its server or reads a file without end: nothing lost, memory flat."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from catalog import derived
from catalog.importing import loading, run
from catalog.importing.interrupt import Interrupts
from catalog.importing.jsonl import parse_line
from catalog.importing.mapping import ImportMapping
from catalog.importing.report import ImportReport, RejectionFile
from catalog.importing.rows import Rejection, Row
from catalog.importing.run import Destination, run_import
from catalog.indexes import CATEGORIES, PRODUCTS
from catalog.management.commands import import_products
from catalog.tests.import_runs import ImportProcess, Run, jsonl, row, rows_text
from catalog.vocabulary.learning import refresh_vocabulary
from catalog.vocabulary.store import lexicon
from speedscale.embedded.mongod import MongodServer

MIB = 1024 * 1024


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Return as soon as ``condition`` holds; fail when it does not in time."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "waited in vain"
        sleep(0.01)


def bytes_read_by(process: int) -> int:
    return int(Path(f"/proc/{process}/io").read_text().split()[1])


def figure(output: str, label: str) -> int:
    (line,) = (line for line in output.splitlines() if line.startswith(f"{label} "))
    return int(line.split()[1].replace(",", ""))


def importing(database: Any, rows: Iterator[Row | Rejection]) -> ImportReport:
    report = ImportReport()
    run_import(
        rows,
        mapping=ImportMapping(),
        destination=Destination(database, RejectionFile()),
        report=report,
        interrupts=Interrupts(),
    )
    return report


def parsed(count: int) -> Iterator[Row | Rejection]:
    for number in range(count):
        yield parse_line(number + 1, rows_text(row(f"S{number:05}")).strip())


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_finishes_the_batch_and_running_again_completes(
    products_db: Any, tmp_path: Path, ending: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = rows_text(*(row(f"S{number:05}") for number in range(1600)))
    reading, writing = os.pipe()
    first = ImportProcess(tmp_path, "-", "--format=jsonl", stdin=reading)
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        # More than a batch, and the end stays open: the command waits for more when the signal comes.
        pipe.write("".join(everything.splitlines(keepends=True)[:1500]))
        pipe.flush()
        wait_for(lambda: products_db[PRODUCTS].estimated_document_count() >= 1000)
        first.process.send_signal(ending)
        ended = first.wait()
    assert ended.status == 128 + ending
    assert ended.errors.splitlines()[-1].endswith("Interrupted. Run the same command again to go on.")
    assert "Traceback" not in ended.errors
    created = figure(ended.output, "created")
    assert 1000 <= created <= 1500
    assert products_db[PRODUCTS].count_documents({}) == created
    path = tmp_path / "all.jsonl"
    path.write_text(everything)
    call_command("import_products", str(path))
    again = capsys.readouterr().out
    assert figure(again, "created") == 1600 - created
    assert figure(again, "unchanged") == created


def test_an_interrupt_while_a_batch_is_written_waits_for_it(products_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write = loading._written

    def interrupted_write(*arguments: Any) -> bool:
        signal.raise_signal(signal.SIGINT)
        return write(*arguments)

    monkeypatch.setattr(loading, "_written", interrupted_write)
    monkeypatch.setattr(run, "BATCH_PRODUCTS", 100)
    report = importing(products_db, parsed(250))
    assert report.interrupted
    assert report.written == products_db[PRODUCTS].count_documents({}) == 100
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_during_the_last_batch_has_interrupted_nothing(
    products_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = loading._written

    def interrupted_write(*arguments: Any) -> bool:
        signal.raise_signal(signal.SIGINT)
        return write(*arguments)

    monkeypatch.setattr(loading, "_written", interrupted_write)
    report = importing(products_db, parsed(10))
    assert not report.interrupted
    assert report.written == 10


def test_a_mongodb_that_goes_away_is_one_line_and_running_again_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "BATCH_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(run, "BATCH_PRODUCTS", 100)
    server = MongodServer(tmp_path / "mongodb", cache_mb=256)
    try:
        with MongoClient[dict[str, Any]](server.uri, serverSelectionTimeoutMS=500, tz_aware=True) as client:
            database = client["lost"]
            loading.prepare(database, dry_run=False)

            def rows_with_an_accident() -> Iterator[Row | Rejection]:
                for index, item in enumerate(parsed(350)):
                    if index == 150:
                        server.stop()
                    yield item

            report = importing(database, rows_with_an_accident())
            assert report.stopped.startswith("MongoDB does not answer (")
            assert report.stopped.endswith("Run the same command again to go on.")
            assert "\n" not in report.stopped
            assert report.written == 100
        server = MongodServer(tmp_path / "mongodb", cache_mb=256)
        with MongoClient[dict[str, Any]](server.uri, tz_aware=True) as client:
            report = importing(client["lost"], parsed(350))
            assert (report.stopped, report.accepted) == ("", 350)
            assert client["lost"][PRODUCTS].count_documents({}) == 350
            assert client["lost"][PRODUCTS].count_documents({"version": 1}) == 350
    finally:
        server.stop()


def lost_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let MongoDB be lost when ``name`` is called for the first time by what brings derived data up to date."""
    real = getattr(derived, name)
    calls: list[int] = []

    def call(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise AutoReconnect("connection closed")
        return real(*arguments)

    monkeypatch.setattr(derived, name, call)


@pytest.mark.parametrize("step", ["refresh_categories", "refresh_vocabulary"])
def test_running_again_counts_what_the_first_run_did_not_come_to(
    products_db: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    importing(products_db, parsed(10))
    lexicon.forget()
    more = [parse_line(1, rows_text(row("X", name="Zither", category="Zithers")).strip()), *parsed(10)]
    lost_once(monkeypatch, step)
    assert "does not answer" in importing(products_db, iter(more)).stopped
    assert derived.is_behind(products_db)
    again = importing(products_db, iter(more))
    assert (again.stopped, again.written) == ("", 0)
    counts = {found["_id"]: found["product_count"] for found in products_db[CATEGORIES].find()}
    assert counts == {"mice": 10, "zithers": 1}
    lexicon.forget()
    assert lexicon.products == 11
    assert lexicon.stats(["zither"])["zither"].strong == 1
    assert not derived.is_behind(products_db)


def test_a_mark_that_is_set_while_another_catches_up_stays(products_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    importing(products_db, parsed(3))
    derived.mark_behind(products_db)

    def meanwhile(*arguments: Any) -> bool:
        derived.mark_behind(products_db)
        return refresh_vocabulary(*arguments)

    monkeypatch.setattr(derived, "refresh_vocabulary", meanwhile)
    derived.catch_up(products_db)
    assert derived.is_behind(products_db)


def test_a_dry_run_neither_marks_nor_counts(products_db: Any, tmp_path: Path) -> None:
    call_command("import_products", jsonl(tmp_path / "a.jsonl", row("A")), "--dry-run")
    assert not derived.is_behind(products_db)
    derived.mark_behind(products_db)
    call_command("import_products", jsonl(tmp_path / "a.jsonl", row("A")), "--dry-run")
    assert derived.is_behind(products_db)


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The import of two rows from standard input, which takes as much memory as any."""
    folder = tmp_path_factory.mktemp("ordinary")
    with jsonl(folder / "two.jsonl", row("ORDINARY-1"), row("ORDINARY-2")).open() as file:
        return ImportProcess(folder, "-", stdin=file.fileno()).wait()


def test_standard_input_is_read_as_it_comes(ordinary: Run) -> None:
    assert ordinary.status == 0
    assert figure(ordinary.output, "created") == 2


def test_memory_does_not_grow_with_the_file(products_db: Any, tmp_path: Path) -> None:
    def peak_of(count: int) -> float:
        path = tmp_path / f"{count}.jsonl"
        with path.open("w") as file:
            for number in range(count):
                file.write(rows_text(row(f"S{number:06}", description=f"{'wide' * 25} " * 195)))
        ended = ImportProcess(tmp_path, path, "--dry-run").wait()
        assert figure(ended.output, "created") == count
        path.unlink()
        return ended.peak_mib

    small, large = peak_of(600), peak_of(2000)  # 12 MB, which is more than a batch, and 40 MB.
    assert large < small + 16


def test_a_file_of_nothing_but_zeros_takes_no_memory_and_one_line(
    ordinary: Run, products_db: Any, tmp_path: Path
) -> None:
    path = tmp_path / "nothing.jsonl"
    with path.open("wb") as file:
        file.truncate(128 * MIB)
    ended = ImportProcess(tmp_path, path).wait()
    assert ended.status == 1
    assert "line 1: is longer than 1,048,576 bytes" in ended.output
    assert ended.errors.strip() == "CommandError: No row could be imported."
    assert ended.peak_mib < ordinary.peak_mib + 16


def test_a_line_that_never_ends_can_be_interrupted(ordinary: Run, products_db: Any, tmp_path: Path) -> None:
    with Path("/dev/zero").open("rb") as zeros:
        process = ImportProcess(tmp_path, "-", "--format=jsonl", stdin=zeros.fileno())
        wait_for(lambda: bytes_read_by(process.process.pid) > 128 * MIB)
        process.process.send_signal(signal.SIGINT)
        ended = process.wait()
    assert ended.status == 130
    assert "line 1: is longer than 1,048,576 bytes" in ended.output
    assert ended.peak_mib < ordinary.peak_mib + 16


def test_an_interrupt_before_the_first_line_is_one_line(
    products_db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_products, "rows_of", interrupted)
    with pytest.raises(CommandError, match=r"^Interrupted before anything was imported\.$") as caught:
        call_command("import_products", str(jsonl(tmp_path / "a.jsonl", row("A"))))
    assert caught.value.returncode == 130
