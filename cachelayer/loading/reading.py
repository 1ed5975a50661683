"""One read of one key, along the whole way: L1, Redis, a load of one's own or somebody else's."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from cachelayer.loading import leases
from cachelayer.loading.absence import Absent
from cachelayer.loading.envelope import Envelope
from cachelayer.loading.flights import FlightTimeout
from cachelayer.loading.patience import Patience
from cachelayer.loading.values import State, Stored, now_ms, state_of, unwrapped, wrapped
from cachelayer.outcomes import Outcome
from cachelayer.policies import Policy
from cachelayer.runtime import absences, bus, flights, hot_keys, local, redis_reads, refresher
from cachelayer.server import door
from cachelayer.server.door import RedisUnavailable, value_key
from cachelayer.trace import current_trace, span

HOT_FACTOR = 5
"""How much longer the hottest keys stay in L1."""
_STALE_LOCAL_SECONDS = 0.1
_SHARED_READ_SECONDS = 0.5
_EARLY_LOADS = 2.0
_EARLY_SHARE = 0.25


class Read:
    """One read of one key."""

    __slots__ = ("_fallback", "_key", "_loader", "_policy")

    def __init__(self, key: str, policy: Policy, loader: Callable[[], Any]) -> None:
        self._key = key
        self._policy = policy
        self._loader = loader
        self._fallback: Stored | None = None

    @property
    def fallback(self) -> Stored | None:
        """What Redis held that is too old to be served unless the loader fails."""
        return self._fallback

    def run(self) -> tuple[Outcome, Stored]:
        if (found := self.from_local()) is not None:
            return found
        epoch = local.epoch
        if bus.is_in_doubt:
            return self._join(self._load_in_doubt, alone=Outcome.BYPASS)
        try:
            found = self._from_redis(epoch)
        except RedisUnavailable:
            return self._join(self._load_without_redis, alone=Outcome.BYPASS)
        return found or self.instead_of_a_load() or self._join(self._load_under_lease)

    def _from_redis(self, epoch: int) -> tuple[Outcome, Stored] | None:
        if self._policy.local_seconds <= 0:
            return self._ask_redis(epoch)
        # When a hot value leaves L1, all threads miss it at once: one of them asks Redis for all.
        try:
            return redis_reads.join(self._key, partial(self._ask_redis, epoch), wait_seconds=_SHARED_READ_SECONDS)[0]
        except FlightTimeout:
            return self._ask_redis(epoch)
        except RedisUnavailable as error:
            trace = current_trace()
            if error.is_away and trace is not None:
                trace.redis_failed = True  # This thread has waited as well as the one that asked.
            raise

    def _ask_redis(self, epoch: int) -> tuple[Outcome, Stored] | None:
        raw = leases.read_or_acquire(self._key, seconds=self._policy.lease_seconds)
        stored = unwrapped(raw, self._key)
        return None if stored is None else self.usable(stored, epoch)

    def from_local(self) -> tuple[Outcome, Stored] | None:
        bus.ensure_started()
        hot_keys.note(self._key)
        if not bus.is_connected:
            return None
        stored = local.get(self._key)
        if stored is None:
            return None
        match state_of(stored.envelope, bus.snapshot()):
            case State.FRESH:
                return _absent_or(Outcome.L1_HIT, stored)
            case State.STALE:
                return self._serve_stale(stored)
        return None

    def usable(self, stored: Stored, epoch: int) -> tuple[Outcome, Stored] | None:
        """Return what Redis held if it may be served; start a refresh where one is due."""
        match state_of(stored.envelope, bus.snapshot()):
            case State.FRESH:
                if self._is_due_early(stored.envelope):
                    refresher.submit(self._key, partial(self._refresh, stored.envelope.created_ms))
                self._keep_locally(stored, epoch)
                return _absent_or(Outcome.REDIS_HIT, stored)
            case State.STALE:
                if self._policy.local_seconds > 0:
                    ttl_seconds = _STALE_LOCAL_SECONDS
                    local.put(self._key, stored, size=stored.memory, ttl_seconds=ttl_seconds, epoch=epoch)
                return self._serve_stale(stored)
            case State.SUPERSEDED:
                self._fallback = stored
        return None

    def _serve_stale(self, stored: Stored) -> tuple[Outcome, Stored]:
        refresher.submit(self._key, partial(self._refresh, stored.envelope.created_ms))
        failed = refresher.has_failed(self._key)
        return (Outcome.STALE_ON_ERROR if failed else Outcome.STALE), stored

    def _join(
        self, fetch: Callable[[], tuple[Outcome, Stored]], *, alone: Outcome = Outcome.MISS
    ) -> tuple[Outcome, Stored]:
        """Share one fetch with the threads that want the same; ``alone`` is the outcome where that takes too long."""
        try:
            (outcome, stored), fetched_here = flights.join(self._key, fetch, wait_seconds=self._policy.wait_seconds)
        except FlightTimeout:
            return alone, self._load()[0]
        if not fetched_here and outcome is Outcome.MISS:
            outcome = Outcome.WAITED
        return outcome, stored

    def instead_of_a_load(self) -> tuple[Outcome, Stored] | None:
        """Return the old value where there is one and the loader has failed within the last second."""
        if self._fallback is None or not refresher.failed_lately(self._key):
            return None
        return Outcome.STALE_ON_ERROR, self._fallback

    def _load_without_redis(self) -> tuple[Outcome, Stored]:
        return Outcome.BYPASS, self._load()[0]

    def _load_in_doubt(self) -> tuple[Outcome, Stored]:
        """Load, because what Redis holds may be old; take that all the same where there is nothing better."""
        if refresher.failed_lately(self._key) and (old := self._in_doubtful_redis()) is not None:
            return Outcome.STALE_ON_ERROR, old
        try:
            answer = self._load_without_redis()
        except Exception:
            if (old := self._in_doubtful_redis()) is None:
                raise
            refresher.note_failure(self._key)
            return Outcome.STALE_ON_ERROR, old
        refresher.forget(self._key)
        return answer

    def _in_doubtful_redis(self) -> Stored | None:
        try:
            stored = read_redis(self._key)
        except RedisUnavailable:
            return None
        return stored if stored is not None and may_stand_in(stored) else None

    def _load_under_lease(self) -> tuple[Outcome, Stored]:
        patience = Patience(self._policy.wait_seconds)
        while True:
            # Of the threads that found nothing another one may have been given the lease than the one that loads.
            if (given := leases.take_given(self._key)) is not None:
                return self._load_and_store(given)
            epoch = local.epoch
            try:
                token, raw = leases.acquire_and_read(self._key, seconds=self._policy.lease_seconds)
            except RedisUnavailable:
                return self._load_without_redis()
            stored = unwrapped(raw, self._key)
            if stored is not None and (usable := self.usable(stored, epoch)) is not None:
                if token is not None:
                    leases.release(self._key, token)
                return (Outcome.WAITED if usable[0] is Outcome.REDIS_HIT else usable[0]), usable[1]
            if (old := self.instead_of_a_load()) is not None:
                if token is not None:
                    leases.release(self._key, token)
                return old
            if token is not None:
                return self._load_and_store(token)
            if patience.is_over:
                return Outcome.MISS, self._load()[0]
            # Another process is loading. Its result arrives in Redis, which cannot wake us for a key of its own
            # accord without notifications being configured, so it is asked, less and less often.
            patience.pause()

    def _load_and_store(self, token: str) -> tuple[Outcome, Stored]:
        epoch = local.epoch
        try:
            stored, is_storable = self._load()
        except Exception:
            leases.release(self._key, token)
            if self._fallback is None:
                raise
            refresher.note_failure(self._key)
            return Outcome.STALE_ON_ERROR, self._fallback
        refresher.forget(self._key)
        if not is_storable:
            leases.release(self._key, token)
            return Outcome.MISS, stored
        self.store(token, stored, epoch)
        return Outcome.MISS, stored

    def _load(self) -> tuple[Stored, bool]:
        """Ask the loader; return the value, or that there is none, and whether it is to be stored."""
        generations = bus.snapshot()
        started = perf_counter()
        try:
            with span("load"):
                loaded = self._loader()
        except Absent:
            return self.absence(load_ms=(perf_counter() - started) * 1000)
        return wrapped(loaded, self._policy, generations, load_ms=(perf_counter() - started) * 1000)

    def absence(self, *, load_ms: float) -> tuple[Stored, bool]:
        """Return what says that there is no value, and whether that is to be remembered."""
        seconds = self._policy.negative_seconds
        envelope = Envelope.of_absence(now_ms=now_ms(), seconds=seconds, load_ms=load_ms)
        return Stored(envelope), seconds > 0

    def _refresh(self, created_ms: int) -> None:
        """Load again, behind the scenes, unless another process is doing so or has done so since ``created_ms``."""
        epoch = local.epoch
        token, raw = leases.acquire_and_read(self._key, seconds=self._policy.lease_seconds)
        stored = unwrapped(raw, self._key)
        if stored is not None and self._is_newer(stored.envelope, created_ms):
            self._keep_locally(stored, epoch)
            if token is not None:
                leases.release(self._key, token)
            return
        if token is None:
            return
        _, loaded = self._load_and_store(token)
        if loaded.envelope.absent and self._policy.negative_seconds <= 0:
            # Nothing replaces the old value, which is to go at once rather than at its hard expiry.
            bus.announce(keys=(self._key,))

    @staticmethod
    def _is_newer(envelope: Envelope, created_ms: int) -> bool:
        return envelope.created_ms > created_ms and state_of(envelope, bus.snapshot()) is State.FRESH

    def store(self, token: str, stored: Stored, epoch: int) -> None:
        """Store what was loaded under the lease ``token``; of absences, so many a second."""
        envelope = stored.envelope
        if envelope.absent and not absences.take():
            leases.release(self._key, token)
            return
        ttl_ms = envelope.hard_ms - now_ms()
        try:
            accepted = ttl_ms > 0 and leases.store(self._key, token, envelope.encode(self._key), ttl_ms=ttl_ms)
        except RedisUnavailable:
            return  # The answer is right all the same; the next reader loads again.
        if accepted:
            self._keep_locally(stored, epoch)

    def _keep_locally(self, stored: Stored, epoch: int) -> None:
        if not bus.is_connected:
            return
        left_seconds = (stored.envelope.soft_ms - now_ms()) / 1000
        factor = HOT_FACTOR if hot_keys.is_hot(self._key) else 1
        ttl_seconds = min(self._policy.local_seconds * factor, left_seconds)
        if ttl_seconds > 0:
            local.put(self._key, stored, size=stored.memory, ttl_seconds=ttl_seconds, epoch=epoch)

    def _is_due_early(self, envelope: Envelope) -> bool:
        if self._policy.early <= 0 or envelope.absent:
            return False
        ahead_ms = envelope.load_ms * self._policy.early * -math.log(1.0 - random.random())
        # The rule is made for few readers. Of thousands, one would always draw a number that renews a value at once.
        longest_ms = min(_EARLY_LOADS * envelope.load_ms, _EARLY_SHARE * (envelope.soft_ms - envelope.created_ms))
        return now_ms() + min(ahead_ms, longest_ms) >= envelope.soft_ms


def may_stand_in(stored: Stored) -> bool:
    """Tell whether an old value may be served where a load has failed."""
    return not stored.envelope.absent and now_ms() < stored.envelope.hard_ms


def read_redis(key: str) -> Stored | None:
    """Return what Redis holds under ``key``; raise :class:`~cachelayer.server.door.RedisUnavailable`."""
    return unwrapped(door.run(lambda client: client.get(value_key(key))), key)


def _absent_or(outcome: Outcome, stored: Stored) -> tuple[Outcome, Stored]:
    return (Outcome.NEGATIVE_HIT if stored.envelope.absent else outcome), stored
