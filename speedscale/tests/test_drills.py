"""The drills of ``make drill``: servers die and hang under load, and what visitors see stays within its bars.

They take minutes and want a quiet machine, so `make test` leaves them out.
"""

from __future__ import annotations

import sys

import pytest

from bench.faults import DRILLS, drill

pytestmark = [pytest.mark.drill, pytest.mark.timeout(240)]


@pytest.mark.parametrize("name", DRILLS)
def test_a_fault_stays_within_its_bar(name: str) -> None:
    result = drill(name)
    sys.stdout.write(f"\n{name}: {result.figure}\n")
    assert result.met, result.figure
