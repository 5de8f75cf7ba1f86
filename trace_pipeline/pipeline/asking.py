"""One problem of a person's own: the model writes the trace, the solver answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from trace_pipeline.pipeline.policies import open_policy
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.solver import explain
from trace_pipeline.store import ArtifactStore
from trace_pipeline.traces import TraceError, format_number, parse_trace
from trace_pipeline.validation import InvalidInputError

if TYPE_CHECKING:
    from trace_pipeline.modeling.checkpoints import Policy

Stage = Literal["rl", "sft"]
STAGES: tuple[Stage, ...] = ("rl", "sft")
"""Checkpoints that can be asked, the finished one first."""


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
    tokens: int
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
        return f"answer: {self.answer}" if self.solved else f"no answer: {self.problem}"


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

    def answer(self, problem: str, constrained: bool | None = None) -> Answer:
        """Decode a trace for ``problem`` greedily and execute it.

        Args:
            problem: a word problem.
            constrained: whether only valid traces may be written; None: as the experiment says.

        Raises:
            InvalidInputError: an empty problem.
        """
        if not problem.strip():
            raise InvalidInputError("the problem is empty; give a word problem in quotes")
        from trace_pipeline.modeling.engines import open_engine

        config = self._bench.experiment.decoding
        if constrained is not None:
            # Only the decoder of our own can be held to the grammar.
            config = replace(config, constrained=constrained, engine="native")
        completion = open_engine(self._policy, config).decode([problem])[0]
        steps: tuple[str, ...] = ()
        answer = reason = ""
        try:
            trace = parse_trace(completion.text)
            execution = self._bench.solver.execute(trace)
        except TraceError as error:
            reason = str(error)
        else:
            steps = tuple(explain(trace, execution))
            answer = format_number(execution.answer)
        return Answer(
            completion=completion.text,
            steps=steps,
            answer=answer,
            problem=reason,
            tokens=completion.tokens,
            seconds=completion.seconds,
            clipped=completion.clipped,
        )


def answer(bench: Workbench, problem: str) -> Answer:
    """Let the experiment's trained model answer one ``problem``.

    Raises:
        InvalidInputError: an empty problem.
        MissingUpstreamError: the experiment has no trained model yet.
    """
    if not problem.strip():  # before the model is loaded
        raise InvalidInputError("the problem is empty; give a word problem in quotes")
    return Asker(bench).answer(problem)


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
