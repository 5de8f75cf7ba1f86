"""The completions that an evaluation is about; one that is killed loses none that are done."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

import msgspec
from msgspec import Struct

from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.decoding.decoder import Completion, OnProgress, Sampling
from trace_pipeline.modeling.decoding.engines import Engine
from trace_pipeline.modeling.storage.records import RecordFile
from trace_pipeline.modeling.training.rollouts import stream_seed

log = logging.getLogger(__name__)


class _Line(Struct):
    """What scoring asks of a completion; its tokens, and what they were chosen from, are not."""

    problem: int
    sample: int
    text: str
    tokens: int
    clipped: bool
    seconds: float
    logprob: float | None
    """None where it is no number."""


_COMPLETION = _Line.__struct_fields__[2:]


class KeptCompletions:
    """Completions by problem and sample, in a file as they are done; one process at a time."""

    def __init__(self, path: Path | None = None) -> None:
        """``path`` is the file of an earlier process with the same work, or a new one.

        Lines from the first on that cannot be read are dropped: a kill may cut the last one short.
        Without it completions are kept in memory alone.
        """
        self._done: dict[tuple[int, int], Completion] = {}
        self._file = None
        if path is None:
            return
        size = 0
        for text in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
            try:
                line = msgspec.json.decode(text, type=_Line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                log.warning("%s: dropped from byte %d on (%s)", path, size, error)
                break
            values = {name: getattr(line, name) for name in _COMPLETION}
            if line.logprob is None:
                values["logprob"] = nan
            place = line.problem, line.sample
            self._done[place] = Completion(**values, prompt_ids=[], ids=[])
            size += len(text) + 1
        self._file = RecordFile(path, size)

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
            values = {name: getattr(completion, name) for name in _COMPLETION}
            self._file.append(_Line(*place, **values))

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

    Only those that ``kept`` lacks: a draw depends on its own seed alone.
    """
    each = sampling.samples if sampling else 1
    places = [(problem, first + n) for problem in range(len(questions)) for n in range(each)]
    left = [index for index, place in enumerate(places) if place not in kept]
    if not left:
        return
    if sampling is not None:
        seeds = [sampling.seeds[index] for index in left]
        sampling = replace(sampling, seeds=seeds, samples=1)
    before, tokens = len(kept), kept.tokens

    def on_pass(done: int, _: int, written: int) -> None:
        if on_progress:
            on_progress(before + done, total, tokens + written)

    def on_done(index: int, completion: Completion) -> None:
        kept.add(places[left[index]], completion)

    asked = [questions[places[index][0]] for index in left]
    engine.decode(asked, sampling, on_pass, on_done)
