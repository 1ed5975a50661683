"""What is asked for: votes, repetitions, thresholds, choices, decay, bounds."""

from __future__ import annotations

from typing import Any

import pytest
from django_redis import get_redis_connection
from pytest_django import Settings

from cachelayer import demand, engine
from cachelayer.demand import Demand
from cachelayer.server.door import namespaced


@pytest.fixture
def board() -> Demand:
    return Demand(
        key="trending:test",
        half_life_seconds=100,
        kept_half_life_seconds=1000,
        repeat_seconds=60,
        size=5,
        kept=10,
        ttl_seconds=100_000,
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_800_000_000.0]
    monkeypatch.setattr(demand, "time", lambda: now[0])
    return now


def counted(board: Demand) -> dict[str, tuple[float, float, float]]:
    """Return times, choices and mean place by member."""
    return {
        each.member: (round(each.times, 3), round(each.chosen, 3), round(each.mean_place, 3))
        for each in board.asked() or ()
    }


def missed(board: Demand) -> list[str]:
    return [each.member for each in board.asked() or () if each.is_missed]


def stored() -> Any:
    return get_redis_connection("default")


def test_more_voters_rank_higher(board: Demand) -> None:
    for voter in "abc":
        board.ask("mouse", voter=voter)
    board.ask("keyboard", voter="a")
    assert board.top(10) == ["mouse", "keyboard"]


def test_a_repetition_by_the_same_voter_does_not_count_in_any_process(board: Demand) -> None:
    assert board.ask("mouse", voter="a") is True
    assert board.ask("mouse", voter="a") is False
    demand.forget_votes()
    assert board.ask("mouse", voter="a") is False
    assert board.ask("mouse", voter="b") is True
    assert counted(board)["mouse"][0] == 2


def test_a_member_is_public_once_enough_different_voters_have_asked_for_it(board: Demand) -> None:
    for voter in "ab":
        board.ask("mouse", voter=voter, voters_needed=3)
    # The same voter again, after its repetitions count anew.
    stored().unlink(*stored().scan_iter("*voted*"))
    demand.forget_votes()
    assert board.ask("mouse", voter="b", voters_needed=3)
    assert board.top(10) == []
    assert board.top_of_all(10) == ["mouse"]
    board.ask("mouse", voter="c", voters_needed=3)
    board.ask("new", voter="a", voters_needed=1)
    assert board.top(10) == ["mouse", "new"], "the voters before the last count as well"


def test_what_found_nothing_or_is_too_short_is_never_public(board: Demand) -> None:
    for voter in "abc":
        board.ask("hovercraft", voter=voter, found=False)
        board.ask("tv", voter=voter, voters_needed=0)
    assert board.top(10) == []
    assert missed(board) == ["hovercraft"]


def test_what_is_found_again_is_missed_no_more(board: Demand) -> None:
    board.ask("beamer", voter="a", found=False)
    board.ask("beamer", voter="b", found=True)
    assert missed(board) == []
    assert counted(board)["beamer"][0] == 2


def test_a_choice_counts_once_for_each_query_of_a_voter_and_only_after_it(board: Demand) -> None:
    assert board.choose("mouse", voter="a", place=1) is False, "nobody has asked for it"
    for voter in "abcd":
        board.ask("mouse", voter=voter)
    assert board.choose("mouse", voter="stranger", place=1) is False
    assert [board.choose("mouse", voter="a", place=place) for place in (2, 3)] == [True, False]
    assert board.choose("mouse", voter="b", place=5) is True
    assert counted(board)["mouse"] == (4, 2, 3.5)


def test_old_votes_fade_against_new_ones(board: Demand, clock: list[float]) -> None:
    for voter in "abc":
        board.ask("old", voter=voter)
    clock[0] += 300
    board.ask("new", voter="a")
    assert board.top(2) == ["new", "old"]
    clock[0] += 700
    times = {member: numbers[0] for member, numbers in counted(board).items()}
    assert times == {"old": 1.5, "new": pytest.approx(0.616, abs=0.001)}


def test_what_has_faded_is_forgotten_with_all_that_belongs_to_it(board: Demand, clock: list[float]) -> None:
    board.ask("once", voter="a")
    board.choose("once", voter="a", place=3)
    clock[0] += 5 * board.kept_half_life_seconds
    board.ask("new", voter="a")
    assert counted(board) == {"new": (1, 0, 0)}
    left = b"".join(stored().dump(key) for key in stored().scan_iter("*trending:test:*") if b"voted" not in key)
    assert b"once" not in left


def test_scores_stay_finite_over_years(board: Demand, clock: list[float]) -> None:
    for year in range(5):
        board.ask(f"query {year}", voter="a")
        clock[0] += 365 * 86_400
    scores = [score for _, score in stored().zrange(namespaced(board.key), 0, -1, withscores=True)]
    assert all(0 <= score < 2**40 for score in scores)
    assert board.top(1) == ["query 4"]


def test_only_the_leaders_are_kept_and_everything_expires(board: Demand) -> None:
    for number in range(40):
        for voter in range(number % 7 + 1):
            board.ask(f"query {number}", voter=str(voter), found=bool(number % 2))
    assert len(board.top(100) or []) == board.size
    assert len(board.asked() or ()) == board.kept
    assert stored().hlen(board._beside("clients")) == board.kept
    assert all(stored().ttl(key) > 0 for key in stored().scan_iter())


def test_a_name_of_any_characters_is_only_a_name(board: Demand) -> None:
    name = "'); redis.call('FLUSHALL') -- \x00 😀 {x}"
    board.ask(name, voter="a")
    board.choose(name, voter="a", place=1)
    assert board.top(1) == [name]
    assert counted(board) == {name: (1, 1, 1)}
    assert board.forget(name)
    assert board.asked() == ()
    assert board.top(1) == []


def test_no_address_is_stored(board: Demand) -> None:
    board.ask("mouse", voter="203.0.113.77")
    everything = b"".join(key + stored().dump(key) for key in stored().scan_iter("*trending:*"))
    assert b"203.0.113.77" not in everything


def test_without_redis_nothing_is_counted_and_nothing_breaks(board: Demand, settings: Settings) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    engine.reset()
    assert board.ask("mouse", voter="a") is False
    assert board.choose("mouse", voter="a", place=1) is False
    assert (board.top(1), board.top_of_all(1), board.asked(), board.forget("mouse")) == (None, None, None, False)
