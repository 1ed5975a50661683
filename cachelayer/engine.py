"""Cache-aside reads with single flight, stale answers while refreshing, and invalidation.

The way of a read: L1 in this process, Redis, then the loader. One loader runs for a key at a time, over all processes;
whoever else wants the key gets the old value at once where there is one, or waits for the new one. The contract is
docs/cache.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic, sleep
from typing import Any

from cachelayer.invalidation.announcements import EVERYTHING
from cachelayer.loading.absence import Absent
from cachelayer.loading.batch import Batch
from cachelayer.loading.reading import Read
from cachelayer.loading.state import EngineState, engine_state
from cachelayer.loading.values import Cached, Loaded, State, Stored, state_of
from cachelayer.outcomes import Outcome
from cachelayer.policies import Policy, policy_named
from cachelayer.runtime import bus, hot_keys, local, reset
from cachelayer.trace import Lookup, current_trace

__all__ = [
    "Absent",
    "Cached",
    "EngineState",
    "Loaded",
    "clear_local",
    "engine_state",
    "generation_of",
    "get_or_load",
    "get_or_load_many",
    "invalidate",
    "invalidate_everything",
    "peek_local",
    "reset",
]

_TOLD_POLL_SECONDS = 0.02


def get_or_load(key: str, policy: str | Policy, loader: Callable[[], Any], *, origin: str = "MONGODB") -> Cached:
    """Return the value of ``key``, loading and storing it when no cache holds it.

    Args:
        key: the key without prefix, such as ``product:507f1f77bcf86cd799439011``.
        policy: the rules for this kind of value, or their name in ``CACHE_POLICIES``.
        loader: returns a value that JSON can express (``None`` is a value like any other) or a :class:`Loaded`, or
            raises :class:`Absent`. It may run in another thread.
        origin: the ``source`` to tell when the loader had to be asked.

    Raises:
        Absent: there is no such thing, as the loader says or said a moment ago.
        Exception: whatever else the loader raises; it is never stored.
    """
    read = Read(key, policy_named(policy) if isinstance(policy, str) else policy, loader)
    trace = current_trace()
    place = len(trace.spans) if trace is not None else 0
    outcome, stored = read.run()
    answer = _answer(key, outcome, stored, origin)
    if trace is not None and not outcome.is_hit:
        trace.lookups[-1].documents = trace.documents_since(place)
    if stored.envelope.absent:
        raise Absent(key)
    return answer


def get_or_load_many(
    keys: Sequence[str],
    policy: str | Policy,
    loader: Callable[[Sequence[str]], Mapping[str, Any]],
    *,
    origin: str = "MONGODB",
) -> dict[str, Cached]:
    """Return the values of ``keys``: one round trip to Redis for all, one call of the loader for what is missing.

    Args:
        keys: keys without prefix.
        policy: as in :func:`get_or_load`.
        loader: receives the missing keys and returns their values (or :class:`Loaded`); keys that it leaves out do
            not exist.

    Returns:
        The values by key, in the order of ``keys``, without those that do not exist.

    Raises:
        Exception: whatever the loader raises, unless there is an old value for each missing key.
    """
    rules = policy_named(policy) if isinstance(policy, str) else policy
    trace = current_trace()
    place = len(trace.spans) if trace is not None else 0
    found = Batch(keys, rules, loader).run()
    answers = {key: _answer(key, *found[key], origin) for key in dict.fromkeys(keys)}
    looked_up = trace.lookups[-len(answers) :] if trace is not None and answers else []
    if trace is not None and (missed := [lookup for lookup in looked_up if not lookup.outcome.is_hit]):
        missed[0].documents = trace.documents_since(place)  # Of all; who loaded what is not known.
    return {key: answer for key, answer in answers.items() if not answer.stored.envelope.absent}


def peek_local(key: str) -> Cached | None:
    """Return the value if this process holds it in L1, fresh; asks nobody else."""
    if not bus.is_connected:
        return None
    stored = local.get(key, may_fetch=False)
    if stored is None or stored.envelope.absent or state_of(stored.envelope, bus.snapshot()) is not State.FRESH:
        return None
    hot_keys.note(key)
    return _answer(key, Outcome.L1_HIT, stored, "")


def invalidate(*keys: str, tags: Iterable[str] = ()) -> bool:
    """Forget ``keys`` everywhere, and make whatever carries one of ``tags`` stale.

    Returns whether Redis was told; if not, it will be as soon as it answers, and until then other processes may serve
    what they have up to its soft expiry.
    """
    return bus.announce(keys=keys, tags=tags)


def invalidate_everything() -> bool:
    """Make every value unfit to be served; for when it is not known what has changed."""
    return bus.announce(tags=(EVERYTHING,))


def is_everything_told() -> bool:
    """Return whether Redis has heard all that this process has invalidated; the rest would be lost with the process."""
    return not bus.pending_writes


def wait_until_everything_is_told(seconds: float) -> bool:
    """Wait until Redis has heard what it did not answer to, before this process ends; tell whether it has in time."""
    deadline = monotonic() + seconds
    while not is_everything_told() and monotonic() < deadline:
        sleep(_TOLD_POLL_SECONDS)
    return is_everything_told()


def generation_of(tag: str) -> int | None:
    """Return a number that changes as soon as this process learns that ``tag`` has moved on.

    ``None`` while invalidations do not reach this process, so that nothing may be kept for long.
    """
    bus.ensure_started()
    return bus.generation(tag) if bus.is_connected else None


def clear_local() -> None:
    """Forget what this process holds in L1."""
    local.clear()


def _answer(key: str, outcome: Outcome, stored: Stored, origin: str) -> Cached:
    answer = Cached(outcome=outcome, source=outcome.source(origin), stored=stored)
    trace = current_trace()
    if trace is not None:
        known = stored.envelope
        lookup = Lookup(key, outcome, answer.source, answer.age_seconds, known.load_ms, known.soft_ms, known.hard_ms)
        lookup.size = len(known.payload)
        trace.lookups.append(lookup)
    return answer
