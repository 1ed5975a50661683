"""Files to import and runs of the command in a process of its own, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def row(sku: str, **fields: Any) -> dict[str, Any]:
    """Return a row that needs no mapping and is right unless ``fields`` say otherwise."""
    return {"sku": sku, "name": "Mouse", "price": 29.99, "currency": "EUR", "category": "Mice", "stock": 3, **fields}


def rows_text(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(item) + "\n" for item in rows)


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    """Write rows as JSON lines and return the path."""
    path.write_text(rows_text(*rows))
    return path


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the command that has ended."""

    status: int
    output: str
    errors: str
    peak_mib: float


class ImportProcess:
    """``manage.py import_products`` in a process of its own, on the servers of the tests."""

    def __init__(self, folder: Path, *arguments: str | Path, stdin: int | None = subprocess.DEVNULL) -> None:
        self._outputs = [(folder / name).open("w+") for name in ("stdout", "stderr")]
        command = [sys.executable, str(ROOT / "manage.py"), "import_products", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=stdin, stdout=self._outputs[0], stderr=self._outputs[1], cwd=ROOT, env=dict(os.environ)
        )

    def wait(self) -> Run:
        """Wait for the end and return what it left behind; the peak is its resident memory."""
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in self._outputs:
            file.seek(0)
            texts.append(file.read())
            file.close()
        return Run(self.process.returncode, texts[0], texts[1], usage.ru_maxrss / 1024)
