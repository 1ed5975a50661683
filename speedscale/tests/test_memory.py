"""A process that answers requests keeps the memory that a request has freed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from speedscale.memory import keep_freed_memory

_FAULTS = """
import resource, sys
from speedscale.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
for _ in range(2):
    held = [bytearray(b"x" * 200_000) for _ in range(20)]
    del held
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    held = [bytearray(b"x" * 200_000) for _ in range(20)]
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_what_a_request_has_freed_need_not_be_mapped_again_in_the_next() -> None:
    assert page_faults("kept") < page_faults("given back") / 10


def test_a_c_library_without_the_setting_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert not keep_freed_memory()
