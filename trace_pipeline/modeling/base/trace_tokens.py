"""Tokens for the fixed phrases of the trace language (``prompt.trace_tokens``).

A general tokenizer spends most of a trace's tokens on text that the grammar prescribes (four of
them on ``, value: ``). With a token for each phrase the text stays the same, letter for letter,
and the traces of real problems are 2.6 times shorter (``benchmarks.trace_tokens``): so much less
is computed in training, and so many fewer steps are taken in decoding. Each new token starts as
the mean of the tokens that it replaces, in the embeddings and in the head.

A phrase ends where the grammar leaves a choice, so constrained decoding offers it as one token. The
space before a name belongs to the name's own token, as in all text that a model has seen; before
a digit it belongs to the phrase.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from msgspec.structs import replace

from trace_pipeline.experiment import PromptConfig
from trace_pipeline.modeling.base.base_models import BaseModel, load_tokenizer
from trace_pipeline.solver import EXPERT_OPERATIONS
from trace_pipeline.traces import Compute, Init, Query, SubTrace, Trace, render_trace
from trace_pipeline.traces.operations import COMPUTE_ARITIES, OPERATIONS, Field
from trace_pipeline.validation import InvalidInputError

_SAMPLE = render_trace(
    Trace(
        tuple(
            SubTrace(
                "arithmetic",
                (
                    Init("eggs", Fraction(25, 2)),
                    Init("bob.cards", 30),
                    Compute("add", ("eggs", "bob.cards"), "result"),
                    Query("result"),
                ),
            )
            for _ in range(2)
        )
    )
)
_SPACED = {Field.NUMBER, Field.QUANTITY}
"""Fields whose values begin with a digit more often than not."""


def trace_phrases() -> tuple[str, ...]:
    """The phrases of canonical traces that get a token of their own, in a fixed order."""
    phrases: dict[str, None] = {}
    for expert in EXPERT_OPERATIONS:
        phrases[f"expert: {expert}\ntrace:\n- {{op: "] = None
        phrases[f"- expert: {expert}\n  trace:\n  - {{op: "] = None
    phrases |= dict.fromkeys(("}\n", "}\n- {op: ", "}\n  - {op: "))
    for name, operation in OPERATIONS.items():
        before, opening = f"{name}, ", ""
        for field, kind in operation.fields.items():
            end = " " if kind in _SPACED else ""
            if kind is Field.NAMES:  # behind the name of the computation
                phrases |= dict.fromkeys(f" {c}, {field}: [" for c in COMPUTE_ARITIES)
                opening = "]"
            else:
                phrases[f"{opening}{before}{field}:{end}"] = None
                opening = ""
            before = ", "
    return tuple(phrases)


def prompt_tokenizer(base: BaseModel, config: PromptConfig) -> Any:
    """The tokenizer of ``base``, with a token for each phrase if ``config`` asks for them.

    Raises:
        InvalidInputError: the base has no tokenizer that loads, or one that cannot take phrases.
    """
    tokenizer = load_tokenizer(base)
    if config.trace_tokens:
        add_phrases(tokenizer, base.reference)
    return tokenizer


def add_phrases(tokenizer: Any, reference: str) -> None:
    """Give ``tokenizer`` a token for each phrase.

    Raises:
        InvalidInputError: it alters the text between added tokens, as those do that begin
            every piece of text with a space.
    """
    from tokenizers import AddedToken

    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in trace_phrases()])
    ids = tokenizer(_SAMPLE, add_special_tokens=False)["input_ids"]
    if tokenizer.decode(ids, clean_up_tokenization_spaces=False) != _SAMPLE:
        raise InvalidInputError(
            f"base model {reference!r}: its tokenizer alters the text between added tokens; set "
            "prompt.trace_tokens: false"
        )


def known_to_base(config: PromptConfig) -> PromptConfig:
    """The prompt without tokens that an untuned model never saw: how it is compared with."""
    return replace(config, trace_tokens=False)


@torch.no_grad()
def make_room(model: Any, base: BaseModel, tokenizer: Any) -> None:
    """Give ``model`` rows for the tokens that ``tokenizer`` has beyond those of ``base``.

    Embeddings and head grow in place; tied ones stay tied. Each new row is the mean of the rows
    that stood for the same text before.
    """
    known = load_tokenizer(base)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    for index in range(len(known), len(tokenizer)):
        phrase = tokenizer.convert_ids_to_tokens(index)
        pieces = known(phrase, add_special_tokens=False)["input_ids"]
        for table in (embeddings,) if head is embeddings else (embeddings, head):
            table[index] = table[pieces].float().mean(0).to(table.dtype)
