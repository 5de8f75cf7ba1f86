"""The one prompt: how a question becomes the tokens that a model continues.

SFT, rollouts and evaluation all ask through :class:`Prompt`; a checkpoint's metadata
carries :meth:`Prompt.describe`, so that a trained model is asked as it was trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins

from trace_pipeline.experiment import PromptConfig
from trace_pipeline.modeling.base.vocabulary import Vocabulary
from trace_pipeline.traces import normalise_numbers
from trace_pipeline.traces.errors import shorten
from trace_pipeline.validation import InvalidInputError

ONE_LINE = "Write a YAML trace that solves the problem. A solver executes it."
"""The notebook's minimal system prompt in our words (NOTEBOOK, finding 8)."""

TOGETHER = 4096
"""Texts that a tokenizer is given at once."""

IN_WORDS = "In words:"
"""What asks for an explanation in place of a trace."""


class Shot(Struct, frozen=True):
    """A solved problem shown in the prompt."""

    question: str
    trace: str
    """Canonical YAML text."""


class Prompt:
    """Renders questions for one tokenizer."""

    def __init__(self, config: PromptConfig, tokenizer: Any, shots: Sequence[Shot] = ()) -> None:
        """``shots`` are shown before the question; training uses none.

        Raises:
            InvalidInputError: the tokenizer lacks what the prompt needs.
        """
        self.config = config
        self.tokenizer = tokenizer
        self.shots = tuple(shots)
        self._system = system_text(config.system)
        added = getattr(tokenizer, "added_tokens_decoder", {}).values()
        self._control = sorted({str(token) for token in added if token.special})
        if tokenizer.eos_token_id is None:
            raise InvalidInputError(
                "the base model's tokenizer has no end token (eos_token), so a completion could "
                "never end; name one in its tokenizer_config.json"
            )
        if config.template == "chat" and not tokenizer.chat_template:
            raise InvalidInputError(
                "the base model's tokenizer has no chat template; set prompt.template: plain"
            )
        self.end_id: int = tokenizer.eos_token_id
        """The token that ends a target."""
        self.stop_ids = frozenset({self.end_id})
        """Tokens that end a completion."""

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the tokenizer's tokens say.

        All decoders share it: making it reads every token, and a page that is asked one problem
        at a time opens a decoder for each.
        """
        return Vocabulary(self.tokenizer)

    def text(self, question: str) -> str:
        """The prompt as text, up to where the trace begins.

        Raises:
            InvalidInputError: the question holds a control token of the base model.
        """
        question = self._plain(question)
        if self.config.template == "plain":
            parts = [self._system] if self._system else []
            parts += [
                f"Question: {normalise_numbers(s.question)}\nTrace:\n{s.trace.rstrip()}"
                for s in self.shots
            ]
            parts.append(f"Question: {question}\nTrace:\n")
            return "\n\n".join(parts)
        return self._chat(question)

    def explained(self, question: str) -> str:
        """The prompt as text, up to where a solution in words begins: a second task in training."""
        if self.config.template == "plain":
            return f"Question: {self._plain(question)}\n{IN_WORDS}\n"
        return self._chat(f"{self._plain(question)}\n{IN_WORDS}", alone=True)

    def _plain(self, question: str) -> str:
        """The question as it is asked, its numbers as the trace language writes them."""
        found = next((token for token in self._control if token in question), None)
        if found is not None:
            raise InvalidInputError(
                f"a problem holds {found!r}, a control token of the base model, which would read "
                f"it as one; take it out: {shorten(question)}"
            )
        return normalise_numbers(question)

    def prompt_ids(self, question: str) -> list[int]:
        """Token ids of :meth:`text`."""
        return self.ids(self.text(question))

    def ids(self, text: str) -> list[int]:
        """Token ids of a prompt."""
        return self.ids_of_many([text])[0]

    def ids_of_many(self, texts: Sequence[str]) -> list[list[int]]:
        """:meth:`ids` of each of several prompts, which a fast tokenizer splits side by side."""
        if self.config.template == "chat":  # the template writes its own special tokens
            return self._tokens(texts, add_special_tokens=False)
        found = self._tokens(texts)
        return [ids[:-1] if ids[-1] == self.end_id else ids for ids in found]

    def target_ids(self, trace: str) -> list[int]:
        """Token ids of a trace and the end token."""
        return self.target_ids_of_many([trace])[0]

    def target_ids_of_many(self, traces: Sequence[str]) -> list[list[int]]:
        """:meth:`target_ids` of each of several traces."""
        found = self._tokens(traces, add_special_tokens=False)
        return [[*ids, self.end_id] for ids in found]

    def _tokens(self, texts: Sequence[str], **options: bool) -> list[list[int]]:
        parts = (texts[start : start + TOGETHER] for start in range(0, len(texts), TOGETHER))
        return [
            list(ids)
            for part in parts
            for ids in self.tokenizer(
                list(part), return_attention_mask=False, return_token_type_ids=False, **options
            )["input_ids"]
        ]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a completion's tokens, without special tokens."""
        text: str = self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def describe(self) -> dict[str, Any]:
        """Plain data that identifies the prompt: settings, system text, a rendered example."""
        rendered = self.text("How many?")
        return {
            "config": to_builtins(self.config),
            "system": self._system,
            "shots": len(self.shots),
            "end": self.tokenizer.eos_token,
            "sha256": hashlib.sha256(rendered.encode()).hexdigest(),
        }

    def _chat(self, question: str, alone: bool = False) -> str:
        messages: list[dict[str, str]] = []
        if self._system and not alone:
            messages.append({"role": "system", "content": self._system})
        for shot in () if alone else self.shots:
            messages.append({"role": "user", "content": normalise_numbers(shot.question)})
            messages.append({"role": "assistant", "content": shot.trace})
        messages.append({"role": "user", "content": question})
        try:
            text: str = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # Jinja's errors; templates raise their own on roles
            raise InvalidInputError(
                f"the base model's chat template refuses the prompt ({error}); set "
                "prompt.system: none or prompt.template: plain"
            ) from None
        return text


def system_text(kind: str) -> str:
    """The system prompt of ``kind``: ``one_line``, ``verbose`` or ``none`` (empty)."""
    if kind == "verbose":
        return (Path(__file__).parent / "verbose_prompt.txt").read_text(encoding="utf-8").strip()
    return {"one_line": ONE_LINE, "none": ""}[kind]
