#!/usr/bin/env python
"""Run one of the project's commands; ``python manage.py help`` lists them."""

from __future__ import annotations

import os
import sys


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speedscale.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: run `make install`, then use .venv/bin/python.", file=sys.stderr)
        return 1
    from speedscale.env import EnvError

    try:
        execute_from_command_line(sys.argv)
    except EnvError as error:
        print(f"configuration: {error}", file=sys.stderr)
        return 78  # EX_CONFIG of sysexits.h
    except KeyboardInterrupt:
        return 130  # What a shell reports for Ctrl-C; a traceback would tell nothing.
    return 0


if __name__ == "__main__":
    sys.exit(main())
