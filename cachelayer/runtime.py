"""What one process of the cache consists of: its L1, its end of the invalidation channel, its threads."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from cachelayer.invalidation.channel import InvalidationBus
from cachelayer.loading.flights import Flights
from cachelayer.loading.patience import WAITING
from cachelayer.loading.refresher import Refresher
from cachelayer.memory.hotkeys import HotKeys
from cachelayer.memory.local import LocalCache
from cachelayer.outcomes import Outcome

if TYPE_CHECKING:
    from cachelayer.loading.values import Stored

L1_BYTES = 32 * 1024 * 1024
L1_GRACE_SECONDS = 0.25
"""How much longer than its policy says a value may stay in L1 while one thread asks Redis for it again."""
ABSENCES_PER_SECOND = 100
"""How many "does not exist" a process may store in a second, so that guessed ids cannot fill Redis."""


class Allowance:
    """So many a second, per process."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = 0
        self._used = 0

    def take(self) -> bool:
        """Use one if there is one left in this second."""
        second = int(monotonic())
        if second != self._second:
            self._second, self._used = second, 0
        self._used += 1
        return self._used <= self._per_second


hot_keys = HotKeys()
local: LocalCache[Stored] = LocalCache(L1_BYTES, grace_seconds=L1_GRACE_SECONDS, is_hot=hot_keys.is_hot)
bus = InvalidationBus(local)
flights: Flights[tuple[Outcome, Stored]] = Flights(waits_as=WAITING)
redis_reads: Flights[tuple[Outcome, Stored] | None] = Flights(waits_as="redis")
refresher = Refresher()
absences = Allowance(ABSENCES_PER_SECOND)


def reset() -> None:
    """Forget this process's state and connections, as after a change of the cache's settings."""
    bus.stop()
    forget()


def forget() -> None:
    """Forget what this process has cached and counted; its connections stay."""
    local.clear()
    hot_keys.clear()
    refresher.forget_failures()
