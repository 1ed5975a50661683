"""A process of the race: loads, reads, writes and invalidates the same keys as the others, and checks what it reads.

The truth of a key is a number in shared memory that only grows. A write makes it grow and then invalidates. Whoever
starts to read when a write has been acknowledged for longer than the lag must not be given the number before it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cachelayer.policies import Policy

LAG_SECONDS = 0.25
KEYS = 32
REMEMBERED = 4096
"""Writes of a key whose time of acknowledgement is remembered."""


@dataclass
class Truth:
    """Shared between the processes: the number of each key, when each of its writes was acknowledged, what was found.

    ``violated`` is set by whoever finds a violation: one is enough, and all stop.
    """

    lock: Any
    numbers: Any
    acknowledged_at: Any
    violated: Any

    def grow(self, index: int) -> int:
        with self.lock:
            self.numbers[index] += 1
            number = int(self.numbers[index])
            self.acknowledged_at[index * REMEMBERED + number % REMEMBERED] = 0.0
        return number

    def acknowledge(self, index: int, number: int) -> None:
        self.acknowledged_at[index * REMEMBERED + number % REMEMBERED] = monotonic()

    def is_outdated(self, index: int, number: int, moment: float) -> bool:
        """Tell whether the write after ``number`` was acknowledged longer than the lag before ``moment``."""
        if number >= self.numbers[index]:
            return False
        if self.numbers[index] - number > REMEMBERED:
            return True
        at = self.acknowledged_at[index * REMEMBERED + (number + 1) % REMEMBERED]
        return bool(at and moment - at > LAG_SECONDS)


def race(truth: Truth, seed: int, steps: int, check_tokens: bool, report: Any) -> None:
    """Take ``steps`` random steps, or fewer once any process has found a violation; put the own ones on ``report``."""
    import django

    django.setup()
    from cachelayer import engine
    from cachelayer.loading import leases

    if not check_tokens:
        leases._STORE = "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) redis.call('DEL', KEYS[2]) return 1"
    engine.get_or_load("warm-up", "race", lambda: 0)
    chance = random.Random(seed)
    violations = []
    for _ in range(steps):
        if truth.violated.value:
            break
        index = chance.randrange(KEYS)
        if chance.random() < 0.02:
            # Twice within the time of a load: the second write overtakes loads that the first has caused.
            _write(truth, index, engine)
            sleep(chance.random() * 0.01)
            _write(truth, index, engine)
        elif (violation := _read(truth, index, engine, chance)) is not None:
            violations.append(violation)
            truth.violated.value = True
    report.put(violations)


def hold_lease(key: str, policy: Policy) -> None:
    """Begin to load ``key`` and never end."""
    import django

    django.setup()
    from cachelayer import engine

    engine.get_or_load(key, policy, lambda: sleep(600))


def _write(truth: Truth, index: int, engine: Any) -> None:
    number = truth.grow(index)
    engine.invalidate(f"race:{index}")
    truth.acknowledge(index, number)


def _read(truth: Truth, index: int, engine: Any, chance: random.Random) -> tuple[int, int, str] | None:
    def load() -> int:
        number = int(truth.numbers[index])
        if chance.random() < 0.5:
            sleep(chance.random() * 0.01)  # The window in which a write may overtake this load.
        return number

    moment = monotonic()
    answer = engine.get_or_load(f"race:{index}", "race", load)
    return (index, answer.value, answer.outcome.value) if truth.is_outdated(index, answer.value, moment) else None
