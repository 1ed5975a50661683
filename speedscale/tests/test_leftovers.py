"""Directories of killed processes are removed by the next one, those of living ones are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speedscale.leftovers import claimed_directory

_PREFIX = "speedscale-trial-"
_PROGRAM = """
import sys, time
from speedscale.leftovers import claimed_directory
print(claimed_directory(sys.argv[1], sys.argv[2]), flush=True)
time.sleep(60)
"""


def _begin(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that claims a directory; return both."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, _PREFIX, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def _age(directory: Path) -> None:
    an_hour_ago = time.time() - 3600
    os.utime(directory, (an_hour_ago, an_hour_ago))


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    (killed, left), (living, held) = _begin(tmp_path), _begin(tmp_path)
    try:
        (left / "file").write_text("left behind")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.is_dir()
        _age(left)
        _age(held)
        claimed = claimed_directory(_PREFIX, str(tmp_path))
        assert not left.exists()
        assert held.is_dir()
        assert claimed.is_dir()
    finally:
        for process in (killed, living):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_what_is_new_or_not_of_this_kind_or_a_link_stays(tmp_path: Path) -> None:
    new, other, target = tmp_path / f"{_PREFIX}new", tmp_path / "other", tmp_path / "target"
    for directory in (new, other, target):
        directory.mkdir()
    link = tmp_path / f"{_PREFIX}link"
    link.symlink_to(target)
    _age(other)
    claimed_directory(_PREFIX, str(tmp_path))
    assert new.is_dir()
    assert other.is_dir()
    assert target.is_dir()
    assert link.is_symlink()


@pytest.mark.parametrize("place", ["deploy/gunicorn.conf.py", "speedscale/running/control.py"])
def test_who_needs_such_a_directory_claims_it(place: str) -> None:
    source = (Path(__file__).resolve().parents[2] / place).read_text()
    assert "claimed_directory(" in source
    assert "mkdtemp" not in source
