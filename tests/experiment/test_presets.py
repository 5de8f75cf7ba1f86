"""The committed experiments: what each must say, and what they have in common."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from trace_pipeline.evaluation.reference import load_reference
from trace_pipeline.experiment import (
    available_experiments,
    differences_from_parent,
    flatten,
    lineage,
    load_experiment,
    parent_of,
)
from trace_pipeline.experiment.experiment import read_file
from trace_pipeline.generation import Catalog
from trace_pipeline.pipeline.resources import bench_of
from trace_pipeline.pipeline.workbench import Workbench

FOLDER = Path(__file__).parents[2] / "experiments"
NAMES = available_experiments(FOLDER)
SMALL = [name for name in NAMES if name.startswith("small_")]
RUNS = [f"run_{number:02}" for number in range(1, 26)]


@cache
def catalog() -> Catalog:
    return Catalog.load(FOLDER.parent / "schemas", FOLDER.parent / "vocab")


def workbench(name: str) -> Workbench:
    bench = bench_of(name)
    bench.catalog = catalog()  # compiling it anew for every experiment would take minutes
    return bench


@pytest.mark.parametrize("name", [name for name in NAMES if parent_of(name, FOLDER)])
def test_a_file_that_inherits_says_only_what_it_changes(name: str) -> None:
    written = read_file(FOLDER / f"{name}.yaml")
    for told in ("inherits", "description", "departures"):
        written.pop(told, None)
    changed = {difference.field for difference in differences_from_parent(name, FOLDER)}
    named = {f for f in flatten(written) if f != "data.mix" and "held_out" not in f}
    assert named <= changed


@pytest.mark.parametrize("name", NAMES)
def test_the_data_that_a_file_asks_for_can_be_made(name: str) -> None:
    bench = workbench(name)
    data, test = bench.experiment.data, bench.experiment.data.of_test()
    assert sum(bench.generator.quotas(data.train, data.mix).values()) == data.train
    assert sum(bench.test_generator.quotas(data.test, test.mix, "test").values()) == data.test


@pytest.mark.parametrize("name", ["run_00_verbose_512", "run_00_verbose_1024", *RUNS])
def test_a_run_of_the_notebook_tells_where_it_departs(name: str) -> None:
    experiment = load_experiment(name, FOLDER)
    assert experiment.departures
    assert lineage(name, FOLDER)[-1] == "notebook"
    assert (FOLDER / f"{name}.yaml").read_text().startswith("# ")  # what was found


def test_published_figures_have_a_preset() -> None:
    assert {run.experiment for run in load_reference().runs} <= set(NAMES)


@pytest.mark.parametrize(
    ("name", "train", "layers", "iterations", "tokens", "problems"),
    [
        ("run_01", 250, 6, 10, 250, 10),
        ("run_07", 249, 6, 10, 250, 10),
        ("run_08", 749, 6, 10, 250, 10),
        ("run_17", 1500, 6, 10, 250, 10),
        ("run_18", 1500, 6, 10, 750, 10),
        ("run_19", 3000, 6, 20, 750, 100),
        ("run_23", 3000, 6, 20, 750, 30),
        ("run_24", 3000, 8, 20, 750, 30),
    ],
)
def test_runs_have_their_published_size(
    name: str, train: int, layers: int, iterations: int, tokens: int, problems: int
) -> None:
    experiment = load_experiment(name, FOLDER)
    assert experiment.data.train == train
    assert experiment.sft.layers == layers
    assert experiment.rl.iterations == iterations
    assert experiment.rl.max_tokens == experiment.decoding.max_tokens == tokens
    assert experiment.eval.problems == problems


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("run_00_verbose_512", "sft.overflow", "cut"),
        ("run_00_verbose_512", "sft.max_len", "512"),
        ("run_00_verbose_1024", "prompt.system", "verbose"),
        ("run_03", "solver.allow_short_circuit", "true"),
        ("run_04", "solver.allow_short_circuit", "false"),
        ("run_04", "data.phrasings", "3"),
        ("run_05", "data.naming", "abstract"),
        ("run_06", "data.naming", "hybrid"),
        ("run_11", "data.naming", "semantic"),
        ("run_12", "data.naming", "abstract"),
        ("run_08", "data.interleaved_ratio", "0.5"),
        ("run_20", "model.reference", "HuggingFaceTB/SmolLM2-1.7B-Instruct"),
        ("run_25", "sft.trainable", "all"),
    ],
)
def test_runs_have_their_published_setting(name: str, setting: str, value: str) -> None:
    assert load_experiment(name, FOLDER).parameters()[setting] == value


@pytest.mark.parametrize(
    ("name", "patterns"), [("run_06", 23), ("run_07", 27), ("run_08", 33), ("run_19", 59 + 12)]
)
def test_runs_draw_from_as_many_patterns_as_published(name: str, patterns: int) -> None:
    schemas = load_experiment(name, FOLDER).data.schemas
    assert schemas is not None
    assert len(schemas) == patterns


def test_all_small_experiments_answer_the_same_problems() -> None:
    """The names in the traces have no part in the questions; all else of the data is equal."""
    asked = ("test", "mix", "schemas", "phrasings", "interleaved_ratio", "wording")

    def drawn(name: str) -> dict[str, object]:
        experiment = load_experiment(name, FOLDER)
        data = experiment.data.of_test()
        composed = data.composition_share
        return {
            "seed": experiment.seed,
            "composed": composed,
            "wordings": [getattr(data, field) for field in asked],
        }

    different = {name for name in SMALL if drawn(name) != drawn("small_baseline")}
    # Its schemas and ratio are others, and give the same: arithmetic without interleaving.
    assert different == {"small_interleaved"}
    renamed = ["small_baseline", "small_abstract_names", "small_interleaved"]
    assert len({tuple(questions(name)) for name in renamed}) == 1


def questions(name: str) -> list[str]:
    bench = workbench(name)
    data = bench.experiment.data.of_test()
    made = bench.test_generator.sample(data.test, data.mix, "test")
    return sorted(example.question for example in made)


def test_an_ablation_changes_one_thing() -> None:
    """A second section may follow from the first: held-out data, a learning rate that fits."""
    sections = {
        name: {d.field.split(".")[0] for d in differences_from_parent(name, FOLDER)}
        for name in SMALL
        if name != "small_baseline"
    }
    assert {name: len(found) for name, found in sections.items()} == dict.fromkeys(sections, 1)
