"""A model on disk: ``DATA_DIR/models/<version>/`` with the vectoriser (skops), ids, and a manifest with checksums."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import orjson
import skops.io
from django.conf import settings
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from recommender.features import FEATURES_VERSION
from recommender.models import Manifest, ModelRefused
from recommender.vectors import Floats

_MANIFEST, _VECTORISER, _WEIGHTS, _IDS = "manifest.json", "vectoriser.skops", "weights.npy", "ids.npy"

_VERSION = re.compile(r"^[0-9]{8}-[0-9]{6}-[0-9]{3}$")


class BadArtefact(ModelRefused):
    """The files of a model are missing, damaged, or not what the manifest says."""


def is_version(text: str) -> bool:
    """Return whether a text can be the version of a model."""
    return _VERSION.match(text) is not None


def directory_of(version: str) -> Path:
    """Return where the files of a version are; raise :class:`BadArtefact` for what cannot be a version."""
    if not is_version(version):
        raise BadArtefact(f"{version!r} is not the version of a model; see --list.")
    return Path(settings.DATA_DIR) / "models" / version


def save_artefact(manifest: Manifest, vectoriser: TfidfVectorizer, weights: Floats, ids: NDArray[np.uint8]) -> Manifest:
    """Write a model's files, all or nothing, and return the manifest with their checksums.

    Args:
        ids: shape (products, 12), the bytes of the ids.
    """
    target = directory_of(manifest.version)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        skops.io.dump(vectoriser, draft / _VECTORISER, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
        np.save(draft / _WEIGHTS, weights, allow_pickle=False)
        np.save(draft / _IDS, ids, allow_pickle=False)
        finished = replace(manifest, checksums={name: _sha256(draft / name) for name in (_VECTORISER, _WEIGHTS, _IDS)})
        (draft / _MANIFEST).write_bytes(orjson.dumps(asdict(finished), option=orjson.OPT_INDENT_2) + b"\n")
        draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return finished


def load_artefact(expected: Manifest) -> tuple[TfidfVectorizer, Floats]:
    """Return the vectoriser and the weight of each of its terms, after checking the files against the manifest.

    Raises:
        BadArtefact: a file is missing or differs from what the training stored in MongoDB, or this program reads
            products otherwise than the model did.
    """
    directory = directory_of(expected.version)
    try:
        written = orjson.loads((directory / _MANIFEST).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BadArtefact(f"The manifest of model {expected.version} cannot be read: {error}") from error
    if not isinstance(written, dict):
        written = {}
    if written.get("checksums") != expected.checksums or written.get("fingerprint") != expected.fingerprint:
        raise BadArtefact(f"The manifest of model {expected.version} is not the one that the training stored.")
    for name, checksum in expected.checksums.items():
        _check_file(directory / name, checksum)
    if expected.parameters["features_version"] != FEATURES_VERSION:
        raise BadArtefact(f"Model {expected.version} was trained on features that this release no longer makes.")
    try:
        vectoriser = skops.io.load(directory / _VECTORISER, trusted=[])
        weights = np.load(directory / _WEIGHTS, allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise BadArtefact(f"Model {expected.version} cannot be read: {error}") from error
    return vectoriser, weights


def delete_artefact(version: str) -> None:
    """Remove a model's files, if there are any."""
    shutil.rmtree(directory_of(version), ignore_errors=True)


def new_version(now: datetime) -> str:
    """Return a version that sorts by time."""
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}"


def _check_file(path: Path, checksum: str) -> None:
    try:
        found = _sha256(path)
    except OSError as error:
        raise BadArtefact(f"{path.name} of the model cannot be read: {error.strerror}.") from error
    if found != checksum:
        raise BadArtefact(f"{path.name} of the model is damaged: its checksum is {found[:12]}…, not {checksum[:12]}….")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
