"""Count the words of all products, beside live search, and put the new vocabulary in the place of the old at once.

The count goes through the products in the order of their ids, piece by piece. Each finished piece is stored, so that
a build that was interrupted goes on where it ended. The numbering of products, which follows, begins anew instead.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

import orjson
import zstandard
from bson import ObjectId
from pymongo import IndexModel

from catalog import mongo
from catalog.indexes import PRODUCTS
from catalog.progress import Progress
from catalog.search.analysis import ANALYZER_VERSION, STOP_WORDS, folded, term_of, tokens
from catalog.search.index_keys import kind_words
from catalog.search.spelling import can_be_misspelt, deletions_of_known
from catalog.vocabulary.numbering import begin_numbering, build_postings, switch_to
from catalog.vocabulary.postings import LISTS
from catalog.vocabulary.recent import begin_anew
from catalog.vocabulary.store import BUILD, MAX_PREFIX, MIN_PREFIX, TERMS, lexicon
from catalog.vocabulary.synonyms import ensure_default_synonyms

T = TypeVar("T")
PIECE = 50_000
"""Products counted before the result is stored."""
_BATCH = 2_000
_INSERTS = 2_000
_LOOKS = 6
"""Products whose text is read to learn how a term is written."""
_MAX_FORMS = 4
_COUNTED = {"terms": 1, "words": 1, "product_type": 1, "category": 1}
TEXTS = {"name": 1, "brand": 1, "product_type": 1, "category_path": 1, "description": 1, "attributes": 1}
_TERM_INDEXES = [
    IndexModel([("deletions", 1)], name="deletions"),
    IndexModel([("prefixes", 1), ("everywhere", -1)], name="prefixes_everywhere"),
]


@dataclass(slots=True)
class Counts:
    """What a number of products have.

    Attributes:
        forms: by term, how often it is written how.
    """

    products: int = 0
    strong: Counter[str] = field(default_factory=Counter)
    everywhere: Counter[str] = field(default_factory=Counter)
    kind: Counter[str] = field(default_factory=Counter)
    forms: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, other: Counts) -> None:
        """Take in what others have."""
        self.products += other.products
        self.strong.update(other.strong)
        self.everywhere.update(other.everywhere)
        self.kind.update(other.kind)
        for term, forms in other.forms.items():
            self.forms[term].update(forms)

    def packed(self) -> bytes:
        """Return the counts in a compact form."""
        return zstandard.compress(
            orjson.dumps(
                [self.products, self.strong, self.everywhere, self.kind, self.forms], option=orjson.OPT_NON_STR_KEYS
            )
        )


def unpacked(packed: bytes) -> Counts:
    """Return the counts that were packed."""
    products, strong, everywhere, kind, forms = orjson.loads(zstandard.decompress(packed))
    by_term: defaultdict[str, Counter[str]] = defaultdict(Counter)
    by_term.update({term: Counter(of) for term, of in forms.items()})
    return Counts(products, Counter(strong), Counter(everywhere), Counter(kind), by_term)


def build_vocabulary(database: mongo.Documents, progress: Progress | None = None) -> int:
    """Count the words of all active products and switch to the result; return the number of terms."""
    progress = progress or Progress()
    started = datetime.now(UTC)
    counts = Counts()
    last: ObjectId | None = None
    for piece in database[BUILD].find({"analyzer": ANALYZER_VERSION}).sort("_id", 1):
        counts.add(unpacked(piece["counts"]))
        last, started = piece["_id"], min(started, piece["started_at"])
    progress.begin("Words", max(database[PRODUCTS].estimated_document_count(), 1), shows_rate=True)
    done = counts.products
    while (counted := _count_piece(database, counts, after=last)) is not None:
        piece_counts, last = counted
        counts.add(piece_counts)
        done += piece_counts.products
        database[BUILD].insert_one(
            {"_id": last, "analyzer": ANALYZER_VERSION, "started_at": started, "counts": piece_counts.packed()}
        )
        progress.update(done)
    progress.end()
    _store(database, counts, progress)
    numbered_from = datetime.now(UTC)
    build = begin_numbering(database)
    lists = build_postings(database, build, progress)
    state = {
        "products": counts.products,
        "documents": database[PRODUCTS].estimated_document_count(),
        "terms": len(counts.everywhere | counts.strong),
        "built_at": started,
        "analyzer": ANALYZER_VERSION,
        LISTS: lists,
    }
    if switch_to(database, build, state):
        begin_anew(database, since=numbered_from)
    else:
        progress.say("Another run has begun to number the products meanwhile; searches will use its lists.")
    database[BUILD].drop()
    ensure_default_synonyms(database)
    lexicon.forget()
    return len(counts.everywhere)


def _count_piece(
    database: mongo.Documents, so_far: Counts, *, after: ObjectId | None
) -> tuple[Counts, ObjectId] | None:
    """Count the next products after an id; return ``None`` where there are none."""
    counts = Counts()
    last = after
    wanted = {"_id": {"$gt": after}} if after is not None else {}
    cursor = database[PRODUCTS].find({**wanted, "active": True}, _COUNTED).sort("_id", 1).limit(PIECE)
    looked: Counter[str] = Counter()
    telling: list[ObjectId] = []
    for document in cursor.batch_size(_BATCH):
        last = document["_id"]
        counts.products += 1
        words = document["words"]
        counts.everywhere.update(words)
        counts.strong.update(document["terms"])
        counts.kind.update(kind_words(document["product_type"], document["category"]))
        unseen = [word for word in words if word.isalpha() and word not in so_far.forms and looked[word] < _LOOKS]
        if unseen:
            looked.update(unseen)
            telling.append(last)
    if last is None or counts.products == 0:
        return None
    _learn_forms(database, telling, counts, known=so_far.forms)
    return counts, last


def _learn_forms(
    database: mongo.Documents, identifiers: Sequence[ObjectId], counts: Counts, *, known: Mapping[str, object]
) -> None:
    for chunk in _chunks(identifiers, _BATCH):
        for document in database[PRODUCTS].find({"_id": {"$in": chunk}}, TEXTS):
            for term, form in forms_of(document):
                if term not in known:
                    counts.forms[term][form] += 1


def forms_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the words of a product that can be misspelt, each with its term."""
    texts = [document["name"], document["brand"], document["product_type"], *document["category_path"]]
    texts.append(document["description"])
    for name, value in document["attributes"].items():
        if isinstance(value, str):
            texts.append(value)
        elif value is True:
            texts.append(name)
    for text in texts:
        for token in tokens(text):
            form = folded(text[token.start : token.end])
            if form.isalpha() and form not in STOP_WORDS:
                yield term_of(form), form


def term_document(term: str, *, strong: int, everywhere: int, kind: int, forms: Mapping[str, int]) -> dict[str, Any]:
    """Return the stored form of a term."""
    spelt = [form for form, _ in sorted(forms.items(), key=lambda item: (-item[1], item[0]))[:_MAX_FORMS]]
    corrigible = [form for form in spelt if can_be_misspelt(form)]
    document: dict[str, Any] = {
        "_id": term,
        "strong": strong,
        "everywhere": everywhere,
        "kind": kind,
        "form": spelt[0] if spelt else term,
        "forms": corrigible,
    }
    if corrigible:
        document["deletions"] = sorted({deletion for form in corrigible for deletion in deletions_of_known(form)})
    if ":" not in term and len(term) >= MIN_PREFIX:
        beginnings = {text[:length] for text in (term, *spelt) for length in range(MIN_PREFIX, MAX_PREFIX + 1)}
        document["prefixes"] = sorted(beginning for beginning in beginnings if len(beginning) >= MIN_PREFIX)
    return document


def _store(database: mongo.Documents, counts: Counts, progress: Progress) -> None:
    fresh = database[f"{TERMS}_next"]
    fresh.drop()
    terms = counts.everywhere.keys() | counts.strong.keys()
    is_small = len(terms) <= _INSERTS
    if is_small:
        # To begin and commit the build of an index takes MongoDB longer than to keep one up to date for so few.
        fresh.create_indexes(_TERM_INDEXES)
    progress.begin("Terms", max(len(terms), 1), shows_rate=True)
    stored = 0
    documents = (
        term_document(
            term,
            strong=counts.strong[term],
            everywhere=counts.everywhere[term],
            kind=counts.kind[term],
            forms=counts.forms.get(term, {}),
        )
        for term in terms
    )
    for chunk in _chunks(documents, _INSERTS):
        fresh.insert_many(chunk, ordered=False)
        stored += len(chunk)
        progress.update(stored)
    if not is_small:
        fresh.create_indexes(_TERM_INDEXES)
    # From here on searches see the new words, all at once.
    fresh.rename(TERMS, dropTarget=True)
    progress.end()


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
