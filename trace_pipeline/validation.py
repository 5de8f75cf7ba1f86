"""Typed reading of hand-written files, with errors that say where and what to do."""

from __future__ import annotations

import difflib
import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class InvalidInputError(ValueError):
    """Input that cannot be used; the message names the place, what was expected and found."""


def convert(data: Any, model: type[T], where: str) -> T:
    """Type plain ``data`` as ``model``; ``where`` names the file in errors.

    Raises:
        InvalidInputError: ``where: $.path: expected ..., found ...``.
    """
    try:
        return msgspec.convert(data, model)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"{where}: {_described(str(error), data)}") from None


def _described(message: str, data: Any) -> str:
    message, _, path = message.partition(" - at `")
    path = path.rstrip("`")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if unknown:
        return f"{path or '$'}: unknown field {unknown[1]!r}; remove it or correct its name"
    missing = re.fullmatch(r"Object missing required field `(.*)`", message)
    if missing:
        return f"{path or '$'}: the field {missing[1]!r} is missing; add it"
    expected = re.sub(r", got .*", "", message).replace("Expected", "expected").replace("`", "")
    if not path:
        return f"$: {expected}, found {_shown(data)}"
    if path.startswith("key in "):
        return f"{path}: {expected}"
    return f"{path}: {expected}, found {_shown(_lookup(data, path))}"


def _lookup(data: Any, path: str) -> Any:
    for name, index in re.findall(r"\.([^.\[\]]+)|\[([^\]]*)\]", path.removeprefix("$")):
        if name and isinstance(data, dict):
            data = data.get(name)
        elif index.isdigit() and isinstance(data, list | tuple):
            data = data[int(index)]
        elif index == "..." and data:  # msgspec does not say which entry
            return f"an entry of {_shown(data)}"
    return data


def _shown(value: Any, limit: int = 60) -> str:
    text = value if isinstance(value, str) and value.startswith("an entry") else repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """The sentence for a name that does not exist: the nearest one, and what there is."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {kind} {name!r}{hint} There are: {', '.join(known) or 'none'}"
