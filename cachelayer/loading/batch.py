"""Reads of several keys at once: one round trip to Redis for all, one call of the loader for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from cachelayer.loading import leases
from cachelayer.loading.absence import Absent
from cachelayer.loading.patience import Patience
from cachelayer.loading.reading import Read, may_stand_in
from cachelayer.loading.values import Stored, unwrapped, wrapped
from cachelayer.outcomes import Outcome
from cachelayer.policies import Policy
from cachelayer.runtime import bus, local, refresher
from cachelayer.server import door
from cachelayer.server.door import RedisUnavailable, value_key
from cachelayer.trace import span

Loader = Callable[[Sequence[str]], Mapping[str, Any]]
Found = tuple[Outcome, Stored]


class Batch:
    """One read of several keys."""

    def __init__(self, keys: Sequence[str], policy: Policy, loader: Loader) -> None:
        self._policy = policy
        self._loader = loader
        self._reads = {key: Read(key, policy, partial(_only, loader, key)) for key in keys}
        self._redis_answers = True

    def run(self) -> dict[str, Found]:
        """Return what was found by key; of what does not exist, the envelope says so."""
        found: dict[str, Found] = {}
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

    def _loaded(self, keys: Sequence[str]) -> dict[str, Found]:
        found = {key: old for key in keys if (old := self._reads[key].instead_of_a_load()) is not None}
        left = [key for key in keys if key not in found]
        if not self._redis_answers:
            return found | self._load(left, {}, Outcome.BYPASS)
        patience = Patience(self._policy.wait_seconds)
        while left:
            try:
                there, tokens = self._ask_for_leases(left)
            except RedisUnavailable:
                return found | self._load(left, {}, Outcome.BYPASS)
            found |= there
            # What this one may load comes first: who waits holds no lease that another batch waits for.
            found |= self._load(list(tokens), tokens, Outcome.MISS)
            left = [key for key in left if key not in found]
            if left and patience.is_over:
                return found | self._load(left, {}, Outcome.MISS)
            if left:
                patience.pause()
        return found

    def _ask_for_leases(self, keys: Sequence[str]) -> tuple[dict[str, Found], dict[str, str]]:
        """Return what others have loaded meanwhile, and the leases given for what is still missing."""
        epoch = local.epoch
        found: dict[str, Found] = {}
        tokens: dict[str, str] = {}
        for key, (token, raw) in leases.acquire_and_read_many(keys, seconds=self._policy.lease_seconds).items():
            stored = unwrapped(raw, key)
            usable = self._reads[key].usable(stored, epoch) if stored is not None else None
            if usable is not None:
                found[key] = (Outcome.WAITED if usable[0] is Outcome.REDIS_HIT else usable[0]), usable[1]
                if token is not None:
                    leases.release(key, token)
            elif token is not None:
                tokens[key] = token
        return found, tokens

    def _load(self, keys: Sequence[str], tokens: Mapping[str, str], outcome: Outcome) -> dict[str, Found]:
        """Ask the loader once for ``keys``; store what there are leases for."""
        if not keys:
            return {}
        try:
            loaded = self._ask_loader(keys, tokens)
        except Exception:
            for key, token in tokens.items():
                leases.release(key, token)
            old = self._old_values(keys)
            if len(old) < len(keys):  # Nobody knows whether the rest exists.
                raise
            for key in keys:
                refresher.note_failure(key)
            return {key: (Outcome.STALE_ON_ERROR, stored) for key, stored in old.items()}
        for key in keys:
            refresher.forget(key)
        return {key: (outcome, stored) for key, stored in loaded.items()}

    def _old_values(self, keys: Sequence[str]) -> dict[str, Stored]:
        if not bus.is_in_doubt:
            return {key: old for key in keys if (old := self._reads[key].fallback) is not None}
        try:
            return {key: stored for key, stored in _read_redis(keys).items() if may_stand_in(stored)}
        except RedisUnavailable:
            return {}

    def _ask_loader(self, keys: Sequence[str], tokens: Mapping[str, str]) -> dict[str, Stored]:
        generations, epoch = bus.snapshot(), local.epoch
        started = perf_counter()
        with span("load"):
            values = self._loader(keys)
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
