"""Finding the trace in what a model wrote: bare, amid prose, or in a code fence.

Every scan is linear in the length of the text, and none of them parses YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trace_pipeline.traces.limits import MAX_BYTES
from trace_pipeline.traces.numbers import normalise_numbers
from trace_pipeline.traces.raw import parse_fail

_KEY = r"""["']?(?:expert|trace)["']?[ ]*:"""
_ITEM = r"-(?:[ ]+|[ ]*\n[ ]*|[ ]+[a-z_]+:[ ][^\n]*\n[ ]+)"
"""A list item up to its first key of ours; one that we do not know may stand before it."""
_BLOCK_START = re.compile(
    rf"^(?P<indent>[ ]*)(?:{_ITEM}(?:{_KEY}(?=\s|$)|\{{\s*{_KEY})|{_KEY}(?=\s|$))",
    re.MULTILINE,
)
_FLOW_START = re.compile(rf"(?:\[\s*)?\{{\s*{_KEY}")
_CONTINUES = re.compile(r"""-(?:\s|$)|\#|["']?[a-z_][a-z0-9_]*["']?[ ]*:(?:\s|$)""")
_HAS_EXPERT = re.compile(r"""["']?\bexpert["']?\s*:""")
_HAS_TRACE = re.compile(r"""["']?\btrace["']?\s*:""")
_WORD = re.compile(r"""["']?(expert|trace)["']?[ ]*:""")
_UNQUOTED = r"""[\[{]|[\]}]|(?<![\w])'[^'\n]*'"""
_FLOW_TOKEN = re.compile(rf"""{_UNQUOTED}|"(?:[^"\\\n]|\\.)*+(?P<closed>")?""")
_FLOW_TOKEN_IN_OPEN_QUOTE = re.compile(_UNQUOTED)


def extract_trace(text: str) -> str:
    """The YAML text of the trace in ``text``, with thousands commas normalised.

    The first place that holds both ``expert`` and ``trace`` counts; prose and code
    fences around it are left out.

    Raises:
        TraceError: ``parse_fail``: there is none, or the text is over 16 KiB.
    """
    return find_trace(checked_text(text))


def checked_text(text: str) -> str:
    """``text`` with line ends unified, once its length is known to be within bounds.

    Raises:
        TraceError: ``parse_fail``.
    """
    try:
        size = len(text) if len(text) > MAX_BYTES else len(text.encode())
    except UnicodeEncodeError:
        raise parse_fail("the text holds a lone surrogate and is no Unicode; remove it") from None
    if size > MAX_BYTES:
        raise parse_fail(f"the text is over {MAX_BYTES // 1024} KiB; write the trace alone")
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def find_trace(text: str) -> str:
    """``extract_trace`` on text that ``checked_text`` has passed."""
    block, flow = _BLOCK_START.search(text), _FLOW_START.search(text)
    while block is not None or flow is not None:
        if flow is None or (block is not None and block.start() <= flow.start()):
            assert block is not None
            start, end = block.start(), _block_end(text, block)
        else:
            start, end = flow.start(), _flow_end(text, flow.start())
        found = text[start:end]
        if _HAS_EXPERT.search(found) and _HAS_TRACE.search(found):
            return normalise_numbers(found)
        if block is not None and block.start() < end:  # searched anew only once passed: linear
            block = _BLOCK_START.search(text, end)
        if flow is not None and flow.start() < end:
            flow = _FLOW_START.search(text, end)
    raise parse_fail("there is no mapping of expert and trace in the text")


def _block_end(text: str, start: re.Match[str]) -> int:
    """Where the block that starts there ends: at the first line that cannot belong to it.

    A key that comes again before its partner has come, or a list under no ``trace``,
    begins a new block: what stood before was a word of prose.
    """
    indent = len(start["indent"])
    is_list = start[0].startswith("-", indent)
    keys = set(_WORD.findall(start[0]))
    end = start.end()
    while True:
        newline = text.find("\n", end)
        if newline < 0:
            return len(text)
        end = newline + 1
        line_end = text.find("\n", end)
        line = text[end : line_end if line_end >= 0 else len(text)]
        content = line.lstrip(" ")
        if not content.strip():
            continue
        margin = len(line) - len(content)
        if margin < indent or (margin == indent and not _CONTINUES.match(content)):
            return end
        if margin > indent or is_list:
            continue
        key = _WORD.match(content)
        if (key and keys == {key[1]}) or (content[0] == "-" and "trace" not in keys):
            return end
        if key:
            keys.add(key[1])


def _flow_end(text: str, start: int) -> int:
    """Where the bracket that opens at ``start`` closes; the text's end if it never does."""
    depth = 0
    for token in _flow_tokens(text, start):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
            if not depth:
                return token.end()
    return len(text)


def _flow_tokens(text: str, start: int) -> Iterator[re.Match[str]]:
    """Brackets and quoted texts from ``start`` on; a quote that is not closed is no quote.

    Where one is not closed in its line, no later one of the line is: an escaped quote, seen as
    an opening one, would end where the first does. So none is looked at again.
    """
    for token in _FLOW_TOKEN.finditer(text, start):
        if token[0][0] == '"' and not token["closed"]:
            yield from _FLOW_TOKEN_IN_OPEN_QUOTE.finditer(text, token.start() + 1, token.end())
        else:
            yield token
