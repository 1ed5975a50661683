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
from speedscale.running.control import ControlError, ControlListener, ask_supervisor

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


def test_a_supervisor_removes_what_a_killed_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / "speedscale-control-left"
    left.mkdir()
    _age(left)
    listener = ControlListener(lambda request: request.answer({"seen": request.server}))
    try:
        assert not left.exists()
        assert ask_supervisor(listener.path, server="mongod") == {"seen": "mongod"}
    finally:
        listener.close()
    assert not list(tmp_path.iterdir())


def test_a_supervisor_listens_however_deep_temporary_files_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("deep" * 40) / "deeper"
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    listener = ControlListener(lambda request: request.answer({"seen": request.server}))
    try:
        assert Path(listener.path).is_relative_to(deep)
        assert Path(listener.path).is_socket()
        assert ask_supervisor(listener.path, server="mongod") == {"seen": "mongod"}
    finally:
        listener.close()
    assert not list(deep.iterdir())
    with pytest.raises(ControlError, match="does not answer"):
        ask_supervisor(listener.path)
