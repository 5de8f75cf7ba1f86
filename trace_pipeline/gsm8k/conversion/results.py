"""Names for computed values, from the words that the author writes beside a result.

``24 clips in May`` becomes ``clips_may``: the value of a step says what it is, and so does every
later step that uses it (``data.gsm8k.naming: semantic``). Values without words of their own, such
as the inner operations of one expression, stay numbered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from trace_pipeline.gsm8k.conversion.constants import words
from trace_pipeline.gsm8k.conversion.conversion import Conversion
from trace_pipeline.gsm8k.conversion.experts import Policy, write_trace
from trace_pipeline.gsm8k.conversion.naming import identifier
from trace_pipeline.gsm8k.conversion.nodes import Apply, Node
from trace_pipeline.gsm8k.conversion.reading import Reading

_LENGTH = 2
"""Words of a name: each costs a token where it is defined and where it is used."""
_SILENT = words(
    "a an the of in on at to for from by with and or so then thus therefore hence this that these "
    "those it its he she they them his her their there is are was were be been being has have had "
    "do does did will would can could should means mean equals equal which who whom whose what "
    "when where if as than also only just now still already per each every all both since because "
    "after before during until because we you i my our your first second third next finally in "
    "total altogether overall combined dollars dollar cents cent x times plus minus divided "
    "multiplied percent calculate find know need needs gets get got let us him one two three four "
    "five six seven eight nine ten out up down into onto over under not no more some any other "
    "another same such number amount"
)
"""Words that tell one result from another too seldom."""
_END = re.compile(r"[.;,!?\n(=<+*/]")
_NUMBER = re.compile(r"^[ $€£]*[\d,.]*\d(?:/\d+)? *%?")
_WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")
_SENTENCE = re.compile(r"[.!?;]\s|\n")


def with_named_results(conversion: Conversion, policy: Policy) -> Conversion:
    """``conversion`` with names in place of ``step1``, ``step2``, where its author gives some."""
    names = result_names(conversion.reading)
    trace, origins = write_trace(conversion.reading, conversion.text, policy, names)
    return replace(conversion, trace=trace, origins=origins)


def result_names(reading: Reading) -> Mapping[Node, str]:
    """The names of the computations of ``reading`` for which the author's words give one."""
    names: dict[Node, str] = {}
    for node, (before, after) in zip(reading.order, reading.said, strict=True):
        options = [name for name in _names(before, after) if name]
        if options and isinstance(node, Apply) and node not in names:
            taken = set(names.values())
            names[node] = next((name for name in options if name not in taken), options[0])
    return names


def _names(before: str, after: str) -> list[str]:
    """Names from the words behind a result, and from those before it, the best first."""
    counted = _telling(_END.split(_NUMBER.sub("", after, count=1), maxsplit=1)[0])
    sentence = _SENTENCE.split(before.strip())[-1]
    subject = _telling(re.split(r"[\d$]", sentence, maxsplit=1)[0])
    own = [word for word in subject if word not in counted[:1]]
    missing = _LENGTH - len(counted[:_LENGTH])
    found = [(own[-missing:] if missing else []) + counted[:_LENGTH]]
    found += [[word, *counted[:1]] for word in own]  # tells it from another result of its kind
    return ["_".join(parts[:_LENGTH]) for parts in found]


def _telling(prose: str) -> list[str]:
    """The words of ``prose`` that tell what something is, in lower case."""
    found = (identifier(match[0]) for match in _WORD.finditer(prose))
    return list(dict.fromkeys(word for word in found if len(word) > 1 and word not in _SILENT))
