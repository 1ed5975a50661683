"""Executed in a fresh interpreter between fork and exec: ties the child to its parent's life, then becomes it.

Usage: ``python -S -I launcher.py PARENT_PID SIGNAL COMMAND [ARGUMENT …]``

The kernel is asked to send SIGNAL when the parent ends, however it ends, so that a SIGKILL of the supervisor
leaves no server behind. This is a program of its own, and no ``preexec_fn``, because Python code that runs between
fork and exec of a process with threads can deadlock.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, number, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            # The parent ended before the kernel knew of our wish.
            sys.exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execv(command[0], command)  # noqa: S606  (becoming another program is the purpose; no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
