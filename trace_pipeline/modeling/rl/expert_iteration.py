"""Expert iteration: a policy learns from its own traces that the solver found correct.

Each round samples traces of training problems, keeps the correct and different ones, and
fine-tunes on them with the SFT engine (Anthony et al., 2017, arXiv 1705.08439; as STaR, arXiv
2203.14465, and ReST-EM, arXiv 2312.06585, do with language models).

A round's folder holds its rollouts, written as they are sampled, and its checkpoint. All else
is a function of these and the seed; so a run that was killed goes on within the round.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from msgspec import to_builtins

from trace_pipeline.experiment import DecodingConfig, Experiment
from trace_pipeline.modeling.base.base_models import BaseModel, context_of
from trace_pipeline.modeling.base.devices import resolve_device
from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.modeling.base.trace_tokens import prompt_tokenizer
from trace_pipeline.modeling.decoding.decoder import Decoder
from trace_pipeline.modeling.decoding.running import sequences_together
from trace_pipeline.modeling.distributed import World
from trace_pipeline.modeling.network.batching import TraceExample
from trace_pipeline.modeling.progress import Progress
from trace_pipeline.modeling.rl.collapse import CollapseWatch
from trace_pipeline.modeling.rl.kept_rollouts import LINES, write_table
from trace_pipeline.modeling.rl.trace_pool import TracePool, canonical_form
from trace_pipeline.modeling.sft.finetuning import METRICS, train_sft
from trace_pipeline.modeling.storage.checkpoints import (
    Policy,
    load_checkpoint,
    read_info,
    save_checkpoint,
)
from trace_pipeline.modeling.storage.continuing import require_same
from trace_pipeline.modeling.storage.records import RecordFile, read_records, size_of_records
from trace_pipeline.modeling.training.problem_stream import Problem, ProblemStream, RlData
from trace_pipeline.modeling.training.rollouts import (
    Rollout,
    make_solver,
    roll_out,
    summarise,
    validate,
)
from trace_pipeline.modeling.training.run import OnMetrics, TrainingError
from trace_pipeline.modeling.training.schedule import require_same_steps, step_counters
from trace_pipeline.solver import VerdictKind
from trace_pipeline.store import write_atomic, write_json
from trace_pipeline.traces import Trace, extract_trace, parse_trace, render_trace
from trace_pipeline.validation import InvalidInputError

log = logging.getLogger(__name__)

ROUNDS = "rounds"
STEPS = "steps.json"
"""By how many processes the rounds are trained, and so in which steps."""
CHUNK = 256
"""Completions that are sampled together; a killed round repeats one chunk at most."""
CHUNKS = 4
"""At least so many times what is decoded together, so that the end of a chunk, where few sequences
are left, is a small part of it."""


def iterate_experts(
    experiment: Experiment,
    sft_folder: Path,
    base: BaseModel,
    data: RlData,
    out_dir: Path,
    run: str,
    world: World,
    on_metrics: OnMetrics | None,
) -> None:
    """All rounds, and the checkpoint.

    Args:
        experiment: its section rl says what to sample, its section sft how to train.
        sft_folder: the checkpoint that the first round samples from.
        base: its base model.
        data: problems.
        out_dir: gets the checkpoint, ``metrics.jsonl`` and the rollouts; holds the rounds'
            folders meanwhile.
        run: fingerprint of all that defines the run.
        world: the processes that share sampling and training.
        on_metrics: told the figures of each round.

    Raises:
        InvalidInputError: data or settings that cannot be used.
        TrainingError: nothing to learn from, or training diverged.
    """
    _Rounds(experiment, sft_folder, base, data, out_dir, run, world).run(on_metrics)


class _Rounds:
    def __init__(
        self,
        experiment: Experiment,
        sft_folder: Path,
        base: BaseModel,
        data: RlData,
        out_dir: Path,
        run: str,
        world: World,
    ) -> None:
        config = experiment.rl
        if config.expert_iteration.start == "current":  # training would refuse it after a round
            require_same(read_info(sft_folder), experiment, sft_folder)
        self._experiment, self._base, self._data = experiment, base, data
        self._sft_folder, self._out_dir, self._run = sft_folder, out_dir, run
        self._world = world
        self._solver = make_solver(experiment)
        self._prompt = Prompt(experiment.prompt, prompt_tokenizer(base, experiment.prompt))
        self._longest = min(experiment.sft.max_len, context_of(base) or experiment.sft.max_len)
        self._stream = ProblemStream(data, config, experiment.seed)
        self._pool = TracePool(config.expert_iteration.keep, config.expert_iteration.references)
        self._watch = CollapseWatch(config.collapse)
        path, steps = out_dir / METRICS, out_dir / ROUNDS / STEPS
        self._steps = step_counters(experiment.sft, world.size)
        if self._is_claimed() and steps.is_file():
            require_same_steps(msgspec.json.decode(steps.read_bytes()), self._steps)
        world.wait()  # all have read what rank 0 may now write over
        if world.writes:
            self._claim()
        world.wait()
        self._recorded = {int(record["iteration"]): record for record in read_records(path)}
        world.wait()  # all have read what rank 0 may now write to
        self._records = None
        if world.writes:
            self._records = RecordFile(path, size_of_records(path, len(self._recorded)))

    def run(self, on_metrics: OnMetrics | None) -> None:
        """The rounds that are left; those before are replayed from their rollouts."""
        config = self._experiment.rl
        stopped, number = "", 0
        if config.select == "best" and 0 not in self._recorded:
            # The start takes part: the rounds must not make the checkpoint worse.
            self._record(0, self._validate(0), on_metrics)
        with Progress(
            "expert iteration", config.iterations, "rounds", 0, self._world.writes
        ) as progress:
            for number in range(1, config.iterations + 1):
                started = time.perf_counter()
                problems = self._stream.draw_distinct(config.prompts, number - 1)
                rollouts, drawn = self._sample(problems, number)
                figures = summarise(rollouts) | self._take_up(problems, rollouts)
                if config.curriculum:
                    figures["longest_chain"] = self._stream.longest(number - 1)
                if number not in self._recorded:
                    sampling = time.perf_counter() - started
                    if drawn:  # not all of it by an interrupted run
                        figures["rollout_tokens_per_second"] = drawn / sampling
                    figures |= self._train(number)
                    figures |= self._validate(number)
                    figures["seconds"] = time.perf_counter() - started
                    self._record(number, figures, on_metrics)
                    if self._world.writes:
                        self._tidy(number)
                progress.update(number, _note(self._recorded[number]))
                stopped = self._watch.reason(number, figures)
                if stopped and number < config.iterations:
                    log.warning("expert iteration stops after round %d: %s", number, stopped)
                    break
        if self._records is not None:
            self._records.close()
            self._finish(number, stopped if number < config.iterations else "")

    def _claim(self) -> None:
        """Drop what a run with other settings left in the folder."""
        mark = self._out_dir / ROUNDS / "run"
        if self._is_claimed():
            write_json(mark.with_name(STEPS), self._steps)
            return
        if mark.is_file():
            log.warning("%s belongs to a run with other settings; starting anew", mark.parent)
        shutil.rmtree(mark.parent, ignore_errors=True)
        (self._out_dir / METRICS).unlink(missing_ok=True)
        write_json(mark.with_name(STEPS), self._steps)
        write_atomic(mark, self._run.encode())

    def _is_claimed(self) -> bool:
        """Whether the folder holds rounds of this very run."""
        mark = self._out_dir / ROUNDS / "run"
        return mark.is_file() and mark.read_text() == self._run

    def _folder(self, number: int) -> Path:
        return self._out_dir / ROUNDS / f"{number:04d}"

    def _checkpoint(self, number: int) -> Path:
        """The checkpoint after round ``number``; 0 is the one it all starts from."""
        return self._folder(number) / "checkpoint" if number else self._sft_folder

    def _policy(self, number: int, merge: bool = True) -> Policy:
        model = self._experiment.model
        return load_checkpoint(
            self._checkpoint(number), self._base, model.dtype, model.device, merge
        )

    def _sample(self, problems: Sequence[Problem], number: int) -> tuple[list[Rollout], int]:
        """Completions of ``problems`` by the policy before round ``number``, chunk by chunk.

        With them the tokens of those that were sampled now, not by a run that was interrupted.
        """
        config = self._experiment.rl
        path = self._folder(number) / LINES
        device = resolve_device(self._experiment.model.device)
        decoding = DecodingConfig(
            max_tokens=config.max_tokens,
            batch_size=self._experiment.decoding.batch_size,
            constrained=self._experiment.decoding.constrained,
        )
        together = max(CHUNK, CHUNKS * sequences_together(decoding, device))
        chunk = max(1, together // config.samples)  # problems
        rollouts = [msgspec.convert(record, Rollout) for record in read_records(path)]
        asked = [p.example.question for p in problems for _ in range(config.samples)]
        if [rollout.question for rollout in rollouts] != asked[: len(rollouts)]:
            raise InvalidInputError(
                f"{path}: an earlier revision drew other problems for this round; finish the run "
                f"with that revision, or remove {self._out_dir} to start anew"
            )
        there = len(rollouts) // config.samples
        there = there if there >= len(problems) else there - there % chunk
        del rollouts[there * config.samples :]
        known = len(rollouts)
        self._world.wait()  # all have read what rank 0 may now cut
        lines = None
        if self._world.writes:
            lines = RecordFile(path, size_of_records(path, len(rollouts)))
        if there < len(problems):
            decoder = Decoder(self._policy(number - 1), decoding, self._solver)
            with Progress(
                f"round {number}", len(problems), "problems", there, self._world.writes
            ) as progress:
                for first in range(there, len(problems), chunk):
                    part = problems[first : first + chunk]
                    groups = roll_out(
                        decoder, part, self._solver, self._experiment, number - 1, first,
                        self._world,
                    )  # fmt: skip
                    fresh = [rollout for group in groups for rollout in group.rollouts]
                    rollouts += fresh
                    for rollout in fresh if lines else ():
                        lines.append(rollout)  # type: ignore[union-attr]
                    progress.update(first + len(part))
        if lines is not None:
            lines.sync()
            lines.close()
        return rollouts, sum(rollout.tokens for rollout in rollouts[known:])

    def _take_up(
        self, problems: Sequence[Problem], rollouts: Sequence[Rollout]
    ) -> dict[str, float]:
        """Put the round's correct traces into the pool; what came of it."""
        samples = self._experiment.rl.samples
        solved = distinct = taken = 0
        by_length: dict[int, list[bool]] = defaultdict(list)
        for place, problem in enumerate(problems):
            own = rollouts[place * samples : (place + 1) * samples]
            found = [parse_trace(extract_trace(r.text)) for r in own if _correct(r)]
            traces = [trace for trace in found if self._fits(problem, trace)]
            solved += bool(found)
            distinct += len({canonical_form(trace) for trace in traces})
            taken += self._pool.add(problem, traces)
            by_length[problem.length] += [_correct(rollout) for rollout in own]
        figures: dict[str, float] = {
            "problems": len(problems),
            "solved": solved,
            "distinct_traces": distinct,
            "new_traces": taken,
            "pool_traces": len(self._pool),
        }
        for length, correct in sorted(by_length.items()):
            figures[f"yield_{length}_steps"] = sum(correct) / len(correct)
        return figures

    def _fits(self, problem: Problem, trace: Trace) -> bool:
        """Whether fine-tuning can take ``trace`` whole."""
        prompt = self._prompt.prompt_ids(problem.example.question)
        target = self._prompt.target_ids(render_trace(trace))
        return len(prompt) + len(target) <= self._longest

    def _train(self, number: int) -> dict[str, float]:
        """Fine-tune on the pool; the figures of its last step."""
        config = self._experiment.rl.expert_iteration
        references: list[TraceExample] = []
        if config.references:
            source = self._experiment.rl.source
            references += [] if source == "real" else self._data.synthetic
            references += [] if source == "synthetic" else self._data.real
        examples = [*references, *self._pool.examples()]
        if not examples:
            raise TrainingError(
                f"round {number}: no sampled trace was correct, so there is nothing to train on; "
                "set rl.expert_iteration.references: true, raise rl.samples, or train longer in SFT"
            )
        if not len(self._pool):
            log.warning("round %d: no sampled trace was new and correct", number)
        start = self._checkpoint(number - 1) if config.start == "current" else None
        # Rounds are chosen among by rl.select; within one there is nothing held out to choose by.
        sft = msgspec.structs.replace(self._experiment.sft, select="last")
        settings = msgspec.structs.replace(self._experiment, sft=sft)
        info = train_sft(settings, self._base, examples, self._checkpoint(number), start=start)
        return {"training_examples": len(examples), "sft_loss": info.metrics["loss"]}

    def _validate(self, number: int) -> dict[str, float]:
        judge = Decoder(self._policy(number), self._experiment.decoding, self._solver)
        return validate(judge, self._data, self._solver, self._experiment, self._world)

    def _record(self, number: int, figures: dict[str, float], on_metrics: OnMetrics | None) -> None:
        self._recorded[number] = {"iteration": number, **figures}
        if self._records is not None:
            self._records.append(self._recorded[number])
            self._records.sync()
            if on_metrics:
                on_metrics(number, figures)

    def _selected(self, last: int) -> int:
        """The round whose checkpoint counts; the earliest of equals."""
        if self._experiment.rl.select == "last":
            return last
        return max(
            sorted(self._recorded), key=lambda number: self._recorded[number]["validation_reward"]
        )

    def _tidy(self, last: int) -> None:
        """Drop the checkpoints that no later round needs."""
        for number in range(1, last):
            if number != self._selected(last):
                shutil.rmtree(self._checkpoint(number), ignore_errors=True)

    def _finish(self, last: int, stopped: str) -> None:
        config = self._experiment.rl
        kept = RecordFile(self._out_dir / LINES)
        for number in range(1, last + 1):
            if config.keep_rollouts_every and number % config.keep_rollouts_every == 0:
                for record in read_records(self._folder(number) / LINES):
                    kept.append(record)
        kept.sync()
        kept.close()
        write_table(self._out_dir)
        selected = self._selected(last)
        metrics = {k: v for k, v in self._recorded[last].items() if k != "iteration"}
        if config.select == "best":
            metrics["best_validation_reward"] = self._recorded[selected]["validation_reward"]
        policy = self._policy(selected, merge=False)
        assert policy.info is not None
        names = policy.info.tensors
        save_checkpoint(
            self._out_dir,
            replace(policy, info=read_info(self._sft_folder)),
            names,
            stage="rl",
            run=self._run,
            config=to_builtins(config),
            metrics=metrics,
            stopped=stopped,
            selected=selected if config.select == "best" else None,
        )
        shutil.rmtree(self._out_dir / ROUNDS)


def _correct(rollout: Rollout) -> bool:
    return rollout.kind == VerdictKind.CORRECT


def _note(metrics: dict[str, float]) -> str:
    return (
        f"{metrics['solved']:.0f} of {metrics['problems']:.0f} problems solved, "
        f"{metrics['pool_traces']:.0f} traces of its own, "
        f"reward held-out {metrics['validation_reward']:.2f}"
    )
