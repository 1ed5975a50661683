"""The secret key: from the environment, or created once for a machine that runs its own embedded servers."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

from speedscale.env import Env, EnvError

_FILE = "secret-key"
_MINIMUM_LENGTH = 32


def resolve_secret_key(env: Env, *, data_dir: Path, may_create: bool) -> str:
    """Return the key that signs sessions.

    Args:
        env: where ``SECRET_KEY`` is looked up first.
        data_dir: where a generated key is kept, readable by its owner alone.
        may_create: whether a missing key may be generated; false for a deployment, which must bring its own.

    Raises:
        EnvError: there is no key and none may be generated, or the given one is too short to be safe.
    """
    given = env.text("SECRET_KEY")
    if given:
        if len(given) < _MINIMUM_LENGTH:
            raise EnvError("SECRET_KEY", "***", f"at least {_MINIMUM_LENGTH} characters")
        return given
    if not may_create:
        raise EnvError(
            "SECRET_KEY", "", "a random value of 50 characters or more, because MONGO_URI names a deployment"
        )
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        key = _stored_key(data_dir / _FILE)
    except OSError as error:
        raise EnvError("DATA_DIR", str(data_dir), f"a directory that can be written ({error.strerror})") from None
    if len(key) < _MINIMUM_LENGTH:
        raise EnvError("DATA_DIR", str(data_dir), f"a whole key in its file {_FILE}: delete that file to get a new one")
    return key


def _stored_key(file: Path) -> str:
    """Return the key that ``file`` holds; an absent or empty file gets a new one, readable by its owner alone."""
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+") as stored:
        # Of processes that start together one creates the key, and the others wait until all of it is written.
        fcntl.flock(stored, fcntl.LOCK_EX)
        key = stored.read().strip()
        if not key:
            key = get_random_secret_key()
            stored.write(key)
            stored.flush()
    return key
