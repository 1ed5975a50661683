"""Synonyms for those who edit them: checked, versioned, noted down, and told to every process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from catalog import mongo
from catalog.changes import announce_synonyms
from catalog.errors import CatalogError, InvalidFields, InvalidParameter, NotAcknowledged
from catalog.search.analysis import indexed_terms
from catalog.search.request import MAX_QUERY_LENGTH, normalise_query
from catalog.staff_log import log_change
from catalog.vocabulary.store import MAX_SYNONYMS
from catalog.vocabulary.synonyms import MAX_PHRASES, SYNONYMS, synonym_document
from catalog.writes import writing

_SAME_NAME = 20
"""A set keeps its id when its phrases change, so that another one may come to have the same first phrases."""


@dataclass(frozen=True, slots=True)
class SynonymSet:
    """A stored set of synonyms.

    Attributes:
        one_way: whether the first phrase finds the others, and they do not find it.
        updated_by: empty for sets that came with the shop.
    """

    id: str
    phrases: tuple[str, ...]
    one_way: bool
    version: int
    updated_at: datetime
    updated_by: str


class SynonymsNotFound(CatalogError):
    """No set of synonyms has this id."""


class SynonymsConflict(CatalogError):
    """Somebody else has changed or removed the set since it was read; nothing was written.

    Attributes:
        stored: as it is now; ``None`` where it was removed.
    """

    def __init__(self, stored: SynonymSet | None) -> None:
        super().__init__("Somebody else has changed these synonyms.")
        self.stored = stored


def list_synonyms() -> list[SynonymSet]:
    """Return all sets in the order of their first phrases."""
    with mongo.reading() as database:
        found = [_set(stored) for stored in database[SYNONYMS].find().limit(MAX_SYNONYMS)]
    return sorted(found, key=lambda each: each.phrases)


def get_synonyms(set_id: str) -> SynonymSet:
    """Return one set; raise :class:`SynonymsNotFound` where there is none."""
    found = _read(set_id)
    if found is None:
        raise SynonymsNotFound(f"There are no synonyms {set_id[:80]!r}.")
    return found


def create_synonyms(*, phrases: Sequence[str], one_way: bool, by: str) -> bool:
    """Store a new set; return whether all servers know.

    Raises:
        InvalidFields: the phrases break a rule, or the same set exists.
        NotAcknowledged: MongoDB did not answer in time.
    """
    checked = _checked(phrases, one_way=one_way, own_id="")
    document: dict[str, Any] = {**synonym_document(checked, one_way=one_way), "version": 1, "updated_by": by}
    first_id = document["_id"]
    try:
        with writing() as database:
            for number in range(2, _SAME_NAME):
                try:
                    database[SYNONYMS].insert_one(document)
                    break
                except DuplicateKeyError:
                    document["_id"] = f"{first_id} ({number})"
            else:
                raise InvalidFields({"phrases": "There are too many sets that begin with the same phrases."})
            log_change(
                database, subject=SYNONYMS, key=document["_id"], by=by, before=None, after=_said(checked, one_way)
            )
    except NotAcknowledged:
        _announce(checked)  # It may have been stored all the same.
        raise
    return _announce(checked)


def change_synonyms(*, set_id: str, expected_version: int, phrases: Sequence[str], one_way: bool, by: str) -> bool:
    """Replace the phrases of a set; return whether all servers know.

    Raises:
        InvalidFields: the phrases break a rule, or the same set exists under another id.
        SynonymsConflict: the set is at another version, or gone.
        NotAcknowledged: MongoDB did not answer in time.
    """
    stored = _at_version(set_id, expected_version)
    checked = _checked(phrases, one_way=one_way, own_id=set_id)
    if (checked, one_way) == (stored.phrases, stored.one_way):
        return True
    document = synonym_document(checked, one_way=one_way)
    fields = {name: document[name] for name in ("phrases", "one_way", "updated_at")}  # type: ignore[literal-required]
    try:
        with writing() as database:
            changed = database[SYNONYMS].update_one(
                _condition(stored), {"$set": {**fields, "version": stored.version + 1, "updated_by": by}}
            )
            if not changed.matched_count:
                raise SynonymsConflict(_read(set_id))
            before, after = _said(stored.phrases, stored.one_way), _said(checked, one_way)
            log_change(database, subject=SYNONYMS, key=set_id, by=by, before=before, after=after)
    except NotAcknowledged:
        _announce((*stored.phrases, *checked))
        raise
    return _announce((*stored.phrases, *checked))


def delete_synonyms(*, set_id: str, expected_version: int, by: str) -> bool:
    """Remove a set; return whether all servers know. Errors as of :func:`change_synonyms`."""
    stored = _at_version(set_id, expected_version)
    try:
        with writing() as database:
            if not database[SYNONYMS].delete_one(_condition(stored)).deleted_count:
                raise SynonymsConflict(_read(set_id))
            before = _said(stored.phrases, stored.one_way)
            log_change(database, subject=SYNONYMS, key=set_id, by=by, before=before, after=None)
    except NotAcknowledged:
        _announce(stored.phrases)
        raise
    return _announce(stored.phrases)


def _checked(phrases: Sequence[str], *, one_way: bool, own_id: str) -> tuple[str, ...]:
    """Return the phrases in canonical form; raise :class:`InvalidFields` for those that cannot be synonyms."""
    said: dict[tuple[str, ...], str] = {}
    for phrase in phrases:
        try:
            canonical = normalise_query(phrase[: MAX_QUERY_LENGTH + 1])
        except InvalidParameter as error:
            raise _invalid(f"“{phrase[:40]}”: {error.reason}") from None
        if not canonical:
            continue
        terms = tuple(indexed_terms(canonical))
        if not terms:
            raise _invalid(f"“{canonical}” holds no word to search for.")
        if terms in said:
            raise _invalid(f"“{said[terms]}” and “{canonical}” are the same to search already.")
        said[terms] = canonical
    if len(said) < 2:
        raise _invalid("Give at least two phrases, each on a line of its own.")
    if len(said) > MAX_PHRASES:
        raise _invalid(f"Give at most {MAX_PHRASES} phrases; these are {len(said)}.")
    others = [each for each in list_synonyms() if each.id != own_id]
    if len(others) >= MAX_SYNONYMS:
        raise _invalid(f"There are {MAX_SYNONYMS:,} sets already; remove one first.")
    wanted = tuple(said.values())
    for each in others:
        is_same = each.phrases == wanted if one_way else set(each.phrases) == set(wanted)
        if is_same and each.one_way == one_way:
            raise _invalid("There is such a set already.")
    return wanted


def _invalid(reason: str) -> InvalidFields:
    return InvalidFields({"phrases": reason})


def _at_version(set_id: str, expected_version: int) -> SynonymSet:
    stored = _read(set_id)
    if stored is None or stored.version != expected_version:
        raise SynonymsConflict(stored)
    return stored


def _condition(stored: SynonymSet) -> dict[str, Any]:
    # Sets that came with the shop have no version until they are changed.
    versions = [stored.version, None] if stored.version == 1 else [stored.version]
    return {"_id": stored.id, "version": {"$in": versions}}


def _read(set_id: str) -> SynonymSet | None:
    with mongo.reading() as database:
        stored = database[SYNONYMS].find_one({"_id": set_id})
    return _set(stored) if stored is not None else None


def _announce(phrases: Sequence[str]) -> bool:
    return announce_synonyms({term for phrase in phrases for term in indexed_terms(phrase)})


def _said(phrases: Sequence[str], one_way: bool) -> dict[str, Any]:
    return {"phrases": list(phrases), "one_way": one_way}


def _set(stored: Mapping[str, Any]) -> SynonymSet:
    return SynonymSet(
        id=stored["_id"],
        phrases=tuple(stored["phrases"]),
        one_way=stored["one_way"],
        version=stored.get("version", 1),
        updated_at=stored["updated_at"],
        updated_by=stored.get("updated_by", ""),
    )
