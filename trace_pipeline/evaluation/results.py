"""Results small enough to be committed: outcome bits, by which runs are paired without weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from trace_pipeline.evaluation.scoring import Evaluation
from trace_pipeline.evaluation.statistics import Proportion
from trace_pipeline.experiment import Difference, differences
from trace_pipeline.store import write_json
from trace_pipeline.validation import InvalidInputError


class Outcomes(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One evaluation; in each text the character of a problem is 1 or 0, in their order."""

    benchmark: str
    kind: str
    problems_sha256: str
    """``Evaluation.fingerprint``: equal for the same problems only."""
    correct: str
    valid: str
    parsed: str
    clipped: str
    experts: list[str] = []
    """The expert that had to answer, problem by problem; empty for real problems."""
    failures: dict[str, int] = {}
    """How often each outcome but ``correct`` occurred."""

    def __post_init__(self) -> None:
        bits = (self.correct, self.valid, self.parsed, self.clipped)
        lengths = {*map(len, bits), *([len(self.experts)] if self.experts else [])}
        if len(lengths) > 1 or not set().union(*bits) <= {"0", "1"}:
            raise ValueError("expected a bit, 0 or 1, and an expert or none for each problem")

    def share(self, measure: str) -> Proportion:
        """``correct``, ``valid``, ``parsed`` or ``clipped`` of all."""
        bits = self.bits(measure)
        return Proportion(sum(bits), len(bits))

    def bits(self, measure: str) -> list[bool]:
        """Problem by problem."""
        return [bit == "1" for bit in getattr(self, measure)]


class RolloutCount(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rollouts of one RL iteration."""

    iteration: int
    rollouts: int
    correct: int
    short_circuits: int
    """Traces that the solver's present rules call a short circuit, whatever the run's rules."""


class Result(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one experiment gave, and what it was made with."""

    experiment: str
    settings: dict[str, str]
    settings_sha256: str
    base_sha256: str
    dataset_sha256: str
    checkpoint_sha256: str
    git: str
    """Revision that the model was trained and evaluated with."""
    created: str
    evaluations: dict[str, Outcomes]
    """``synthetic``, ``gsm8k`` and ``gsm8k_base`` (the untuned model)."""
    rollouts: list[RolloutCount] = []


def outcomes_of(evaluation: Evaluation) -> Outcomes:
    """The outcome bits of an evaluation."""
    predictions = evaluation.predictions
    experts = [p.expert for p in predictions if p.expert]
    return Outcomes(
        benchmark=evaluation.benchmark,
        kind=str(evaluation.kind),
        problems_sha256=evaluation.fingerprint,
        correct=_bits([p.correct for p in predictions]),
        valid=_bits([p.valid for p in predictions]),
        parsed=_bits([p.parsed for p in predictions]),
        clipped=_bits([p.clipped for p in predictions]),
        experts=experts if len(experts) == len(predictions) else [],
        failures={name: n for name, n in evaluation.outcomes().items() if name != "correct"},
    )


CHANGE_NOTHING = frozenset(
    {"decoding.batch_size", "decoding.drafts", "sft.save_every", "rl.save_every"}
)
"""Settings on which no figure depends."""


def outdated(result: Result, parameters: Mapping[str, str]) -> list[Difference]:
    """Settings of the preset that are others now than when the result was made.

    A setting that did not exist then is left out: its default is what was done before. So are
    those that say how fast, not what.
    """
    counts = result.settings.keys() - CHANGE_NOTHING
    known = {name: value for name, value in parameters.items() if name in counts}
    then = {name: value for name, value in result.settings.items() if name in known}
    return differences(then, known)


def write_result(folder: Path, result: Result) -> Path:
    """Write ``folder/<experiment>.json``."""
    path = folder / f"{result.experiment}.json"
    write_json(path, result)
    return path


def read_results(folder: Path) -> dict[str, Result]:
    """The results in ``folder`` by experiment.

    Raises:
        InvalidInputError: a file that is no result, or that has another name than its experiment:
            of two results of one experiment, nothing says which counts.
    """
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            result = msgspec.json.decode(path.read_bytes(), type=Result)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidInputError(
                f"{path}: not a result ({error}); remove it and collect it again with "
                "trace-pipeline claims --collect"
            ) from None
        if path.stem != result.experiment:
            own = path.with_name(f"{result.experiment}.json")
            there = "is there too: remove one of the two" if own.exists() else "is not: rename it"
            raise InvalidInputError(
                f"{path}: a result of {result.experiment}, whose file is {own.name}, which {there}"
            )
        found[result.experiment] = result
    return found


def _bits(values: list[bool]) -> str:
    return "".join("1" if value else "0" for value in values)
