"""How answers are explained to people."""

from __future__ import annotations

import pytest

from cachelayer.engine import get_or_load
from cachelayer.outcomes import Outcome
from cachelayer.trace import Span, Trace, tracing
from cachelayer.web.presentation import Heat, format_age, format_ms, heat_of, provenance_of, source_label, waterfall


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0.0, "0.00 ms"), (0.456, "0.46 ms"), (9.99, "9.99 ms"), (12.34, "12.3 ms"), (345.6, "346 ms"), (1234, "1.23 s")],
)
def test_durations_have_a_unit_and_no_more_digits_than_they_deserve(milliseconds: float, text: str) -> None:
    assert format_ms(milliseconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_ages_have_their_largest_unit(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


def test_every_outcome_has_a_look() -> None:
    assert {outcome: heat_of(outcome) for outcome in Outcome} == {
        Outcome.L1_HIT: Heat.HOT,
        Outcome.REDIS_HIT: Heat.HOT,
        Outcome.NEGATIVE_HIT: Heat.HOT,
        Outcome.STALE: Heat.STALE,
        Outcome.STALE_ON_ERROR: Heat.STALE,
        Outcome.WAITED: Heat.COLD,
        Outcome.MISS: Heat.COLD,
        Outcome.BYPASS: Heat.BYPASS,
    }
    assert heat_of(None) is Heat.NONE


def test_a_source_that_is_not_known_yet_is_still_readable() -> None:
    assert source_label("L1_CACHE") == "Process memory (L1)"
    assert source_label("EDGE_CACHE") == "Edge cache"


def test_an_answer_tells_how_it_was_found_and_from_when() -> None:
    with tracing():
        cold = provenance_of(get_or_load("test:key", "product", lambda: 1), key="test:key")
        warm = provenance_of(get_or_load("test:key", "product", lambda: 2))
    assert (cold.source, cold.outcome, cold.heat, cold.age, cold.key) == ("MONGODB", "MISS", "cold", "", "test:key")
    assert (warm.source, warm.outcome, warm.heat, warm.age) == ("L1_CACHE", "HIT", "hot", "stored just now")
    assert cold.elapsed.endswith("ms")
    assert "Load" in [step.label for step in cold.steps]


def test_the_waterfall_lies_within_its_scale_in_order_of_start() -> None:
    trace = Trace()
    trace.spans += [
        Span("mongodb", start_ms=5.0, duration_ms=1e9),
        Span("redis", start_ms=-1.0, duration_ms=0.0, detail="get"),
    ]
    steps = waterfall(trace)
    assert [step.label for step in steps] == ["Redis get", "MongoDB"]
    for step in steps:
        assert step.x >= 0
        assert step.x + step.width <= 1000.1
        assert step.width > 0
