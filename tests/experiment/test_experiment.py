"""Experiment files: defaults, inheritance, and errors that say where."""

from __future__ import annotations

from pathlib import Path

import pytest

from trace_pipeline.experiment import (
    DEFAULT_MIX,
    EXPERTS,
    Experiment,
    ExperimentError,
    available_experiments,
    experiment_from_dict,
    load_experiment,
)

FOLDER = Path(__file__).parents[2] / "experiments"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("name", available_experiments(FOLDER))
def test_every_committed_experiment_loads_and_says_what_it_is_for(name: str) -> None:
    experiment = load_experiment(name, FOLDER)
    assert experiment.name == name
    assert experiment.description


def test_defaults_are_the_notebooks_best_run() -> None:
    experiment = Experiment(name="x")
    assert experiment.data.mix == DEFAULT_MIX
    assert sum(DEFAULT_MIX.values()) == 100
    assert set(DEFAULT_MIX) == set(EXPERTS)
    assert (experiment.sft.layers, experiment.decoding.max_tokens) == (6, 750)


def test_a_file_says_only_what_differs_from_what_it_inherits(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="description: below\ndata: {train: 10, validation: 5, mix: {arithmetic: 1}}",
        top="inherits: base\ndata: {train: 20, mix: {comparison: 1}}",
    )
    data = load_experiment("top", tmp_path).data
    assert (data.train, data.validation) == (20, 5)
    assert data.mix == {"comparison": 1}
    assert load_experiment("top", tmp_path).description == ""


@pytest.mark.parametrize(
    ("name", "entity_track", "composition"),
    [("run_3", 38, 0), ("run_6", 30, 0), ("run_7", 25, 15), ("run_8", 20, 15), ("run_9", 20, 15)],
)
def test_a_mix_may_be_one_of_the_notebooks(
    tmp_path: Path, name: str, entity_track: float, composition: float
) -> None:
    write(tmp_path, x=f"data: {{mix: {name}}}")
    experiment = load_experiment("x", tmp_path)
    mix = experiment.data.mix
    assert sum(mix.values()) == 100
    assert (mix["entity_track"], mix.get("composition", 0)) == (entity_track, composition)
    assert experiment_from_dict(experiment.to_dict()) == experiment


def test_test_problems_may_be_drawn_apart(tmp_path: Path) -> None:
    write(
        tmp_path,
        x="data: {phrasings: all, interleaved_ratio: 0.5, held_out: "
        "{phrasings: 1, interleaved_ratio: null, mix: run_7}}",
        y="data: {phrasings: 3}",
    )
    data = load_experiment("x", tmp_path).data
    assert (data.of_test().phrasings, data.of_test().interleaved_ratio) == (1, None)
    assert data.of_test().mix["entity_track"] == 25
    assert (data.of_test().naming, data.of_test().test) == (data.naming, data.test)
    plain = load_experiment("y", tmp_path).data
    assert plain.of_test() == plain


def test_numbers_follow_yaml_1_2(tmp_path: Path) -> None:
    write(tmp_path, x="sft: {learning_rate: 2e-4}\nseed: 010")
    experiment = load_experiment("x", tmp_path)
    assert (experiment.sft.learning_rate, experiment.seed) == (0.0002, 10)


def test_a_whole_number_is_written_one_way(tmp_path: Path) -> None:
    write(tmp_path, x="data: {mix: {arithmetic: 30.0}}", y="data: {mix: {arithmetic: 30}}")
    texts = {load_experiment(n, tmp_path).parameters()["data.mix.arithmetic"] for n in "xy"}
    assert texts == {"30"}


def test_parameters_are_flat_and_complete() -> None:
    parameters = Experiment(name="x").parameters()
    assert parameters["sft.layers"] == "6"
    assert parameters["data.mix.arithmetic"] == "30"
    assert parameters["eval.baseline.problems"] == "32"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sft: {epoch: 1}", r"x\.yaml: \$\.sft: unknown field 'epoch'"),
        (
            "sft: {epochs: 0}",
            r"\$\.sft\.epochs: 0 takes a trained model as it is: expected sft.continues",
        ),
        ("sft: {layers: six}", r"\$\.sft\.layers: expected int, found 'six'"),
        ("data: {train: 1.5}", r"\$\.data\.train: expected int, found 1\.5"),
        ("data: {mix: {algebra: 1}}", r"\$\.data\.mix: unknown expert 'algebra'.*arithmetic"),
        ("data: {mix: {arithmetic: 0}}", r"all weights are zero"),
        ("rl: {estimator: grpo}", r"\$\.rl\.samples.*expected 2 or more, found 1"),
        ("rl: {estimator: rloo, samples: 1}", r"\$\.rl\.samples: rloo compares.*found 1"),
        ("decoding: {samples: 4}", r"\$\.decoding\.temperature: 4 greedy samples are all alike"),
        ("decoding: {sensible: true}", r"\$\.decoding\.sensible: goes with constrained"),
        ("decoding: {greedy_first: true}", r"\$\.decoding\.greedy_first.*2 or more"),
        ("eval: {answer: majority}", r"\$\.eval\.answer: majority is a vote.*draw more"),
        ("rl: {resample: 2}", r"\$\.rl\.resample: only rloo and grpo.*expected 0, found 2"),
        ("rl: {scale_std: false}", r"\$\.rl\.scale_std: only grpo divides"),
        ("rl: {source: mix, real_share: 1}", r"\$\.rl\.real_share.*set rl\.source: real"),
        ("rl: {clip_low: 2}", r"\$\.rl\.clip_low: expected float <= 1(\.0)?, found 2"),
        (
            "rl: {method: expert_iteration, updates: 2}",
            r"\$\.rl\.updates: belongs to method: policy_gradient; expected 1, found 2",
        ),
        (
            "rl: {method: expert_iteration, collapse: {entropy: 0.1}}",
            r"\$\.rl\.collapse\.entropy: belongs to method: policy_gradient",
        ),
        ("rl: {rewards: {correct: x}}", r"\$\.rl\.rewards\.correct: expected float, found 'x'"),
        ("name: y", r"\$\.name: expected 'x' \(the file's name\), found 'y'"),
        ("inherits: y", r"\$\.inherits: no such file .*y\.yaml; unknown experiment 'y'.*are: x"),
        ("inherits: a/y", r"\$\.inherits: no such file .*a/y\.yaml; unknown experiment 'a/y'"),
        ("sft: &itself {a: *itself}", r"\$\.sft: unknown field 'a'"),
        (
            "sft: {learning_rate: .inf}",
            r"\$\.sft\.learning_rate: expected a finite number, found inf",
        ),
        ("data: {mix: {arithmetic: .inf}}", r"\$\.data\.mix\.arithmetic: expected a finite number"),
        ("rl: {rewards: {correct: .nan}}", r"\$\.rl\.rewards\.correct: expected a finite number"),
        ("data: {schemas: []}", r"\$\.data\.schemas: expected array of length >= 1"),
        ("data: {1: 2}", r"\$\.data: name of an entry: expected str, found 1"),
        ("a: " + "[" * 5000, r"not YAML: nested too deeply"),
        ("data: {gsm8k: {variants: 2}}", r"\$\.data\.gsm8k\.variants: nothing reads it.*is empty"),
        (
            "data: {gsm8k: {word_problems: [own], contrasts: 2}}",
            r"\$\.data\.gsm8k\.contrasts: nothing reads it, because data\.gsm8k\.train is 0;",
        ),
        ("inherits: x", r"a cycle, x -> x"),
        ("inherits: [x]", r"\$\.inherits: expected a name"),
        ("- 1", r"expected a mapping, found list"),
        ("a: [", r"x\.yaml:1:5: not YAML: expected the node content, but found"),
        ("seed: 1\nsft: {layers: 6", r"x\.yaml:2:16: not YAML: expected ',' or '}'"),
        ("data: {mix: run_33}", r"x\.yaml: \$\.data\.mix: unknown mix 'run_33'; did you mean"),
        ("data: {held_out: {train: 1}}", r"\$\.data\.held_out: unknown field 'train'"),
        ("data: {held_out: {mix: run_33}}", r"\$\.data\.held_out\.mix: unknown mix 'run_33'"),
        ("data: {held_out: {mix: {algebra: 1}}}", r"held_out\.mix: unknown expert 'algebra'"),
        (
            "sft: {trainable: all, layers: 6}",
            r"\$\.sft\.layers: nothing reads it.*is all",
        ),
        ("rl: {iterations: 0, prompts: 4}", r"\$\.rl\.prompts: nothing reads it.*iterations is 0"),
        (
            "rl: {estimator: rloo, samples: 2, baseline_momentum: 0.5}",
            r"\$\.rl\.baseline_momentum: nothing reads it",
        ),
        (
            "data: {composition_share: 0.5, mix: {arithmetic: 1, composition: 1}}",
            r"\$\.data\.mix\.composition: nothing reads it",
        ),
        (
            "rl: {method: expert_iteration, learning_rate: 1e-3}",
            r"\$\.rl\.learning_rate: nothing reads it.*method is expert_iteration",
        ),
        (
            "rl: {expert_iteration: {keep: 2}}",
            r"\$\.rl\.expert_iteration\.keep: nothing reads it.*method is policy_gradient",
        ),
        ("rl: {real_share: 0.3}", r"\$\.rl\.real_share: nothing reads it.*source is not mix"),
        ("rl: {clip_high: 0.3}", r"\$\.rl\.clip_high: nothing reads it.*updates: 1"),
        ("decoding: {top_p: 0.9}", r"\$\.decoding\.top_p: nothing reads it.*temperature is 0"),
        (
            "decoding: {engine: vllm, drafts: 2}",
            r"\$\.decoding\.drafts: nothing reads it.*engine is vllm",
        ),
        (
            "sft: {trainable: all, reuse_frozen: false}",
            r"\$\.sft\.reuse_frozen: nothing reads it.*trainable is all",
        ),
        (
            "sft: {epochs: 0, continues: y, learning_rate: 1e-3}",
            r"\$\.sft\.learning_rate: nothing reads it.*there is no training",
        ),
        (
            "sft: {average: {y: 1, z: 1}, epochs: 2}",
            r"\$\.sft\.epochs: nothing reads it.*average takes the place",
        ),
        (
            "eval: {baseline: {shots: 0, few_shot_problems: 4}}",
            r"\$\.eval\.baseline\.few_shot_problems: nothing reads it.*shots is 0",
        ),
        (
            "sft: {epochs: 0, continues: y}\nrl: {method: expert_iteration}",
            r"\$\.sft\.epochs: the rounds of rl\.method: expert_iteration train as section sft",
        ),
        ("sft: {trainable: lora, matmul: int8}", r"\$\.sft\.matmul: int8 cannot multiply with ad"),
        ("sft: {compile: always, matmul: int8}", r"\$\.sft\.compile: products of bytes"),
        (
            "sft: {matmul: int8}\nmodel: {dtype: bfloat16}",
            r"\$\.sft\.matmul: int8 is for float32 on a CPU.*found auto and bfloat16",
        ),
        ("seed: 1\nseed: 2", r"duplicate key 'seed'"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, x=text)
    with pytest.raises(ExperimentError, match=message):
        load_experiment("x", tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes("description: café".encode("latin-1"))
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ExperimentError, match=r"x\.yaml: not YAML: byte 16 is not UTF-8"):
        load_experiment("x", tmp_path)
    with pytest.raises(ExperimentError, match=r"folder\.yaml: cannot be read: Is a directory"):
        load_experiment("folder", tmp_path)


def test_what_is_inherited_may_be_switched_off(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="rl: {prompts: 4}\nsft: {layers: 8}",
        top="inherits: base\nrl: {iterations: 0}\nsft: {trainable: all}",
    )
    assert load_experiment("top", tmp_path).rl.iterations == 0


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ExperimentError, match=r"did you mean 'quickstart'\?.*quickstart"):
        load_experiment("quikstart", FOLDER)


def test_plain_data_round_trips() -> None:
    experiment = experiment_from_dict({"name": "x", "rl": {"rewards": {"correct": 2.0}}})
    assert experiment_from_dict(experiment.to_dict()) == experiment


def test_the_guide_documents_every_field() -> None:
    guide = (FOLDER.parent / "docs" / "experiments.md").read_text().split("## Fields")[1]
    fields = set(Experiment(name="x").parameters())
    fields = {"data.mix" if field.startswith("data.mix.") else field for field in fields}
    missing = sorted(field for field in fields if f"| `{field}` |" not in guide)
    assert missing == []
    documented = {line.split("`")[1] for line in guide.splitlines() if line.startswith("| `")}
    known = fields | {"inherits", "sft.average"}  # a mapping, empty unless it is given
    stale = {f for f in documented if f not in known and not f.isupper()}
    assert stale == set()


def test_rounds_of_expert_iteration_read_how_to_train(tmp_path: Path) -> None:
    write(
        tmp_path,
        x="sft: {average: {y: 1, z: 1}, learning_rate: 1e-3, epochs: 2}\n"
        "rl: {method: expert_iteration, iterations: 3}",
    )
    assert load_experiment("x", tmp_path).sft.epochs == 2


def test_what_an_editor_puts_beside_a_file_is_no_experiment(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("description: One.\n")
    (tmp_path / ".#one.yaml").symlink_to("somebody@somewhere.1")
    assert available_experiments(tmp_path) == ["one"]
