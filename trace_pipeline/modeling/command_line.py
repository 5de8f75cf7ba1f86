"""``python -m trace_pipeline.modeling.sft|rl|decode|likelihoods``: training without the pipeline.

For a bare host with a GPU: an experiment file, data as JSON lines, a folder for the
result. Nothing of Dagster, MLflow or pandas is needed.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from trace_pipeline.experiment import Experiment, experiment_from_dict, load_experiment
from trace_pipeline.generation import read_examples
from trace_pipeline.modeling.base.base_models import BaseModel, resolve_base
from trace_pipeline.modeling.base.devices import precision
from trace_pipeline.modeling.base.trace_tokens import known_to_base
from trace_pipeline.modeling.decoding.decoder import Completion
from trace_pipeline.modeling.decoding.engines import open_engine
from trace_pipeline.modeling.decoding.likelihood import likelihoods_of_samples, log_likelihoods
from trace_pipeline.modeling.distributed import TIED, end_with_stdin
from trace_pipeline.modeling.progress import Progress
from trace_pipeline.modeling.storage.checkpoints import (
    CheckpointInfo,
    load_base_policy,
    load_checkpoint,
    read_info,
)
from trace_pipeline.modeling.training.rollouts import make_solver
from trace_pipeline.modeling.training.run import TrainingError
from trace_pipeline.modeling.training.samples import KeptCompletions, write_samples
from trace_pipeline.store import object_sha256, write_atomic
from trace_pipeline.validation import InvalidInputError

DIGITS = 4
"""Of a log-likelihood in a file."""


def sft_main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m trace_pipeline.modeling.sft``; the exit code."""
    parser = _parser("sft", "Fine-tune a base model on verified examples (resumes if killed).")
    parser.add_argument("--data", type=Path, required=True, help="training examples (.jsonl)")
    parser.add_argument("--validation", type=Path, help="held-out examples (.jsonl)")
    parser.add_argument("--start", type=Path, help="checkpoint to go on from, for sft.continues")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument(
        TIED, action="store_true", help="end as soon as standard input does, with what holds it"
    )
    return _guarded(_run_sft, parser.parse_args(arguments))


def rl_main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m trace_pipeline.modeling.rl``; the exit code."""
    parser = _parser("rl", "Reinforce a checkpoint with solver-verified rewards (resumes).")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of the SFT stage")
    parser.add_argument("--data", type=Path, required=True, help="problems to learn on (.jsonl)")
    parser.add_argument("--validation", type=Path, required=True, help="held-out ones (.jsonl)")
    parser.add_argument("--real", type=Path, help="real problems, for rl.source: real or mix")
    parser.add_argument("--real-validation", type=Path, help="held-out ones (.jsonl)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    return _guarded(_run_rl, parser.parse_args(arguments))


def decode_main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m trace_pipeline.modeling.decode``; the exit code."""
    parser = _parser("decode", "Write completions: JSON lines with `question` in, `text` out.")
    parser.add_argument("--checkpoint", type=Path, help="trained; the untuned base model if absent")
    parser.add_argument("--data", type=Path, required=True, help="questions (.jsonl)")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="completions (.jsonl); decoding.samples lines of each question",
    )
    return _guarded(_run_decode, parser.parse_args(arguments), "with what is decoded already")


def likelihoods_main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m trace_pipeline.modeling.likelihoods``; the exit code."""
    parser = _parser(
        "likelihoods", "Add `log_likelihood` to completions: the model's own, at temperature 1."
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="what wrote them")
    parser.add_argument(
        "--data", type=Path, required=True, help="JSON lines with `question` and `text`"
    )
    parser.add_argument("--out", type=Path, required=True, help="the same lines, with one more key")
    return _guarded(_run_likelihoods, parser.parse_args(arguments), "")


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m trace_pipeline.modeling.{name}", description=description
    )
    parser.add_argument(
        "--experiment", type=Path, required=True, help="experiment file (.yaml or .json)"
    )
    parser.add_argument(
        "--base", help="base model instead of the experiment's: 'embedded', hub id or folder"
    )
    return parser


def _guarded(
    function: Callable[[argparse.Namespace], None],
    options: argparse.Namespace,
    resumes: str = "from the last snapshot",
) -> int:
    """Run a command; errors of the input end it with their message alone.

    ``resumes`` says from where the same command goes on, nothing if it begins again.
    """
    level = logging.WARNING if _rank() else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        function(options)
    except (InvalidInputError, TrainingError, OSError) as error:
        where = f"process {_rank()}: " if _rank() else ""
        print(f"error: {where}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        left = f"the same command goes on {resumes}" if resumes else "nothing was written"
        print(f"interrupted; {left}", file=sys.stderr)
        return 130
    return 0


def _rank() -> int:
    """Which of the processes that ``torchrun`` started this is; the first reports."""
    return int(os.environ.get("RANK", "0"))


def _run_sft(options: argparse.Namespace) -> None:
    from trace_pipeline.modeling.sft.finetuning import train_sft

    if options.until_stdin_ends:
        end_with_stdin()
    experiment, base = _experiment(options)
    data = read_examples(options.data)
    held_out = read_examples(options.validation) if options.validation else []
    if experiment.sft.average:
        raise InvalidInputError(
            "sft.average: there is nothing to train; trace-pipeline run makes the mean, or leave "
            "sft.average out"
        )
    if bool(options.start) != bool(experiment.sft.continues):
        raise InvalidInputError(
            "--start and sft.continues go together: the folder of the checkpoint that the "
            "experiment goes on from"
        )
    info = train_sft(experiment, base, data, options.out, start=options.start, validation=held_out)
    if not _rank():
        _report(options.out, info)


def _run_rl(options: argparse.Namespace) -> None:
    from trace_pipeline.modeling.rl.reinforcement import train_rl

    experiment, base = _experiment(options)
    info = train_rl(
        experiment,
        options.checkpoint,
        read_examples(options.data),
        read_examples(options.validation),
        options.out,
        base,
        real=read_examples(options.real) if options.real else [],
        real_validation=read_examples(options.real_validation) if options.real_validation else [],
    )
    if _rank():
        return
    _report(options.out, info)
    if info.stopped:
        print(f"stopped early: {info.stopped}")


def _run_decode(options: argparse.Namespace) -> None:
    _require_file(options.out)
    experiment, base = _experiment(options)
    model = experiment.model
    questions = _questions(options.data)
    if options.checkpoint:
        policy = load_checkpoint(options.checkpoint, base, model.dtype, model.device)
    else:
        policy = load_base_policy(base, known_to_base(experiment.prompt), model.dtype, model.device)
    config, total = experiment.decoding, len(questions) * experiment.decoding.samples
    path = _unfinished(options, experiment, base, questions)
    kept = KeptCompletions(path)
    with closing(kept), Progress("decoding", total, "completions", len(kept)) as progress:
        completions = write_samples(
            open_engine(policy, config, make_solver(experiment)),
            questions,
            config,
            experiment.seed,
            on_progress=lambda done, _, tokens: progress.update(done, f"{tokens} tokens"),
            kept=kept,
        )
    likely: list[float] = []
    if experiment.eval.answer == "probable":
        likely = likelihoods_of_samples(policy, questions, completions, "")
    lines = []
    for place, completion in enumerate(completions):
        record = _record(questions[place // config.samples], completion)
        if likely:
            record["log_likelihood"] = round(likely[place], DIGITS)
        if config.greedy_first and place % config.samples == 0:
            record["greedy"] = True
        lines.append(msgspec.json.encode(record))
    write_atomic(options.out, b"\n".join(lines) + b"\n")
    path.unlink()


def _unfinished(
    options: argparse.Namespace, experiment: Experiment, base: BaseModel, questions: Sequence[str]
) -> Path:
    """Keeps completions until all are done; another file for another model or other settings."""
    settings = experiment.to_dict()
    weights = read_info(options.checkpoint).weights_sha256 if options.checkpoint else None
    identity = {
        "models": [base.sha256, weights],
        "questions": questions,
        "settings": {name: settings[name] for name in ("seed", "model", "decoding", "solver")},
        "dtype": precision(experiment.model),
        "prompt": None if options.checkpoint else settings["prompt"],
    }
    return Path(options.out).with_name(f".{options.out.name}.{object_sha256(identity)[:12]}")


def _run_likelihoods(options: argparse.Namespace) -> None:
    _require_file(options.out)
    experiment, base = _experiment(options)
    model = experiment.model
    records = _records(options.data, ("question", "text"))
    policy = load_checkpoint(options.checkpoint, base, model.dtype, model.device)
    questions, texts = ([record[name] for record in records] for name in ("question", "text"))
    with Progress("likelihoods", len(records), "completions") as progress:
        likely = log_likelihoods(policy, questions, texts, progress.update)
    lines = [
        msgspec.json.encode(record | {"log_likelihood": round(value, DIGITS)})
        for record, value in zip(records, likely, strict=True)
    ]
    write_atomic(options.out, b"\n".join(lines) + b"\n")


def _experiment(options: argparse.Namespace) -> tuple[Experiment, BaseModel]:
    path: Path = options.experiment
    if not path.is_file():
        raise InvalidInputError(f"{path}: no such experiment file")
    if path.suffix == ".json":
        data = _decoded(path.read_bytes(), str(path))
        if not isinstance(data, dict):
            raise InvalidInputError(f"{path}: expected an object of an experiment's sections")
        experiment = experiment_from_dict(data, str(path))
    elif path.suffix == ".yaml":
        experiment = load_experiment(path.stem, path.parent)
    else:
        raise InvalidInputError(f"{path}: expected a name ending in .yaml or .json")
    reference = options.base
    if reference is None and getattr(options, "checkpoint", None):
        reference = read_info(options.checkpoint).base
    return experiment, resolve_base(reference or experiment.model.reference)


def _questions(path: Path) -> list[str]:
    return [record["question"] for record in _records(path, ("question",))]


def _records(path: Path, fields: Sequence[str]) -> list[dict[str, Any]]:
    """JSON lines, each with a text in every one of ``fields``."""
    records: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        record = _decoded(line, f"{path}: line {number}")
        for name in fields:
            if not isinstance(record, dict) or not isinstance(record.get(name), str):
                raise InvalidInputError(
                    f"{path}: line {number}: the field {name!r} (text) is missing"
                )
        records.append(record)
    if not records:
        raise InvalidInputError(f"{path}: no questions")
    return records


def _decoded(text: bytes, where: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"{where}: not JSON: {error}") from None


def _require_file(out: Path) -> None:
    """Refuse, before hours of work, a place where no file can be written."""
    if out.is_dir():
        raise InvalidInputError(f"{out}: is a folder; name a file")


def _record(question: str, completion: Completion) -> dict[str, Any]:
    return {
        "question": question,
        "text": completion.text,
        "tokens": completion.tokens,
        "clipped": completion.clipped,
        "seconds": round(completion.seconds, 6),
    }


def _report(folder: Path, info: CheckpointInfo) -> None:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in info.metrics.items())
    print(f"{os.fspath(folder)}: {info.stage} checkpoint; {figures}")
