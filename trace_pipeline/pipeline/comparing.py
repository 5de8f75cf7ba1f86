"""Finished experiments and the notebook's runs, gathered for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from trace_pipeline.evaluation.published import against_reference
from trace_pipeline.evaluation.reference import SOURCE, ReferenceRun, load_reference
from trace_pipeline.evaluation.report import Block, Section
from trace_pipeline.evaluation.runs import (
    NOTHING,
    Run,
    hardest_table,
    pair,
    runs_table,
)
from trace_pipeline.experiment import (
    ExperimentError,
    available_experiments,
    experiment_from_dict,
    flatten,
    lineage,
)
from trace_pipeline.paths import project_root
from trace_pipeline.pipeline.journal import open_journals
from trace_pipeline.pipeline.judging import stored_evaluation
from trace_pipeline.pipeline.tracking import Tracking
from trace_pipeline.store import ArtifactStore, Manifest
from trace_pipeline.validation import InvalidInputError, unknown_name

UNSENT = "not sent; trace-pipeline sync"
GONE = "missing; trace-pipeline sync"


class Chosen(Struct, frozen=True):
    """What a comparison is about."""

    runs: list[Run]
    references: list[ReferenceRun]
    refused: list[str] = []
    """Evaluations that failed a blocking check, and which; their figures are left out."""


def finished_experiments(store: ArtifactStore) -> list[str]:
    """Names of the experiments of which an evaluation is stored."""
    keys = [key.split("/") for key in store.keys()]  # noqa: SIM118 (not a mapping)
    return sorted({k[0] for k in keys if len(k) == 2 and k[1] in ("gsm8k_eval", "synthetic_eval")})


def choose(store: ArtifactStore, tracking: Tracking, names: Sequence[str] = ()) -> Chosen:
    """The runs named, ``notebook:run_18`` being the notebook's; all of both when none is named.

    Raises:
        InvalidInputError: a name that is unknown, or an experiment that was not evaluated or whose
            evaluation failed a blocking check; the message names the command that makes it.
    """
    finished = finished_experiments(store)
    published = {run.label: run for run in load_reference().runs}
    if not names:
        runs = _read(store, tracking, finished)
        return Chosen(runs, list(published.values()), _refused(store, finished))
    for name in names:
        if name not in finished and name not in published:
            raise _missing(name, finished, list(published))
    chosen = dict.fromkeys(names)
    ours = [name for name in chosen if name in finished]
    for refused in _refused(store, ours):
        name = refused.partition("/")[0]
        raise InvalidInputError(
            f"not compared: {refused}; make it anew with\n  trace-pipeline run --experiment {name}"
        )
    return Chosen(
        _read(store, tracking, ours),
        [published[name] for name in chosen if name in published],
    )


def comparison(chosen: Chosen, common: bool, strict: bool) -> list[Section]:
    """The sections of a comparison.

    Args:
        chosen: what is compared.
        common: compare what runs have in common although they differ in more than settings.
        strict: the first run against every other, refusing what cannot be compared; else every
            run against the one that it inherits from, saying what cannot be.

    Raises:
        InvalidInputError: runs that cannot be compared, if ``strict``.
    """
    runs = chosen.runs
    table = runs_table(runs, chosen.references)
    sections = [Section(title="Runs", paragraphs=(_about(chosen),), blocks=(Block(table),))]
    if strict:
        for other in runs[1:]:
            sections += pair(runs[0], other, common).sections()
    else:
        sections += _against_parents(runs, common)
    if chosen.references and runs:
        sections.append(against_reference(runs, load_reference(), chosen.references))
    hardest = hardest_table(runs)
    if len(runs) > 1 and hardest.rows:
        sections.append(Section(title="Across runs", blocks=(Block(hardest),)))
    return sections


def _about(chosen: Chosen) -> str:
    text = f"{len(chosen.runs)} finished experiments, {len(chosen.references)} published runs."
    if not chosen.runs:
        text += " Finish one with: trace-pipeline run --experiment quickstart."
    if chosen.refused:
        text += f" Left out: {'; '.join(chosen.refused)}."
    if chosen.references:
        text += (
            " The notebook's synthetic figures are over examples that were trained on; a rate "
            "without an interval was published without the number of problems."
        )
    return text


def _against_parents(runs: Sequence[Run], common: bool) -> list[Section]:
    by_name = {run.name: run for run in runs}
    sections: list[Section] = []
    for run in runs:
        parent = _parent(run.name, by_name)
        if parent is None:
            continue
        try:
            sections += pair(parent, run, common).sections()
        except InvalidInputError as error:
            title = f"{run.name} against {parent.name}"
            sections.append(Section(title=title, paragraphs=(f"Not compared: {error}.",)))
    return sections


def _parent(name: str, by_name: dict[str, Run]) -> Run | None:
    """The nearest run that ``name`` inherits from, of those at hand."""
    folder = project_root() / "experiments"
    if name not in available_experiments(folder):
        return None
    return next((by_name[p] for p in lineage(name, folder)[1:] if p in by_name), None)


def _missing(name: str, finished: list[str], published: list[str]) -> InvalidInputError:
    known = available_experiments(project_root() / "experiments")
    if name in known:
        return InvalidInputError(
            f"the experiment {name!r} has no stored evaluation; make it with\n"
            f"  trace-pipeline run --experiment {name}"
        )
    if name.startswith(f"{SOURCE}:"):
        return InvalidInputError(unknown_name("run of the notebook", name, published))
    return InvalidInputError(unknown_name("run or experiment", name, [*finished, *published]))


def _refused(store: ArtifactStore, names: Sequence[str]) -> list[str]:
    manifests = [_manifest(store, f"{name}/gsm8k_eval") for name in names]
    return [f"{m.key}, which failed {', '.join(m.failed)}" for m in manifests if m and m.failed]


def _read(store: ArtifactStore, tracking: Tracking, names: Sequence[str]) -> list[Run]:
    ids = {name: _run_id(store, name) for name in names}
    gone = set(tracking.missing(list(ids.values())) or ())
    shown = {n: GONE if i in gone else i[:8] if i else UNSENT for n, i in ids.items()}
    return [_run(store, name, shown[name]) for name in names]


def _run(store: ArtifactStore, name: str, tracked: str) -> Run:
    evaluations = {}
    checkpoint = ""
    for asset in ("gsm8k_eval", "synthetic_eval"):
        if not store.has(f"{name}/{asset}"):
            continue
        stored = store.read(f"{name}/{asset}")
        if stored.manifest.failed:
            continue
        made_from = stored.manifest.parents.get(f"{name}/rl_checkpoint", "")
        if checkpoint in ("", made_from):  # an older checkpoint's figures belong to another run
            checkpoint = made_from
            evaluations[asset] = stored_evaluation(stored.path)
    base = _manifest(store, f"{name}/base_model")
    settings = settings_of(store, name)
    return Run(
        name=name,
        base_model=settings.get("model.reference", NOTHING),
        base_sha256=str(base.summary["sha256"]) if base else "",
        settings=settings,
        synthetic=evaluations.get("synthetic_eval"),
        real=evaluations.get("gsm8k_eval"),
        tracked=tracked,
    )


def settings_of(store: ArtifactStore, name: str) -> dict[str, str]:
    """The settings that the results were made with, from the manifests; the file may say others."""
    made: dict[str, Any] = {}
    for asset in (
        "synthetic_dataset/arithmetic",
        "sft_checkpoint",
        "rl_checkpoint",
        "synthetic_eval",
        "gsm8k_eval",
    ):
        manifest = _manifest(store, f"{name}/{asset}")
        made |= manifest.config if manifest else {}
    made.pop("judged", None)  # repeats settings of other sections
    made |= _elsewhere_recorded(store, name, made)
    try:
        return experiment_from_dict({**made, "name": name}).parameters()
    except ExperimentError:  # made by another version, with other fields
        return flatten(made)


def _elsewhere_recorded(
    store: ArtifactStore, name: str, made: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Sections with what other manifests say: the real problems, and where SFT began."""
    sections: dict[str, dict[str, Any]] = {}
    real = _manifest(store, f"{name}/gsm8k_train_traces")
    if real is not None and "data" in made:
        sections["data"] = made["data"] | {"gsm8k": real.config["gsm8k"]}
    sft = _manifest(store, f"{name}/sft_checkpoint")
    for parent in sft.parents if sft is not None else ():
        began, _, asset = parent.partition("/")
        if asset == "rl_checkpoint" and not made["sft"].get("average"):
            sections["sft"] = made["sft"] | {"continues": began}
    return sections


def _manifest(store: ArtifactStore, key: str) -> Manifest | None:
    return store.manifest(key) if store.has(key) else None


def _run_id(store: ArtifactStore, name: str) -> str:
    journals = open_journals(store.local_folder(f"{name}/tracking"))
    latest = max(journals, key=lambda j: j.path.stat().st_mtime, default=None)
    return latest.sent().parent if latest else ""
