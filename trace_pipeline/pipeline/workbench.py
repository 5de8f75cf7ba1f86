"""What every asset works with: one experiment, its artifacts, the solver and the tracking."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from trace_pipeline.experiment import (
    EXPERTS,
    DataConfig,
    Experiment,
    as_before_choices,
)
from trace_pipeline.generation import Catalog, Generator
from trace_pipeline.generation.production import folders_sha256
from trace_pipeline.gsm8k.problem import ProblemSet
from trace_pipeline.gsm8k.word_problems import FOLDER, load_word_problems, word_problem_files
from trace_pipeline.pipeline.journal import Journal
from trace_pipeline.pipeline.locking import LOCKS, alone
from trace_pipeline.pipeline.tracking import Stage, Tracking
from trace_pipeline.pipeline.unfinished import began
from trace_pipeline.provenance import git_state
from trace_pipeline.solver import Solver
from trace_pipeline.store import Artifact, ArtifactStore, file_sha256, object_sha256
from trace_pipeline.validation import InvalidInputError


class MissingUpstreamError(InvalidInputError):
    """An upstream that was never made, made with other settings, or that failed a blocking check.

    It names the command for it.
    """


def catalog_sha256(root: Path) -> str:
    """Identity of the schemas and the vocabulary of the project in ``root``."""
    return folders_sha256([root / "schemas", root / "vocab"])


@lru_cache(maxsize=1)
def _load_catalog(root: Path, _sha256: str) -> Catalog:
    """The catalogue of the project in ``root``; loaded once by a run of several assets."""
    return Catalog.load(root / "schemas", root / "vocab")


class Workbench:
    """One experiment at work."""

    def __init__(
        self,
        experiment: Experiment,
        root: Path,
        store: ArtifactStore,
        tracking: Tracking,
        solver: Solver,
        goes_on: bool = False,
    ) -> None:
        """``root`` is the project's folder, with ``schemas/`` and ``vocab/``.

        With ``goes_on``, what a chain has trained that did not come to its end is taken over.
        """
        self.experiment = experiment
        self.root = root
        self.store = store
        self.tracking = tracking
        self.solver = solver
        self.goes_on = goes_on

    @cached_property
    def catalog(self) -> Catalog:
        """The schemas and the vocabulary."""
        return _load_catalog(self.root, self.catalog_sha256)

    @cached_property
    def catalog_sha256(self) -> str:
        """Identity of the schemas and the vocabulary: over their files' paths and content."""
        return catalog_sha256(self.root)

    @cached_property
    def generator(self) -> Generator:
        """The generator as the experiment configures it."""
        return self._generator(self.experiment.data)

    @cached_property
    def test_generator(self) -> Generator:
        """The generator of the test problems, which ``data.held_out`` may set apart."""
        return self._generator(self.experiment.data.of_test())

    def _generator(self, data: DataConfig) -> Generator:
        return Generator(
            self.catalog,
            seed=self.experiment.seed,
            naming=data.naming,
            phrasings=data.phrasings,
            interleaved_ratio=data.interleaved_ratio,
            composition_share=data.composition_share,
            wording=data.wording,
            schemas=data.schemas,
        )

    def key(self, asset: str, partition: str = "") -> str:
        """The artifact key of an asset of this experiment."""
        return "/".join(part for part in (self.experiment.name, asset, partition) if part)

    def require(self, asset: str, partition: str = "") -> Artifact:
        """The asset's artifact in force.

        Raises:
            MissingUpstreamError: never made, or it failed a blocking check; the message is the
                command that makes it.
        """
        key = self.key(asset, partition)
        if not self.store.has(key):
            raise MissingUpstreamError(
                f"{key} was never materialised; make it with\n  {self.command(asset, partition)}"
            )
        return self._passed(self.store.read(key), self.command(asset, partition))

    def refuse_failed_audit(self) -> None:
        """Stop where the schemas that are there now were audited and did not pass.

        Raises:
            MissingUpstreamError: that is so.
        """
        key = self.key("schema_validation")
        if self.store.has(key) and self.store.manifest(key).sha256 == self.catalog_sha256:
            self.require("schema_validation")

    def _passed(self, artifact: Artifact, command: str) -> Artifact:
        manifest = artifact.manifest
        if manifest.failed:
            raise MissingUpstreamError(
                f"{manifest.key} failed {', '.join(manifest.failed)}, so nothing is made from it; "
                f"it is in {artifact.path}. Mend what the check names, and make it anew with\n  "
                f"{command}"
            )
        return artifact

    def command(self, asset: str, partition: str = "") -> str:
        """The command that makes ``asset``, for error messages.

        Where ``partition`` is missing, the others mostly are too: it makes all of them at once.
        """
        prefix = f"TRACE_PIPELINE_EXPERIMENT={self.experiment.name} "
        chosen = f" --partition-range {EXPERTS[0]}...{EXPERTS[-1]}" if partition else ""
        return (
            f"{prefix}dagster asset materialize --select {asset}{chosen}\n"
            f"or, everything up to the end,\n  "
            f"trace-pipeline run --experiment {self.experiment.name}"
        )

    def settings(self, *sections: str) -> dict[str, Any]:
        """The sections of the experiment that determine a checkpoint, beside its parents."""
        config = as_before_choices(self.experiment.to_dict())
        del config["sft"]["continues"]  # the checkpoint that it names is a parent
        config["sft"].pop("compile", None)  # other kernels give no other checkpoint
        return {name: config[name] for name in sections}

    def started_from(self) -> list[Artifact]:
        """The trained models that ``sft.continues`` or ``sft.average`` names.

        Raises:
            MissingUpstreamError: one of these experiments has no trained model yet, or one that
                failed a blocking check.
        """
        sft = self.experiment.sft
        return [
            self._trained_model(name, field)
            for field, names in (("continues", [sft.continues]), ("average", sft.average))
            for name in names
            if name
        ]

    def _trained_model(self, name: str, field: str) -> Artifact:
        key = f"{name}/rl_checkpoint"
        if name == self.experiment.name:
            raise MissingUpstreamError(f"sft.{field}: {name} cannot go on from itself")
        command = f"trace-pipeline run --experiment {name} --until rl_checkpoint"
        if not self.store.has(key):
            raise MissingUpstreamError(
                f"sft.{field}: {name} has no trained model yet; make it with\n  {command}"
            )
        return self._passed(self.store.read(key), command)

    # -- the dataset ----------------------------------------------------------------------

    @property
    def data_config(self) -> dict[str, Any]:
        """The settings that determine the synthetic data."""
        config = self.experiment.to_dict()
        del config["data"]["gsm8k"]
        return {"data": config["data"], "seed": config["seed"]}

    @property
    def real_config(self) -> dict[str, Any]:
        """The settings that determine the traces of real problems.

        Raises:
            InvalidInputError: a collection of word problems that is not there.
        """
        made = self.real_settings
        if self.experiment.data.gsm8k.word_problems:
            made["word_problems_sha256"] = self.word_problems_sha256
        return made

    @property
    def real_settings(self) -> dict[str, Any]:
        """The same without what the collections of word problems hold."""
        config = self.experiment.to_dict()
        source, real = config["eval"]["gsm8k"], config["data"]["gsm8k"]
        unchosen = {
            "intermediate": 0,
            "explanations": False,
            "naming": "hybrid",
            "word_problems": [],
        }
        for name, before in unchosen.items():
            if real[name] == before:  # as before there was a choice
                del real[name]
        return {"gsm8k": real, "source": source, "seed": config["seed"]}

    @cached_property
    def word_problems_sha256(self) -> str:
        """Identity of the collections that are trained on, whatever else is beside them."""
        folder = self.root / FOLDER
        chosen = self.experiment.data.gsm8k.word_problems
        files = word_problem_files(folder, chosen)
        return object_sha256(
            [[path.relative_to(folder).as_posix(), file_sha256(path)] for path in files]
        )

    def word_problems(self) -> ProblemSet:
        """The collections of word problems that the experiment trains on; empty if none.

        Raises:
            InvalidInputError: a collection that is not there, or a file that cannot be read.
        """
        chosen = self.experiment.data.gsm8k.word_problems
        return load_word_problems(self.root / FOLDER, chosen)

    def partitions(self) -> list[Artifact]:
        """The partitions of the synthetic data, all made with the experiment's settings.

        Raises:
            MissingUpstreamError: one is missing or was made with other settings.
        """
        found = []
        for expert in EXPERTS:
            artifact = self.require("synthetic_dataset", expert)
            if artifact.manifest.config != self.data_config:
                raise MissingUpstreamError(
                    f"{artifact.manifest.key} was made with other data settings than "
                    f"experiments/{self.experiment.name}.yaml has now; make it anew with\n  "
                    + self.command("synthetic_dataset", expert)
                )
            found.append(artifact)
        return found

    def real_traces(self) -> list[Artifact]:
        """The traces of real problems, if the experiment trains on any: one artifact or none.

        Raises:
            MissingUpstreamError: never made, or made with other settings.
        """
        if not self.experiment.data.gsm8k.has_examples:
            return []
        artifact = self.require("gsm8k_train_traces")
        if artifact.manifest.config != self.real_config:
            raise MissingUpstreamError(
                f"{artifact.manifest.key} was made with other settings of data.gsm8k than "
                f"experiments/{self.experiment.name}.yaml has now; make it anew with\n  "
                + self.command("gsm8k_train_traces")
            )
        return [artifact]

    def dataset_hash(self, partitions: list[Artifact]) -> str:
        """Identity of all training data, whatever the order its parts were made in."""
        parts = [*partitions, *self.real_traces()]
        return object_sha256({a.manifest.key.rsplit("/", 1)[-1]: a.sha256 for a in parts})

    def alone(self, asset: str) -> AbstractContextManager[None]:
        """Within it no other process makes ``asset`` of this experiment.

        Raises:
            InvalidInputError: another one does; the message names it.
        """
        folder = self.store.local_folder(f"{self.experiment.name}/{LOCKS}")
        return alone(folder / asset, self.key(asset))

    @property
    def trained_since(self) -> str:
        """What was trained since then (UTC, ISO 8601) is taken over; empty: nothing is."""
        return began(self.store, self.experiment.name) if self.goes_on else ""

    @contextmanager
    def unfinished(self, key: str, identity: Mapping[str, Any]) -> Iterator[Path]:
        """A folder that is there until the work that ``key`` and ``identity`` name is done."""
        folder = self.store.workspace(key, identity)
        yield folder
        shutil.rmtree(folder)

    # -- tracking -------------------------------------------------------------------------

    @property
    def tracking_folder(self) -> Path:
        """Where the experiment's journals are kept."""
        return self.store.local_folder(f"{self.experiment.name}/tracking")

    def stage(
        self, name: str, dataset: str, tags: Mapping[str, str] = {}
    ) -> AbstractContextManager[Stage]:
        """A tracked stage of this experiment on the dataset with hash ``dataset``."""
        journal = Journal(self.tracking_folder, self.experiment.name, dataset)
        everywhere = {
            "experiment": self.experiment.name,
            "base_model": self.experiment.model.reference,
            "dataset_hash": dataset,
            "git": git_state().describe(),
            "stage": name,
        }
        return self.tracking.stage(
            journal, name, {**everywhere, **tags}, self.experiment.parameters()
        )
