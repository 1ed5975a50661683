"""Trending: votes, repetitions, decay, bounds."""

from __future__ import annotations

from typing import Any

import pytest
from django_redis import get_redis_connection

from cachelayer import leaderboard
from cachelayer.leaderboard import Leaderboard
from cachelayer.server.door import namespaced


@pytest.fixture
def board() -> Leaderboard:
    return Leaderboard(key="trending:test", half_life_seconds=100, repeat_seconds=60, size=5, ttl_seconds=1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_800_000_000.0]
    monkeypatch.setattr(leaderboard, "time", lambda: now[0])
    return now


def test_more_voters_rank_higher(board: Leaderboard) -> None:
    for voter in "abc":
        board.vote("mouse", voter=voter)
    board.vote("keyboard", voter="a")
    assert board.top(10) == ["mouse", "keyboard"]


def test_a_repetition_by_the_same_voter_does_not_count_in_any_process(board: Leaderboard) -> None:
    assert board.vote("mouse", voter="a") is True
    assert board.vote("mouse", voter="a") is False
    leaderboard.forget_votes()
    assert board.vote("mouse", voter="a") is False
    assert board.vote("mouse", voter="b") is True


def test_old_votes_fade_against_new_ones(board: Leaderboard, clock: list[float]) -> None:
    for voter in "abc":
        board.vote("old", voter=voter)
    clock[0] += 300
    board.vote("new", voter="a")
    assert board.top(2) == ["new", "old"]


def test_scores_stay_finite_over_years(board: Leaderboard, clock: list[float]) -> None:
    for year in range(5):
        board.vote(f"query {year}", voter="a")
        clock[0] += 365 * 86_400
    redis_client: Any = get_redis_connection("default")
    scores = [score for _, score in redis_client.zrange(namespaced(board.key), 0, -1, withscores=True)]
    assert all(0 <= score < 2**40 for score in scores)
    assert board.top(1) == ["query 4"]


def test_only_the_leaders_are_kept_and_everything_expires(board: Leaderboard) -> None:
    for number in range(20):
        for voter in range(number % 7 + 1):
            board.vote(f"query {number}", voter=str(voter))
    assert len(board.top(100) or []) == board.size
    redis_client: Any = get_redis_connection("default")
    assert all(redis_client.ttl(key) > 0 for key in redis_client.scan_iter())


def test_a_name_of_any_characters_is_only_a_name(board: Leaderboard) -> None:
    name = "'); redis.call('FLUSHALL') -- \x00 😀 {x}"
    board.vote(name, voter="a")
    assert board.top(1) == [name]
