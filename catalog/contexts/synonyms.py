"""The pages on which staff looks after synonyms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from catalog.contexts.facets import Crumb
from catalog.contexts.formatting import format_date
from catalog.contexts.staff import staff_crumbs
from catalog.staff_log import StaffChange
from catalog.vocabulary.synonym_sets import SynonymSet
from catalog.vocabulary.synonyms import MAX_PHRASES


@dataclass(frozen=True, slots=True)
class SynonymRow:
    """A set of synonyms in the list; ``others`` are what the first phrase stands for."""

    first: str
    others: str
    one_way: bool
    changed: str
    url: str


@dataclass(frozen=True, slots=True)
class SynonymForm:
    """Everything the form of a set of synonyms shows.

    Attributes:
        phrases: one on each line.
        version: the version that was read; 0 for a new set.
        problem: what is wrong with the phrases, or empty.
        stored: the stored phrases, where somebody else was faster.
        history: who has changed it, the last change first.
    """

    title: str
    phrases: str
    one_way: bool
    version: int
    problem: str
    notice: str
    stored: tuple[str, ...]
    history: tuple[str, ...]
    crumbs: tuple[Crumb, ...]
    most: int = MAX_PHRASES


def synonyms_url(set_id: str) -> str:
    """Return the address of the form of a set."""
    return f"{reverse('staff:edit_synonyms')}?{urlencode({'set': set_id})}"


def build_synonym_rows(found: Sequence[SynonymSet]) -> tuple[SynonymRow, ...]:
    """Prepare the list of sets."""
    return tuple(
        SynonymRow(
            first=each.phrases[0],
            others=", ".join(each.phrases[1:]),
            one_way=each.one_way,
            changed=moment(each.updated_at, each.updated_by),
            url=synonyms_url(each.id),
        )
        for each in found
    )


def build_synonym_form(
    *,
    phrases: str,
    one_way: bool,
    version: int = 0,
    problem: str = "",
    notice: str = "",
    stored: SynonymSet | None = None,
    history: Sequence[StaffChange] = (),
) -> SynonymForm:
    """Prepare the form of a set, new where ``version`` is 0."""
    title = "Synonyms" if version else "New synonyms"
    return SynonymForm(
        title=title,
        phrases=phrases,
        one_way=one_way,
        version=version,
        problem=problem,
        notice=notice,
        stored=stored.phrases if stored else (),
        history=tuple(f"{each.action} by {moment(each.at, each.by)}: {_said(each)}" for each in history),
        crumbs=staff_crumbs(("Synonyms", reverse("staff:synonyms")), (title, "")),
    )


def moment(at: datetime | None, by: str) -> str:
    """Return who did something and when, in words."""
    when = f"{format_date(at.isoformat())}, {at:%H:%M} UTC" if at else ""
    return ", ".join(part for part in (by, when) if part)


def _said(change: StaffChange) -> str:
    what = change.after or change.before
    joined = " → " if what.get("one_way") else " = "
    phrases = [str(phrase) for phrase in what.get("phrases", ())]
    return joined.join([phrases[0], ", ".join(phrases[1:])]) if phrases else ""
