"""The channel of invalidations: what a process hears of others, and of itself."""

from __future__ import annotations

import pytest

from cachelayer import runtime
from cachelayer.engine import get_or_load, invalidate
from cachelayer.invalidation.channel import InvalidationBus
from cachelayer.memory.local import LocalCache
from cachelayer.outcomes import Outcome
from cachelayer.policies import Policy
from cachelayer.tests.loaders import wait_for

POLICY = Policy("test", soft_seconds=60, hard_seconds=600, jitter=0, early=0, local_seconds=60)


@pytest.fixture
def neighbour() -> InvalidationBus:
    """The end of the channel that another process would hold."""
    return InvalidationBus(LocalCache(max_bytes=1_000_000))


def outcome(key: str) -> Outcome:
    return get_or_load(key, POLICY, lambda: "value").outcome


def everything_heard(neighbour: InvalidationBus) -> None:
    neighbour.announce(tags=["the end"])
    wait_for(lambda: runtime.bus.generation("the end") == neighbour.generation("the end") > 0)


def test_a_neighbour_makes_this_process_forget(neighbour: InvalidationBus) -> None:
    assert [outcome("k"), outcome("k")] == [Outcome.MISS, Outcome.L1_HIT]
    neighbour.announce(keys=["k"])
    everything_heard(neighbour)
    assert outcome("k") is Outcome.MISS


def test_what_was_loaded_since_ones_own_invalidation_stays_in_l1(neighbour: InvalidationBus) -> None:
    invalidate("k", tags=["t"])
    assert outcome("k") is Outcome.MISS
    everything_heard(neighbour)
    assert outcome("k") is Outcome.L1_HIT


def test_the_first_message_after_redis_lost_its_memory_forgets_only_what_it_names(neighbour: InvalidationBus) -> None:
    assert [outcome("k"), outcome("k")] == [Outcome.MISS, Outcome.L1_HIT]
    neighbour.announce(keys=["other"])
    everything_heard(neighbour)
    assert outcome("k") is Outcome.L1_HIT
