"""Traces: spans that add up, and their way into the header."""

from __future__ import annotations

import threading
from contextlib import suppress
from time import perf_counter

import pytest
from django.test import RequestFactory

from cachelayer.outcomes import Outcome, least_favourable
from cachelayer.trace import Trace, current_trace, span, tracing
from cachelayer.web.middleware import _full_path


def spin(milliseconds: float) -> None:
    end = perf_counter() + milliseconds / 1000
    while perf_counter() < end:
        pass


def test_inner_spans_are_not_counted_twice() -> None:
    with tracing() as trace:
        with span("outer"):
            spin(2)
            with span("inner"):
                spin(3)
            spin(1)
        total = trace.elapsed_ms()
    by_name = trace.self_ms_by_name()
    assert by_name["inner"] >= 3
    assert 3 <= by_name["outer"] < total - 3 + 0.5
    assert sum(by_name.values()) <= total


def test_a_step_timed_elsewhere_is_taken_out_of_the_span_around_it() -> None:
    with tracing() as trace, span("load"):
        spin(5)
        trace.add_finished("mongodb", 4.0, "find")
    by_name = trace.self_ms_by_name()
    [load] = [step for step in trace.spans if step.name == "load"]
    assert by_name["mongodb"] == 4.0
    assert by_name["load"] == pytest.approx(load.duration_ms - 4.0)


def test_a_span_closes_when_its_step_fails() -> None:
    with tracing() as trace:
        with suppress(ZeroDivisionError), span("load"):
            _ = 1 / 0
        with span("after"):
            spin(1)
    assert set(trace.self_ms_by_name()) == {"load", "after"}


def test_the_header_is_server_timing_syntax() -> None:
    with tracing() as trace, span("redis"):
        pass
    header = trace.server_timing()
    assert header.startswith("redis;dur=0.")
    assert ", total;dur=" in header


def test_each_thread_has_its_own_trace_and_outside_there_is_none() -> None:
    seen: list[Trace | None] = []
    with tracing() as trace:
        thread = threading.Thread(target=lambda: seen.append(current_trace()))
        thread.start()
        thread.join()
        assert current_trace() is trace
    assert seen == [None]
    assert current_trace() is None


def test_the_least_favourable_outcome_speaks_for_an_answer() -> None:
    assert least_favourable([Outcome.L1_HIT, Outcome.MISS, Outcome.REDIS_HIT]) is Outcome.MISS
    assert least_favourable([Outcome.BYPASS, Outcome.MISS]) is Outcome.BYPASS
    assert least_favourable([]) is None


@pytest.mark.parametrize(
    "address", ["/search?q=50%25+off&page=2", "/search", "/search?", "/odd%3Fpath/?q=%C3%BC", "/search?q=ü&x=<>"]
)
def test_the_path_that_is_taken_down_is_the_one_that_was_asked_for(address: str) -> None:
    request = RequestFactory().get(address)
    assert _full_path(request.path, request.META["QUERY_STRING"]) == request.get_full_path()
