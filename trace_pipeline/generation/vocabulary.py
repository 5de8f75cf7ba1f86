"""The vocabulary: lists of words with every form that a template may ask for, made once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trace_pipeline.generation import grammar
from trace_pipeline.generation.model import (
    NounsFile,
    PeopleFile,
    ScenesFile,
    VocabFile,
    WordsFile,
)
from trace_pipeline.validation import InvalidInputError, convert, unknown_name


class CatalogError(InvalidInputError):
    """A schema or vocabulary file that cannot be used; the message says where and what to do."""


class UnknownPathError(ValueError):
    """A vocabulary path that does not exist; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One word or bundle with its forms."""

    key: str
    """What makes it different from others: two draws of one story never share it."""
    forms: dict[str, str]
    """Text by the path that a template gives after the draw's name; ``""`` is the plain word."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All lists by path: ``people``, ``<file>.<list>``."""

    lists: dict[str, tuple[Entry, ...]]

    def resolve(self, paths: str | list[str]) -> tuple[Entry, ...]:
        """The entries of one list or of several together.

        Raises:
            UnknownPathError: a path that does not exist.
        """
        found: dict[str, Entry] = {}
        for path in [paths] if isinstance(paths, str) else paths:
            if path not in self.lists:
                known = sorted(self.lists)
                raise UnknownPathError(unknown_name("vocabulary path", path, known))
            found.update((entry.key, entry) for entry in self.lists[path])
        return tuple(found.values())


def read_json(path: Path) -> Any:
    """Plain data of a JSON file.

    Raises:
        CatalogError: unreadable, not JSON, or a key that stands twice in one object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
        return json.loads(
            text, object_pairs_hook=_unrepeated, parse_float=_finite, parse_constant=_finite
        )
    except OSError as error:
        raise CatalogError(f"{path}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        place = f"{path}:{error.lineno}:{error.colno}"
        raise CatalogError(f"{place}: not JSON: {error.msg[:1].lower()}{error.msg[1:]}") from None
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8; save it as UTF-8"
        raise CatalogError(f"{path}: not JSON: {reason}") from None
    except RecursionError:
        raise CatalogError(f"{path}: not JSON: nested too deeply") from None
    except ValueError as error:  # of the functions below, or a number of thousands of digits
        raise CatalogError(f"{path}: {error}") from None


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of a key that stands twice, one value would be lost without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise InvalidInputError(
            f"the key {twice!r} stands twice in one object, with the keys {', '.join(found)}; "
            "remove or rename one"
        )
    return found


def _finite(text: str) -> float:
    """A number of JSON, which knows neither NaN nor infinities."""
    number = float(text)
    if not math.isfinite(number):
        raise InvalidInputError(f"not JSON: {text} is not a finite number")
    return number


def load_vocabulary(folder: Path) -> Vocabulary:
    """Read every ``*.json`` of ``folder``.

    Raises:
        CatalogError: no such folder, or a file that cannot be used.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise CatalogError(f"{folder}: expected a folder with vocabulary files (*.json)")
    lists: dict[str, tuple[Entry, ...]] = {}
    for path in paths:
        try:
            file: VocabFile = convert(read_json(path), VocabFile, str(path))  # type: ignore[arg-type]
            for name, entries in _entries(file):
                _refuse_blanks_and_repeats(entries, f"$.lists.{name}" if name else "$")
                lists[f"{path.stem}.{name}" if name else path.stem] = tuple(entries)
        except InvalidInputError as error:
            text = str(error)
            raise CatalogError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    return Vocabulary(lists)


def _entries(file: VocabFile) -> Iterable[tuple[str, list[Entry]]]:
    match file:
        case PeopleFile():
            yield "", _people(file)
        case NounsFile():
            for name, items in file.lists.items():
                yield name, [_noun(item, f"$.lists.{name}[{i}]") for i, item in enumerate(items)]
        case WordsFile():
            for name, phrases in file.lists.items():
                yield name, [_word(phrase) for phrase in phrases]
        case ScenesFile():
            for name, bundles in file.lists.items():
                yield (
                    name,
                    [_scene(b, file, f"$.lists.{name}[{i}]") for i, b in enumerate(bundles)],
                )


def _refuse_blanks_and_repeats(entries: list[Entry], where: str) -> None:
    if not entries:
        raise InvalidInputError(f"{where}: expected at least one entry in each list")
    seen: set[str] = set()
    for entry in entries:
        for text in entry.forms.values():
            if not text or text != text.strip():
                reason = f"expected words without spaces around, found {text!r}"
                raise InvalidInputError(f"{where}: {reason}")
        if entry.key in seen:
            raise InvalidInputError(f"{where}: {entry.key!r} stands in one list twice; remove one")
        seen.add(entry.key)


def _people(file: PeopleFile) -> list[Entry]:
    people = []
    for pronoun, names in (("she", file.she), ("he", file.he)):
        for name in names:
            forms = {"": name, "'s": grammar.possessive(name), "slug": grammar.slug(name)}
            people.append(Entry(name, forms | grammar.PRONOUNS[pronoun]))
    return people


def _noun_forms(item: str | dict[Any, str], where: str) -> dict[str, str]:
    """``one`` (as ``""``), ``many`` and ``slug`` of a thing."""
    given = {"one": item} if isinstance(item, str) else dict(item)
    if "one" not in given or set(given) - {"one", "many"}:
        raise InvalidInputError(f"{where}: expected the fields one and many, found {sorted(given)}")
    one = given["one"]
    many = given.get("many") or grammar.plural(one)
    return {"": one, "many": many, "'s": grammar.possessive(one), "slug": grammar.slug(many)}


def _noun(item: str | dict[Any, str], where: str) -> Entry:
    forms = _noun_forms(item, where)
    return Entry(forms[""], forms)


def _word(phrase: str) -> Entry:
    forms = {"": phrase, "'s": grammar.possessive(phrase), "slug": grammar.slug(phrase)}
    return Entry(phrase, forms)


def _scene(bundle: dict[str, str | dict[str, str]], file: ScenesFile, where: str) -> Entry:
    forms: dict[str, str] = {}
    for role, value in bundle.items():
        if role in file.verbs:
            found = _verb_forms(value, f"{where}.{role}")
        elif role in file.nouns:
            found = _noun_forms(value, f"{where}.{role}")
        elif isinstance(value, str):
            found = {"": value, "slug": grammar.slug(value)}
        else:
            raise InvalidInputError(
                f"{where}.{role}: expected a text, found {value!r}; list the role under nouns or "
                f"verbs to give it forms"
            )
        forms |= {f"{role}.{form}".rstrip("."): text for form, text in found.items()}
    return Entry("/".join(str(value) for value in bundle.values()), forms)


def _verb_forms(value: str | dict[str, str], where: str) -> dict[str, str]:
    given = {"base": value} if isinstance(value, str) else dict(value)
    unknown = set(given) - {"base", "s", "past", "ing"}
    if "base" not in given or unknown:
        raise InvalidInputError(
            f"{where}: expected the fields base, s, past, ing, found {sorted(given)}"
        )
    base = given.pop("base")
    return {"": base} | grammar.verb_forms(base, given)
