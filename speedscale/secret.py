"""The secret key: from the environment, or created once for a machine that runs its own embedded servers."""

from __future__ import annotations

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
    stored = data_dir / _FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        # O_EXCL: of two processes that start together, one creates the key and the other reads it.
        descriptor = os.open(stored, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return stored.read_text().strip()
    except OSError as error:
        raise EnvError("DATA_DIR", str(data_dir), f"a directory that can be written ({error.strerror})") from None
    with os.fdopen(descriptor, "w") as file:
        key = get_random_secret_key()
        file.write(key)
    return key
