"""Scoring: completions through the solver, one prediction a problem, and their summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from trace_pipeline.evaluation.benchmark import Benchmark, BenchmarkKind, Item, fingerprint
from trace_pipeline.evaluation.diagnosis import Diagnosis, diagnose
from trace_pipeline.evaluation.plausibility import Doubt
from trace_pipeline.evaluation.sampled import (
    Answering,
    Judged,
    Sampled,
    answerer,
    chosen,
    judge_samples,
    summarise_samples,
)
from trace_pipeline.evaluation.statistics import Proportion
from trace_pipeline.gsm8k.coverage import Coverage
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.traces import Number, format_number, render_trace

NO_REFERENCE = "no reference"
"""The group of problems whose solution could not be converted to a trace."""
UNDOUBTED = "none"
"""The group of valid traces that nothing speaks against."""


class Completion(Protocol):
    """What a decoder returns for one problem."""

    @property
    def text(self) -> str:
        """The generated text."""

    @property
    def tokens(self) -> int:
        """Generated tokens."""

    @property
    def clipped(self) -> bool:
        """Whether the token limit ended it."""

    @property
    def seconds(self) -> float:
        """Its share of the time that all of them took."""


class Prediction(Struct, frozen=True, kw_only=True):
    """One problem, the model's completion and the solver's verdict."""

    index: int
    question: str
    completion: str
    kind: VerdictKind
    reason: str | None
    """Why a trace is invalid; None for other kinds."""
    message: str
    answer: Number | None
    """What the trace computes; None if it could not be executed."""
    gold: Number
    expert: str | None
    """The expert that had to answer; None where any may."""
    predicted_expert: str | None
    """The expert of the trace; None if the shape of its steps is wrong or nothing was read."""
    steps: int
    """Steps that the reference solution takes; 0 if unknown."""
    tokens: int
    clipped: bool
    seconds: float
    reference: str
    diagnosis: str | None = None
    """How the trace fails; None where it does not, or where nothing was diagnosed."""
    explanation: str = ""
    """The diagnosis in a sentence."""
    reference_trace: str = ""
    """A trace that solves the problem, in canonical YAML; empty if none is known."""
    category: str | None = None
    """The notebook's category of the failure; None for faults of form."""
    diverges_at: tuple[int, int] | None = None
    """Sub-trace and step (from 0) at which the trace leaves the reference, or is refused."""
    coverage: str | None = None
    """How much of the problem the experiment's schemas compute; None if that is unknown."""
    doubts: tuple[Doubt, ...] | None = None
    """What speaks against a valid trace (``plausibility``); None for others, and unknown."""

    @property
    def correct(self) -> bool:
        """Whether the trace is valid and computes the gold answer."""
        return self.kind is VerdictKind.CORRECT

    @property
    def parsed(self) -> bool:
        """Whether a trace could be read."""
        return self.kind is not VerdictKind.PARSE_FAIL

    @property
    def valid(self) -> bool:
        """Whether the trace could be executed (and was the right expert's)."""
        return self.kind in (VerdictKind.WRONG_ANSWER, VerdictKind.CORRECT)

    @property
    def status(self) -> str:
        """``correct``, ``wrong_answer:32``, ``invalid_trace:short_circuit``, ``parse_fail``..."""
        if self.kind is VerdictKind.WRONG_ANSWER and self.answer is not None:
            return f"{self.kind}:{format_number(self.answer)}"
        return self.outcome

    @property
    def outcome(self) -> str:
        """The status without the value: what outcomes are counted by."""
        return f"{self.kind}:{self.reason}" if self.reason else str(self.kind)


class Group(Struct, frozen=True):
    """The predictions of one expert or one number of steps."""

    name: str
    correct: Proportion
    valid: Proportion
    parsed: Proportion


class Evaluation(Struct, frozen=True, kw_only=True):
    """One model's predictions on one benchmark."""

    model: str
    """What was scored: ``base``, ``sft``, ``rl``; of a vote, ``rl, majority@16``..."""
    benchmark: str
    kind: BenchmarkKind
    source: str
    predictions: tuple[Prediction, ...]
    """One of each problem: of several samples the one that is its answer."""
    notes: tuple[str, ...] = ()
    sampled: Sampled | None = None
    """All samples of each problem, where there are several."""

    @property
    def total(self) -> int:
        """Number of problems."""
        return len(self.predictions)

    @property
    def correct(self) -> Proportion:
        """Accuracy."""
        return self._share(lambda p: p.correct)

    @property
    def valid(self) -> Proportion:
        """Completions whose trace could be executed (and was the right expert's)."""
        return self._share(lambda p: p.valid)

    @property
    def parsed(self) -> Proportion:
        """Completions in which a trace could be read."""
        return self._share(lambda p: p.parsed)

    @property
    def clipped(self) -> Proportion:
        """Completions that the token limit ended."""
        return self._share(lambda p: p.clipped)

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of the problems: equal for evaluations of the same problems only."""
        return fingerprint((p.index, p.question, p.gold) for p in self.predictions)

    def by_expert(self) -> tuple[Group, ...]:
        """Groups by the expert that had to answer; on real problems by the one that did."""
        return self._groups(
            lambda p: p.expert or p.predicted_expert or "none",
            lambda name: (name == "none", name),
        )

    def by_steps(self) -> tuple[Group, ...]:
        """Groups by the steps of the reference solution."""
        return self._groups(
            lambda p: str(p.steps) if p.steps else "unknown",
            lambda name: (name == "unknown", int(name) if name.isdigit() else 0),
        )

    def outcomes(self) -> dict[str, int]:
        """How often each outcome occurred, most frequent first."""
        counts = Counter(p.outcome for p in self.predictions)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def by_coverage(self) -> tuple[Group, ...]:
        """Groups by how much of the problem the schemas compute; empty if that is unknown."""
        if not any(p.coverage for p in self.predictions):
            return ()
        order = [*Coverage, NO_REFERENCE]
        return self._groups(lambda p: p.coverage or NO_REFERENCE, lambda name: (order.index(name),))

    def diagnoses(self) -> dict[str, int]:
        """How often each diagnosis was made, most frequent first; empty if none was."""
        counts = Counter(p.diagnosis for p in self.predictions if p.diagnosis)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def by_doubt(self) -> tuple[Group, ...]:
        """Valid traces by what speaks against them, nothing first.

        A trace with several doubts is in the group of each; empty if doubts are unknown.
        """
        judged = [p for p in self.predictions if p.doubts is not None]
        members = {UNDOUBTED: [p for p in judged if not p.doubts]} if judged else {}
        members |= {doubt: [p for p in judged if doubt in (p.doubts or ())] for doubt in Doubt}
        return tuple(_group(name, found) for name, found in members.items() if found)

    def kinds(self) -> dict[VerdictKind, int]:
        """How often each kind of verdict occurred, in the solver's order, zeros included."""
        counts = Counter(p.kind for p in self.predictions)
        return {kind: counts[kind] for kind in VerdictKind}

    def metrics(self) -> dict[str, float]:
        """Flat figures for a tracking server.

        Shares are between 0 and 1, those of failures too are of all problems;
        ``tokens_mean`` and ``seconds_mean`` are per completion.
        """
        total = max(self.total, 1)
        diagnoses = self.diagnoses()
        metrics = {
            "problems": float(self.total),
            "correct": float(self.correct.count),
            "accuracy": self.correct.rate,
            "accuracy_low": self.correct.interval.low,
            "accuracy_high": self.correct.interval.high,
            "valid": self.valid.rate,
            "parsed": self.parsed.rate,
            "clipped": self.clipped.rate,
            "tokens_mean": sum(p.tokens for p in self.predictions) / total,
            "seconds_mean": sum(p.seconds for p in self.predictions) / total,
        }
        if diagnoses:
            metrics |= {f"failure_{d}": diagnoses.get(d, 0) / total for d in Diagnosis}
            undiagnosed = sum(not p.correct and not p.diagnosis for p in self.predictions)
            metrics["failure_undiagnosed"] = undiagnosed / total
        if self.sampled:
            metrics |= self.sampled.metrics()
        undoubted = [p for p in self.predictions if p.doubts == ()]
        if any(p.doubts is not None for p in self.predictions):
            metrics["undoubted"] = len(undoubted) / total
        if undoubted:
            metrics["accuracy_undoubted"] = _group(UNDOUBTED, undoubted).correct.rate
        if self.kind is BenchmarkKind.SYNTHETIC:
            metrics |= {f"accuracy_{g.name}": g.correct.rate for g in self.by_expert()}
        return metrics

    def status_lines(self, count: int | None = None) -> list[str]:
        """One line for each of the first ``count`` problems: index, status, gold, question."""
        return [
            f"{p.index:>5}  {p.status:<32}  gold {format_number(p.gold):<10}  {p.question:.60}"
            for p in self.predictions[:count]
        ]

    def first(self, count: int) -> Evaluation:
        """The evaluation of the first ``count`` problems alone."""
        return replace(self, predictions=self.predictions[:count], sampled=None)

    def _share(self, holds: Callable[[Prediction], bool]) -> Proportion:
        return _proportion(self.predictions, holds)

    def _groups(
        self, name_of: Callable[[Prediction], str], order: Callable[[str], tuple[object, ...]]
    ) -> tuple[Group, ...]:
        members: dict[str, list[Prediction]] = {}
        for prediction in self.predictions:
            members.setdefault(name_of(prediction), []).append(prediction)
        return tuple(_group(name, members[name]) for name in sorted(members, key=order))


def score(
    benchmark: Benchmark,
    completions: Sequence[Completion],
    solver: Solver,
    model: str,
    samples: int = 1,
    answering: Answering = "first",
    greedy_first: bool = False,
    likelihoods: Sequence[float] | None = None,
) -> Evaluation:
    """Judge the ``samples`` completions of each problem; ``model`` names what wrote them.

    Those of the first problem come first. Which of each is its prediction, ``answering`` says;
    whether the first of each is greedy and the others were drawn, ``greedy_first``. The
    ``likelihoods`` of the completions, log-probabilities under the model, are for the most
    ``probable`` answer.

    Raises:
        ValueError: not as many completions as problems and samples, or as many likelihoods.
    """
    ways = [answering]
    return score_each(
        benchmark, completions, solver, model, ways, samples, greedy_first, likelihoods
    )[0]


def score_each(
    benchmark: Benchmark,
    completions: Sequence[Completion],
    solver: Solver,
    model: str,
    answerings: Sequence[Answering],
    samples: int = 1,
    greedy_first: bool = False,
    likelihoods: Sequence[float] | None = None,
) -> list[Evaluation]:
    """What :func:`score` gives for several ways to choose the answer, judged once for all.

    Raises:
        ValueError: as :func:`score`.
    """
    texts = [completion.text for completion in completions]
    judged = judge_samples(benchmark, texts, solver, samples, likelihoods)
    sampled = summarise_samples(judged, greedy_first) if samples > 1 else None
    told: dict[int, Prediction] = {}
    evaluations = []
    for answering in answerings:
        answers = [n * samples + chosen(group, answering) for n, group in enumerate(judged)]
        for item, place in zip(benchmark.items, answers, strict=True):
            if place not in told:
                one = judged[place // samples][place % samples]
                told[place] = _prediction(item, completions[place], one, solver)
        evaluations.append(
            Evaluation(
                model=answerer(model, answering, samples, greedy_first),
                benchmark=benchmark.name,
                kind=benchmark.kind,
                source=benchmark.source,
                predictions=tuple(told[place] for place in answers),
                notes=benchmark.notes,
                sampled=sampled,
            )
        )
    return evaluations


def _group(name: str, predictions: Sequence[Prediction]) -> Group:
    return Group(
        name,
        _proportion(predictions, lambda p: p.correct),
        _proportion(predictions, lambda p: p.valid),
        _proportion(predictions, lambda p: p.parsed),
    )


def _prediction(item: Item, completion: Completion, judged: Judged, solver: Solver) -> Prediction:
    verdict = judged.verdict
    diagnosed = diagnose(
        completion.text,
        verdict,
        item.question,
        item.traces,
        clipped=completion.clipped,
        solver=solver,
    )
    reference = diagnosed.reference if diagnosed else None
    if reference is None and item.traces:
        reference = item.traces[0]
    return Prediction(
        index=item.index,
        question=item.question,
        completion=completion.text,
        kind=verdict.kind,
        reason=str(verdict.reason) if verdict.reason else None,
        message=verdict.message,
        answer=verdict.answer,
        gold=item.gold,
        expert=item.expert,
        predicted_expert=verdict.trace.expert if verdict.trace else None,
        steps=item.steps,
        tokens=completion.tokens,
        clipped=completion.clipped,
        seconds=completion.seconds,
        reference=item.reference,
        diagnosis=str(diagnosed.diagnosis) if diagnosed else None,
        explanation=diagnosed.explanation if diagnosed else "",
        reference_trace=render_trace(reference) if reference else "",
        category=str(diagnosed.category) if diagnosed and diagnosed.category else None,
        diverges_at=diagnosed.place if diagnosed else None,
        coverage=item.coverage,
        doubts=judged.doubts if verdict.answer is not None else None,
    )


def _proportion(
    predictions: Sequence[Prediction], holds: Callable[[Prediction], bool]
) -> Proportion:
    return Proportion(sum(map(holds, predictions)), len(predictions))
