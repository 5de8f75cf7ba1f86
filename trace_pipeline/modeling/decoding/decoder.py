"""Batched decoding: sequences leave the batch when they end, waiting ones take their place.

A sequence takes part in a forward pass with all tokens that it has not been through: its prompt
at first, later the token that was chosen and those that a constraint has forced behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import torch
from torch.nn import functional

from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.base.choices import Allowed, TokenMasks, TokenSets
from trace_pipeline.modeling.base.vocabulary import Ids
from trace_pipeline.modeling.decoding.constrained import TraceConstraint
from trace_pipeline.modeling.decoding.endings import EndOfTrace
from trace_pipeline.modeling.decoding.running import Running, RunningBatch
from trace_pipeline.modeling.network.objective import shaped
from trace_pipeline.modeling.network.products import product
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.solver import Solver
from trace_pipeline.traces.errors import shorten
from trace_pipeline.validation import InvalidInputError

FEW = {"cpu": 2048, "cuda": 0}
"""Up to so many allowed tokens get logits of their own instead of the whole head's. On a GPU, one
product for all sequences is quicker than one for each."""

BLOCK = 256
"""Tokens whose probabilities are summed up before a draw is looked for among them."""

OnProgress = Callable[[int, int, int], None]
"""Called with completions done, their total, and tokens decoded so far."""
OnDone = Callable[[int, "Completion"], None]
"""Called with each completion as it is done, and its place among those asked for."""


@dataclass(frozen=True)
class Completion:
    """What a model wrote after one prompt."""

    text: str
    tokens: int
    """Length in tokens, the end token included."""
    clipped: bool
    """Cut by the token limit: neither the model nor a whole valid trace ended it."""
    seconds: float
    """Its share of the time of decoding: that of a step goes in equal parts to all it advances."""
    logprob: float
    """Log-probability of the tokens under the distribution they were drawn from (greedy: of
    the model). With a constraint, of the distribution over the tokens that it allows."""
    prompt_ids: list[int] = field(repr=False)
    ids: list[int] = field(repr=False)
    """The completion's tokens, the end token included."""
    forced: list[bool] = field(repr=False, default_factory=list)
    """Which of ``ids`` a constraint left no choice about; all False without one."""
    choices: list[bytes | None] | None = field(repr=False, default=None)
    """What each of ``ids`` was chosen from (``TokenSets.pack``), None where it was forced; None
    without a constraint."""


@dataclass(frozen=True)
class Sampling:
    """Random draws, one independent stream a sequence."""

    seeds: Sequence[int]
    """Seed of each sequence; its draws depend on nothing else. With ``samples`` of each prompt,
    those of the first prompt come first."""
    temperature: float = 1.0
    top_p: float = 1.0
    samples: int = 1
    """Completions of each prompt, which is computed once for all of them."""


class Decoder:
    """Writes completions with a policy."""

    def __init__(
        self, policy: Policy, config: DecodingConfig, solver: Solver | None = None
    ) -> None:
        """``solver`` says which traces are whole and valid; by default one of the usual rules."""
        self._policy = policy
        self._config = config
        self._solver = solver or Solver()
        model_config = policy.model.config
        # Up to its window, a model with sliding-window attention sees all, as the masks here do.
        limits = (
            getattr(model_config, "max_position_embeddings", None),
            getattr(model_config, "sliding_window", None),
        )
        self._context = min((int(limit) for limit in limits if limit), default=2**31)
        generation = getattr(policy.model.generation_config, "eos_token_id", None)
        extra = [generation] if isinstance(generation, int) else generation or []
        self._stop_ids = policy.prompt.stop_ids | set(extra)
        self._vocabulary = policy.prompt.vocabulary

    def decode(
        self,
        questions: Sequence[str],
        sampling: Sampling | None = None,
        on_progress: OnProgress | None = None,
        on_done: OnDone | None = None,
    ) -> list[Completion]:
        """Completions of ``questions``, in order; ``sampling.samples`` of each, one by one.

        Args:
            questions: word problems.
            sampling: how to draw tokens; None takes the likeliest.
            on_progress: told whenever a completion is done.
            on_done: told each of them before that.

        Raises:
            InvalidInputError: a prompt that fills the model's context.
        """
        samples = sampling.samples if sampling else 1
        if sampling is not None and len(sampling.seeds) != len(questions) * samples:
            what = f" of {samples} samples" if samples > 1 else ""
            raise ValueError(f"{len(questions)} questions{what} need as many seeds")
        asked = {question: self._prompt(question) for question in dict.fromkeys(questions)}
        prompts = [asked[question] for question in questions]
        waiting = [
            self._enter(place * samples + sample, prompt, sampling)
            for place, prompt in enumerate(prompts)
            for sample in range(samples)
        ]
        # The longest first: sequences of one batch then have similar lengths, and the last ones,
        # which have the model to themselves, are short. Equal prompts come one after the other.
        waiting.sort(key=lambda r: (-len(r.prompt), r.prompt, r.index))
        waiting.reverse()
        if not waiting:
            return []
        # For one call: they are gone with its completions.
        if self._config.constrained:
            head, common = self._policy.model.lm_head.weight, self._vocabulary.common
            self._sets = TokenSets(len(head), common)
            self._masks = TokenMasks(len(head), common, head.device)
        with torch.inference_mode():
            batch = RunningBatch(self._policy, self._config, waiting)
            done = self._run(batch, waiting, sampling, on_progress, on_done)
        return [done[index] for index in range(len(done))]

    def _prompt(self, question: str) -> list[int]:
        prompt = self._policy.prompt.prompt_ids(question)
        if self._context - len(prompt) < 1:
            raise InvalidInputError(
                f"the prompt has {len(prompt)} tokens, the model's context {self._context}; "
                f"shorten the system prompt or the problem: {shorten(question)}"
            )
        return prompt

    def _enter(self, index: int, prompt: list[int], sampling: Sampling | None) -> Running:
        limit = min(self._config.max_tokens, self._context - len(prompt))
        draws = None
        if sampling is not None:
            draws = np.random.Generator(np.random.Philox(sampling.seeds[index])).random(limit)
        if not self._config.constrained:
            ending = EndOfTrace(self._vocabulary, self._solver)
            return Running(index, prompt, limit, draws, None, ending)
        constraint = TraceConstraint(
            self._vocabulary, self._policy.prompt.end_id, limit, self._config.sensible
        )
        sequence = Running(index, prompt, limit, draws, constraint, None)
        sequence.force(constraint.settle())
        sequence.stopped = len(sequence.ids) >= limit
        return sequence

    def _run(
        self,
        batch: RunningBatch,
        waiting: list[Running],
        sampling: Sampling | None,
        on_progress: OnProgress | None,
        on_done: OnDone | None,
    ) -> dict[int, Completion]:
        done: dict[int, Completion] = {}
        total = len(waiting)
        tokens = 0
        while waiting or batch.running:
            began = time.perf_counter()
            if waiting and len(batch.running) < batch.slots:
                fresh, hidden = batch.admit(waiting)
                before = 0  # what was forced when they entered is theirs as well
            else:
                fresh, hidden = list(batch.running), batch.step()
                before = sum(len(sequence.ids) for sequence in fresh)
            self._append(hidden, fresh, sampling)
            batch.settle()
            share = (time.perf_counter() - began) / len(fresh)
            for sequence in fresh:
                sequence.seconds += share
            tokens += sum(len(sequence.ids) for sequence in fresh) - before
            for slot in reversed(range(len(batch.running))):
                sequence = batch.running[slot]
                if sequence.stopped:
                    done[sequence.index] = self._complete(sequence)
                    batch.release(slot)
                    if on_done:
                        on_done(sequence.index, done[sequence.index])
                    if on_progress:
                        on_progress(len(done), total, tokens)
        return done

    def _append(
        self, hidden: torch.Tensor, fresh: list[Running], sampling: Sampling | None
    ) -> None:
        """Choose the next tokens of each sequence in ``fresh``; what is forced comes with them.

        ``hidden`` (R, H) has a row for each sequence and one more for each token of its draft:
        the sequence goes on as long as what is chosen is what was drafted.
        """
        ends = accumulate(1 + len(sequence.draft) for sequence in fresh)
        going = list(zip((0, *ends), fresh, strict=False))  # first row, sequence
        append = self._append_constrained if self._config.constrained else self._append_free
        append(hidden, going, sampling)

    def _append_free(
        self, hidden: torch.Tensor, going: list[tuple[int, Running]], sampling: Sampling | None
    ) -> None:
        places = [(s, place) for _, s in going for place in range(1 + len(s.draft))]
        chosen, logprobs = self._choose(hidden, places, (), sampling)
        for first, sequence in going:
            row = first
            while self._take(sequence, chosen[row], logprobs[row]):
                row = first + sequence.agreed

    def _append_constrained(
        self, hidden: torch.Tensor, going: list[tuple[int, Running]], sampling: Sampling | None
    ) -> None:
        few = FEW.get(hidden.device.type, FEW["cpu"])
        going = [one for one in going if not one[1].stopped]
        while going:
            taken: list[tuple[int, float]] = []
            whole: list[int] = []
            allowed = [_allowed(sequence) for _, sequence in going]
            for place, (first, sequence) in enumerate(going):
                taken.append((0, 0.0))
                if allowed[place].common is not None or len(allowed[place].few) > few:
                    whole.append(place)
                    continue
                row = first + sequence.agreed
                taken[place] = self._choose_among(
                    allowed[place].few, hidden[row : row + 1], sequence, sampling
                )
            if whole:
                rows = [going[place][0] + going[place][1].agreed for place in whole]
                some = hidden if len(rows) == len(hidden) else hidden[rows]
                places = [(going[place][1], 0) for place in whole]
                pairs = self._choose(some, places, [allowed[p] for p in whole], sampling)
                for place, token, logprob in zip(whole, *pairs, strict=True):
                    taken[place] = token, logprob
            going = [
                one for one, pair in zip(going, taken, strict=True) if self._take(one[1], *pair)
            ]

    def _choose(
        self,
        hidden: torch.Tensor,
        places: list[tuple[Running, int]],
        allowed: Sequence[Allowed],
        sampling: Sampling | None,
    ) -> tuple[list[int], list[float]]:
        """One token and its log-probability for each row of ``hidden`` (n, H).

        Args:
            hidden: the states behind which to choose.
            places: the sequence of each row, and by how many tokens the row is ahead of it.
            allowed: what each row may choose; empty if all may choose any token.
            sampling: how to draw.
        """
        head = self._policy.model.lm_head
        logits = product(hidden, head.weight, head.bias).contiguous().float()  # (n, V)
        if allowed:  # the lowest finite logit: a sum over infinite ones is none
            barred = self._masks.barred(allowed)
            logits.masked_fill_(barred, torch.finfo(torch.float32).min)
        chosen, logprobs = _pick(logits, places, sampling)
        return chosen.tolist(), logprobs.tolist()

    def _choose_among(
        self, few: Ids, hidden: torch.Tensor, sequence: Running, sampling: Sampling | None
    ) -> tuple[int, float]:
        """The same for the one row of ``hidden`` (1, H), of a few tokens."""
        head = self._policy.model.lm_head
        # In the vocabulary's order, so that a draw gives the same token as from all logits.
        ids = torch.from_numpy(np.sort(few)).to(hidden.device)
        bias = None if head.bias is None else head.bias[ids]
        logits = functional.linear(hidden, head.weight[ids], bias).float()
        chosen, logprobs = _pick(logits, [(sequence, 0)], sampling)
        return int(ids[chosen]), float(logprobs)

    def _take(self, sequence: Running, token: int, logprob: float) -> bool:
        """Append a token and what follows from it; whether the draft went on in the same way."""
        before = len(sequence.ids)
        sequence.ids.append(token)
        sequence.forced.append(False)
        if sequence.constraint is not None:
            sequence.choices.append(self._sets.pack(sequence.constraint.allowed()))
        self._follow_up(sequence)
        if not sequence.trimmed:  # else the token is gone
            sequence.logprob += logprob
        for new in sequence.ids[before:]:
            if sequence.draft[sequence.agreed : sequence.agreed + 1] != [new]:
                return False
            sequence.agreed += 1
        return not sequence.stopped

    def _follow_up(self, sequence: Running) -> None:
        """What the last token brings about: forced ones, the end."""
        if sequence.constraint is not None and not sequence.stopped:
            sequence.constraint.accept(sequence.ids[-1])
            sequence.force(sequence.constraint.settle())
        ending, last = sequence.ending, sequence.ids[-1]
        if ending is not None and last not in self._stop_ids and ending.passed(last):
            del sequence.ids[ending.kept :], sequence.forced[ending.kept :]
            sequence.trimmed = sequence.stopped = True
            return
        ended = sequence.ids[-1] in self._stop_ids
        sequence.stopped = ended or len(sequence.ids) >= sequence.limit

    def _complete(self, sequence: Running) -> Completion:
        return Completion(
            text=self._policy.prompt.decode(sequence.ids),
            tokens=len(sequence.ids),
            clipped=not sequence.trimmed and sequence.ids[-1] not in self._stop_ids,
            seconds=sequence.seconds,
            logprob=sequence.logprob,
            prompt_ids=sequence.prompt,
            ids=sequence.ids,
            forced=sequence.forced,
            choices=sequence.choices if sequence.constraint is not None else None,
        )


def _allowed(sequence: Running) -> Allowed:
    assert sequence.constraint is not None
    return sequence.constraint.allowed()


def _pick(
    logits: torch.Tensor, places: list[tuple[Running, int]], sampling: Sampling | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The likeliest or a drawn column for each row of ``logits`` (n, V), log-probabilities."""
    if sampling is None:
        top, chosen = logits.max(-1)
        # In place: a copy of all logits costs as much as the sum itself.
        return chosen, -logits.sub_(top[:, None]).exp_().sum(-1).log_()
    logits = shaped(logits, sampling.temperature, sampling.top_p)
    draws = [float(s.draws[len(s.ids) + n]) for s, n in places if s.draws is not None]
    return _draw(logits, torch.tensor(draws, dtype=torch.float64, device=logits.device))


def _draw(logits: torch.Tensor, draws: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens by inversion, where the cumulated probability first passes a draw; log-probabilities.

    The block in which that happens is found first, so that few probabilities are cumulated.

    Args:
        logits: (n, V) float32.
        draws: (n,) float64, uniform in [0, 1).
    """
    rows, size = logits.shape
    rest = -size % BLOCK
    weights = functional.pad(logits, (0, rest), value=-torch.inf) if rest else logits.clone()
    top = weights.amax(-1, keepdim=True)
    blocks = weights.sub_(top).exp_().view(rows, -1, BLOCK)
    sums = blocks.sum(-1).double()  # (n, V / BLOCK)
    cumulated = sums.cumsum(-1)
    wanted = (draws * cumulated[:, -1])[:, None]
    # Rounding may put a draw behind the last probability that is not zero; it belongs to it then.
    block = _reaching(cumulated, wanted)
    wanted = wanted - (cumulated - sums).gather(-1, block)
    within = blocks[torch.arange(rows, device=logits.device), block[:, 0]].double().cumsum(-1)
    chosen = (block * BLOCK + _reaching(within, wanted))[:, 0]
    total = cumulated[:, -1].log().float()
    return chosen, logits.gather(-1, chosen[:, None])[:, 0] - top[:, 0] - total


def _reaching(cumulated: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """(n, 1) where ``cumulated`` (n, m) first passes ``wanted``, at most where it ends to grow."""
    last = torch.searchsorted(cumulated, cumulated[:, -1:].contiguous())
    return torch.minimum(torch.searchsorted(cumulated, wanted, right=True), last)
