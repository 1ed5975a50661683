"""The shape of the code: who imports whom, what is pinned, what is never sent."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for app in ("speedscale", "cachelayer", "catalog", "recommender")
    for path in (ROOT / app).rglob("*.py")
    if "tests" not in path.parts and "migrations" not in path.parts
]


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert re.search(r"[1-9]\d* kept, 0 broken", finished.stdout)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-embedded.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned(name: str) -> None:
    lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    loose = [line for line in lines if line and not line.startswith("-r ") and not re.search(r"==[\d.a-z]+$", line)]
    assert loose == []


def test_no_source_sends_what_would_stop_or_empty_a_server() -> None:
    forbidden = re.compile(r"\bflush(db|all)\b|\.keys\(\s*[\"']|\bpickle\b|\$where\b", re.IGNORECASE)
    found = [f"{path}: {match[0]}" for path in SOURCES for match in forbidden.finditer(path.read_text())]
    assert found == []


def test_templates_ask_no_other_host_and_carry_no_inline_style_or_script() -> None:
    forbidden = re.compile(
        r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']https?://|\sstyle=|<style|<script(?![^>]*\bsrc=)|\son\w+=",
    )
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in (ROOT / "templates").rglob("*.html")
        for match in forbidden.finditer(path.read_text())
    ]
    assert found == []


DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_are_finished_and_their_links_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    assert "@@" not in text
    targets = re.findall(r"\]\(([^)#\s]+)\)", text)
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_web_workers_carry_no_learning_library() -> None:
    code = "import django, sys; django.setup(); import speedscale.urls; print('sklearn' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "False"
