"""How likely a model finds what was written: log-probabilities of whole texts.

They are the model's own, at temperature 1 and without a constraint, whatever the texts were drawn
with: so traces of several ways of decoding can be compared with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from trace_pipeline.modeling.decoding.decoder import Completion
from trace_pipeline.modeling.network.batching import (
    Sequences,
    collate,
    fill_batches,
    require_context,
)
from trace_pipeline.modeling.network.objective import completion_logprobs
from trace_pipeline.modeling.progress import Progress
from trace_pipeline.modeling.storage.checkpoints import Policy

BATCH_TOKENS = {"cpu": 4096, "cuda": 65_536}
"""Tokens of a batch, padding and shared prefixes included."""


def likelihoods_of_samples(
    policy: Policy, questions: Sequence[str], completions: Sequence[Completion], title: str
) -> list[float]:
    """:func:`log_likelihoods` of as many completions of each question, with progress."""
    samples = len(completions) // len(questions)
    asked = [question for question in questions for _ in range(samples)]
    with Progress(f"likelihoods{title}", len(asked), "completions") as progress:
        return log_likelihoods(policy, asked, [c.text for c in completions], progress.update)


@torch.inference_mode()
def log_likelihoods(
    policy: Policy,
    questions: Sequence[str],
    texts: Sequence[str],
    on_progress: Callable[[int], None] | None = None,
) -> list[float]:
    """The log-probability in nats of each text and the end token behind its question.

    Args:
        policy: the model, and how it is asked.
        questions: (n,) word problems; where several are the same, their prompt is computed once.
        texts: (n,) completions; equal ones of one question are computed once.
        on_progress: told how many of the n are done.

    Returns:
        (n,) in order. A text is read as training reads a trace, so it counts as the tokens that
        the tokenizer makes of it, even if the model wrote other ones of the same text. Of a text
        that fills the model's context, what has no place there is not counted: its end token.

    Raises:
        InvalidInputError: a question that is longer than the model's context.
    """
    model, prompt = policy.model, policy.prompt
    device: Any = model.device
    places: dict[tuple[str, str], list[int]] = {}
    for place, pair in enumerate(zip(questions, texts, strict=True)):
        places.setdefault(pair, []).append(place)
    asked = {question: prompt.prompt_ids(question) for question in dict.fromkeys(questions)}
    pairs = sorted(places, key=lambda pair: (len(asked[pair[0]]), pair[0], len(pair[1])))
    context = getattr(model.config, "max_position_embeddings", None)
    require_context([Sequences(ids, [prompt.end_id]) for ids in asked.values()], context)
    sequences = []
    for question, text in pairs:
        room = None if context is None else context - len(asked[question])
        sequences.append(Sequences(asked[question], prompt.target_ids(text)[:room]))
    found, done = [0.0] * len(texts), 0
    budget = BATCH_TOKENS.get(device.type, BATCH_TOKENS["cuda"])
    lengths = [len(sequence) for sequence in sequences]
    for indices in fill_batches(range(len(lengths)), lengths, budget):
        batch = collate([sequences[index] for index in indices]).to(device)
        logprobs, _ = completion_logprobs(model, batch, entropies=False)
        sums = torch.zeros(len(indices), dtype=torch.float64, device=device)
        sums.index_add_(0, batch.rows, logprobs.double())
        for index, value in zip(indices, sums.tolist(), strict=True):
            for place in places[pairs[index]]:
                found[place] = value
            done += len(places[pairs[index]])
        if on_progress:
            on_progress(done)
    return found
