"""One training at a time: a lease in MongoDB that a thread renews, and that a killed training loses by itself."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from types import TracebackType
from typing import Self

from catalog.errors import CatalogUnavailable
from recommender import repository
from recommender.models import ModelRefused

LEASE_SECONDS = 60.0
_RENEW_SECONDS = 15.0


class LockLost(ModelRefused):
    """The lease ended while the training was held up, and it must not go live any more."""


class TrainingLock:
    """The lock of trainings, held for the duration of a ``with`` block.

    Attributes:
        unfinished: the version that a training before left unfinished when it was killed, or an empty text.
    """

    def __init__(self, version: str, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self.unfinished = ""
        self._version = version
        self._lease_seconds = lease_seconds
        self._owner = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}"
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="training lock", daemon=True)

    def __enter__(self) -> Self:
        self.unfinished = repository.take_lock(
            owner=self._owner, version=self._version, lease_seconds=self._lease_seconds
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        repository.release_lock(owner=self._owner)

    def confirm(self) -> None:
        """Extend the lease, or raise :class:`LockLost` if it is no longer ours."""
        if not repository.renew_lock(owner=self._owner, lease_seconds=self._lease_seconds):
            raise LockLost("The lock of trainings was lost to another training; this model does not go live.")

    def _renew(self) -> None:
        while not self._end.wait(min(_RENEW_SECONDS, self._lease_seconds / 4)):
            try:
                repository.renew_lock(owner=self._owner, lease_seconds=self._lease_seconds)
            except CatalogUnavailable:
                continue  # The next turn may succeed; before a model goes live the lock is confirmed.
