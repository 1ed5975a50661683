"""The cache layer in a project of its own, without our other apps: the example of docs/cache.md, as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from django.conf import settings

import cachelayer

VISITS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("check", "--fail-level", "WARNING")
client = Client()
for path in ("/mice/1", "/mice/1", "/mice/9", "/mice/9", "/mice/1/rename", "/mice/1"):
    response = client.get(path)
    print(path, response.status_code, response.headers.get("X-Cache"), response.content[:40].decode().partition("<")[0])
"""


def test_the_example_of_the_documentation_runs_in_a_project_without_our_other_apps(tmp_path: Path) -> None:
    text = (settings.BASE_DIR / "docs" / "cache.md").read_text()
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in blocks] == ["settings.py", "urls.py"]
    for name, source in blocks:
        # A busy test machine stalls for longer than a cache may.
        (tmp_path / name).write_text(source.replace("timeout_seconds=0.05", "timeout_seconds=2"))
    (tmp_path / "cachelayer").symlink_to(Path(cachelayer.__file__).parent, target_is_directory=True)
    (tmp_path / "visits.py").write_text(VISITS)
    environment = {"PATH": os.environ["PATH"], "REDIS_URL": settings.REDIS_URL, "PYTHONPATH": str(tmp_path)}
    finished = subprocess.run(
        [sys.executable, "visits.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert [line.strip() for line in finished.stdout.splitlines() if line.startswith("/")] == [
        '/mice/1 200 MISS {"name":"Mouse 1"}',
        '/mice/1 200 HIT {"name":"Mouse 1"}',
        "/mice/9 404 MISS",
        "/mice/9 404 HIT",
        "/mice/1/rename 200 None renamed",
        '/mice/1 200 MISS {"name":"Renamed"}',
    ]
