"""One experiment, and its file: inheritance, types, checks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from trace_pipeline.experiment.data import EXPERTS, MIXES, DataConfig
from trace_pipeline.experiment.evaluation import DecodingConfig, EvalConfig
from trace_pipeline.experiment.fields import Seed
from trace_pipeline.experiment.model import ModelConfig, PromptConfig
from trace_pipeline.experiment.rl import RlConfig, SolverConfig, contradictions
from trace_pipeline.experiment.sft import SftConfig, sft_contradictions
from trace_pipeline.experiment.unread import unread_fields
from trace_pipeline.validation import InvalidInputError, convert, unknown_name
from trace_pipeline.yaml_core import load_yaml


class ExperimentError(InvalidInputError):
    """An experiment file that cannot be used; the message says where and what to do."""


class Experiment(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One experiment; a file under ``experiments/`` in which every default is overridable."""

    name: str
    """The file's name without its suffix; the key of all its outputs."""
    description: str = ""
    """What the experiment is for, in a sentence or two."""
    departures: list[str] = []
    """Where the experiment cannot follow its source (a notebook run), and why; not inherited."""
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
        return flatten(self.to_dict())


def flatten(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested plain data as ``section.field`` -> text; lists stay whole, 30.0 is written 30."""
    if not isinstance(value, dict):
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return {prefix: value if isinstance(value, str) else msgspec.json.encode(value).decode()}
    flat: dict[str, str] = {}
    for key, item in value.items():
        flat |= flatten(item, f"{prefix}.{key}" if prefix else key)
    return flat


def available_experiments(folder: Path) -> list[str]:
    """Names of the experiments in ``folder``, sorted; a file that begins with a dot is none."""
    return sorted(path.stem for path in folder.glob("[!.]*.yaml"))


def load_experiment(name: str, folder: Path) -> Experiment:
    """Load ``folder/<name>.yaml`` with what it inherits.

    Raises:
        ExperimentError: unknown name, unreadable YAML, unknown field, wrong type or value, a
            field that nothing reads.
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
    experiment = experiment_from_dict(merged, where=str(path))
    for reason in unread_fields(experiment, flatten(read_file(path))):
        raise ExperimentError(f"{path}: {reason}")
    return experiment


def experiment_from_dict(data: dict[str, Any], where: str = "experiment") -> Experiment:
    """Type and validate plain data; ``where`` names its origin in errors.

    Raises:
        ExperimentError: unknown field, wrong type or value.
    """
    data = _with_named_mixes(data, where)
    try:
        experiment = convert(data, Experiment, where)
    except InvalidInputError as error:
        raise ExperimentError(str(error)) from None
    for field, found in _endless(experiment.to_dict()):
        raise ExperimentError(f"{where}: {field}: expected a finite number, found {found}")
    _check(experiment, where)
    return experiment


def _endless(value: Any, path: str = "$") -> Iterator[tuple[str, float]]:
    """The fields with an infinity or no number, which manifests (JSON) could not hold."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _endless(item, f"{path}.{key}")
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, value


def _with_named_mixes(data: dict[str, Any], where: str) -> dict[str, Any]:
    section = data.get("data")
    if not isinstance(section, dict):
        return data
    section = _with_named_mix(section, f"{where}: $.data")
    if isinstance(section.get("held_out"), dict):
        held_out = _with_named_mix(section["held_out"], f"{where}: $.data.held_out")
        section = section | {"held_out": held_out}
    return data | {"data": section}


def _with_named_mix(section: dict[str, Any], where: str) -> dict[str, Any]:
    name = section.get("mix")
    if not isinstance(name, str):
        return section
    if name not in MIXES:
        raise ExperimentError(f"{where}.mix: {unknown_name('mix', name, list(MIXES))}")
    return section | {"mix": dict(MIXES[name])}


def _check(experiment: Experiment, where: str) -> None:
    _check_mix(experiment.data.mix, f"{where}: $.data.mix")
    _check_mix(experiment.data.of_test().mix, f"{where}: $.data.held_out.mix")
    decoding = experiment.decoding
    if decoding.samples > 1 and not decoding.temperature:
        raise ExperimentError(
            f"{where}: $.decoding.temperature: {decoding.samples} greedy samples are all alike: "
            "expected more than 0, for example 0.8"
        )
    if experiment.eval.answer != "first" and decoding.samples == 1:
        raise ExperimentError(
            f"{where}: $.eval.answer: {experiment.eval.answer} is a vote, and decoding.samples is "
            "1: draw more, for example decoding: {samples: 16, temperature: 0.7}"
        )
    if decoding.greedy_first and decoding.samples == 1:
        raise ExperimentError(
            f"{where}: $.decoding.greedy_first: one sample is greedy or drawn: expected "
            "decoding.samples of 2 or more"
        )
    if decoding.sensible and not decoding.constrained:
        raise ExperimentError(
            f"{where}: $.decoding.sensible: goes with constrained: true; set that too"
        )
    if decoding.constrained and decoding.engine == "vllm":
        raise ExperimentError(
            f"{where}: $.decoding.engine: vllm cannot be constrained; use native, or constrained: "
            "false"
        )
    if experiment.prompt.trace_tokens and experiment.sft.trainable == "lora":
        raise ExperimentError(
            f"{where}: $.prompt.trace_tokens: LoRA trains neither embeddings nor head, so new "
            "tokens would stay as they begin; use sft.trainable: all or last_layers"
        )
    if experiment.sft.average and (experiment.sft.continues or len(experiment.sft.average) < 2):
        raise ExperimentError(
            f"{where}: $.sft.average: takes the place of training: expected two experiments or "
            "more, and no sft.continues"
        )
    if not experiment.sft.epochs and not experiment.sft.continues:
        raise ExperimentError(
            f"{where}: $.sft.epochs: 0 takes a trained model as it is: expected sft.continues to "
            "name its experiment, or 1 or more"
        )
    if not experiment.data.train and not experiment.data.gsm8k.has_examples:
        raise ExperimentError(
            f"{where}: $.data.train: 0 leaves nothing to train on; expected 1 or more, or real "
            "problems with data.gsm8k.train or data.gsm8k.word_problems"
        )
    if not experiment.sft.epochs and experiment.rl.trains_in_rounds:
        raise ExperimentError(
            f"{where}: $.sft.epochs: the rounds of rl.method: expert_iteration train as section "
            "sft says: expected 1 or more, found 0"
        )
    for reason in (
        *contradictions(experiment.rl),
        *sft_contradictions(experiment.sft, experiment.model),
    ):
        raise ExperimentError(f"{where}: {reason}")


def _check_mix(mix: dict[str, float], where: str) -> None:
    for expert in mix:
        if expert not in EXPERTS:
            raise ExperimentError(f"{where}: {unknown_name('expert', expert, list(EXPERTS))}")
    if not sum(mix.values()):
        raise ExperimentError(f"{where}: all weights are zero; give one at least")


def _merged(name: str, folder: Path, seen: tuple[str, ...]) -> dict[str, Any]:
    path = folder / f"{name}.yaml"
    if name in seen:
        raise ExperimentError(cycle(path, (*seen, name)))
    data = read_file(path)
    parent = parent_in(data, path)
    data.pop("inherits", None)
    if parent is None:
        return data
    base = _merged(parent, folder, (*seen, name))
    for own in ("name", "description", "departures"):
        base.pop(own, None)
    return _overlay(base, data)


def cycle(path: Path, names: Sequence[str]) -> str:
    """What is said of ``names`` that inherit from each other, the last of which is at ``path``."""
    return f"{path}: $.inherits: a cycle, {' -> '.join(names)}; break it"


def parent_in(data: dict[str, Any], path: Path) -> str | None:
    """The experiment that ``data``, the content of ``path``, inherits from.

    Raises:
        ExperimentError: not a name, or of no file beside this one.
    """
    parent = data.get("inherits")
    if parent is None:
        return None
    if not isinstance(parent, str):
        raise ExperimentError(f"{path}: $.inherits: expected a name, found {parent!r}")
    file = path.parent / f"{parent}.yaml"
    if not file.is_file():
        known = unknown_name("experiment", parent, available_experiments(path.parent))
        raise ExperimentError(f"{path}: $.inherits: no such file {file}; {known}")
    return parent


def read_file(path: Path) -> dict[str, Any]:
    """One experiment file as it is written, without what it inherits.

    Raises:
        ExperimentError: unreadable, not YAML or not a mapping.
    """
    try:
        data = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ExperimentError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ExperimentError(
            f"{path}: not YAML: byte {error.start} is not UTF-8; save it as UTF-8"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark or error.context_mark, error.problem or error.context
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ExperimentError(f"{path}{place}: not YAML: {problem}") from None
    except yaml.YAMLError as error:
        raise ExperimentError(f"{path}: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise ExperimentError(f"{path}: expected a mapping, found {type(data).__name__}")
    return data


def _overlay(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in top.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and key != "mix":
            value = _overlay(below, value)
        result[key] = value
    return result
