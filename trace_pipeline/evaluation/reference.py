"""The notebook's published figures: runs, per-expert tables, small samples of GSM-8K."""

from __future__ import annotations

from importlib import resources
from typing import Annotated

from msgspec import Meta, Struct

from trace_pipeline.evaluation.statistics import Proportion
from trace_pipeline.validation import InvalidInputError, convert
from trace_pipeline.yaml_core import load_yaml

SOURCE = "notebook"
"""How the runs are tagged, and the prefix of their names in comparisons."""

LARGE = 30
"""Problems of a sample that can be told from luck at all."""

DATE = "2026-01-26"
"""Of the notebook; a run may have its own."""


class PublishedShare(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A share as published: ``correct`` of ``problems``, or a ``rate`` alone."""

    correct: Annotated[int, Meta(ge=0)] | None = None
    problems: Annotated[int, Meta(ge=1)] | None = None
    rate: Annotated[float, Meta(ge=0, le=1)] | None = None

    def __post_init__(self) -> None:
        counted = self.correct is not None and self.problems is not None
        if counted == (self.rate is not None) or (self.correct or 0) > (self.problems or 1):
            raise ValueError("expected correct of problems, or a rate")

    @property
    def proportion(self) -> Proportion | None:
        """The counts; None if the notebook gives a percentage alone."""
        if self.correct is None or self.problems is None:
            return None
        return Proportion(self.correct, self.problems)

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.proportion.rate if self.proportion else self.rate or 0.0


class PublishedStage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Figures on synthetic problems after one stage of training."""

    all: PublishedShare
    parsed: PublishedShare | None = None
    valid: PublishedShare | None = None
    experts: dict[str, PublishedShare] = {}
    loss: float | None = None


class PublishedSample(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One evaluation on GSM-8K problems."""

    correct: int
    problems: int
    parsed: int | None = None
    valid: int | None = None
    statuses: dict[str, str] = {}
    """Status of single problems, by their keys; in the form of ``Prediction.status``."""

    @property
    def accuracy(self) -> Proportion:
        """Problems solved."""
        return Proportion(self.correct, self.problems)


class PublishedProblem(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of the problems in the notebook's small samples."""

    title: str
    index: int | None
    """Line of GSM-8K's test split, from 0; None if it is not there."""
    gold: int


class ReferenceRun(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run of the notebook."""

    name: str
    changed: str
    """What was changed against the run before."""
    preset: str = ""
    """The experiment with its settings; the run's own name when empty."""
    date: str = DATE
    sft: PublishedStage | None = None
    final: PublishedStage | None = None
    rl: dict[int, PublishedShare] = {}
    """Evaluations during reinforcement, by iteration."""
    gsm8k: list[PublishedSample] = []
    note: str = ""

    @property
    def experiment(self) -> str:
        """Name of the preset."""
        return self.preset or self.name

    @property
    def label(self) -> str:
        """Its name in comparisons, where an experiment may have the plain one."""
        return f"{SOURCE}:{self.name}"

    def metrics(self) -> dict[str, float]:
        """The figures under the names that this project's own runs have (docs/experiments.md)."""
        found: dict[str, float] = {}
        for prefix, stage in (("synthetic_sft", self.sft), ("synthetic", self.final)):
            if stage:
                found |= {f"{prefix}.{name}": value for name, value in _stage(stage).items()}
        if self.sft and self.sft.loss is not None:
            found["sft.final_loss"] = self.sft.loss
        if self.rl:
            found["rl.final_eval_accuracy"] = self.rl[max(self.rl)].share
        for sample in self.gsm8k:
            prefix = "gsm8k" if sample is self.gsm8k[-1] else f"gsm8k_first_{sample.problems}"
            found |= {f"{prefix}.{name}": value for name, value in _sample(sample).items()}
        return found


class Reference(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that the notebook published."""

    problems: dict[str, PublishedProblem]
    runs: list[ReferenceRun]

    def best(self) -> dict[str, Proportion]:
        """Name and accuracy of its best run on a sample of GSM-8K of 30 problems or more."""
        samples = [(sample.accuracy, run) for run in self.runs for sample in run.gsm8k]
        large = [(accuracy, run) for accuracy, run in samples if accuracy.total >= LARGE]
        accuracy, run = max(large, key=lambda one: one[0].rate)
        return {f"{run.label}, {run.changed}": accuracy}


def load_reference() -> Reference:
    """The figures that come with the package.

    Raises:
        InvalidInputError: the file has been edited into something else.
    """
    where = "evaluation/data/notebook.yaml"
    text = (resources.files("trace_pipeline.evaluation") / "data" / "notebook.yaml").read_text(
        encoding="utf-8"
    )
    reference = convert(load_yaml(text), Reference, where)
    for run in reference.runs:
        for sample in run.gsm8k:
            unknown = set(sample.statuses) - set(reference.problems)
            if unknown:
                raise InvalidInputError(f"{where}: {run.name}: unknown problem {min(unknown)!r}")
    return reference


def _stage(stage: PublishedStage) -> dict[str, float]:
    found = _share("accuracy", stage.all)
    for name, share in (("parsed", stage.parsed), ("valid", stage.valid)):
        if share:
            found[name] = share.share
    return found | {f"accuracy_{name}": share.share for name, share in stage.experts.items()}


def _share(name: str, published: PublishedShare) -> dict[str, float]:
    counted = published.proportion
    return _counted(name, counted) if counted else {name: published.share}


def _counted(name: str, counted: Proportion) -> dict[str, float]:
    return {
        "problems": float(counted.total),
        "correct": float(counted.count),
        name: counted.rate,
        f"{name}_low": counted.interval.low,
        f"{name}_high": counted.interval.high,
    }


def _sample(sample: PublishedSample) -> dict[str, float]:
    found = _counted("accuracy", sample.accuracy)
    for name, count in (("parsed", sample.parsed), ("valid", sample.valid)):
        if count is not None:
            found[name] = count / sample.problems
    return found
