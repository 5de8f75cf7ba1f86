"""One problem of a person's own: the model writes the trace, the solver answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from trace_pipeline.evaluation import Doubt, chosen, describe, doubts
from trace_pipeline.pipeline.policies import open_policy
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.solver import Solver, explain
from trace_pipeline.store import ArtifactStore
from trace_pipeline.traces import Number, TraceError, format_number, parse_trace
from trace_pipeline.validation import InvalidInputError

if TYPE_CHECKING:
    from trace_pipeline.modeling.storage.checkpoints import Policy

Stage = Literal["rl", "sft"]
STAGES: tuple[Stage, ...] = ("rl", "sft")
"""Checkpoints that can be asked, the finished one first."""
TEMPERATURE = 0.7
"""Of several samples where the experiment has none."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a person is shown."""

    completion: str
    """The model's text as it came."""
    steps: tuple[str, ...]
    """Each step of the execution, with its numbers."""
    answer: str
    """The number that the solver computed; empty if there is none."""
    problem: str
    """Why there is no answer; empty if there is one."""
    doubts: tuple[str, ...]
    """What speaks against the answer, without anybody's knowing the right one."""
    samples: int
    """Traces that were written."""
    agreeing: int
    """Of them, those with this answer; 0 if there is none."""
    tokens: int
    """Generated, in all samples."""
    seconds: float
    """Wall-clock seconds of decoding."""
    clipped: bool
    """Whether the token limit ended the completion."""

    @property
    def solved(self) -> bool:
        """Whether the trace could be executed; whether the answer is right nobody has checked."""
        return not self.problem

    @property
    def conclusion(self) -> str:
        """The answer, or why there is none."""
        if not self.solved:
            cut = "the token limit (decoding.max_tokens) cut the trace: " if self.clipped else ""
            return f"no answer: {cut}{self.problem}"
        votes = f" ({self.agreeing} of {self.samples} traces agree)" if self.samples > 1 else ""
        return f"answer: {self.answer}{votes}"


class Asked(Struct, frozen=True):
    """A trained model that can be asked."""

    experiment: str
    stage: Stage
    version: str
    """Version of its checkpoint."""
    sha256: str
    created: str
    """When it was trained: UTC, ISO 8601."""


class Asker:
    """A trained model, loaded and ready."""

    def __init__(self, bench: Workbench, stage: Stage = "rl") -> None:
        """Load the experiment's checkpoint of ``stage``.

        Raises:
            MissingUpstreamError: the experiment has no such checkpoint yet.
        """
        self._bench = bench
        self._policy: Policy = open_policy(bench, bench.require(f"{stage}_checkpoint"))

    def answer(
        self, problem: str, constrained: bool | None = None, samples: int | None = None
    ) -> Answer:
        """Decode traces for ``problem`` and execute the one that is its answer.

        Args:
            problem: a word problem.
            constrained: whether only valid traces may be written; None: as the experiment says.
            samples: traces to write, of which the most frequent answer among the least doubtful
                counts; the first is greedy. None: as the experiment evaluates where that is a
                vote, else one greedy trace.

        Raises:
            InvalidInputError: a problem that is empty or no text.
        """
        _require_problem(problem)
        from trace_pipeline.modeling.decoding.engines import open_engine
        from trace_pipeline.modeling.decoding.likelihood import log_likelihoods
        from trace_pipeline.modeling.training.samples import write_samples

        experiment = self._bench.experiment
        config, answering = experiment.decoding, experiment.eval.answer
        if samples is not None or answering == "first":
            samples = samples or 1
            temperature = (config.temperature or TEMPERATURE) if samples > 1 else 0.0
            config = replace(
                config, samples=samples, temperature=temperature, greedy_first=samples > 1
            )
            answering = "plausible"
        if constrained is not None:
            # Only the decoder of our own can be held to the grammar.
            config = replace(config, constrained=constrained, engine="native")
        engine = open_engine(self._policy, config, self._bench.solver)
        start = time.perf_counter()
        completions = write_samples(engine, [problem], config, experiment.seed)
        seconds = time.perf_counter() - start
        written = [
            _read(problem, completion.text, self._bench.solver) for completion in completions
        ]
        if answering == "probable":
            texts = [completion.text for completion in completions]
            likely = log_likelihoods(self._policy, [problem] * len(texts), texts)
            written = [
                replace(one, log_likelihood=value)
                for one, value in zip(written, likely, strict=True)
            ]
        place = chosen(written, answering)
        best = written[place]
        return Answer(
            completion=completions[place].text,
            steps=best.steps,
            answer="" if best.answer is None else format_number(best.answer),
            problem=best.problem,
            doubts=best.reasons,
            samples=len(written),
            agreeing=sum(w.answer == best.answer for w in written if w.answer is not None),
            tokens=sum(completion.tokens for completion in completions),
            seconds=seconds,
            clipped=completions[place].clipped,
        )


class _Written(Struct, frozen=True):
    """A trace that the model wrote, executed."""

    text: str
    answer: Number | None = None
    doubts: tuple[Doubt, ...] = ()
    reasons: tuple[str, ...] = ()
    """The doubts in words."""
    steps: tuple[str, ...] = ()
    problem: str = ""
    log_likelihood: float | None = None


def _read(question: str, text: str, solver: Solver) -> _Written:
    try:
        trace = parse_trace(text)
        execution = solver.execute(trace)
    except TraceError as error:
        return _Written(text, problem=str(error))
    found = doubts(question, execution)
    return _Written(
        text,
        execution.answer,
        found,
        tuple(describe(doubt, question, execution) for doubt in found),
        tuple(explain(trace, execution)),
    )


def answer(bench: Workbench, problem: str, samples: int | None = None) -> Answer:
    """Let the experiment's trained model answer one ``problem``, as :meth:`Asker.answer` does.

    Raises:
        InvalidInputError: a problem that is empty or no text.
        MissingUpstreamError: the experiment has no trained model yet.
    """
    _require_problem(problem)  # before the model is loaded
    return Asker(bench).answer(problem, samples=samples)


def _require_problem(problem: str) -> None:
    if not problem.strip():
        raise InvalidInputError("the problem is empty; give a word problem in quotes")
    try:
        problem.encode()
    except UnicodeEncodeError:  # how a terminal of another encoding hands on its bytes
        raise InvalidInputError(
            "the problem has bytes that are no UTF-8; set the terminal to UTF-8"
        ) from None


def trained_models(store: ArtifactStore, experiments: list[str]) -> list[Asked]:
    """The models of ``experiments`` that have been trained, newest first within a stage."""
    found = []
    for name in experiments:
        for stage in STAGES:
            key = f"{name}/{stage}_checkpoint"
            if store.has(key):
                manifest = store.manifest(key)
                found.append(
                    Asked(name, stage, manifest.version, manifest.sha256, manifest.created)
                )
    return sorted(found, key=lambda asked: asked.created, reverse=True)
