"""What long commands show while they work."""

from __future__ import annotations

from io import StringIO

import pytest

from catalog.progress import BarProgress, LineProgress, shown_on


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("catalog.progress.time.monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_now_and_then_with_rate_and_time_left(clock: list[float]) -> None:
    stream = StringIO()
    lines = LineProgress(stream)
    lines.begin("Products", 100_000, shows_rate=True)
    for second in range(1, 11):
        clock[0] = 100.0 + second
        lines.update(second * 5000)
    lines.end()
    assert stream.getvalue().splitlines() == [
        "Products: 25%, 25,000 of 100,000, 5,000 a second, 15 s left",
        "Products: 50%, 50,000 of 100,000, 5,000 a second, 10 s left",
    ]


def test_shares_of_work_are_shown_without_a_rate(clock: list[float]) -> None:
    stream = StringIO()
    lines = LineProgress(stream)
    lines.begin("4 indexes", 4, shows_rate=False)
    clock[0] = 110.0
    lines.update(1.0)
    assert stream.getvalue() == "4 indexes: 25%, 30 s left\n"


def test_nothing_is_said_before_anything_is_done(clock: list[float]) -> None:
    stream = StringIO()
    lines = LineProgress(stream)
    lines.begin("Products", 0, shows_rate=True)
    clock[0] = 200.0
    lines.update(0)
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar() -> None:
    stream = StringIO()
    bar = BarProgress(stream)
    bar.begin("Products", 2000, shows_rate=True)
    bar.update(500)
    bar.update(2000)
    bar.end()
    bar.end()
    assert "Products" in stream.getvalue()
    assert "2,000 of 2,000" in stream.getvalue()
    assert "100 %" in stream.getvalue()


def test_work_of_unknown_size_is_counted_in_a_log_and_moves_at_a_terminal(clock: list[float]) -> None:
    stream = StringIO()
    lines = LineProgress(stream)
    lines.begin("Evaluation", None, shows_rate=True)
    clock[0] = 110.0
    lines.update(500)
    assert stream.getvalue() == "Evaluation: 500, 50 a second\n"
    bar = BarProgress(StringIO())
    bar.begin("Evaluation", None, shows_rate=False)
    bar.end()


def test_what_is_no_terminal_gets_lines() -> None:
    assert isinstance(shown_on(StringIO()), LineProgress)
