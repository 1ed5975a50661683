"""Results as sets of numbered products: what common words have in common, found without a walk to it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from math import prod

from pyroaring import BitMap

from cachelayer.trace import span
from catalog import candidates, mongo
from catalog.candidates import Place, Window
from catalog.search.cursor import NUMBERED
from catalog.search.meaning import Interpretation
from catalog.search.plan import TOTAL_CAP, WINDOW, Narrowing, Phase, among
from catalog.search.postings import Wanted, apart, evaluate, strong_words, sure_of_price, wanted_phases
from catalog.search.ranking import Candidate
from catalog.vocabulary.postings import COUNTED_PIECES, PostingsGone, PostingsState, joined, read_ids, read_pieces
from catalog.vocabulary.recent import Recent, find_recent
from catalog.vocabulary.store import lexicon

_ROUNDS = 3
"""So many times products are looked up for one window, where many of them turn out not to match."""
_TRIES = 2
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Numbered:
    """All results of a search.

    Attributes:
        everything: the query that checks each of them, because products may have changed since they were numbered.
        sets: numbers by phase, each without those of the phases before.
        complete: whether all products were looked at, and not only the most popular ones.
        sure: numbers of the products that match wherever the limits of prices lie within their bands.
        asked: what the products of ``sure`` have to be in.
        recent: changed products, which may match too.
        strong: what products have to be in that have all words in name, brand, type or category, synonyms included.
        strong_numbers: numbers of the results that are.
        strong_anyway: how many products are, whatever the filters; more or less, where ``complete`` is false.
    """

    state: PostingsState
    everything: Phase
    sets: tuple[BitMap, ...]
    complete: bool
    sure: BitMap
    asked: Wanted
    recent: Recent
    strong: Wanted
    strong_numbers: BitMap
    strong_anyway: int

    def total(self) -> tuple[int, bool]:
        """Return the number of results, and whether it is exact; if not, there are at least so many."""
        count, sure = self.size, len(self.sure)
        if count > TOTAL_CAP or not self.complete:
            return min(count, TOTAL_CAP), False
        if self.recent.changed or sure < count:
            return max(sure - self.recent.changed, 0), False
        return count, True

    @property
    def size(self) -> int:
        """Number of products that may match."""
        return sum(map(len, self.sets))

    @property
    def is_countable(self) -> bool:
        """Whether the lists tell what at least half of the products have, or had when they were numbered."""
        return 2 * len(self.sure) >= self.size

    @property
    def counts_all(self) -> bool:
        """Whether :meth:`count` counts all results as they are now."""
        is_all = self.complete and self.state.chunks <= COUNTED_PIECES and len(self.sure) == self.size
        return is_all and not self.recent.changed

    def only_strong(self, phase: Phase) -> Numbered:
        """Return the results with all words in name, brand, type or category, which ``phase`` matches."""
        return replace(
            self,
            everything=phase,
            sets=(self.strong_numbers,),
            sure=self.sure & self.strong_numbers,
            asked=Wanted((*self.asked.clauses, *self.strong.clauses)),
        )

    def count(self, keys: Collection[str]) -> Mapping[str, int]:
        """Return how many results are in each of some lists, among the most popular products where there are many.

        Whatever is searched for, the same products are looked at, so that fewer results are never counted as more.
        """
        needed = set() if self.complete else self.asked.needed()
        pieces = read_pieces(self.state, {*keys, *needed}, range(min(self.state.chunks, COUNTED_PIECES)))
        asked = joined({key: pieces[key] for key in needed if key in pieces})
        counted = self.sure if self.complete else evaluate(self.asked, asked)
        return {key: sum(map(counted.intersection_cardinality, pieces.get(key, ()))) for key in keys}

    def first(self, limit: int) -> Phase:
        """Return the query that matches the first ``limit`` results, in their static order within each phase."""
        numbers = list(islice(chain.from_iterable(self.sets), limit + 1))
        ids = read_ids(self.state, numbers[:limit])
        is_cut = len(numbers) > limit or not self.recent.complete
        return among(self.everything, {*ids, *self.recent.ids}, cut=is_cut)

    def _from(self, start: Place) -> Iterator[tuple[int, int]]:
        begun = start.phase - NUMBERED if start.phase >= NUMBERED else 0
        for phase in range(begun, len(self.sets)):
            first = start.key + 1 if start.phase == NUMBERED + phase else 0
            for number in self.sets[phase].iter_equal_or_larger(first):
                yield phase, number

    def window(self, start: Place, *, terms: Sequence[str], size: int, labelled: bool = True) -> Window:
        """Return the next ``size`` candidates from ``start`` on; see :func:`catalog.candidates.find_window`."""
        pending = self._from(start)
        recent = set(self.recent.ids)
        changed: list[Candidate] = []
        found: list[Candidate] = []
        taken: list[tuple[int, int]] = []
        deadline = candidates.deadline()
        try:
            if start == Place() and recent:
                # Where the numbered lists have them as well, they are left out there.
                changed = candidates.find_among(
                    among(self.everything, recent), terms=terms, deadline=deadline, labelled=labelled
                )
            for _ in range(_ROUNDS):
                batch = list(islice(pending, size - len(found)))
                if not batch:
                    break
                taken += batch
                ids = read_ids(self.state, [number for _, number in batch])
                wanted = among(self.everything, set(ids) - recent)
                found += candidates.find_among(wanted, terms=terms, deadline=deadline, labelled=labelled)
                if len(found) >= size:
                    break
        except mongo.OutOfTime:
            return Window((*changed, *found), None, complete=False)
        more = next(pending, None)
        if more is None:
            return Window((*changed, *found), None, complete=self.recent.complete)
        phase, number = taken[-1] if taken else (more[0], more[1] - 1)
        is_complete = self.recent.complete or start != Place()
        return Window((*changed, *found), Place(NUMBERED + phase, number), complete=is_complete)


def gather(
    meaning: Interpretation | None,
    narrowing: Narrowing,
    everything: Phase,
    *,
    start: Place | None = None,
    with_strong: bool = False,
) -> Numbered | None:
    """Find all results of a search; ``None`` where the products are not numbered.

    Where the most popular products may give enough, these are looked at first, and the others only if they do not.

    Args:
        start: where the window begins that is wanted.
        with_strong: whether :meth:`Numbered.only_strong` is wanted.
    """
    phases = wanted_phases(meaning, narrowing)
    prices = sure_of_price(narrowing) if phases[0].is_rough else Wanted(())
    strong = strong_words(meaning) if with_strong and meaning is not None else Wanted(())
    for _ in range(_TRIES):
        state = lexicon.state().postings
        if state is None:
            return None
        try:
            with span("intersect"):
                at_once = _is_little(meaning, everything, state)
                lists, found, complete = _sets(state, phases, start or Place(), strong, at_once=at_once)
        except PostingsGone:
            lexicon.forget()
            continue
        everyone, strong_anyway = BitMap.union(*found), evaluate(strong, lists)
        return Numbered(
            state,
            everything,
            sets=tuple(apart(found)),
            complete=complete,
            sure=everyone & evaluate(prices, lists) if prices.clauses else everyone,
            # Each phase takes in what those before it do.
            asked=Wanted((*phases[-1].clauses, *prices.clauses)),
            recent=find_recent(everything),
            strong=strong,
            strong_numbers=everyone & strong_anyway,
            strong_anyway=len(strong_anyway) * (1 if complete else state.chunks),
        )
    logger.warning("The numbered lists of products are gone; searching without them.")
    return None


def _is_little(meaning: Interpretation | None, everything: Phase, state: PostingsState) -> bool:
    """Tell whether one piece will hardly give enough, if words occur independently of each other."""
    products = max(state.products, 1)
    expected = products / max(state.chunks, 1)
    if meaning is not None:
        expected *= prod(want.frequency / products for want in meaning.wants)
    if everything.most is not None:
        expected = min(expected, everything.most)
    return expected < TOTAL_CAP / 2


def _sets(
    state: PostingsState, phases: tuple[Wanted, ...], start: Place, strong: Wanted, *, at_once: bool
) -> tuple[dict[str, BitMap], list[BitMap], bool]:
    """Return the lists that were read, what each phase takes in, and whether that is all of it.

    Args:
        at_once: whether to read all pieces from the start, because they will be needed.
    """
    keys = {key for phase in phases for key in phase.needed()} | strong.needed()
    pieces = read_pieces(state, keys, range(state.chunks) if at_once else [0])
    lists = joined(pieces)
    found = [evaluate(phase, lists) for phase in phases]
    if at_once:
        return lists, found, True
    is_enough = _is_enough(apart(found), start)
    if is_enough and strong.clauses:
        is_enough = len(BitMap.union(*found) & evaluate(strong, lists)) > TOTAL_CAP
    if state.chunks == 1 or is_enough:
        return lists, found, state.chunks == 1
    for key, of in read_pieces(state, keys, range(1, state.chunks)).items():
        pieces.setdefault(key, []).extend(of)
    lists = joined(pieces)
    return lists, [evaluate(phase, lists) for phase in phases], True


def _is_enough(sets: list[BitMap], start: Place) -> bool:
    """Tell whether the first piece fills the window and the largest total that is told."""
    phase = max(start.phase - NUMBERED, 0)
    after = start.key if start.phase >= NUMBERED else -1
    # What follows in the same phase but in later pieces comes before the next phase.
    ahead = len(sets[phase]) - (sets[phase].rank(after) if after >= 0 else 0) if phase < len(sets) else 0
    return ahead > WINDOW and sum(map(len, sets)) > TOTAL_CAP
