"""YAML 1.2 core-schema reading on top of PyYAML, which speaks YAML 1.1.

Under 1.1 ``on`` is true, ``010`` is eight, ``1:30`` is ninety and ``2e-4`` is a
string. Experiment files and traces are read by the 1.2 core rules instead
(https://yaml.org/spec/1.2.2/, section 10.3), and duplicate keys are refused.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_RESOLVERS: list[tuple[str, str, str]] = [
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+.0123456789",
    ),
]


class CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2 and unique keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Construct a node; a scalar that is not of its tag is an error of YAML with its place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):  # by tag: PyYAML converts unchecked
            if not isinstance(node, yaml.ScalarNode):
                raise
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"{node.value[:40]!r} cannot be read as {kind}", node.start_mark
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping; a key given twice is an error rather than the last one winning."""
        if not isinstance(node, yaml.MappingNode):  # tagged so
            return super().construct_mapping(node, deep)
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a scalar", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {key!r}", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_core_int(self, node: yaml.ScalarNode) -> int:
        """Whole numbers: decimal (leading zeros mean nothing), 0o octal, 0x hexadecimal."""
        text = node.value
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


for _tag, _pattern, _first in _RESOLVERS:
    for _character in _first:
        CoreLoader.yaml_implicit_resolvers.setdefault(_character.strip("\0"), []).append(
            (_tag, re.compile(_pattern))
        )
CoreLoader.add_constructor("tag:yaml.org,2002:int", CoreLoader.construct_core_int)


def load_yaml(text: str) -> Any:
    """Plain data of one YAML 1.2 document.

    Raises:
        yaml.YAMLError: not YAML, a duplicate key, or nested too deeply to be read.
    """
    try:
        return yaml.load(text, Loader=CoreLoader)
    except RecursionError:
        raise yaml.YAMLError("nested too deeply; flatten it") from None
