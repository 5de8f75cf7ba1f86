from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from trace_pipeline.generation import Finding, GenerationError
from trace_pipeline.generation.sharing import Helpers, Make, shared_map, usable_cores


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


def negated(number: int) -> tuple[int, int]:
    """The number's opposite, and who says so."""
    return -number, os.getpid()


def met(folder: Path, number: int) -> tuple[int, int]:
    """The same, once three processes have come, so that each has a turn."""
    (folder / str(os.getpid())).touch()
    end = time.monotonic() + 120
    while len(processes(folder)) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    return negated(number)


def refused(number: int) -> int:
    if multiprocessing.parent_process() is not None:
        raise GenerationError(Finding.LABEL, f"no {number}")
    time.sleep(0.01)
    return number


def killed(number: int) -> int:
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return number


def test_a_map_by_several_processes_keeps_the_order(tmp_path: Path) -> None:
    heard: list[int] = []
    made = shared_map(partial(met, tmp_path), range(100), 3, piece=7, progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 100
    assert [number for number, _ in made] == [-number for number in range(100)]
    assert len({process for _, process in made}) == 3
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("items", "processes"), [(range(5), 3), (range(50), 1), ([], 3)])
def test_little_is_mapped_here(items: list[int], processes: int) -> None:
    heard: list[int] = []
    made = shared_map(negated, items, processes, piece=5, progress=heard.append)
    assert heard == [number + 1 for number in items]
    assert made == [(-number, os.getpid()) for number in items]


def test_what_fails_in_a_map_is_told_here() -> None:
    with pytest.raises(GenerationError, match="no "):
        shared_map(refused, range(3000), 2, piece=1)
    with pytest.raises(ChildProcessError, match=r"exit code -9.*; OMP_NUM_THREADS=1 does with one"):
        shared_map(killed, range(3000), 2, piece=1)
    assert not multiprocessing.active_children()


def test_the_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(40)), raising=False)
    for setting, expected in (("3", 3), ("64", 40), ("", 16), ("0", 16), ("many", 16)):
        monkeypatch.setenv("OMP_NUM_THREADS", setting)
        assert usable_cores() == expected
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5})
    assert usable_cores() == 1


def test_a_script_that_asks_for_no_name_may_share_work(tmp_path: Path) -> None:
    """As people write them: the processes beside it must not run it again."""
    script = tmp_path / "script.py"
    script.write_text(
        "from trace_pipeline.generation.sharing import shared_map\n"
        "print(sum(shared_map(abs, range(-50, 0), 2, piece=5)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1275\n", "")
