"""Typed reading of hand-written files, with errors that say where and what to do."""

from __future__ import annotations

import difflib
import re
from typing import Any, TypeVar

import msgspec
import msgspec.inspect

T = TypeVar("T")

NAMES_LISTED = 20
"""Names that an error lists; of more, those most like the wrong one."""


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
        raise InvalidInputError(f"{where}: {_described(str(error), data, model)}") from None


def _described(message: str, data: Any, model: type) -> str:
    steps, of_key = _place(message, data, model)
    message = message.rpartition(" - at `")[0] or message
    found: Any = steps.pop() if of_key else _lookup(data, steps)
    path = "$" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL)
    if unknown:
        return f"{path}: unknown field {unknown[1]!r}; remove it or correct its name"
    missing = re.fullmatch(r"Object missing required field `(.*)`", message)
    if missing:
        return f"{path}: the field {missing[1]!r} is missing; add it"
    strange = re.match(r"Invalid (?:enum )?value ", message)
    if of_key and strange:
        return f"{path}: {unknown_name('key', str(found), _keys(model, steps))}"
    if of_key:
        path += ": name of an entry"
    elif steps and strange:
        return f"{path}: {unknown_name('value', str(found), _choices(model, steps))}"
    expected = re.sub(r", got .*", "", message).replace("Expected", "expected").replace("`", "")
    return f"{path}: {expected}, found {_shown(found)}"


def _place(message: str, data: Any, model: type) -> tuple[list[Any], bool]:
    """The names and indices that lead to the fault, and whether the last is itself at fault.

    msgspec gives ``[...]`` for the key of an entry, and ``key`` in its mapping for a key at fault.
    The entry is found by trying: with it alone in its mapping, the error stays the same.
    """
    path = message.rpartition(" - at `")[2].rstrip("`") if " - at `" in message else "$"
    of_key = path.startswith("key` in `")
    steps: list[Any] = []
    for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", path + "[...]" * of_key):
        entries = _lookup(data, steps) if index == "..." else {}
        step: Any = int(index) if index.isdecimal() else name or index
        for key in entries if isinstance(entries, dict) else ():
            alone = _replaced(data, steps, {key: entries[key]})
            if _failure(alone, model) == message:
                data, step = alone, key
                break
        steps.append(step)
    return steps, of_key


def _failure(data: Any, model: type) -> str:
    try:
        msgspec.convert(data, model)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _lookup(data: Any, steps: list[Any]) -> Any:
    for step in steps:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(step, int):
            data = data[step]
    return data


def _replaced(data: Any, steps: list[Any], value: Any) -> Any:
    """A copy of ``data`` with ``value`` at the place of ``steps``."""
    if not steps:
        return value
    copy: Any = dict(data) if isinstance(data, dict) else list(data)
    copy[steps[0]] = _replaced(data[steps[0]], steps[1:], value)
    return copy


def _choices(model: type, steps: list[Any]) -> list[str]:
    """The values that ``model`` takes at ``steps``: tags of its structs, members, literals."""
    nodes = _expanded(msgspec.inspect.type_info(model))
    *above, last = steps
    for step in above:
        nodes = [inner for node in nodes for inner in _inside(node, step)]
    structs = [node for node in nodes if isinstance(node, msgspec.inspect.StructType)]
    tags = [struct.tag for struct in structs if struct.tag_field == last]
    if not tags:
        values = [inner for node in nodes for inner in _inside(node, last)]
        literals = [n.values for n in values if isinstance(n, msgspec.inspect.LiteralType)]
        members = [list(n.cls) for n in values if isinstance(n, msgspec.inspect.EnumType)]
        return [str(value) for found in (*literals, *members) for value in found]
    return [str(tag) for tag in tags]


def _keys(model: type, steps: list[Any]) -> list[str]:
    """The keys that the mapping at ``steps`` may have, where these are a closed set."""
    nodes = _expanded(msgspec.inspect.type_info(model))
    for step in steps:
        nodes = [inner for node in nodes for inner in _inside(node, step)]
    keys = [node.key_type for node in nodes if isinstance(node, msgspec.inspect.DictType)]
    literals = [key.values for key in keys if isinstance(key, msgspec.inspect.LiteralType)]
    return [str(value) for found in literals for value in found]


def _expanded(node: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    if isinstance(node, msgspec.inspect.UnionType):
        return [part for inner in node.types for part in _expanded(inner)]
    if isinstance(node, msgspec.inspect.Metadata):
        return _expanded(node.type)
    return [node]


def _inside(node: msgspec.inspect.Type, step: Any) -> list[msgspec.inspect.Type]:
    match node:
        case msgspec.inspect.StructType(fields=fields):
            return [
                part for field in fields if field.encode_name == step
                for part in _expanded(field.type)
            ]  # fmt: skip
        case msgspec.inspect.DictType(value_type=inner):
            return _expanded(inner)
        case msgspec.inspect.ListType(item_type=inner):
            return _expanded(inner)
    return []


def _shown(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """The sentence for a name that does not exist: the nearest one, and what there is.

    Of more than :data:`NAMES_LISTED` names those that are most alike stand for all.
    """
    near = difflib.get_close_matches(name, known, NAMES_LISTED // 2, cutoff=0.4)
    likely = difflib.get_close_matches(name, near, 1)
    hint = f"; did you mean {likely[0]!r}?" if likely else "."
    if len(known) <= NAMES_LISTED:
        return f"unknown {kind} {name!r}{hint} There are: {', '.join(known) or 'none'}"
    shown = ", ".join(near or known[: NAMES_LISTED // 2])
    return f"unknown {kind} {name!r}{hint} There are {len(known)}, such as {shown}"
