"""YAML text to raw data, streamed: the first thing that a trace may not hold ends the reading.

PyYAML's event parser does the syntax; composing is done here, so that nesting is
cut off while it is being read, anchors, aliases, tags and duplicate keys never
become data, and numbers keep their exact decimal value.
"""

from __future__ import annotations

import math
from typing import Any

import yaml

from trace_pipeline.traces.errors import Reason, TraceError, shorten
from trace_pipeline.traces.limits import MAX_DEPTH
from trace_pipeline.traces.numbers import decimal_number, exceeds_limit
from trace_pipeline.traces.shape import OutOfRange, RawSubTrace, RawTrace
from trace_pipeline.yaml_core import CoreLoader

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Only its event parser is used; libyaml's where PyYAML was built with it."""

_INT, _FLOAT, _BOOL, _NULL = (
    f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null")
)


def read_yaml(text: str) -> RawTrace:
    """The raw trace of YAML text that holds nothing else.

    Raises:
        TraceError: ``parse_fail``.
    """
    try:
        data = _document(_LOADER(text))
    except (yaml.YAMLError, UnicodeError) as error:
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        raise parse_fail(f"not YAML{line}: {problem}; correct it") from None
    return _raw_trace(data)


def parse_fail(message: str) -> TraceError:
    """The error of a text that is no trace."""
    return TraceError(Reason.PARSE_FAIL, message)


def _document(parser: Any) -> Any:
    event = parser.get_event()  # the stream's start
    event = parser.get_event()
    if isinstance(event, yaml.StreamEndEvent):
        raise parse_fail("there is no trace in the text")
    data = _node(parser, parser.get_event(), 1)
    parser.get_event()  # the document's end
    if not isinstance(parser.get_event(), yaml.StreamEndEvent):
        raise parse_fail("a second YAML document follows the first; write one")
    return data


def _node(parser: Any, event: Any, depth: int) -> Any:
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise parse_fail(f"anchors and aliases are not allowed{_line(event)}; write the value out")
    if event.tag is not None:
        raise parse_fail(f"tags are not allowed{_line(event)}; remove {event.tag[:40]!r}")
    if isinstance(event, yaml.ScalarEvent):
        return event.value if not event.implicit[0] else _plain(event.value)
    if depth > MAX_DEPTH:
        raise parse_fail(f"nested deeper than {MAX_DEPTH}{_line(event)}; flatten it")
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := parser.get_event(), yaml.SequenceEndEvent):
            items.append(_node(parser, event, depth + 1))
        return items
    mapping: dict[Any, Any] = {}
    while not isinstance(event := parser.get_event(), yaml.MappingEndEvent):
        key = _node(parser, event, depth + 1)
        if isinstance(key, list | dict):
            raise parse_fail(f"a key must be a scalar{_line(event)}")
        if key in mapping:
            raise parse_fail(f"duplicate key {shorten(key)}{_line(event)}; keep one")
        mapping[key] = _node(parser, parser.get_event(), depth + 1)
    return mapping


def _line(event: Any) -> str:
    return f" (line {event.start_mark.line + 1})"


def _plain(text: str) -> Any:
    """The value of a plain scalar by the core schema, numbers exact."""
    tag = ""
    for candidate, pattern in CoreLoader.yaml_implicit_resolvers.get(text[:1], ()):
        if pattern.match(text):
            tag = candidate
            break
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() == "true"
    if tag == _INT and text[:2] in ("0x", "0o"):
        return _radix(text)
    if tag in (_INT, _FLOAT):
        if text[-1] in "fFnN":
            return math.nan  # .nan and .inf are floats, and no number of a trace
        try:
            return decimal_number(text)
        except OverflowError:
            return OutOfRange(text)
    return text


def _radix(text: str) -> Any:
    value = int(text, 0)
    return OutOfRange(text) if exceeds_limit(value) else value


def _raw_trace(data: Any) -> RawTrace:
    entries = data if isinstance(data, list) else [data]
    if not entries:
        raise parse_fail("the list of sub-traces is empty; write one at least")
    return RawTrace(tuple(_raw_subtrace(entry, index) for index, entry in enumerate(entries)))


def _raw_subtrace(data: Any, index: int) -> RawSubTrace:
    if not isinstance(data, dict):
        raise parse_fail(f"sub-trace {index} is no mapping of expert and trace: {shorten(data)}")
    for key in ("expert", "trace"):
        if key not in data:
            raise parse_fail(f"sub-trace {index} has no {key!r}; add it")
    expert, steps = data["expert"], data["trace"]
    if not isinstance(expert, str):
        raise parse_fail(f"sub-trace {index}: expert must be a name, found {shorten(expert)}")
    if not isinstance(steps, list):
        raise parse_fail(
            f"sub-trace {index}: trace must be a list of steps, found {shorten(steps)}"
        )
    for place, step in enumerate(steps):
        if not isinstance(step, dict):
            raise parse_fail(
                f"sub-trace {index}, step {place} must be a mapping such as "
                f"{{op: query, var: result}}, found {shorten(step)}"
            )
    unknown = tuple(key for key in data if key not in ("expert", "trace"))
    return RawSubTrace(expert, tuple(steps), unknown)
