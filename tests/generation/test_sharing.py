from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from trace_pipeline.generation import Finding, GenerationError
from trace_pipeline.generation.sharing import Helpers, Make


def note(folder: Path, number: int) -> None:
    """Write down which process makes the piece (made twice, it fails), and wait for two others."""
    (folder / str(os.getpid())).touch()
    (folder / f"piece {number}").touch(exist_ok=False)
    end = time.monotonic() + 30
    while len(processes(folder)) < 3 and time.monotonic() < end:
        time.sleep(0.01)


def processes(folder: Path) -> set[int]:
    return {int(path.name) for path in folder.iterdir() if path.name.isdecimal()}


def noting(folder: Path) -> Make:
    return partial(note, folder)


def fail(number: int) -> None:
    raise GenerationError(Finding.LABEL, f"piece {number} is wrong")


def failing() -> Make:
    return fail


def unprepared() -> Make:
    raise GenerationError(Finding.LABEL, "no piece can be made")


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying() -> Make:
    return die


def test_each_piece_is_made_once_by_whoever_is_free(tmp_path: Path) -> None:
    with Helpers(2, partial(noting, tmp_path)) as helpers:
        for _ in helpers.share(range(100, 150), partial(note, tmp_path)):
            pass
    pieces = sorted(path.name for path in tmp_path.glob("piece *"))
    assert pieces == [f"piece {number}" for number in range(100, 150)]
    assert len(processes(tmp_path)) == 3
    assert os.getpid() in processes(tmp_path)
    assert not multiprocessing.active_children()


def test_without_helpers_all_is_made_here_in_order() -> None:
    made: list[int] = []
    with Helpers(0, failing) as helpers:
        looks = [len(made) for _ in helpers.share([3, 1, 2], made.append)]
    assert made == [3, 1, 2]
    assert looks == [1, 2, 3]


def test_helpers_that_are_given_nothing_end_too() -> None:
    with Helpers(1, failing) as helpers:
        assert len(list(helpers.share([], fail))) > 0
    with Helpers(1, failing):
        pass
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("prepare", "error", "message"),
    [
        (failing, GenerationError, r"piece \d+ is wrong"),
        (unprepared, GenerationError, "no piece can be made"),
        (dying, ChildProcessError, "exit code -9.* goes on with what they finished"),
    ],
)
def test_what_happened_to_a_helper_is_told_here(
    prepare: Callable[[], Make], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message), Helpers(1, prepare) as helpers:
        for _ in helpers.share(range(3000), lambda number: time.sleep(0.01)):
            pass
    assert not multiprocessing.active_children()
