"""What a query means in this catalogue: which terms to look for, and what was made of words that it does not have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from catalog.search.analysis import Unit, head_of, query_units, term_of, words_beyond
from catalog.search.lexicon import Lexicon, TermStats, rarity
from catalog.search.meaning import Interpretation, Origin, Want
from catalog.search.spelling import SHORTEST

MAX_SPELLINGS = 4
"""So many words that may have been meant are tried, until one finds something together with the others."""
_SHORTEST_PREFIX = 3
_MAX_COMPLETIONS = 8
_COMPLETION_SHARE = 0.2
_SELDOM = 5
_FAR_MORE = 20
"""A known word that at most so many products have may be a misspelling of one that so many times as many have."""


def interpret(
    query: str, lexicon: Lexicon, *, as_typed: bool = False, beside: Collection[str] = ()
) -> list[Interpretation]:
    """Return what ``query`` can mean, the likeliest first; nothing where it holds no word.

    Args:
        as_typed: correct nothing, because the user insists.
        beside: terms of filters, to be looked up together with those of the query.
    """
    left_out = words_beyond(query)
    found = _meanings(query, lexicon, as_typed=as_typed, beside=beside)
    return [replace(meaning, dropped=left_out) for meaning in found]


def _meanings(query: str, lexicon: Lexicon, *, as_typed: bool, beside: Collection[str]) -> list[Interpretation]:
    units = query_units(query)
    if not units:
        return []
    typed = {term for unit in units for option in unit.options for term in option}
    # What will be needed next is looked up at once, and kept for then.
    synonyms = {term for rule in lexicon.synonyms(list(typed)) for target in rule.targets for term in target}
    stats = lexicon.stats({*typed, *synonyms, *beside})
    if not lexicon.products:
        return [Interpretation(query, tuple(Want(unit, unit.options[0]) for unit in units))]
    wants = [_want(unit, stats, lexicon.products) for unit in units]
    if as_typed:
        return [_finished(query, wants, lexicon)]
    wants = _known_by_synonyms(query, wants, lexicon)
    if all(want.known for want in wants):
        others = _seldom_respelt(query, wants, lexicon)
        return [_finished(query, wants, lexicon), *(_finished(*meaning, lexicon) for meaning in others)]
    wants = list(_rejoined(wants, lexicon))
    return [_finished(*meaning, lexicon) for meaning in _respelt(query, wants, lexicon)]


def _want(unit: Unit, stats: Mapping[str, TermStats], products: int) -> Want:
    for option in unit.options:
        if all(term in stats for term in option):
            return _known(unit, option, [stats[term] for term in option], products)
    return Want(unit, unit.options[0], known=False)


def _known(unit: Unit, terms: tuple[str, ...], found: Sequence[TermStats], products: int) -> Want:
    rarest = min(found, key=lambda term: term.everywhere)
    return Want(
        unit=unit,
        terms=terms,
        frequency=rarest.everywhere,
        strong_frequency=min(term.strong for term in found),
        rarity=rarity(rarest.everywhere, products),
        kinds=terms[-1:] if all(term.kind for term in found) else (),
    )


def _finished(query: str, wants: Sequence[Want], lexicon: Lexicon) -> Interpretation:
    """Add synonyms and find what the thing asked for is."""
    corrected = any(want.origin is Origin.CORRECTED for want in wants)
    synonyms = _Synonyms(wants, lexicon)
    found = [
        synonyms.of_one(run[0]) if len(run) == 1 else synonyms.of_several(run) for run in synonyms.runs(query, wants)
    ]
    if corrected:
        query = _respelt_query(query, wants)
    return Interpretation(query, tuple(found), corrected=corrected, head=_head(query, found), measured=True)


def _known_by_synonyms(query: str, wants: Sequence[Want], lexicon: Lexicon) -> list[Want]:
    """Let words count as known that no product has, where products have what means the same."""
    if all(want.known for want in wants):
        return list(wants)
    synonyms = _Synonyms(wants, lexicon)
    return [
        replace(want, known=want.known or synonyms.is_source(run))
        for run in synonyms.runs(query, wants)
        for want in run
    ]


class _Synonyms:
    """What else means the same as words of a query, as far as products have it."""

    def __init__(self, wants: Sequence[Want], lexicon: Lexicon) -> None:
        typed = [term for want in wants for term in want.terms]
        rules = lexicon.synonyms(typed)
        targets = [(rule.source, target) for rule in rules for target in rule.targets]
        self._stats = lexicon.stats({*typed, *(term for _, target in targets for term in target)}) if rules else {}
        self._products = lexicon.products
        self._targets: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for source, target in targets:
            if self._has(target):
                self._targets.setdefault(source, []).append(target)

    def runs(self, query: str, wants: Sequence[Want]) -> Iterator[Sequence[Want]]:
        """Yield the words one by one, and as many as possible at a time where they have synonyms together."""
        place = 0
        while place < len(wants):
            lengths = range(len(wants) - place, 1, -1)
            runs = (wants[place : place + length] for length in lengths)
            run = next(
                (run for run in runs if self.is_source(run) and _is_phrase(query, run)), wants[place : place + 1]
            )
            yield run
            place += len(run)

    def is_source(self, run: Sequence[Want]) -> bool:
        """Tell whether words have synonyms together."""
        return _terms_of(run) in self._targets

    def of_one(self, want: Want) -> Want:
        """Return a word with its synonyms."""
        found = self._targets.get(want.terms, [])
        return self._varied(want, found) if found else want

    def of_several(self, run: Sequence[Want]) -> Want:
        """Return words that have synonyms together as one thing that products should have."""
        parts = tuple(replace(self.of_one(part), known=part.frequency > 0) for part in run)
        terms = _terms_of(run)
        unit = Unit(run[0].unit.start, run[-1].unit.end, " ".join(part.unit.word for part in run), (terms,))
        is_corrected = any(part.origin is Origin.CORRECTED for part in run)
        whole = Want(
            unit=unit,
            terms=terms,
            frequency=min(part.frequency for part in run),
            strong_frequency=min(part.strong_frequency for part in run),
            rarity=sum(part.rarity for part in run),
            kinds=parts[-1].kinds,
            origin=Origin.CORRECTED if is_corrected else Origin.TYPED,
            parts=parts,
        )
        # What a single one of the words could be replaced by still can be.
        variants = [
            _terms_of([*run[:place], replace(part, terms=option), *run[place + 1 :]])
            for place, part in enumerate(parts)
            for option in part.alternatives
        ]
        return self._varied(whole, dict.fromkeys([*self._targets[terms], *filter(self._has, variants)]))

    def _varied(self, want: Want, found: Iterable[tuple[str, ...]]) -> Want:
        rarities = [max(rarity(self._stats[term].everywhere, self._products) for term in target) for target in found]
        kinds = [target[-1] for target in found if self._stats[target[-1]].kind]
        return replace(
            want,
            alternatives=(*want.alternatives, *found),
            rarity=want.rarity if want.frequency else max(rarities),
            synonym_rarities=tuple(rarities),
            kinds=tuple(dict.fromkeys((*want.kinds, *kinds))),
        )

    def _has(self, terms: Iterable[str]) -> bool:
        return all(term in self._stats for term in terms)


def _terms_of(run: Sequence[Want]) -> tuple[str, ...]:
    return tuple(term for want in run for term in want.terms)


def _is_phrase(query: str, run: Sequence[Want]) -> bool:
    """Tell whether words are written one after the other, without a word between them that is not looked for."""
    if any(want.origin is Origin.COMPLETED for want in run):
        return False
    between = (query[left.unit.end : right.unit.start] for left, right in pairwise(run))
    return not any(char.isalnum() for gap in between for char in gap)


def _head(query: str, wants: Sequence[Want]) -> int:
    """Return which word says what the thing is: the last one that names a type or a category of products."""
    end = len(head_of(query))
    heads = [place for place, want in enumerate(wants) if want.kinds and want.unit.start < end]
    return heads[-1] if heads else -1


def _seldom_respelt(query: str, wants: Sequence[Want], lexicon: Lexicon) -> Iterator[tuple[str, list[Want]]]:
    """Yield the query with the rarest of its words replaced, if others are very much like it and far more frequent.

    Catalogues have typing errors too, so a word that is known may be one. What is typed comes first: this is for where
    no product has it together with the others.
    """
    rarest = min(range(len(wants)), key=lambda place: wants[place].frequency)
    want = wants[rarest]
    if len(wants) < 2 or want.frequency > _SELDOM or not want.unit.is_plain_word:
        return
    for spelling in lexicon.spellings(want.unit.word)[:1]:
        corrected = _correction(want.unit, spelling.word, lexicon)
        if corrected is not None and corrected.frequency >= _FAR_MORE * want.frequency:
            yield query, [*wants[:rarest], corrected, *wants[rarest + 1 :]]


def _rejoined(wants: Sequence[Want], lexicon: Lexicon) -> Iterator[Want]:
    """Put together what products write as one word: ``head phones``, where one of the two is not known by itself."""
    joined: dict[int, Want] = {}
    for place, (left, right) in enumerate(pairwise(wants)):
        both_plain = left.unit.is_plain_word and right.unit.is_plain_word
        if place - 1 in joined or not both_plain or (left.known and right.known):
            continue
        word = left.unit.word + right.unit.word
        term = term_of(word)
        found = lexicon.stats({term})
        if term in found:
            unit = Unit(left.unit.start, right.unit.end, word, ((term,),))
            joined[place] = replace(_known(unit, (term,), [found[term]], lexicon.products), origin=Origin.CORRECTED)
    for place, want in enumerate(wants):
        if place in joined:
            yield joined[place]
        elif place - 1 not in joined:
            yield want


def _respelt(query: str, wants: Sequence[Want], lexicon: Lexicon) -> Iterator[tuple[str, list[Want]]]:
    """Yield the query with its unknown words replaced: the likeliest first, then others for the first such word."""
    last = len(wants) - 1
    choices = [
        [want] if want.known else _replacements(want, lexicon, is_last=place == last)
        for place, want in enumerate(wants)
    ]
    first = [options[0] for options in choices]
    yield query, first
    for place, options in enumerate(choices):
        if len(options) > 1:
            for other in options[1:]:
                yield query, [*first[:place], other, *first[place + 1 :]]
            return


def _replacements(want: Want, lexicon: Lexicon, *, is_last: bool) -> list[Want]:
    """Return what an unknown word may stand for, the likeliest first; itself where nothing is like it."""
    word = want.unit.word
    spellings = lexicon.spellings(word)[:MAX_SPELLINGS]
    lexicon.stats({term_of(spelling.word) for spelling in spellings})  # Looked up at once, and kept.
    corrections = [
        corrected for spelling in spellings if (corrected := _correction(want.unit, spelling.word, lexicon)) is not None
    ]
    completion = _completion(want.unit, lexicon) if is_last and len(word) >= _SHORTEST_PREFIX else None
    if completion is not None:
        is_slip = bool(corrections) and _is_slip(word, corrections[0], completion)
        return [*corrections, completion] if is_slip else [completion, *corrections]
    if not corrections and (split := _split(want.unit, lexicon)) is not None:
        return [split]
    return corrections or [want]


def _is_slip(word: str, correction: Want, completion: Want) -> bool:
    """Tell whether a word is a misspelt one rather than the beginning of one: a letter is missing at its end."""
    meant = correction.unit.word
    if len(word) >= SHORTEST and meant.startswith(word):
        return True
    return completion.frequency < _COMPLETION_SHARE * correction.frequency


def _correction(unit: Unit, word: str, lexicon: Lexicon) -> Want | None:
    term = term_of(word)
    found = lexicon.stats({term})
    if term not in found:
        return None
    corrected = replace(unit, word=word, options=((term,),))
    return replace(_known(corrected, (term,), [found[term]], lexicon.products), origin=Origin.CORRECTED)


def _completion(unit: Unit, lexicon: Lexicon) -> Want | None:
    found = lexicon.completions(unit.word)[:_MAX_COMPLETIONS]
    if not found:
        return None
    return Want(
        unit=unit,
        terms=(found[0].term,),
        alternatives=tuple((term.term,) for term in found[1:]),
        frequency=sum(term.everywhere for term in found),
        strong_frequency=sum(term.strong for term in found),
        rarity=rarity(sum(term.everywhere for term in found), lexicon.products),
        origin=Origin.COMPLETED,
    )


def _split(unit: Unit, lexicon: Lexicon) -> Want | None:
    """Return two known words that were written as one, the pair whose rarer word is the most frequent."""
    word = unit.word
    if not unit.is_plain_word or len(word) < 2 * _SHORTEST_PREFIX:
        return None
    pairs = [(word[:cut], word[cut:]) for cut in range(_SHORTEST_PREFIX, len(word) - _SHORTEST_PREFIX + 1)]
    stats = lexicon.stats({term_of(part) for pair in pairs for part in pair})
    found = [
        (min(stats[term_of(left)].everywhere, stats[term_of(right)].everywhere), left, right)
        for left, right in pairs
        if term_of(left) in stats and term_of(right) in stats
    ]
    if not found:
        return None
    _, left, right = max(found)
    terms = (term_of(left), term_of(right))
    corrected = replace(unit, word=f"{left} {right}", options=(terms,))
    return replace(_known(corrected, terms, [stats[term] for term in terms], lexicon.products), origin=Origin.CORRECTED)


def _respelt_query(query: str, wants: Sequence[Want]) -> str:
    """Return the query with corrected words in the place of those that were typed."""
    parts, end = [], 0
    for want in wants:
        if want.origin is Origin.CORRECTED:
            parts += [query[end : want.unit.start], want.unit.word]
            end = want.unit.end
    return "".join([*parts, query[end:]])
