"""Collect static files into ``STATIC_ROOT``, but only when they have changed since the last time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

_STAMP = "static.stamp"


def collect_static(data_dir: Path) -> bool:
    """Bring ``STATIC_ROOT`` up to date; tell whether there was anything to do."""
    stamp = data_dir / _STAMP
    wanted = fingerprint()
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    # Without the stamp, an interrupted collection is begun again.
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(wanted)
    return True


def fingerprint() -> str:
    """Return a digest of all static files' names, sizes and times, and of what decides how they are stored."""
    digest = hashlib.sha256(f"{django.__version__} {settings.STORAGES['staticfiles']} {settings.STATIC_URL}".encode())
    for finder in get_finders():
        for name, storage in sorted(finder.list([]), key=lambda found: found[0]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
