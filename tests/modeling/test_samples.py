"""An evaluation that was killed goes on with what it has decoded."""

from __future__ import annotations

from math import isnan, nan
from pathlib import Path
from typing import Any

import pytest

from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.decoding.decoder import Completion, Decoder
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.modeling.training.samples import KeptCompletions, write_samples

QUESTIONS = ["How many?", "Ann has 3 eggs and eats 2.", "Two pens at $4.", "b " * 30]
WAYS = {
    "greedy": DecodingConfig(max_tokens=20, batch_size=2),
    "drawn": DecodingConfig(max_tokens=20, batch_size=2, samples=3, temperature=1.2),
    "greedy and drawn": DecodingConfig(
        max_tokens=20, batch_size=2, samples=4, temperature=1.2, greedy_first=True
    ),
    "constrained": DecodingConfig(max_tokens=120, batch_size=2, constrained=True),
}


class KilledError(Exception):
    """Stands for the end of the process."""


class Spied:
    """A decoder that notes what it is asked and is killed after some completions."""

    def __init__(self, policy: Policy, config: DecodingConfig, last: int) -> None:
        self.asked: list[str] = []
        self._decoder, self._left = Decoder(policy, config), last

    def decode(self, questions: Any, sampling: Any, progress: Any, done: Any) -> list[Completion]:
        self.asked += questions

        def kept(place: int, completion: Completion) -> None:
            if not self._left:
                raise KilledError
            self._left -= 1
            done(place, completion)

        return self._decoder.decode(questions, sampling, progress, kept)


def shown(completions: list[Completion]) -> list[tuple[Any, ...]]:
    return [(c.text, c.tokens, c.clipped, round(c.logprob, 3)) for c in completions]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_done_is_not_done_again(policy: Policy, tmp_path: Path, way: str) -> None:
    config, path = WAYS[way], tmp_path / "completions.jsonl"
    whole = write_samples(Decoder(policy, config), QUESTIONS, config, 7)
    total = len(QUESTIONS) * config.samples
    assert len(whole) == total
    for last in range(1, total, 2):
        path.unlink(missing_ok=True)
        first, second = (Spied(policy, config, n) for n in (last, total))
        with pytest.raises(KilledError):
            write_samples(first, QUESTIONS, config, 7, kept=KeptCompletions(path))
        with path.open("ab") as file:
            file.write(b'{"problem":0,"sam')  # the kill cut a line short
        kept = KeptCompletions(path)
        assert len(kept) == last
        told: list[tuple[int, int, int]] = []
        found = write_samples(
            second, QUESTIONS, config, 7, lambda *said, told=told: told.append(said), kept
        )
        kept.close()
        assert len(second.asked) == total - last
        assert shown(found) == shown(whole)
        assert told[0][0] == last + 1
        assert told[-1] == (total, total, sum(completion.tokens for completion in whole))
    again = Spied(policy, config, 0)  # all is there
    assert shown(write_samples(again, QUESTIONS, config, 7, kept=KeptCompletions(path))) == (
        shown(whole)
    )
    assert again.asked == []


def test_those_of_an_earlier_process_come_without_tokens(policy: Policy, tmp_path: Path) -> None:
    config, path = WAYS["greedy"], tmp_path / "completions.jsonl"
    fresh = write_samples(Decoder(policy, config), QUESTIONS, config, 7, kept=KeptCompletions(path))
    assert all(completion.ids for completion in fresh)
    earlier = KeptCompletions(path).in_order()
    assert [c.ids for c in earlier] == [[]] * len(QUESTIONS)
    assert [c.seconds for c in earlier] == [c.seconds for c in fresh]


@pytest.mark.parametrize(
    "broken", [b"\0" * 200, b"\xff\xfe", b'{"problem": 1, "sample": 0, "words": "of later"}']
)
def test_lines_behind_one_that_cannot_be_read_are_dropped(
    policy: Policy, tmp_path: Path, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    config, path = WAYS["greedy"], tmp_path / "completions.jsonl"
    write_samples(Decoder(policy, config), QUESTIONS, config, 7, kept=KeptCompletions(path))
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:2], broken, *lines[2:]]) + b"\n")
    assert len(KeptCompletions(path)) == 2
    assert f"{path}: dropped from byte {len(lines[0]) + len(lines[1]) + 2} on" in caplog.text
    assert path.read_bytes().splitlines() == lines[:2]


def test_a_log_probability_that_is_no_number_is_kept_as_such(tmp_path: Path) -> None:
    path = tmp_path / "completions.jsonl"
    KeptCompletions(path).add((0, 0), Completion("x", 1, False, 0.5, nan, [], []))
    assert isnan(KeptCompletions(path).in_order()[0].logprob)
