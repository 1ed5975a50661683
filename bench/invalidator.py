"""Makes every cached value old, again and again, until a line arrives on its input: whatever is asked is loaded.

Runs inside the environment of a stack.
"""

from __future__ import annotations

import os
import sys
import threading

import django

_PAUSE_SECONDS = 0.02


def main() -> None:
    """Invalidate everything until told to stop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speedscale.settings")
    django.setup()
    from cachelayer.engine import invalidate
    from cachelayer.invalidation.channel import EVERYTHING

    over = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    while not over.wait(_PAUSE_SECONDS):
        invalidate(tags=[EVERYTHING])


if __name__ == "__main__":
    main()
