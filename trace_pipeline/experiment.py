"""Experiment files: everything that defines one experiment, typed and validated.

An experiment is ``experiments/<name>.yaml``. A file may inherit from another
(``inherits: base``) and then says only what differs; mappings merge key by key,
anything else replaces. Unknown fields, wrong types and values out of range are
refused with the file, the path inside it, what was expected and what was found.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from trace_pipeline.validation import InvalidInputError, convert, unknown_name
from trace_pipeline.yaml_core import load_yaml

EXPERTS = ("arithmetic", "comparison", "composition", "entity_track", "percentage", "rate_equation")
"""Partitions of the synthetic data, alphabetical; ``composition`` joins several experts."""

DEFAULT_MIX: dict[str, float] = {
    "arithmetic": 30,
    "entity_track": 20,
    "comparison": 15,
    "composition": 15,
    "percentage": 10,
    "rate_equation": 10,
}
"""Share of each expert in percent (NOTEBOOK, run 9)."""

MIXES: dict[str, dict[str, float]] = {
    "run_3": {
        "arithmetic": 17,
        "entity_track": 38,
        "comparison": 16,
        "percentage": 12,
        "rate_equation": 17,
    },
    "run_6": {
        "arithmetic": 22,
        "entity_track": 30,
        "comparison": 24,
        "percentage": 12,
        "rate_equation": 12,
    },
    "run_7": {
        "arithmetic": 20,
        "entity_track": 25,
        "comparison": 20,
        "composition": 15,
        "percentage": 10,
        "rate_equation": 10,
    },
    "run_8": DEFAULT_MIX,
    "run_9": DEFAULT_MIX,
}
"""The notebook's distributions by name (run 3: before "Distribution Rebalanced"; run 6: after)."""

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[float, Meta(gt=0)]
Seed = Annotated[int, Meta(ge=0, le=2**62)]


class ExperimentError(InvalidInputError):
    """An experiment file that cannot be used; the message says where and what to do."""


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The synthetic data of an experiment."""

    train: Positive = 1500
    """Training examples over all experts."""
    validation: Positive = 100
    """Held-out examples on which choices during training are made."""
    test: Positive = 100
    """Held-out examples that ``synthetic_eval`` scores, once, at the end."""
    mix: dict[str, Annotated[float, Meta(ge=0)]] = msgspec.field(
        default_factory=lambda: dict(DEFAULT_MIX)
    )
    """Relative weight of each expert; in a file also the name of one of ``MIXES``."""
    schemas: list[str] | None = None
    """Schema ids to draw from; all when absent."""
    naming: Literal["hybrid", "semantic", "abstract"] = "hybrid"
    """How variables are named (NOTEBOOK, runs 5, 6, 12 and 13)."""
    phrasings: Positive | Literal["all"] = "all"
    """Phrasings in use per schema (NOTEBOOK, run 4)."""
    interleaved_ratio: Share | None = None
    """Share of arithmetic examples with an init after a computation; unforced when absent."""
    composition_share: Share | None = None
    """Share of compositions; overrides the weight in ``mix`` when given."""
    wording: Literal["plain", "varied"] = "plain"
    """``varied`` perturbs the wording: filler, clause order, synonyms, question form."""


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base model."""

    reference: str = "embedded"
    """``embedded``, a hub id (``owner/name``) or a local folder."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the computation; ``auto`` is bfloat16 where the device is fast at it."""


class PromptConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The one prompt that training, rollouts and evaluation share."""

    system: Literal["one_line", "verbose", "none"] = "one_line"
    """System prompt (NOTEBOOK, finding 8: the 450-token one costs 20 points)."""
    template: Literal["chat", "plain"] = "chat"
    """The model's own chat template, or plain text."""


class SftConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Supervised fine-tuning."""

    trainable: Literal["last_layers", "all"] = "last_layers"
    """``last_layers`` trains the top ``layers`` and an untied lm_head; the rest stays frozen."""
    layers: Positive = 6
    """Layers from the top that are trained under ``last_layers``."""
    epochs: Positive = 1
    learning_rate: Rate = 2e-4
    warmup_steps: Count = 10
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Decay after the warm-up, towards zero right after the last step."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    max_grad_norm: Rate = 1.0
    batch_tokens: Positive = 2048
    """Token budget of one batch, padding included."""
    accumulate: Positive = 1
    """Batches per optimizer step."""
    max_len: Positive = 1024
    """Longest prompt plus target in tokens (NOTEBOOK, finding 9)."""
    overflow: Literal["error", "cut"] = "error"
    """A target over ``max_len`` is an error; ``cut`` is for the notebook's ablation alone."""
    save_every: Positive = 20
    """Optimizer steps between snapshots from which a killed run resumes."""


class RewardConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A reward table of one's own: the reward of each kind of verdict."""

    parse_fail: float = 0.0
    wrong_expert: float = 0.3
    invalid_trace: float = 0.5
    wrong_answer: float = 0.7
    correct: float = 1.0


class RlConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Reinforcement learning with rewards that the solver verifies."""

    iterations: Count = 10
    """0 leaves the SFT checkpoint as it is."""
    prompts: Positive = 8
    """Problems per iteration."""
    samples: Positive = 1
    """Completions per problem; group baselines need two or more."""
    estimator: Literal["reinforce", "rloo", "grpo"] = "reinforce"
    """``reinforce`` subtracts a moving baseline (the notebook's), the others a group's."""
    baseline_momentum: Share = 0.9
    """Weight of the past in the moving baseline."""
    rewards: Literal["graded", "binary"] | RewardConfig = "graded"
    learning_rate: Rate = 1e-5
    max_grad_norm: Rate = 1.0
    kl_coefficient: Annotated[float, Meta(ge=0)] = 0.0
    """Weight of the KL divergence to the SFT policy; 0 leaves it out."""
    temperature: Rate = 1.0
    top_p: Annotated[float, Meta(gt=0, le=1)] = 1.0
    max_tokens: Positive = 750
    """Longest completion of a rollout in tokens."""
    evaluate_every: Positive = 5
    """Iterations between evaluations on held-out synthetic problems."""
    evaluate_problems: Positive = 20
    save_every: Positive = 1
    """Iterations between snapshots from which a killed run resumes."""


class DecodingConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How completions are decoded in evaluation (greedy, one answer per problem)."""

    max_tokens: Positive = 750
    """NOTEBOOK, run 18: 250 silently cut three-expert compositions."""
    batch_size: Positive = 32
    """Sequences decoded together."""


class BaselineConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The untuned base model, scored on the same problems."""

    problems: Count = 32
    """First problems to score; 0 leaves the baseline out."""
    max_tokens: Positive = 200


class EvalConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The evaluation on real problems."""

    gsm8k: Literal["auto", "folder", "hub", "builtin"] = "auto"
    """``auto``: the folder of ``TRACE_PIPELINE_GSM8K``, then the hub, then the built-in sample."""
    problems: Positive | Literal["all"] = "all"
    """The first so many problems; the notebook used 10, 30 and 100."""
    fast: bool = False
    """Cap completions at 150 tokens (the notebook's ``--fast``)."""
    baseline: BaselineConfig = BaselineConfig()


class SolverConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The solver's rule set."""

    allow_short_circuit: bool = False
    """The notebook's earlier rules, in which a queried init was valid; for ablations."""


class Experiment(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One experiment; a file under ``experiments/`` in which every default is overridable."""

    name: str
    """The file's name without its suffix; the key of all its outputs."""
    description: str = ""
    """What the experiment is for, in a sentence or two."""
    departures: list[str] = []
    """Where the experiment cannot follow its source (a notebook run), and why."""
    seed: Seed = 0
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    prompt: PromptConfig = PromptConfig()
    sft: SftConfig = SftConfig()
    rl: RlConfig = RlConfig()
    decoding: DecodingConfig = DecodingConfig()
    eval: EvalConfig = EvalConfig()
    solver: SolverConfig = SolverConfig()

    def to_dict(self) -> dict[str, Any]:
        """The full experiment as plain data, defaults filled in."""
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]

    def parameters(self) -> dict[str, str]:
        """Flat ``section.field`` -> text, as a tracking server shows parameters."""
        return _flatten(self.to_dict())


def _flatten(value: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(value, dict):
        return {prefix: value if isinstance(value, str) else msgspec.json.encode(value).decode()}
    flat: dict[str, str] = {}
    for key, item in value.items():
        flat |= _flatten(item, f"{prefix}.{key}" if prefix else key)
    return flat


def available_experiments(folder: Path) -> list[str]:
    """Names of the experiments in ``folder``, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_experiment(name: str, folder: Path) -> Experiment:
    """Load ``folder/<name>.yaml`` with what it inherits.

    Raises:
        ExperimentError: unknown name, unreadable YAML, unknown field, wrong type or value.
    """
    names = available_experiments(folder)
    if name not in names:
        raise ExperimentError(unknown_name("experiment", name, names) + f" (in {folder})")
    merged = _merged(name, folder, ())
    path = folder / f"{name}.yaml"
    if merged.setdefault("name", name) != name:
        raise ExperimentError(
            f"{path}: $.name: expected {name!r} (the file's name), found {merged['name']!r}"
        )
    return experiment_from_dict(merged, where=str(path))


def experiment_from_dict(data: dict[str, Any], where: str = "experiment") -> Experiment:
    """Type and validate plain data; ``where`` names its origin in errors.

    Raises:
        ExperimentError: unknown field, wrong type or value.
    """
    data = _with_named_mix(data, where)
    try:
        experiment = convert(data, Experiment, where)
    except InvalidInputError as error:
        raise ExperimentError(str(error)) from None
    _check(experiment, where)
    return experiment


def _with_named_mix(data: dict[str, Any], where: str) -> dict[str, Any]:
    section = data.get("data")
    name = section.get("mix") if isinstance(section, dict) else None
    if not isinstance(section, dict) or not isinstance(name, str):
        return data
    if name not in MIXES:
        raise ExperimentError(f"{where}: $.data.mix: {unknown_name('mix', name, list(MIXES))}")
    return data | {"data": section | {"mix": dict(MIXES[name])}}


def _check(experiment: Experiment, where: str) -> None:
    mix = experiment.data.mix
    for expert in mix:
        if expert not in EXPERTS:
            reason = unknown_name("expert", expert, list(EXPERTS))
            raise ExperimentError(f"{where}: $.data.mix: {reason}")
    if not sum(mix.values()):
        raise ExperimentError(f"{where}: $.data.mix: all weights are zero; give one at least")
    if experiment.rl.estimator != "reinforce" and experiment.rl.samples < 2:
        raise ExperimentError(
            f"{where}: $.rl.samples: {experiment.rl.estimator} compares completions of one "
            f"problem: expected 2 or more, found {experiment.rl.samples}"
        )


def _merged(name: str, folder: Path, seen: tuple[str, ...]) -> dict[str, Any]:
    path = folder / f"{name}.yaml"
    if name in seen:
        raise ExperimentError(f"{path}: $.inherits: a cycle, {' -> '.join((*seen, name))}")
    if not path.is_file():
        raise ExperimentError(f"{folder / f'{seen[-1]}.yaml'}: $.inherits: no such file {path}")
    try:
        data = load_yaml(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ExperimentError(f"{path}: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise ExperimentError(f"{path}: expected a mapping, found {type(data).__name__}")
    parent = data.pop("inherits", None)
    if parent is None:
        return data
    if not isinstance(parent, str):
        raise ExperimentError(f"{path}: $.inherits: expected a name, found {parent!r}")
    base = _merged(parent, folder, (*seen, name))
    base.pop("name", None)
    base.pop("description", None)
    return _overlay(base, data)


def _overlay(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in top.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and key != "mix":
            value = _overlay(below, value)
        result[key] = value
    return result
