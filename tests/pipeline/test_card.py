"""The card of a model, the plain folder, and the registry."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.cli import cli
from trace_pipeline.evaluation import Drift, Forgetting
from trace_pipeline.experiment import experiment_from_dict, load_experiment
from trace_pipeline.modeling.base.base_models import load_tokenizer, resolve_base
from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.modeling.storage.checkpoints import read_info
from trace_pipeline.pipeline.card import CARD, Trained, loading_code, model_card, origin
from trace_pipeline.pipeline.registry import WEIGHTS
from trace_pipeline.validation import InvalidInputError

QUESTION = "Tom has 5 boxes of 12 pencils and gives 7 away. How many are left?"


class Spy:
    """Stands for transformers: hands out a tokenizer and records what a model is asked."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.asked: list[list[int]] = []

    def from_pretrained(self, _: str) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tokenizer, name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.tokenizer(*arguments, **options)

    def generate(self, input_ids: Any, **_: Any) -> Any:
        self.asked.append(input_ids[0].tolist())
        return input_ids


@pytest.mark.parametrize("template", ["chat", "plain"])
@pytest.mark.parametrize("system", ["one_line", "none"])
def test_the_loading_code_asks_as_the_model_was_trained(
    tiny_base: Path, template: str, system: str
) -> None:
    experiment = experiment_from_dict(
        {"name": "x", "prompt": {"template": template, "system": system}}
    )
    tokenizer = load_tokenizer(resolve_base(str(tiny_base)))
    if not tokenizer.chat_template:
        tokenizer.chat_template = (
            "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        )
    spy = Spy(tokenizer)
    code = "\n".join(loading_code(experiment)).replace(
        "from transformers import AutoModelForCausalLM, AutoTokenizer", ""
    )
    exec(code, {"AutoTokenizer": spy, "AutoModelForCausalLM": spy, "print": lambda *_: None})
    assert spy.asked == [Prompt(experiment.prompt, tokenizer).prompt_ids(QUESTION)]


def test_the_card_says_what_training_was_and_what_it_cost() -> None:
    def card(forgetting: Forgetting | None = None, **sections: Any) -> str:
        experiment = experiment_from_dict({"name": "x", **sections})
        trained = Trained(experiment, "v1", "today", "here", 1, 2, "b", "w")
        return model_card(trained, [], forgetting)

    plain = card(rl={"iterations": 0})
    assert "- SFT: 1 epoch, learning" in plain
    assert "One greedy answer a problem;" in plain
    drawn = {"samples": 5, "temperature": 0.7}
    assert "One drawn answer a problem;" in card(decoding=drawn)
    assert "One greedy answer a problem;" in card(decoding={**drawn, "greedy_first": True})
    assert "the most frequent of 5 traces;" in card(decoding=drawn, eval={"answer": "majority"})
    assert "the least doubtful of which vote;" in card(decoding=drawn, eval={"answer": "plausible"})
    assert "the most probable of 5 traces," in card(decoding=drawn, eval={"answer": "probable"})
    assert "cannot become a valid trace" in card(decoding={"constrained": True})
    assert "constrain" not in plain
    assert "cannot become a valid trace" not in plain
    assert "- RL: none" in plain
    assert "Goes on" not in plain
    further = card(sft={"continues": "y"}, data={"gsm8k": {"train": 5, "word_problems": ["mine"]}})
    assert "- Goes on from the model of the experiment `y`" in further
    assert "(5, 0 variants of each), the word problems of mine (0 variants" in further
    parent = {
        "name": "y",
        "sft": {"epochs": 3},
        "rl": {"iterations": 2, "estimator": "rloo", "samples": 2},
    }
    for iterations, rl in ((0, ""), (4, "; then 4 iterations, reinforce")):
        taken = experiment_from_dict(
            {"name": "x", "sft": {"continues": "y", "epochs": 0}, "rl": {"iterations": iterations}}
        )
        of = Trained(taken, "v", "t", "p", 1, 2, "b", "w", experiment_from_dict(parent))
        assert "- The trained model of the experiment `y`, as it is:\n- Data: 1500" in model_card(
            of, []
        )
        assert f"- SFT: 3 epochs, learning rate 0.0002\n- RL: 2 iterations, rloo{rl}\n" in (
            model_card(of, [])
        )
    assert "no traces" not in plain
    drift = Drift(name="general text", before=1.0, after=1.5, tokens=9)
    told = card(Forgetting(text=drift), sft={"epochs": 2}, rl={"iterations": 1})
    assert "- SFT: 2 epochs, learning" in told
    assert "- RL: 1 iteration, reinforce" in told
    assert "perplexity 1.65 times that of the base on general text (1.00 to 1.50 nats" in told
    rounds = card(rl={"method": "expert_iteration", "iterations": 2})
    assert "- RL: expert iteration, 2 rounds" in rounds


def test_the_card_names_base_figures_and_weights(finished: FinishedRun) -> None:
    bench = finished.bench()
    text = (bench.require("gsm8k_eval").path / CARD).read_text()
    checkpoint = bench.store.manifest("tiny/rl_checkpoint")
    assert checkpoint.sha256 in text
    assert re.search(r"\| built-in sample[^|]*\| \d of 8 \|", text)
    assert "trace-pipeline export --experiment tiny" in text


def test_the_model_is_registered_with_its_card(finished: FinishedRun) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{finished.folder}/mlruns/mlflow.db")
    (version,) = client.search_model_versions("name = 'tiny'")
    assert version.tags[WEIGHTS] == finished.bench().store.manifest("tiny/rl_checkpoint").sha256
    assert version.description.startswith("# tiny")
    assert version.tags["answered_by"] == "rl"
    inputs = client.get_run(version.run_id).inputs.dataset_inputs
    assert [i.dataset.name for i in inputs] == ["built-in sample"]


def test_export_writes_a_plain_folder(finished: FinishedRun, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    target = tmp_path / "model"
    result = CliRunner().invoke(cli, ["export", str(target), "--experiment", "tiny"])
    assert result.exit_code == 0, result.output
    assert (target / "README.md").read_text().startswith("---")
    assert AutoModelForCausalLM.from_pretrained(target).config.vocab_size
    again = CliRunner().invoke(cli, ["export", str(target), "--experiment", "tiny"])
    assert again.exit_code == 1
    assert "exists" in again.output


def test_a_checkpoint_of_the_bare_commands_is_exported_with_a_card(
    finished: FinishedRun, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    outputs = tmp_path / "outputs.jsonl.gz"
    assert CliRunner().invoke(cli, ["outputs", str(outputs), "--experiment", "tiny"]).exit_code == 0
    bare = tmp_path / "bare"
    shutil.copytree(finished.bench().require("rl_checkpoint").path, bare)
    target = tmp_path / "model"
    arguments = ["export", str(target), "--experiment", "tiny", "--checkpoint", str(bare)]
    strict = tmp_path / "strict.jsonl.gz"
    header = gzip.decompress(outputs.read_bytes()).replace(b"tiny, rl", b"tiny_strict, rl")
    strict.write_bytes(gzip.compress(header))
    both = ["--outputs", str(outputs), "--outputs", str(strict)]
    result = CliRunner().invoke(cli, [*arguments, *both])
    assert result.exit_code == 0, result.output
    assert AutoModelForCausalLM.from_pretrained(target).config.vocab_size
    card = (target / "README.md").read_text()
    assert card.startswith("---\nbase_model")
    assert [
        line for line in card.splitlines() if "| 0 of 8 |" in line and "tiny_strict, rl" in line
    ]
    assert [line for line in card.splitlines() if "| 0 of 8 |" in line and ", tiny, rl |" in line]
    assert read_info(bare).weights_sha256 in card


def test_outputs_of_another_checkpoint_are_not_its_card(
    finished: FinishedRun, tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs.jsonl.gz"
    assert CliRunner().invoke(cli, ["outputs", str(outputs), "--experiment", "tiny"]).exit_code == 0
    folder = finished.bench().require("rl_checkpoint").path
    weights = read_info(folder).weights_sha256.encode()
    outputs.write_bytes(
        gzip.compress(gzip.decompress(outputs.read_bytes()).replace(weights, b"0" * 64))
    )
    target = tmp_path / "model"
    arguments = ["export", str(target), "--experiment", "tiny", "--checkpoint", str(folder)]
    result = CliRunner().invoke(cli, [*arguments, "--outputs", str(outputs)])
    assert result.exit_code == 1
    assert "of another checkpoint" in result.output
    assert not target.exists()


def test_outputs_are_published_and_judged_anew(finished: FinishedRun, tmp_path: Path) -> None:
    target = tmp_path / "outputs.jsonl.gz"
    wrote = CliRunner().invoke(cli, ["outputs", str(target), "--experiment", "tiny"])
    assert wrote.exit_code == 0, wrote.output
    judged = CliRunner().invoke(cli, ["rescore", str(target), "--gsm8k", "builtin"])
    assert judged.exit_code == 0, judged.output
    assert "0 of 8" in judged.output
    assert "failures:" not in judged.output
    diagnosed = CliRunner().invoke(
        cli, ["rescore", str(target), "--gsm8k", "builtin", "--diagnose"]
    )
    assert diagnosed.exit_code == 0, diagnosed.output
    assert diagnosed.output.startswith(judged.output)
    counts = re.findall(r"^(?:\d+|unknown) +0 of (\d+)", diagnosed.output, re.MULTILINE)
    assert sum(map(int, counts)) == 8
    assert "failures:" in diagnosed.output


def test_experiments_that_take_each_others_model_are_refused(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        text = f"description: One.\nsft: {{continues: {other}, epochs: 0}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(InvalidInputError, match="in a circle: a, b, a; with sft") as found:
        origin(load_experiment("a", tmp_path), tmp_path)
    assert str(found.value).endswith("let one of them name an experiment that trains")
