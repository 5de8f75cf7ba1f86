"""The embedded pretrained model, end to end; skipped parts would hide a failure, so none are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import DecodingConfig, load_experiment
from trace_pipeline.generation import Catalog, Generator
from trace_pipeline.generation.audit import audit
from trace_pipeline.generation.findings import Finding
from trace_pipeline.modeling.base.base_models import resolve_base
from trace_pipeline.modeling.base.lengths import lengths_for
from trace_pipeline.modeling.decoding.decoder import Decoder
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage.checkpoints import load_base_policy, load_checkpoint
from trace_pipeline.modeling.storage.records import read_records

pytestmark = pytest.mark.real_model


EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def presets_with_limits_of_their_own() -> list[str]:
    """Of those on the embedded model, one for each kind of examples and limits."""
    found: dict[str, str] = {}
    for name in sorted(path.stem for path in EXPERIMENTS.glob("*.yaml")):
        chosen = load_experiment(name, EXPERIMENTS)
        data, sft, decoding = chosen.data, chosen.sft, chosen.decoding
        kind = (chosen.seed, data.naming, data.wording, data.schemas, chosen.prompt)
        limits = (sft.max_len, sft.overflow, decoding.max_tokens, decoding.overflow)
        if chosen.model.reference == "embedded":
            found.setdefault(repr((kind, limits)), name)
    return list(found.values())


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load(EXPERIMENTS.parent / "schemas", EXPERIMENTS.parent / "vocab")


@pytest.mark.parametrize("name", presets_with_limits_of_their_own())
def test_the_examples_of_every_preset_on_it_fit_its_limits(name: str, catalog: Catalog) -> None:
    """Else the audit stops the preset before it trains."""
    chosen = load_experiment(name, EXPERIMENTS)
    generator = Generator(
        catalog,
        chosen.seed,
        naming=chosen.data.naming,
        wording=chosen.data.wording,
        schemas=chosen.data.schemas,
    )
    report = audit(generator, 3, lengths=lengths_for(chosen))
    found = [row.quoted[Finding.LENGTH] for row in report.rows if Finding.LENGTH in row.quoted]
    assert found == []


def test_the_embedded_model_answers_and_learns(tmp_path: Path) -> None:
    base = resolve_base("embedded")
    settings = experiment(
        model={"dtype": "auto"},
        prompt={"system": "none", "template": "chat"},
        sft={"layers": 4, "epochs": 8, "learning_rate": 1e-3, "warmup_steps": 0},
    )
    untuned = load_base_policy(base, settings.prompt)
    assert untuned.model.config.num_hidden_layers == 30
    decoding = DecodingConfig(max_tokens=12, batch_size=2)
    answer = Decoder(untuned, decoding).decode(["What is the capital of France?"])[0]
    assert answer.text == "The capital of France is Paris."
    assert not answer.clipped

    info = train_sft(settings, base, problems(3), tmp_path / "run")
    losses = [record["loss"] for record in read_records(tmp_path / "run" / "metrics.jsonl")]
    assert losses[-1] < 0.2 * losses[0]
    assert info.kind == "delta"
    assert info.parameters_total > 160e6  # 135 million and the untied head
    tuned = load_checkpoint(tmp_path / "run")
    text = Decoder(tuned, decoding).decode([problems(1)[0].question])[0].text
    assert text.startswith("expert: arithmetic\ntrace:")
