"""Reads of several keys at once: one round trip to Redis for all, one call of the loader for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from cachelayer.loading import leases
from cachelayer.loading.absence import Absent
from cachelayer.loading.reading import Read, may_stand_in
from cachelayer.loading.values import Stored, unwrapped, wrapped
from cachelayer.outcomes import Outcome
from cachelayer.policies import Policy
from cachelayer.runtime import bus, local, refresher
from cachelayer.server import door
from cachelayer.server.door import RedisUnavailable, value_key
from cachelayer.trace import span

Loader = Callable[[Sequence[str]], Mapping[str, Any]]


class Batch:
    """One read of several keys."""

    def __init__(self, keys: Sequence[str], policy: Policy, loader: Loader) -> None:
        self._policy = policy
        self._loader = loader
        self._reads = {key: Read(key, policy, partial(_only, loader, key)) for key in keys}
        self._redis_answers = True

    def run(self) -> dict[str, tuple[Outcome, Stored]]:
        """Return what was found by key; of what does not exist, the envelope says so."""
        found: dict[str, tuple[Outcome, Stored]] = {}
        for key, read in self._reads.items():
            if (here := read.from_local()) is not None:
                found[key] = here
        epoch = local.epoch
        for key, stored in self._from_redis([key for key in self._reads if key not in found]).items():
            if (usable := self._reads[key].usable(stored, epoch)) is not None:
                found[key] = usable
        missing = [key for key in self._reads if key not in found]
        if missing:
            found |= self._loaded(missing)
        return found

    def _from_redis(self, keys: Sequence[str]) -> dict[str, Stored]:
        self._redis_answers = not bus.is_in_doubt
        if not keys or not self._redis_answers:
            return {}
        try:
            return _read_redis(keys)
        except RedisUnavailable:
            self._redis_answers = False
            return {}

    def _loaded(self, keys: Sequence[str]) -> dict[str, tuple[Outcome, Stored]]:
        spared = {key: old for key in keys if (old := self._reads[key].instead_of_a_load()) is not None}
        keys = [key for key in keys if key not in spared]
        return (spared | self._loaded_now(keys)) if keys else spared

    def _loaded_now(self, keys: Sequence[str]) -> dict[str, tuple[Outcome, Stored]]:
        try:
            loaded = self._load(keys)
        except Exception:
            old = self._instead_of_a_load(keys)
            if len(old) < len(keys):  # Nobody knows whether the rest exists.
                raise
            for key in keys:
                refresher.note_failure(key)
            return {key: (Outcome.STALE_ON_ERROR, stored) for key, stored in old.items()}
        for key in keys:
            refresher.forget(key)
        outcome = Outcome.MISS if self._redis_answers else Outcome.BYPASS
        return {key: (outcome, stored) for key, stored in loaded.items()}

    def _instead_of_a_load(self, keys: Sequence[str]) -> dict[str, Stored]:
        """Return old values, where there is nothing better."""
        if not bus.is_in_doubt:
            return {key: old for key in keys if (old := self._reads[key].fallback) is not None}
        try:
            return {key: stored for key, stored in _read_redis(keys).items() if may_stand_in(stored)}
        except RedisUnavailable:
            return {}

    def _load(self, keys: Sequence[str]) -> dict[str, Stored]:
        tokens: dict[str, str | None] = {}
        if self._redis_answers:
            try:
                tokens = leases.acquire_many(keys, seconds=self._policy.lease_seconds)
            except RedisUnavailable:
                tokens = {}
        generations, epoch = bus.snapshot(), local.epoch
        started = perf_counter()
        try:
            with span("load"):
                values = self._loader(keys)
        except Exception:
            for key, token in tokens.items():
                if token is not None:
                    leases.release(key, token)
            raise
        load_ms = (perf_counter() - started) * 1000 / len(keys)
        loaded: dict[str, Stored] = {}
        for key in keys:
            read, token = self._reads[key], tokens.get(key)
            if key in values:
                loaded[key], is_storable = wrapped(values[key], self._policy, generations, load_ms=load_ms)
            else:
                loaded[key], is_storable = read.absence(load_ms=load_ms)
            if token is not None and is_storable:
                read.store(token, loaded[key], epoch)
            elif token is not None:
                leases.release(key, token)
        return loaded


def _read_redis(keys: Sequence[str]) -> dict[str, Stored]:
    raw = door.run(lambda client: client.mget([value_key(key) for key in keys]))
    decoded = {key: unwrapped(value, key) for key, value in zip(keys, raw, strict=True)}
    return {key: stored for key, stored in decoded.items() if stored is not None}


def _only(loader: Loader, key: str) -> Any:
    try:
        return loader([key])[key]
    except KeyError:
        raise Absent(key) from None
