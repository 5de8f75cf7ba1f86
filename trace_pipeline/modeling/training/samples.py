"""The completions that an evaluation is about; one that is killed loses none that are done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from msgspec import Struct

from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.decoding.decoder import Completion, OnProgress, Sampling
from trace_pipeline.modeling.decoding.engines import Engine
from trace_pipeline.modeling.storage.records import RecordFile, read_records, size_of_records
from trace_pipeline.modeling.training.rollouts import stream_seed


class _Line(Struct):
    """What scoring asks of a completion; its tokens, and what they were chosen from, are not."""

    problem: int
    sample: int
    text: str
    tokens: int
    clipped: bool
    seconds: float
    logprob: float


class KeptCompletions:
    """Completions by problem and sample, in a file as they are done; one process at a time."""

    def __init__(self, path: Path | None = None) -> None:
        """``path`` is the file of an earlier process with the same work, or a new one.

        A last line that a kill cut short is dropped. Without it they are kept in memory alone.
        """
        self._done: dict[tuple[int, int], Completion] = {}
        self._file = None
        if path is None:
            return
        records = read_records(path)
        for record in records:
            line = msgspec.convert(record, _Line)
            values = {name: getattr(line, name) for name in _Line.__struct_fields__[2:]}
            place = line.problem, line.sample
            self._done[place] = Completion(**values, prompt_ids=[], ids=[])
        self._file = RecordFile(path, size_of_records(path, len(records)))

    def __contains__(self, place: tuple[int, int]) -> bool:
        return place in self._done

    def __len__(self) -> int:
        return len(self._done)

    @property
    def tokens(self) -> int:
        """Of all of them."""
        return sum(completion.tokens for completion in self._done.values())

    def add(self, place: tuple[int, int], completion: Completion) -> None:
        """Keep the completion of a problem and sample."""
        self._done[place] = completion
        if self._file is not None:
            values = {name: getattr(completion, name) for name in _Line.__struct_fields__[2:]}
            self._file.append(_Line(*place, **values))

    def drop(self, problem: int, samples: Sequence[int]) -> None:
        """Forget those of a problem; the file keeps them until they are added anew."""
        for sample in samples:
            self._done.pop((problem, sample), None)

    def in_order(self) -> list[Completion]:
        """All, by problem and then by sample; those of an earlier process have no tokens."""
        return [self._done[place] for place in sorted(self._done)]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _sampling_of(config: DecodingConfig, seed: int, problems: int) -> Sampling | None:
    """How evaluation draws completions of each problem; None if all are greedy."""
    if not config.temperature:
        return None
    drawn = config.samples - config.greedy_first
    seeds = [stream_seed(seed, place) for place in range(problems * drawn)]
    return Sampling(seeds, config.temperature, config.top_p, drawn)


def write_samples(
    engine: Engine,
    questions: Sequence[str],
    config: DecodingConfig,
    seed: int,
    on_progress: OnProgress | None = None,
    kept: KeptCompletions | None = None,
) -> list[Completion]:
    """The ``config.samples`` completions of each question that evaluation is about, in order.

    Args:
        engine: opened with ``config``.
        questions: word problems.
        config: with ``greedy_first``, the first of each is greedy and the others are drawn.
        seed: of the draws.
        on_progress: told completions done, their total, and tokens so far.
        kept: gets each completion as it is done. What an earlier process has done of the same work
            is not done again; draws are the same as without that, and texts up to rounding, which
            depends on what is decoded together.
    """
    kept = KeptCompletions() if kept is None else kept
    total = len(questions) * config.samples
    sampling = _sampling_of(config, seed, len(questions))
    if sampling is None or not config.greedy_first:
        _write_pass(engine, questions, 0, sampling, kept, total, on_progress)
    else:
        _write_pass(engine, questions, 0, None, kept, total, on_progress)
        _write_pass(engine, questions, 1, sampling, kept, total, on_progress)
    return kept.in_order()


def _write_pass(
    engine: Engine,
    questions: Sequence[str],
    first: int,
    sampling: Sampling | None,
    kept: KeptCompletions,
    total: int,
    on_progress: OnProgress | None,
) -> None:
    """Add the completions of each question that ``sampling`` draws, from the sample ``first`` on.

    Those of one prompt share it, so a question that lacks one of them gets all anew.
    """
    samples = range(first, first + (sampling.samples if sampling else 1))
    each, asked = len(samples), []
    for problem in range(len(questions)):
        if any((problem, sample) not in kept for sample in samples):
            asked.append(problem)
            kept.drop(problem, samples)
    if sampling is not None:
        seeds = [sampling.seeds[problem * each + n] for problem in asked for n in range(each)]
        sampling = replace(sampling, seeds=seeds)
    before, tokens = len(kept), kept.tokens

    def on_pass(done: int, _: int, written: int) -> None:
        if on_progress:
            on_progress(before + done, total, tokens + written)

    def on_done(index: int, completion: Completion) -> None:
        kept.add((asked[index // each], samples[index % each]), completion)

    engine.decode([questions[problem] for problem in asked], sampling, on_pass, on_done)
