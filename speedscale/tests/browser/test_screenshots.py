"""The command that takes the documentation's pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from speedscale.embedded.ports import free_port
from speedscale.tests.commands import manage


def test_a_site_that_does_not_answer_is_one_clear_line(data_dir: Path, tmp_path: Path) -> None:
    port = free_port()
    done = manage(
        *("screenshots", "--url", f"http://127.0.0.1:{port}", "--output", str(tmp_path)), DATA_DIR=str(data_dir)
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_chromium_the_package_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError) as refusal:
        call_command("screenshots", output=tmp_path)
    assert str(refusal.value) == (
        "Chromium was not found: install Debian's package (apt-get install chromium-headless-shell)."
    )
