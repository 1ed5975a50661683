"""Models and neighbours in MongoDB: collections ``models``, ``similar``, ``model_terms`` and the lock of trainings.

Everything of a model lies under its version and is written once. What is live is one document, ``models`` /
``active``, which is replaced in a single write; so a reader sees the old model or the new one, never a mixture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from catalog import mongo
from catalog.documents import to_product
from catalog.products import Product
from catalog.repository import joined_products
from recommender.models import Manifest, TrainingRunning, UnknownModel

MODELS = "models"
SIMILAR = "similar"
MODEL_TERMS = "model_terms"
LOCKS = "locks"
_ACTIVE = "active"
_LOCK = "train_recommender"
_AFTER_COLON = ";"
"""The character that follows a colon, so ``version:`` to ``version;`` spans all keys of a version."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The stored neighbours of a product.

    Attributes:
        ids: best first.
        scores: their cosines, 0 to 1.
        features: what can be told of the product itself.
        shared: for each neighbour, the bits of the features that it shares.
        products: by id those of them, and of the product itself, that are active.
    """

    ids: tuple[str, ...]
    scores: tuple[float, ...]
    features: tuple[str, ...]
    shared: tuple[int, ...]
    products: Mapping[str, Product]


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """The live model."""

    version: str
    since: datetime


# --- For requests ------------------------------------------------------------------------------------------


def active_version() -> str | None:
    """Return the version of the live model; ``None`` before the first training."""
    with mongo.reading() as database:
        document = database[MODELS].find_one({"_id": _ACTIVE}, {"version": 1})
    return document["version"] if document else None


def find_neighbours(version: str, product_id: str, *, most: int) -> Neighbours | None:
    """Return the neighbours of a product, and the products themselves; ``None`` if the model does not know it.

    Both come with one query, because a query takes longer than what it reads here.

    Args:
        most: so many neighbours are read, the best ones.
    """
    itself_first = {"$concatArrays": [[ObjectId(product_id)], {"$slice": ["$ids", most]}]}
    stages: list[dict[str, Any]] = [
        {"$match": {"_id": f"{version}:{product_id}"}},
        {"$set": {"ids": itself_first}},
        joined_products("ids", into="products"),
    ]
    with mongo.reading() as database:
        document = next(database[SIMILAR].aggregate(stages), None)
    if document is None:
        return None
    return Neighbours(
        ids=tuple(map(str, document["ids"][1:])),
        scores=tuple(score / 1000 for score in document["scores"][:most]),
        features=tuple(document["features"]),
        shared=tuple(document["shared"][:most]),
        products={product.id: product for product in map(to_product, document["products"])},
    )


def term_weights(version: str, tokens: Iterable[str]) -> dict[str, float]:
    """Return the weight of each token that the model knows, in one query."""
    keys = [f"{version}:{token}" for token in tokens]
    with mongo.reading() as database:
        rows = list(database[MODEL_TERMS].find({"_id": {"$in": keys}}))
    return {row["_id"].partition(":")[2]: row["weight"] for row in rows}


def live_manifest() -> tuple[ActiveModel, Manifest] | None:
    """Return the live model and its manifest, for a page; ``None`` before the first training."""
    with mongo.reading() as database:
        pointer = database[MODELS].find_one({"_id": _ACTIVE})
        document = database[MODELS].find_one({"_id": pointer["version"]}) if pointer else None
    if pointer is None or document is None:
        return None
    return ActiveModel(pointer["version"], pointer["since"]), _manifest(document)


# --- For commands ------------------------------------------------------------------------------------------


def insert_neighbours(version: str, rows: Sequence[tuple[bytes, list[bytes], list[int], list[str], list[int]]]) -> None:
    """Store the neighbours of products that the version does not have yet.

    Args:
        rows: 12 bytes of the id; those of the neighbours; cosines in thousandths; features; bits of shared ones.
    """
    documents = [
        {
            "_id": f"{version}:{identifier.hex()}",
            "ids": [ObjectId(neighbour) for neighbour in neighbours],
            "scores": scores,
            "features": features,
            "shared": shared,
        }
        for identifier, neighbours, scores, features, shared in rows
    ]
    if documents:
        with mongo.commanding() as database:
            database[SIMILAR].insert_many(documents, ordered=False)


def insert_terms(version: str, weights: Iterable[tuple[str, float]]) -> None:
    """Store what each token weighs."""
    with mongo.commanding() as database:
        batch: list[dict[str, Any]] = []
        for token, weight in weights:
            batch.append({"_id": f"{version}:{token}", "weight": weight})
            if len(batch) == 10_000:
                database[MODEL_TERMS].insert_many(batch, ordered=False)
                batch = []
        if batch:
            database[MODEL_TERMS].insert_many(batch, ordered=False)


def insert_model(manifest: Manifest, *, refused: str) -> None:
    """Store a finished model; ``refused`` says why it must not go live, or is empty."""
    document = asdict(manifest) | {"_id": manifest.version, "window": list(manifest.window), "refused": refused}
    with mongo.commanding() as database:
        database[MODELS].insert_one(document)


def list_models() -> list[tuple[Manifest, str]]:
    """Return all finished models, newest first, each with the reason why it was refused, or an empty text."""
    with mongo.commanding() as database:
        documents = list(database[MODELS].find({"_id": {"$ne": _ACTIVE}}).sort([("_id", -1)]))
    return [(_manifest(document), document["refused"]) for document in documents]


def get_model(version: str) -> tuple[Manifest, str]:
    """Return a finished model and the reason why it was refused; raise :class:`UnknownModel` without one."""
    for manifest, refused in list_models():
        if manifest.version == version:
            return manifest, refused
    raise UnknownModel(f"There is no model {version}; see --list.")


def get_active() -> ActiveModel | None:
    """Return the live model, for a command."""
    with mongo.commanding() as database:
        document = database[MODELS].find_one({"_id": _ACTIVE})
    return ActiveModel(document["version"], document["since"]) if document else None


def set_active(version: str) -> None:
    """Make a version live, in one write."""
    with mongo.commanding() as database:
        database[MODELS].replace_one({"_id": _ACTIVE}, {"version": version, "since": datetime.now(UTC)}, upsert=True)


def count_neighbours(version: str) -> int:
    """Return for how many products a version holds neighbours."""
    with mongo.commanding() as database:
        return database[SIMILAR].count_documents(_of(version))


def count_known(version: str, product_ids: Sequence[str]) -> int:
    """Return how many of some products a version holds neighbours of."""
    keys = [f"{version}:{product_id}" for product_id in product_ids]
    with mongo.commanding() as database:
        return database[SIMILAR].count_documents({"_id": {"$in": keys}})


def stored_versions() -> set[str]:
    """Return the versions of which neighbours or terms are stored, with one look at the index for each."""
    versions: set[str] = set()
    with mongo.commanding() as database:
        for collection in (SIMILAR, MODEL_TERMS):
            after = ""
            while found := database[collection].find_one({"_id": {"$gt": after}}, {"_id": 1}, sort=[("_id", 1)]):
                version = str(found["_id"]).partition(":")[0]
                versions.add(version)
                after = f"{version}{_AFTER_COLON}"
    return versions


def delete_neighbours(version: str) -> None:
    """Remove the neighbours and terms of a version; the live one must not be given."""
    with mongo.commanding() as database:
        for collection in (SIMILAR, MODEL_TERMS):
            database[collection].delete_many(_of(version))


def delete_manifest(version: str) -> None:
    """Remove a model from the list; the live one must not be given."""
    with mongo.commanding() as database:
        database[MODELS].delete_one({"_id": version})


def take_lock(*, owner: str, version: str, lease_seconds: float) -> str:
    """Take the lock of trainings and return the version that a dead training left unfinished, or an empty text.

    Raises:
        TrainingRunning: another training holds it and is alive.
    """
    now = datetime.now(UTC)
    with mongo.commanding() as database:
        locks = database[LOCKS]
        free = {"owner": "", "version": "", "since": now, "until": now}
        locks.update_one({"_id": _LOCK}, {"$setOnInsert": free}, upsert=True)
        taken = {"owner": owner, "version": version, "since": now, "until": now + timedelta(seconds=lease_seconds)}
        before = locks.find_one_and_update({"_id": _LOCK, "until": {"$lte": now}}, {"$set": taken})
        if before is not None:
            return str(before["version"])
        holder: Mapping[str, Any] = locks.find_one({"_id": _LOCK}) or free
    raise TrainingRunning(
        f"Another training or activation ({holder['owner']}) has been running since "
        f"{holder['since']:%Y-%m-%d %H:%M:%S} UTC; its lock ends at {holder['until']:%H:%M:%S} unless it is renewed."
    )


def renew_lock(*, owner: str, lease_seconds: float) -> bool:
    """Extend the lock; return whether it is still ours."""
    until = datetime.now(UTC) + timedelta(seconds=lease_seconds)
    with mongo.commanding() as database:
        return database[LOCKS].update_one({"_id": _LOCK, "owner": owner}, {"$set": {"until": until}}).matched_count == 1


def release_lock(*, owner: str) -> None:
    """Give the lock back."""
    now = datetime.now(UTC)
    with mongo.commanding() as database:
        database[LOCKS].update_one({"_id": _LOCK, "owner": owner}, {"$set": {"owner": "", "version": "", "until": now}})


def _of(version: str) -> dict[str, Any]:
    return {"_id": {"$gte": f"{version}:", "$lt": f"{version}{_AFTER_COLON}"}}


def _manifest(document: Mapping[str, Any]) -> Manifest:
    fields = {name: document[name] for name in Manifest.__dataclass_fields__}
    return Manifest(**fields | {"window": tuple(document["window"])})
