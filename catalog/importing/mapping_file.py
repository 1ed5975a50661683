"""Mappings as people write them: a small TOML file, and options of the command; docs/importing.md explains both."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from catalog.documents import MAX_CATEGORY_DEPTH
from catalog.errors import InvalidProduct
from catalog.importing.attributes import KINDS, LONG_TEXT, AttributeRules
from catalog.importing.categorising import CategoryPass, CategoryRules, split_path
from catalog.importing.drafts import CONVERTERS
from catalog.importing.errors import InvalidMapping
from catalog.importing.mapping import BUILT_IN_IGNORED, ImportMapping, canonical_target
from catalog.importing.prices import DecimalMark
from catalog.importing.rows import shown
from catalog.importing.sources import FieldSource
from catalog.importing.values import Cleaning

T = TypeVar("T")
_MAX_FILE_BYTES = 1_048_576
_TABLES = ("fields", "defaults", "empty", "price", "category", "text", "attributes")
_DECIMAL_MARKS: tuple[DecimalMark, ...] = ("", ".", ",")
_WITHOUT_DEFAULT = ("sku", "name", "attributes")


class _Table:
    """A table of a mapping file: hands out typed values and refuses keys that nobody asked for."""

    def __init__(self, origin: str, values: object) -> None:
        if not isinstance(values, dict):
            raise InvalidMapping(f"{origin} must be a table")
        self.origin = origin
        self._values: dict[str, Any] = values
        self._asked: list[str] = []

    def get(self, key: str, kind: type[T], default: T) -> T:
        self._asked.append(key)
        value: T = self._values.get(key, default)
        # bool is an int to Python, but `minor = 1` is more likely a mistake than a flag.
        if type(value) is not kind:
            raise InvalidMapping(f"{self.origin} {key} must be {_KIND_NAMES[kind]}, not {shown(value)}")
        return value

    def choice(self, key: str, choices: Sequence[T], default: T) -> T:
        self._asked.append(key)
        value: T = self._values.get(key, default)
        if value not in choices:
            allowed = ", ".join(shown(choice) for choice in choices)
            raise InvalidMapping(f"{self.origin} {key} must be one of {allowed}, not {shown(value)}")
        return value

    def texts(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """Return a list of texts; one text alone counts as a list of it."""
        self._asked.append(key)
        value = self._values.get(key, list(default))
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(entry, str) and entry for entry in values):
            raise InvalidMapping(f"{self.origin} {key} must be a text or a list of texts, not {shown(value)}")
        return tuple(values)

    def words(self, key: str) -> dict[str, str]:
        """Return a table of texts."""
        values = self.get(key, dict, {})
        for name, value in values.items():
            if not isinstance(value, str) or not value:
                raise InvalidMapping(f"{self.origin} {key}: {shown(name)} must be a text, not {shown(value)}")
        return values

    def lists(self, key: str) -> list[list[str]]:
        """Return a list of lists of texts, none of them empty."""
        values: list[list[str]] = self.get(key, list, [])
        for value in values:
            if not isinstance(value, list) or not value or not all(isinstance(part, str) for part in value):
                raise InvalidMapping(f"{self.origin} {key} must hold lists of texts, not {shown(value)}")
        return values

    def finish(self) -> None:
        check_known(self._values, self._asked, origin=self.origin)


_KIND_NAMES: Mapping[type, str] = {bool: "true or false", str: "a text", list: "a list", dict: "a table"}


def check_known(given: Iterable[str], known: Collection[str], *, origin: str) -> None:
    """Raise :class:`InvalidMapping` naming the first key that is not known, and the one it resembles."""
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"it may hold {', '.join(known)}"
            raise InvalidMapping(f"{origin} has no key {shown(key)}; {advice}")


def read_mapping(path: Path) -> ImportMapping:
    """Read a mapping file; what it does not mention keeps its built-in meaning.

    Raises:
        InvalidMapping: it cannot be read, is no TOML, or holds a key or a value without a meaning.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise InvalidMapping(f"{path.name} is larger than {_MAX_FILE_BYTES:,} bytes; is it a mapping?")
        return parse_mapping(data.decode(), name=path.name)
    except OSError as error:
        raise InvalidMapping(f"The mapping {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidMapping(f"{path.name} is not UTF-8 text") from error


def parse_mapping(text: str, *, name: str) -> ImportMapping:
    """Read the text of a mapping file; ``name`` begins the messages of its errors."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidMapping(f"{name} is not TOML: {error}") from error
    check_known(tables, _TABLES, origin=name)

    def table(key: str) -> _Table:
        return _Table(f"{name}: [{key}]", tables.get(key, {}))

    cleaning = _cleaning(table("text"))
    price = table("price")
    mapping = ImportMapping(
        price_is_minor=price.get("minor", bool, False),
        price_decimal=price.choice("decimal", _DECIMAL_MARKS, ""),
        category=_category(table("category"), cleaning),
        attributes=_attributes(table("attributes"), cleaning),
        cleaning=cleaning,
    )
    price.finish()
    fields, defaults = tables.get("fields", {}), tables.get("defaults", {})
    for key, values in (("fields", fields), ("defaults", defaults)):
        if not isinstance(values, dict):
            raise InvalidMapping(f"{name}: [{key}] must be a table")
    mapping = replace(mapping, empty=_empty(tables.get("empty", {}), origin=f"{name}: [empty]"))
    mapping = with_sources(mapping, fields, origin=f"{name}: [fields]")
    return with_defaults(mapping, defaults, origin=f"{name}: [defaults]")


def with_sources(mapping: ImportMapping, fields: Mapping[str, object], *, origin: str) -> ImportMapping:
    """Return ``mapping`` with other sources: a field or template each, or a list of which the first value wins."""
    sources = dict(mapping.sources)
    for key, value in fields.items():
        target = canonical_target(key, origin=origin)
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(entry, str) for entry in values):
            raise InvalidMapping(f"{origin} {key} must be the name of a field or a list of names, not {shown(value)}")
        sources[target] = _sources(values, f"{origin} {key}")
    return replace(mapping, sources=sources)


def with_defaults(mapping: ImportMapping, defaults: Mapping[str, object], *, origin: str) -> ImportMapping:
    """Return ``mapping`` with further values for rows that lack a field."""
    for key, value in defaults.items():
        target = canonical_target(key, origin=origin)
        if target in _WITHOUT_DEFAULT:
            raise InvalidMapping(f"{origin} {key}: there can be no {key} for all products")
        if target == "category_path":
            fallback = _path(value, mapping.category.separators, f"{origin} {key}")
            mapping = replace(mapping, category=replace(mapping.category, fallback=fallback))
            continue
        if isinstance(value, list | dict):
            raise InvalidMapping(f"{origin} {key} must be a single value, not {shown(value)}")
        if target in CONVERTERS:
            try:
                CONVERTERS[target](key, value)
            except InvalidProduct as error:
                raise InvalidMapping(f"{origin} {error}") from error
        mapping = replace(mapping, defaults={**mapping.defaults, target: value})
    return mapping


def _empty(fields: object, *, origin: str) -> dict[str, frozenset[str]]:
    if not isinstance(fields, dict):
        raise InvalidMapping(f"{origin} must be a table")
    table = _Table(origin, fields)
    return {
        canonical_target(key, origin=origin): frozenset(text.casefold() for text in table.texts(key)) for key in fields
    }


def _cleaning(table: _Table) -> Cleaning:
    is_html, replacements = table.get("html", bool, False), table.lists("replace")
    table.finish()
    if any(len(pair) != 2 or not pair[0] for pair in replacements):
        raise InvalidMapping(f"{table.origin} replace must hold pairs: a text, and what stands in its place")
    return Cleaning(is_html=is_html, replacements=tuple((before, after) for before, after in replacements))


def _category(table: _Table, cleaning: Cleaning) -> CategoryRules:
    separators = table.texts("separator", (">",))
    fallback = table.get("fallback", str, "")
    passes = [
        _category_pass(_Table(f"{table.origin[:-1]}.rules]", rules), separators)
        for rules in table.get("rules", list, [])
    ]
    table.finish()
    return CategoryRules(
        separators=separators,
        passes=tuple(passes),
        fallback=_path(fallback, separators, f"{table.origin} fallback") if fallback else (),
        cleaning=cleaning,
    )


def _category_pass(table: _Table, separators: Sequence[str]) -> CategoryPass:
    sources = _sources(table.texts("field"), f"{table.origin} field")
    flags = re.IGNORECASE if table.get("ignore_case", bool, True) else re.NOFLAG
    rules = []
    for path, *patterns in table.lists("paths"):
        origin = f"{table.origin} {shown(path)}"
        if not patterns:
            raise InvalidMapping(f"{origin} has no pattern")
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise InvalidMapping(f"{origin}: {shown(pattern)} is no regular expression: {error}") from error
        joined = "|".join(f"(?:{pattern})" for pattern in patterns)
        rules.append((_path(path, separators, origin), re.compile(joined, flags)))
    table.finish()
    if not sources or not rules:
        raise InvalidMapping(f"{table.origin} needs a field to look at, and paths with their patterns")
    return CategoryPass(sources, tuple(rules))


def _path(value: object, separators: Sequence[str], origin: str) -> tuple[str, ...]:
    levels = tuple(split_path(value, separators)) if isinstance(value, str) else ()
    if not 0 < len(levels) <= MAX_CATEGORY_DEPTH:
        raise InvalidMapping(f"{origin} must be a path of 1 to {MAX_CATEGORY_DEPTH} names, not {shown(value)}")
    return levels


def _attributes(table: _Table, cleaning: Cleaning) -> AttributeRules:
    prefixes = table.get("prefixes", dict, {})
    for prefix, kind in prefixes.items():
        if kind not in KINDS or not prefix:
            raise InvalidMapping(f"{table.origin} prefixes: {shown(prefix)} must be one of {', '.join(KINDS)}")
    rules = AttributeRules(
        unknown=table.get("unknown", bool, True),
        ignored=(*BUILT_IN_IGNORED, *table.texts("ignore")),
        prefixes=prefixes,
        labels=table.words("labels"),
        words={word.lower(): spelling for word, spelling in table.words("words").items()},
        long_text=table.choice("long_text", LONG_TEXT, "reject"),
        cleaning=cleaning,
    )
    table.finish()
    for label in (*rules.labels.values(), *rules.words.values()):
        if "." in label or label.startswith("$"):
            raise InvalidMapping(
                f"{table.origin} {shown(label)}: names of attributes have no full stop and no $ in front"
            )
    return rules


def _sources(templates: Iterable[str], origin: str) -> tuple[FieldSource, ...]:
    try:
        return tuple(map(FieldSource.parse, templates))
    except InvalidMapping as error:
        raise InvalidMapping(f"{origin}: {error}") from error


def mapping_from_options(maps: Sequence[str], defaults: Sequence[str]) -> ImportMapping:
    """Return the mapping that the options of the command line state.

    Args:
        maps: mapping files, at most one, and ``field=source`` pairs, which win over it; of two pairs the later wins.
        defaults: ``field=value`` pairs.

    Raises:
        InvalidMapping: an option has no meaning.
    """
    files = [value for value in maps if value.lower().endswith(".toml") or "=" not in value]
    if len(files) > 1:
        raise InvalidMapping(f"--map: give one mapping file, not {len(files)}")
    mapping = read_mapping(Path(files[0])) if files else ImportMapping()
    pairs = dict(_pair("--map", value, "a mapping file or field=source") for value in maps if value not in files)
    mapping = with_sources(mapping, pairs, origin="--map")
    constants = dict(_pair("--default", value, "field=value") for value in defaults)
    return with_defaults(mapping, constants, origin="--default")


def _pair(option: str, text: str, expected: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise InvalidMapping(f"{option} {shown(text)} is not {expected}")
    return key.strip(), value.strip()
