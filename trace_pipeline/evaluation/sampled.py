"""Several samples of each problem: pass@k, and votes on the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from trace_pipeline.evaluation.benchmark import Benchmark, Item
from trace_pipeline.evaluation.plausibility import Doubt, doubts
from trace_pipeline.evaluation.statistics import Proportion, majority_vote, pass_at_k
from trace_pipeline.solver import Solver, Verdict, VerdictKind
from trace_pipeline.traces import Number

Answering = Literal["first", "majority", "plausible", "probable"]
"""Which of several samples is a problem's answer: the first; the first of those with the most
frequent answer; the same among those of which the least is doubtful; among these, the likeliest
of those whose answer is the most probable."""


def answerer(model: str, answering: Answering, samples: int, greedy_first: bool) -> str:
    """What gave the answers, as reports name it: the model, how, and of how many completions.

    The first of several is named only where it was drawn; a greedy one is what the model says
    without samples. A name that says it already stays as it is.
    """
    if samples == 1 or (answering == "first" and greedy_first):
        return model
    how = f", first of {samples}" if answering == "first" else f", {answering}@{samples}"
    return model.removesuffix(how) + how


class Candidate(Protocol):
    """What a vote asks of a sample."""

    @property
    def answer(self) -> Number | None:
        """What its trace computes; None if that cannot be executed."""

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What speaks against it."""

    @property
    def text(self) -> str:
        """What was written."""

    @property
    def log_likelihood(self) -> float | None:
        """Log-probability of the text under the model, in nats; None where it is not known."""


class Judged(Struct, frozen=True):
    """A sample: what the solver says about it, and what is doubtful about it."""

    verdict: Verdict
    doubts: tuple[Doubt, ...] = ()
    """Of a trace that could be executed; empty for others."""
    text: str = ""
    log_likelihood: float | None = None
    """Of the text under the model that wrote it, in nats; None where it is not known."""

    @property
    def answer(self) -> Number | None:
        """What its trace computes; None if that cannot be executed."""
        return self.verdict.answer

    @property
    def is_correct(self) -> bool:
        """Whether it is valid and computes the gold answer."""
        return self.verdict.kind is VerdictKind.CORRECT


class Sampled(Struct, frozen=True):
    """What the samples of each problem came to, problem by problem."""

    samples: int
    """Completions drawn of each problem."""
    correct: tuple[int, ...]
    """How many of those are correct."""
    majority: tuple[bool, ...]
    """Whether a problem's most frequent answer is correct. Only valid traces vote; of answers
    with equally many votes the one sampled first wins; without any vote it is wrong."""
    plausible: tuple[bool, ...] = ()
    """The same where only the traces with the fewest doubts vote; empty in what was stored
    before doubts were looked for."""
    probable: tuple[bool, ...] = ()
    """The same where the answer counts that is the most probable; empty where the samples'
    likelihoods are not known."""
    greedy: tuple[bool, ...] = ()
    """Whether the greedy completion is correct, which then votes too; empty if there is none."""

    @property
    def voters(self) -> int:
        """Completions of a problem that vote."""
        return self.samples + bool(self.greedy)

    @property
    def described(self) -> str:
        """How many there are, in words."""
        beside = " beside the greedy one" if self.greedy else ""
        return f"{self.samples} samples of each problem{beside}"

    def pass_at(self, k: int) -> float:
        """Mean over the problems of the unbiased estimate that one of ``k`` samples is correct."""
        shares = [pass_at_k(self.samples, count, k) for count in self.correct]
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def votes(self) -> dict[str, Proportion]:
        """Problems that each kind of vote answers correctly."""
        found = {
            "majority": self.majority,
            "plausible": self.plausible,
            "probable": self.probable,
        }
        return {name: Proportion(sum(won), len(won)) for name, won in found.items() if won}

    @property
    def ks(self) -> tuple[int, ...]:
        """For which ``k`` pass@k is reported: powers of two, and all samples."""
        powers = [2**n for n in range(self.samples.bit_length()) if 2**n < self.samples]
        return (*powers, self.samples)

    def metrics(self) -> dict[str, float]:
        """Flat figures for a tracking server."""
        found = {f"pass_at_{k}": self.pass_at(k) for k in self.ks}
        votes = {f"{name}_at_{self.voters}": share.rate for name, share in self.votes.items()}
        return found | votes

    def rows(self) -> list[list[str]]:
        """Name and figure, for a report."""
        rows = [[f"pass@{k}", f"{100 * self.pass_at(k):.1f} %"] for k in self.ks]
        votes = [[f"{name}@{self.voters}", str(share)] for name, share in self.votes.items()]
        return [*rows, *votes]


def judge_samples(
    benchmark: Benchmark,
    texts: Sequence[str],
    solver: Solver,
    samples: int = 1,
    likelihoods: Sequence[float] | None = None,
) -> list[list[Judged]]:
    """What the solver says about the ``samples`` texts of each problem, the first problem's first.

    About half of the samples of a problem are one text again, which is judged once.

    Args:
        benchmark: the problems.
        texts: what was written, ``samples`` for each problem.
        solver: the judge.
        samples: texts of each problem.
        likelihoods: log-probability of each text under the model, in nats.

    Raises:
        ValueError: not as many texts as problems and samples, or as many likelihoods.
    """
    expected = len(benchmark.items) * samples
    if len(texts) != expected:
        raise ValueError(
            f"{benchmark.name}: expected {expected} completions, {samples} a problem, "
            f"found {len(texts)}"
        )
    likely = likelihoods if likelihoods is not None else [None] * expected
    if len(likely) != expected:
        raise ValueError(f"expected {expected} likelihoods, found {len(likely)}")
    judged: list[list[Judged]] = []
    for number, item in enumerate(benchmark.items):
        known: dict[str, Judged] = {}
        group = []
        for place in range(number * samples, (number + 1) * samples):
            text = texts[place]
            if text not in known:
                known[text] = _judge(item, text, solver)
            group.append(replace(known[text], log_likelihood=likely[place]))
        judged.append(group)
    return judged


def _judge(item: Item, text: str, solver: Solver) -> Judged:
    verdict = solver.verify(text, item.gold, item.expert)
    found: tuple[Doubt, ...] = ()
    if verdict.answer is not None and verdict.trace is not None:
        found = doubts(item.question, solver.execute(verdict.trace, keep_steps=True))
    return Judged(verdict, found, text)


def summarise_samples(judged: Sequence[Sequence[Judged]], greedy_first: bool = False) -> Sampled:
    """The summary of each problem's samples, in the order in which they were drawn.

    ``greedy_first``: the first of each was not drawn, so pass@k is not about it; it votes.

    Raises:
        ValueError: problems with different numbers of samples.
    """
    counts = {len(group) for group in judged}
    if len(counts) > 1:
        raise ValueError(f"expected as many samples of each problem, found {sorted(counts)}")
    drawn = [group[1:] if greedy_first else group for group in judged]
    known = all(sample.log_likelihood is not None for group in judged for sample in group)

    def answered(how: Answering) -> tuple[bool, ...]:
        return tuple(group[chosen(group, how)].is_correct for group in judged)

    return Sampled(
        counts.pop() - greedy_first if counts else 1,
        tuple(sum(sample.is_correct for sample in group) for group in drawn),
        answered("majority"),
        answered("plausible"),
        answered("probable") if known else (),
        answered("first") if greedy_first else (),
    )


def chosen(group: Sequence[Candidate], answering: Answering) -> int:
    """The position of the sample that is the answer to its problem.

    Only traces that could be executed have a vote; the first sample where none could.

    Raises:
        ValueError: ``probable`` where a likelihood is not known.
    """
    if answering == "first":
        return 0
    voters = [place for place, sample in enumerate(group) if sample.answer is not None]
    if answering in ("plausible", "probable") and voters:
        fewest = min(len(group[place].doubts) for place in voters)
        voters = [place for place in voters if len(group[place].doubts) == fewest]
    if answering == "probable":
        return _most_probable(group, voters)
    answer = majority_vote([group[place].answer for place in voters])
    return next((place for place in voters if group[place].answer == answer), 0)


def _most_probable(group: Sequence[Candidate], voters: Sequence[int]) -> int:
    """The likeliest of ``voters`` whose answer is the most probable; 0 without any.

    An answer is as probable as all different traces together that give it. How often each was
    drawn adds nothing: the model itself says how likely it is.
    """
    likely: dict[str, tuple[float, int]] = {}
    for place in voters:
        value = group[place].log_likelihood
        if value is None:
            raise ValueError("the likelihoods of the samples are not known")
        likely.setdefault(group[place].text, (value, place))
    if not likely:
        return 0
    top = max(value for value, _ in likely.values())
    weights: dict[Number, float] = {}
    for value, place in likely.values():
        answer = group[place].answer
        assert answer is not None
        weights[answer] = weights.get(answer, 0.0) + math.exp(value - top)
    winner = max(weights, key=weights.__getitem__)
    giving = [pair for pair in likely.values() if group[pair[1]].answer == winner]
    return max(giving, key=lambda pair: (pair[0], -pair[1]))[1]
