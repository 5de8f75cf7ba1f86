"""Training data, base model and checkpoints as the assets use them.

Everything that needs torch is imported inside: Dagster loads this module.
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from msgspec import Struct

from trace_pipeline.evaluation import Figure, Form, loss_figure, reward_figure
from trace_pipeline.experiment import Experiment
from trace_pipeline.generation import Example, read_examples
from trace_pipeline.gsm8k import Overlap, ProblemSet, find_overlaps, read_problem_set
from trace_pipeline.pipeline.blocking import failed
from trace_pipeline.pipeline.workbench import MissingUpstreamError, Workbench
from trace_pipeline.store import MANIFEST, Artifact, ArtifactError, Manifest, object_sha256
from trace_pipeline.validation import InvalidInputError

if TYPE_CHECKING:
    from trace_pipeline.modeling.base.base_models import BaseModel
    from trace_pipeline.modeling.storage.checkpoints import CheckpointInfo, Policy

log = logging.getLogger(__name__)

METRICS = "metrics.jsonl"

BROUGHT = "brought"

Tell = Callable[[int, dict[str, float]], None]
"""Is told the figures of each step or iteration."""
Train = Callable[[Path, Tell], "CheckpointInfo"]
"""Trains into a folder, resuming what an interrupted run left there."""
Check = Callable[[Path, "CheckpointInfo"], dg.AssetCheckResult]
"""The blocking check of what was trained into a folder."""


class TrainingData(Struct, frozen=True):
    """What SFT and RL learn from, without any question of the test set."""

    train: list[Example]
    """Synthetic examples."""
    real: list[Example]
    """Converted problems and their variants; empty unless ``data.gsm8k.train`` asks for some."""
    validation: list[Example]
    real_validation: list[Example]
    """Converted problems of the held-out part; empty where ``real`` is."""
    dropped: Overlap
    """Overlaps with the test set that were found; their training examples are gone."""
    left: Overlap
    """Overlaps among what is left; anything here blocks."""
    problems: ProblemSet

    def held_out(self) -> list[Example]:
        """Held-out examples for choices during SFT: synthetic and real ones in turn."""
        both = zip_longest(self.validation, self.real_validation)
        return [example for pair in both for example in pair if example is not None]


def training_data(bench: Workbench, partitions: Sequence[Artifact]) -> TrainingData:
    """All training examples less those that overlap with the evaluation's problems."""
    problems = read_problem_set(bench.require("gsm8k_problems").path / "problems.json")
    asked = [problem.question for problem in problems.problems]
    real = bench.real_traces()
    synthetic = _read(partitions, "train")
    found = synthetic + _read(real, "train")
    dropped = find_overlaps([e.question for e in found], asked)
    kept = [index for index in range(len(found)) if index not in dropped.train_indices]
    left = find_overlaps([found[index].question for index in kept], asked)
    return TrainingData(
        train=[found[index] for index in kept if index < len(synthetic)],
        real=[found[index] for index in kept if index >= len(synthetic)],
        validation=_read(partitions, "validation"),
        real_validation=_read(real, "validation"),
        dropped=dropped,
        left=left,
        problems=problems,
    )


def require_rl_data(experiment: Experiment, data: TrainingData) -> None:
    """Refuse RL without its problems before SFT, not hours later.

    Raises:
        InvalidInputError: ``rl.source`` asks for problems that the data do not have.
    """
    from trace_pipeline.modeling.training.problem_stream import RlData

    if experiment.rl.iterations:
        RlData(data.train, data.real, data.validation, data.real_validation).require(experiment.rl)


def _read(artifacts: Sequence[Artifact], split: str) -> list[Example]:
    return [e for a in artifacts for e in read_examples(a.path / f"{split}.jsonl")]


def open_base(bench: Workbench) -> BaseModel:
    """The base model that ``base_model`` recorded.

    Raises:
        MissingUpstreamError: never materialised, or the reference now gives another model.
    """
    from trace_pipeline.modeling.base.base_models import resolve_base

    recorded = bench.require("base_model")
    base = resolve_base(bench.experiment.model.reference)
    if base.sha256 != recorded.manifest.summary["sha256"]:
        raise MissingUpstreamError(
            f"{bench.experiment.model.reference!r} is not the base model that was recorded "
            f"({base.sha256[:12]}, recorded {recorded.manifest.summary['sha256'][:12]}); record "
            f"it anew with\n  {bench.command('base_model')}"
        )
    return base


def open_policy(bench: Workbench, checkpoint: Artifact) -> Policy:
    """The trained model of a checkpoint, on the experiment's device."""
    from trace_pipeline.modeling.storage.checkpoints import load_checkpoint

    model = bench.experiment.model
    return load_checkpoint(checkpoint.path, open_base(bench), model.dtype, model.device)


def train_checkpoint(
    bench: Workbench,
    asset: str,
    parents: Sequence[Artifact],
    settings: dict[str, Any],
    train: Train,
    tell: Tell,
    check: Check,
) -> tuple[Artifact, CheckpointInfo, dg.AssetCheckResult]:
    """Run ``train`` in the asset's workspace and store what it made, with what ``check`` found.

    A run that was killed left its snapshots there; the same settings and parents find them.
    What another host has trained (``trace-pipeline bring``) is taken over, if settings, base and
    data are these; so is what a chain that did not come to its end has trained of this experiment,
    and the first time what another experiment has, since it would come out the same. Figures of
    what is taken over are told from its records.
    """
    from trace_pipeline.modeling.storage.records import read_records

    hashes = {parent.manifest.key: parent.sha256 for parent in parents}
    key = bench.key(asset)
    workspace = bench.store.workspace(key, {"settings": settings, "parents": hashes})
    _drop_torn(workspace)
    elsewhere, taken = brought(bench, asset), False
    if elsewhere.is_dir():
        _take_over_brought(elsewhere, workspace, train, tell)
        log.info("%s: trained elsewhere, taken over", key)
        taken = True
    elif twin := _trained_before(bench, asset, settings, hashes, workspace):
        taken = _take_over_twin(bench, key, twin, workspace, train, tell)
    info = train(workspace, tell)
    for record in read_records(workspace / METRICS) if taken else ():
        tell(int(record.get("step", record.get("iteration", 0))), _figures(record))
    result = check(workspace, info)
    with bench.store.write(key) as draft:
        for path in workspace.iterdir():
            if path.is_file():
                shutil.copy2(path, draft.path / path.name)
        draft.config = settings
        draft.seed = bench.experiment.seed
        draft.content_hash = info.weights_sha256
        draft.summary = {"metrics": info.metrics, "parameters_trained": info.parameters_trained}
        draft.derive_from(*parents)
        draft.failed = failed(result)
    shutil.rmtree(workspace)
    shutil.rmtree(elsewhere, ignore_errors=True)
    return draft.stored, info, result


def sft_settings(bench: Workbench) -> dict[str, Any]:
    """The settings that determine an SFT checkpoint, beside its parents."""
    from trace_pipeline.modeling.training.run import judging_settings

    settings = bench.settings("seed", "model", "prompt", "sft")
    if judged := judging_settings(bench.settings("sft", "decoding", "solver")):
        settings["judged"] = judged
    return settings


def train_or_average(
    bench: Workbench, base: BaseModel, data: TrainingData, folder: Path, tell: Tell, processes: int
) -> CheckpointInfo:
    """The SFT of an experiment: training, or the mean of trained models."""
    from trace_pipeline.modeling.sft.averaging import average_checkpoints
    from trace_pipeline.modeling.sft.launch import run_sft

    begun, held_out = [a.path for a in bench.started_from()], data.held_out()
    if shares := bench.experiment.sft.average.values():
        mixed = list(zip(begun, shares, strict=True))
        return average_checkpoints(bench.experiment, base, mixed, folder, tell, held_out)
    start = begun[0] if begun else None
    examples = data.train + data.real
    return run_sft(bench.experiment, base, examples, folder, tell, start, held_out, processes)


def truncated_examples(bench: Workbench, base: BaseModel, examples: Sequence[Example]) -> int:
    """How many targets training cut at ``sft.max_len``; none unless ``sft.overflow`` says so."""
    from trace_pipeline.modeling.base.prompts import Prompt
    from trace_pipeline.modeling.base.trace_tokens import prompt_tokenizer
    from trace_pipeline.modeling.network.batching import tokenise

    config, prompt = bench.experiment.sft, bench.experiment.prompt
    if config.overflow == "error" or config.average or not config.epochs:
        return 0
    asked = Prompt(prompt, prompt_tokenizer(base, prompt))
    whole = tokenise(asked, examples, max_len=sys.maxsize)
    return sum(len(sequence) > config.max_len for sequence in whole)


def brought(bench: Workbench, asset: str) -> Path:
    """Where a checkpoint that another host made waits for ``asset``."""
    return bench.store.local_folder(f"{bench.experiment.name}/{BROUGHT}") / asset


def _take_over_brought(elsewhere: Path, workspace: Path, train: Train, tell: Tell) -> None:
    """Put what another host trained into ``workspace``.

    Raises:
        InvalidInputError: ``train`` would make something else.
    """
    try:
        _take_over(elsewhere, workspace, train, tell)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"{elsewhere}: not what this experiment would train: other settings, data or base "
            f"model, see below. Remove the folder to train here, or pack and train anew\n{error}"
        ) from None


def _take_over_twin(
    bench: Workbench, key: str, twin: Manifest, workspace: Path, train: Train, tell: Tell
) -> bool:
    """Put the artifact ``twin`` into ``workspace``; whether it is whole and what would be made."""
    own = twin.key == key
    try:
        _take_over(bench.store.read(twin.key).path, workspace, train, tell)
    except (ArtifactError, InvalidInputError) as error:
        log.warning("%s is not taken over, and %s trained anew: %s", twin.key, key, error)
        return False
    how = f"at {twin.created}; `--retrain` trains it anew" if own else f"as {twin.key}"
    log.info("%s: trained already, %s", key, how)
    return True


def _take_over(source: Path, workspace: Path, train: Train, tell: Tell) -> None:
    """Put the trained ``source`` in the place of ``workspace``; all of it, or nothing.

    Raises:
        InvalidInputError: ``train`` would make something else; what was trained here is kept.
    """
    trial = workspace.with_name(f"{workspace.name}.{BROUGHT}")
    shutil.rmtree(trial, ignore_errors=True)
    try:
        shutil.copytree(source, trial, ignore=shutil.ignore_patterns(MANIFEST))
        train(trial, tell)
        shutil.rmtree(workspace)
        trial.rename(workspace)
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _drop_torn(workspace: Path) -> None:
    """Empty a workspace whose checkpoint is not whole: a kill cut its copying or removal short."""
    from trace_pipeline.modeling.storage.checkpoints import INFO, read_info, require_weights

    if not (workspace / INFO).exists():
        return
    try:
        info = read_info(workspace)
        if not info.elsewhere:
            require_weights(workspace, info)
    except InvalidInputError as error:
        log.warning("%s; left from a run that was killed, and removed", error)
        shutil.rmtree(workspace)
        workspace.mkdir()


def _figures(record: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in record.items() if name not in ("step", "iteration")}


def _trained_before(
    bench: Workbench,
    asset: str,
    settings: dict[str, Any],
    parents: dict[str, str],
    workspace: Path,
) -> Manifest | None:
    """Of an artifact that ``asset`` would come out the same as, if it may be taken over.

    Whatever is left in ``workspace`` counts less than its own, and training that began there more
    than another experiment's. Of its own SFT checkpoint the record is enough, as for ``bring``.
    """
    from trace_pipeline.modeling.storage.checkpoints import WEIGHTS

    own = bench.key(asset)
    if not bench.store.has(own):
        return None if any(workspace.iterdir()) else _twin(bench, asset, settings, parents)
    since = bench.trained_since
    made = _same(bench, own, settings, parents) if since else None
    enough = made and (WEIGHTS in made.files or asset == "sft_checkpoint")
    return made if made and enough and made.created >= since else None


def _twin(
    bench: Workbench, asset: str, settings: dict[str, Any], parents: dict[str, str]
) -> Manifest | None:
    """Of another experiment's artifact with the same settings and parents and its weights here."""
    from trace_pipeline.modeling.storage.checkpoints import WEIGHTS

    for key in bench.store.keys():  # noqa: SIM118 (a method of the store, not of a mapping)
        if key.endswith(f"/{asset}"):
            made = _same(bench, key, settings, parents)
            if made and WEIGHTS in made.files:
                return made
    return None


def _same(
    bench: Workbench, key: str, settings: dict[str, Any], parents: dict[str, str]
) -> Manifest | None:
    """The manifest of the artifact ``key``, if it has these settings and parents.

    One that failed its check has not, nor has one that cannot be read.
    """
    try:
        manifest = bench.store.manifest(key)
    except ArtifactError:
        return None
    same = sorted(manifest.parents.values()) == sorted(parents.values())
    # By hash: what was stored as JSON has lists where settings may have tuples.
    same = same and object_sha256(manifest.config) == object_sha256(settings)
    return manifest if same and not manifest.failed else None


def curves(bench: Workbench) -> list[Figure]:
    """The training curves at hand."""
    from trace_pipeline.modeling.storage.records import read_records

    shown = []
    for asset, caption, draw in (
        ("sft_checkpoint", "Loss during supervised fine-tuning", loss_figure),
        ("rl_checkpoint", "Mean reward during reinforcement learning", reward_figure),
    ):
        if bench.store.has(bench.key(asset)):
            records = read_records(bench.store.read(bench.key(asset)).path / METRICS)
            if records:
                plot = partial(_drawn, draw, records)
                shown.append(Figure.drawn(asset, caption, plot))
    return shown


def _drawn(draw: Callable[..., bytes], records: Sequence[dict[str, Any]], form: Form) -> bytes:
    return draw(records, form=form)
