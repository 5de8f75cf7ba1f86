"""What a tokenizer's tokens say, as far as traces are made of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from trace_pipeline.validation import InvalidInputError

LONGEST = 24
"""Characters of the longest token that is offered for a new name."""
NAME_START = LONGEST + 1
"""The common set of tokens that begin a name."""
SPACED_NAME_START = LONGEST + 2
"""The common set of tokens of a space and the beginning of a name."""

_NAME_TOKEN = re.compile(r" ?[A-Za-z0-9_.]+")
_NUMBER_TOKEN = re.compile(r" ?-?[0-9.]+| ?-")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
_SAMPLE = """- expert: arithmetic
  trace:
  - {op: init, var: eggs, value: 12.5}
  - {op: compute, compute_op: mul, args: [eggs, eggs], var: step1}
  - {op: query, var: step1}
"""

Ids = np.ndarray[Any, np.dtype[np.int64]]


class Vocabulary:
    """The tokens of a tokenizer by their text in the middle of a trace."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self._backend = backend
        self.encode: Callable[[str], tuple[int, ...]] = lru_cache(maxsize=65536)(self._encode)
        """Tokens of a text of its own."""
        special = set(tokenizer.all_special_ids)
        self.phrases = frozenset(tokenizer.get_added_vocab().values()) - special
        """Tokens that stand for whole phrases, whatever follows them (see ``trace_tokens``)."""
        raw = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        byte_level = any(token is not None and token.startswith("\u0120") for token in raw)
        self._texts = [_text(token, byte_level) if token else "" for token in raw]
        usable = [
            (index, text)
            for index, text in enumerate(self._texts)
            if text and index not in special and len(text) <= LONGEST
        ]
        names = [(i, text) for i, text in usable if _NAME_TOKEN.fullmatch(text)]
        spaced = [(i, text[1:]) for i, text in names if text[0] == " "]
        plain = [(i, text) for i, text in names if text[0] != " "]
        going_on = [[(i, t) for i, t in plain if len(t) <= size] for size in range(LONGEST + 1)]
        self.common = (
            *map(_ids, going_on),
            _ids([(i, t) for i, t in plain if _begins_name(t)]),
            _ids([(i, t) for i, t in spaced if _begins_name(t)]),
        )
        """Sets of tokens, in ascending order, that may come in many places: at place n those that
        go on with a name by at most n characters, up to LONGEST, then NAME_START and
        SPACED_NAME_START."""
        self.number_tokens = [(i, text) for i, text in usable if _NUMBER_TOKEN.fullmatch(text)]
        """Tokens that numbers are made of, some after a space."""
        covered = {text[0] for _, text in spaced}
        self.letters = "".join(sorted(set(_LETTERS) - covered)) or "a"
        """Letters that no token begins with behind a space, if there are any."""
        self.by_line = self._by_line()
        """Whether what follows a line break is tokenised alike whatever stands before it."""
        self.density = max(1, len(self.encode(_SAMPLE))) / len(_SAMPLE)
        """Tokens per character of a trace."""

    def text(self, token: int) -> str:
        """What ``token`` adds to a text that it does not begin."""
        # A model may have more rows than its tokenizer has tokens; they add nothing.
        return self._texts[token] if token < len(self._texts) else ""

    def alone(self, text: str) -> list[int]:
        """Tokens of ``text`` in the middle of another, where it does not go together with it."""
        for anchor in ("\n", "}", "1", "a", " ", ""):
            before, both = self.encode(anchor), self.encode(anchor + text)
            behind = both[len(before) :]
            if both[: len(before)] == before and "".join(map(self.text, behind)) == text:
                return list(behind)
        raise InvalidInputError(
            f"the base model's tokenizer cannot write {text!r}; constrained decoding needs one "
            "that can write any text: set decoding.constrained: false"
        )

    def _encode(self, text: str) -> tuple[int, ...]:
        if self._backend is not None:  # a fifth of the time of the tokenizer around it
            return tuple(self._backend.encode(text, add_special_tokens=False).ids)
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _by_line(self) -> bool:
        """Whether each run of tokens up to a line break is what its own text is tokenised as."""
        for sample in (_SAMPLE, _SAMPLE.replace("\n  ", "\n").removeprefix("- ")):
            line: list[int] = []
            for token in self.encode(sample):
                line.append(token)
                if "\n" in self._texts[token]:
                    if list(self.encode("".join(self._texts[i] for i in line))) != line:
                        return False
                    line = []
        return True


def _begins_name(text: str) -> bool:
    return text[0].isalpha() or text[0] == "_"


def _ids(pairs: list[tuple[int, str]]) -> Ids:
    return np.array([index for index, _ in pairs], dtype=np.int64)


def _text(token: str, byte_level: bool) -> str:
    """The text of a token, exactly where it is ASCII; else something that no trace holds."""
    if byte_level:  # printable ASCII stands for itself, other bytes for letters from U+0100 on
        return "".join(
            chr(ord(sign) - 0x100) if 0x100 <= ord(sign) <= 0x120 else sign for sign in token
        )
    found = re.fullmatch(r"<0x([0-9A-F]{2})>", token)
    return chr(int(found[1], 16)) if found else token.replace("\u2581", " ")
