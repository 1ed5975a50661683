"""Results as sets of numbered products: what common words have in common, found without a walk to it."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice, product
from math import prod

from bson import ObjectId
from pyroaring import BitMap

from cachelayer.trace import span
from catalog import candidates, mongo
from catalog.candidates import Place, Window
from catalog.search.cursor import NUMBERED
from catalog.search.estimate import Told, about_term
from catalog.search.index_keys import IN_STOCK_TERM
from catalog.search.meaning import Interpretation
from catalog.search.plan import TOTAL_CAP, Narrowing, Phase, among
from catalog.search.postings import (
    FIRST_PIECES,
    Wanted,
    apart,
    bounds_of_piece,
    end_of_first_pieces,
    evaluate,
    evaluate_phases,
    impacts_key,
    kind_keys,
    piece_of,
    strong_words,
    sure_of_price,
    term_key,
    wanted_phases,
)
from catalog.search.ranking import Candidate, Ranking, terms_of
from catalog.vocabulary.postings import (
    Pieces,
    PostingsGone,
    PostingsState,
    read_ids,
    read_impacts,
    read_pieces,
    read_places,
)
from catalog.vocabulary.recent import Recent, find_recent
from catalog.vocabulary.store import lexicon

GROUP = 40
"""So many candidates are read and ranked at a time: two pages."""
BLOCK = 8 * GROUP
"""So many candidates are put in groups, the best first, by what the lists tell of them."""
_LARGE_BLOCK = 6 * BLOCK
"""If there are no more than these, they are all put in groups: which phase each is of need not be known then."""
_LEAST = 2 * GROUP
"""If the most popular products have so many that come before all others, the others are none of the same block."""
_LARGE_GROUP = 200
"""So many are read together where most of them will turn out not to match."""
_VAGUE = 10 * _LARGE_GROUP
"""Instead of reading more products than these, most of them in vain, they are looked for by their prices."""
_TOLD = 2
"""Where candidates are not all among the most popular products, only of so many words, the rarest, is it looked at how
much they are about them: of frequent words the lists are long and tell little."""
_LOOKED_AT = 4
"""For each of a few results that are wanted, so many are looked at."""
_TRIES = 2
_IN_STOCK = term_key(IN_STOCK_TERM)
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
        leads: whether the first pieces have enough for the block from where the window begins.
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
    leads: bool

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
    def is_vague(self) -> bool:
        """Whether there are many products of which the lists do not tell whether they match, and few that do."""
        return self.size > _VAGUE and not self.is_countable

    @property
    def counts_all(self) -> bool:
        """Whether :meth:`count` counts all results as they are now."""
        is_all = self.complete and self.state.pieces <= FIRST_PIECES and len(self.sure) == self.size
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
        pieces = read_pieces(self.state, {*keys, *needed}, range(min(self.state.pieces, FIRST_PIECES)))
        total = dict.fromkeys(keys, 0)
        for lists in pieces.values():
            counted = self.sure if self.complete else evaluate(self.asked, lists)
            for key in keys:
                if key in lists:
                    total[key] += counted.intersection_cardinality(lists[key])
        return total

    def first(self, limit: int) -> Phase:
        """Return the query that matches the first ``limit`` results, phase by phase those of the smallest numbers."""
        numbers = list(islice(chain.from_iterable(self.sets), limit + 1))
        ids = read_ids(self.state, numbers[:limit])
        is_cut = len(numbers) > limit or not self.recent.complete
        return among(self.everything, {*ids, *self.recent.ids}, cut=is_cut)

    def _block(self, start: Place) -> tuple[list[int], Place | None]:
        """Return the numbers of the next candidates from a place on, ascending by phase, and where others follow."""
        phase = start.phase - NUMBERED if start.phase >= NUMBERED else 0
        after = start.key if start.phase >= NUMBERED else -1
        most = _LARGE_BLOCK if self.size <= _LARGE_BLOCK else BLOCK
        numbers: list[int] = []
        end = Place()
        while phase < len(self.sets):
            wanted = most - len(numbers)
            taken = list(islice(self.sets[phase].iter_equal_or_larger(after + 1), wanted + 1))
            within = bisect_left(taken, end_of_first_pieces())
            is_enough = self.leads and len(numbers) + within >= _LEAST
            if is_enough:
                wanted = min(wanted, within)
            numbers += taken[:wanted]
            if wanted and taken:
                end = Place(NUMBERED + phase, taken[:wanted][-1])
            if len(taken) > wanted or (is_enough and (not self.complete or any(self.sets[phase + 1 :]))):
                return numbers, end
            phase, after = phase + 1, -1
        return numbers, None

    def window(self, start: Place, meaning: Interpretation, *, deadline: float, labelled: bool = True) -> Window:
        """Return the candidates of a place; see :func:`catalog.candidates.find_window`.

        A block of them is put in order by what the lists tell, and the group of the place is read.
        """
        block, end = self._block(start)
        size = GROUP if self.is_countable else _LARGE_GROUP
        numbers = self._best_first(meaning, block) if len(block) > size else block
        begin = start.group * size
        numbers = numbers[begin : begin + size]
        if begin + size < len(block):
            end = replace(start, group=start.group + 1)
        found: list[Candidate] = []
        try:
            if start == Place():
                # Where the numbered lists have them as well, they are left out there.
                found += self.find(self.recent.ids, meaning, deadline=deadline, labelled=labelled)
            wanted = set(read_ids(self.state, numbers)).difference(self.recent.ids)
            found += self.find(wanted, meaning, deadline=deadline, labelled=labelled)
        except mongo.OutOfTime:
            return Window(tuple(found), None, complete=False)
        is_complete = self.recent.complete or (start != Place() and end is not None)
        return Window(tuple(found), end, complete=is_complete)

    def best(self, meaning: Interpretation, limit: int) -> list[int]:
        """Return the numbers of so many results, the best by what the lists tell of the most popular ones."""
        block, _ = self._block(Place())
        block = block[: _LOOKED_AT * limit]
        return (self._best_first(meaning, block) if len(block) > limit else block)[:limit]

    def find(
        self, identifiers: Collection[ObjectId], meaning: Interpretation, *, deadline: float, labelled: bool = False
    ) -> list[Candidate]:
        """Read the results among some products.

        Raises:
            mongo.OutOfTime: it takes until after ``deadline``.
        """
        if not identifiers:
            return []
        wanted = among(self.everything, identifiers)
        return candidates.find_among(wanted, terms=terms_of(meaning), deadline=deadline, labelled=labelled)

    def _best_first(self, meaning: Interpretation, numbers: list[int]) -> list[int]:
        wanted = BitMap(numbers)
        between = range(piece_of(wanted.min()), piece_of(wanted.max()) + 1)
        pieces = [piece for piece in between if wanted.range_cardinality(*bounds_of_piece(piece))]
        kinds = kind_keys(meaning)
        terms = terms_of(meaning) if max(pieces) < FIRST_PIECES else terms_of(meaning, rarest=_TOLD)
        lists = read_places(
            self.state, product(pieces, [*kinds, _IN_STOCK]), beside=product(pieces, map(impacts_key, terms))
        )
        impacts = read_impacts(self.state, terms, pieces)

        def having(keys: Sequence[str]) -> set[int]:
            return {number for of in lists.values() for key in keys if key in of for number in of[key] & wanted}

        told = Told(
            about={term: about_term(wanted, tiers) for term, tiers in impacts.items()},
            kinds=having(kinds),
            in_stock=having([_IN_STOCK]),
            popularity=self.state.popularity,
        )
        return Ranking(meaning).estimated(numbers, told)


def gather(
    meaning: Interpretation | None,
    narrowing: Narrowing,
    everything: Phase,
    *,
    start: Place | None = None,
    with_strong: bool = False,
    enough: int | None = None,
    first: int = 0,
) -> Numbered | None:
    """Find all results of a search; ``None`` where the products are not numbered.

    Where the most popular products may give enough, these are looked at first, and the others only if they do not.

    Args:
        start: where the window begins that is wanted.
        with_strong: whether :meth:`Numbered.only_strong` is wanted.
        enough: so many results will do; by default a block of them, and their number up to the largest that is told.
        first: the first so many will be taken, phase by phase; by default a block of them will be ranked.
    """
    phases = wanted_phases(meaning, narrowing)
    beside = [impacts_key(term) for term in terms_of(meaning)] if meaning is not None and not with_strong else []
    prices = sure_of_price(narrowing) if phases[0].is_rough else Wanted(())
    strong = strong_words(meaning) if with_strong and meaning is not None else Wanted(())
    for _ in range(_TRIES):
        state = lexicon.state().postings
        if state is None:
            return None
        kinds = kind_keys(meaning) if meaning is not None else []
        search = _Gathering(state, phases, strong, prices, start or Place(), kinds=kinds, first=first)
        try:
            with span("intersect"):
                search.read(beside, enough=enough, at_once=enough is None and _is_little(meaning, everything, state))
        except PostingsGone:
            lexicon.forget()
            continue
        everyone, found = search.everything, search.found
        strong_anyway = search.evaluated(strong) if strong.clauses else BitMap()
        return Numbered(
            state,
            everything,
            sets=tuple(found),
            complete=search.complete,
            sure=search.evaluated(prices, among=everyone) if prices.clauses else everyone,
            asked=Wanted((*phases[-1].clauses, *prices.clauses)),
            recent=find_recent(everything),
            strong=strong,
            strong_numbers=everyone & strong_anyway,
            strong_anyway=len(strong_anyway),
            leads=search.leads,
        )
    logger.warning("The numbered lists of products are gone; searching without them.")
    return None


def _is_little(meaning: Interpretation | None, everything: Phase, state: PostingsState) -> bool:
    """Tell whether the first pieces may not give enough, if words occur independently of each other."""
    products = max(state.products, 1)
    expected = float(min(products, end_of_first_pieces()))
    if meaning is not None:
        expected *= prod(want.frequency / products for want in meaning.wants)
    if everything.most is not None:
        expected = min(expected, everything.most)
    return expected < 2 * TOTAL_CAP


class _Gathering:
    """All results of a search, read from as few pieces and lists as will do.

    Of the pieces behind the first ones, mostly only what all results need is read: which of them come first matters
    where the first pieces do not have enough for the block.

    Attributes:
        everything: what the last phase takes in, and so all of them.
        complete: whether that is all of it.
    """

    def __init__(
        self,
        state: PostingsState,
        phases: Sequence[Wanted],
        strong: Wanted,
        prices: Wanted,
        start: Place,
        *,
        kinds: Collection[str],
        first: int,
    ) -> None:
        self._state = state
        self._phases = phases
        self._strong = strong
        self._start = start
        self._least = first + 1 if first else _LEAST
        self._all_at_once = first or _LARGE_BLOCK
        self._of_all = phases[-1].needed() | strong.needed() | prices.needed()
        # Few products are of the kind asked for, and where none of the results is, those of the first phase need not
        # be looked for.
        self._of_later = self._of_all | {*kinds}
        self._of_phases = {key for phase in phases for key in phase.needed()} | self._of_all
        self._lists: Pieces = {}
        self._asked: dict[int, set[str]] = {}
        self._by_piece: dict[int, BitMap] = {}
        self.everything = BitMap()
        self.complete = True

    def read(self, beside: Collection[str], *, enough: int | None, at_once: bool) -> None:
        """Read what is needed.

        Args:
            beside: keys of what ranking needs of the results.
            enough: so many results will do, if the first pieces have them.
            at_once: whether to read all pieces from the start, because they will be needed.
        """
        first = range(min(self._state.pieces, FIRST_PIECES))
        later = range(FIRST_PIECES, self._state.pieces)
        places = [*product(first, self._of_phases), *(product(later, self._of_later) if at_once else ())]
        self._read(places, beside=product(first, beside))
        if later and not at_once:
            least = self.everything
            if self._strong.clauses:
                least = self.evaluated(self._strong, among=least)
            is_enough = len(least) > TOTAL_CAP and self.leads if enough is None else len(least) >= enough
            if is_enough:
                self.complete = False
                return
            self._read(product(later, self._of_later))
        others = self._of_phases - self._of_later
        if later and others and not self._is_little and not self.leads:
            self._read(product(later, others), beside=product(later, beside))

    @property
    def _is_little(self) -> bool:
        return self.complete and len(self.everything) <= self._all_at_once

    @property
    def found(self) -> list[BitMap]:
        """What comes first, and what then, apart: mostly phase by phase."""
        if not self._is_little:
            return apart(self._by_phase(self._by_piece))
        leading = self._leading(Place())
        return apart([*([BitMap.union(*self._first_phases[:leading])] if leading else []), self.everything])

    @property
    def leads(self) -> bool:
        """Whether the first pieces have enough for the block from the start on."""
        if self._is_little:
            return self._start.phase < NUMBERED and self._leading(Place()) > 0
        return self._leading(self._start) > 0

    def evaluated(self, wanted: Wanted, *, among: BitMap | None = None) -> BitMap:
        """Return the products of the pieces that were read that meet all clauses."""
        return BitMap.union(*(evaluate(wanted, lists, among=among) for lists in self._lists.values()))

    def _read(self, places: Iterable[tuple[int, str]], *, beside: Iterable[tuple[int, str]] = ()) -> None:
        wanted = list(places)
        for piece, key in wanted:
            self._asked.setdefault(piece, set()).add(key)
        for piece, lists in read_places(self._state, wanted, beside=beside).items():
            self._lists.setdefault(piece, {}).update(lists)
            self._by_piece[piece] = evaluate(self._phases[-1], self._lists[piece])
        self.everything = BitMap.union(*self._by_piece.values())

    def _by_phase(self, pieces: Iterable[int]) -> list[BitMap]:
        by_piece = [evaluate_phases(self._phases, self._lists[piece], self._by_piece[piece]) for piece in pieces]
        return [BitMap.union(*sets) for sets in zip(*by_piece, strict=True)]

    @cached_property
    def _first_phases(self) -> list[BitMap]:
        return apart(self._by_phase(range(FIRST_PIECES)))

    def _leading(self, start: Place) -> int:
        """Return with how many phases the first pieces have enough that comes before all of the others, or 0."""
        if self._state.pieces <= FIRST_PIECES:
            return 0
        is_numbered = start.phase >= NUMBERED
        first = start.phase - NUMBERED if is_numbered else 0
        after = start.key if is_numbered else -1
        found = 0
        for phase in range(first, len(self._phases)):
            found += sum(1 for _ in islice(self._first_phases[phase].iter_equal_or_larger(after + 1), self._least))
            if found >= self._least:
                return phase + 1
            if self._may_be_later(self._phases[phase]):
                break
            after = -1
        return 0

    def _may_be_later(self, phase: Wanted) -> bool:
        """Tell whether the other pieces may have products of a phase, as far as was asked."""
        for piece in range(FIRST_PIECES, self._state.pieces):
            asked = self._asked.get(piece)
            if asked is None:
                return True
            known = [clause for clause in phase.clauses if asked.issuperset(chain.from_iterable(clause))]
            if evaluate(Wanted((*known,)), self._lists[piece], among=self._by_piece[piece]):
                return True
        return False
