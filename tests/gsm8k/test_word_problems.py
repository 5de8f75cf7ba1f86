"""Word problems in two lines each: read, checked, converted; and those that the project ships."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.nearness import quarters
from trace_pipeline.cli import cli
from trace_pipeline.experiment import Gsm8kConfig
from trace_pipeline.gsm8k import few_shot_problems, find_overlaps, load_problems
from trace_pipeline.gsm8k.loading import load_problem_file
from trace_pipeline.gsm8k.training import NO_PROBLEMS, own_traces, training_traces
from trace_pipeline.gsm8k.word_problem_check import (
    check_word_problems,
    nearest,
    resemblances,
    resembling,
)
from trace_pipeline.gsm8k.word_problems import (
    FOLDER,
    collections_of,
    load_word_problems,
    read_word_problems,
)
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.traces import render_trace
from trace_pipeline.validation import InvalidInputError

ROOT = Path(__file__).parents[2]
GOOD = """\
# A remark.
Ida ties 14 bouquets of 9 roses each and sells 5 bouquets. How many roses are left?
14 - 5 = 9; 9*9=81

Otto's train takes 3 hours for 210 miles. How many miles does it cover in 5 hours at that pace?
# Another, between the two lines.
210/3=70; 70*5=350
"""


def project(folder: Path, **files: str) -> Path:
    """A folder of word problems with one collection, ``mine``."""
    (folder / "mine").mkdir(parents=True)
    for name, text in files.items():
        (folder / "mine" / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def test_problems_are_read_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    folder = project(tmp_path, b="Ann has 7 pens and buys 12. How many?\n7+12=19\n", a=GOOD)
    found = load_word_problems(folder, ["mine"])
    assert [(p.index, p.gold) for p in found.problems] == [(0, 81), (1, 350), (2, 19)]
    assert found.problems[0].question.startswith("Ida ties 14")
    assert not found.is_gsm8k
    assert not found.rejected
    places = read_word_problems(folder, ["mine"]).places
    assert places == ("mine/a.txt, line 2", "mine/a.txt, line 5", "mine/b.txt, line 1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Only a question?\n", "found 1 line"),
        ("A question?\n1+1=2\nand more\n", "found 3 lines"),
        ("A question?\nnineteen\n", "expected calculations such as"),
        ("A question?\n7+12=\n", "is no number"),
        ("A question?\n7+*12=19\n", "7+*12"),
        ("A question?\n7+12=18; 18*2=36\n", "7+12 is 19, not 18"),
        ("A question?\n7+12=19; 19/3=19/3\n", "has no end as a decimal number"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, text: str, reason: str) -> None:
    folder = project(tmp_path, a=GOOD + "\n" + text)
    written = read_word_problems(folder, ["mine"])
    assert len(written.problems) == 2
    (rejected,) = written.rejected
    assert rejected.line == 9
    assert rejected.reason.startswith("mine/a.txt: ")
    assert reason in rejected.reason


@pytest.mark.parametrize("spaces", [" ", "  "])
def test_a_question_that_comes_again_is_rejected(tmp_path: Path, spaces: str) -> None:
    folder = project(tmp_path, a=GOOD, b=GOOD.replace(" and ", f"{spaces}and "))
    written = read_word_problems(folder, ["mine"])
    assert len(written.problems) == 2
    assert written.rejected[0].reason == "mine/b.txt: the question of mine/a.txt, line 2 again"


def test_lines_are_counted_as_editors_do(tmp_path: Path) -> None:
    text = f"Ann has 7 pens\u2028and buys 12. How many?\r\n7+12=19\r\n\r\n{GOOD}"
    folder = project(tmp_path)
    (folder / "mine" / "a.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    written = read_word_problems(folder, ["mine"])
    assert written.places == tuple(f"mine/a.txt, line {line}" for line in (1, 5, 8))


def test_bad_collections_are_refused(tmp_path: Path) -> None:
    folder = project(tmp_path, a=GOOD)
    with pytest.raises(InvalidInputError, match=r"'mien'.*did you mean 'mine'"):
        load_word_problems(folder, ["mien"])
    (folder / "empty").mkdir()
    with pytest.raises(InvalidInputError, match=r"no file \*\.txt"):
        load_word_problems(folder, ["empty"])
    (folder / "empty" / "a.txt").write_text("# A remark alone.\n")
    with pytest.raises(InvalidInputError, match=r"empty: not one problem in its files"):
        load_word_problems(folder, ["mine", "empty"])
    with pytest.raises(InvalidInputError, match=r"'mine' is named twice"):
        load_word_problems(folder, ["mine", "mine"])
    (folder / "mine" / "b.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(InvalidInputError, match=r"b\.txt: not UTF-8 at byte 3"):
        load_word_problems(folder, ["mine"])


def test_convert_reads_them_too(tmp_path: Path) -> None:
    folder = project(tmp_path, a=GOOD)
    assert [p.gold for p in load_problem_file(folder / "mine" / "a.txt").problems] == [81, 350]


def test_they_are_trained_on_beside_the_others(tmp_path: Path) -> None:
    own = load_word_problems(project(tmp_path, a=GOOD), ["mine"])
    config = Gsm8kConfig(word_problems=["mine"], variants=2)
    done: list[int] = []
    made = training_traces(NO_PROBLEMS, [], config, own=own, progress=done.append)
    assert done == [1, 2]
    assert [e.schema for e in made.examples] == ["word_problems/original"] * 2 + [
        "word_problems/variant"
    ] * len(made.own.variants)
    assert made.own.variants
    for example in made.examples:
        verdict = Solver().verify(render_trace(example.trace), example.answer)
        assert verdict.kind is VerdictKind.CORRECT


def test_what_overlaps_with_a_test_question_is_dropped(tmp_path: Path) -> None:
    own = load_word_problems(project(tmp_path, a=GOOD), ["mine"])
    asked = [own.problems[1].question.upper()]
    made = own_traces(own, asked, Gsm8kConfig(variants=3), seed=0)
    assert [e.answer for e in made.train] == [81]
    assert made.overlap.train_indices == {1}


def test_the_check_finds_what_no_trace_is_sure_of_and_what_is_told_twice(tmp_path: Path) -> None:
    text = GOOD + (
        "\nMia ties 25 bouquets of 8 roses each and sells 6 bouquets. How many roses are left?\n"
        "25-6=19; 19*8=152\n"
        "\nHow old is Eve if Kim is 12?\n7*3=21\n"
    )
    checked = check_word_problems(read_word_problems(project(tmp_path, a=text), ["mine"]))
    assert [f.place for f in checked.findings] == ["mine/a.txt, line 9", "mine/a.txt, line 12"]
    assert "tells the story of mine/a.txt, line 2 again (" in checked.findings[0].message
    assert checked.findings[0].message.endswith("% of their runs of four words)")
    assert checked.findings[1].message.startswith("unsure")
    assert checked.operations == {2: 3}


def test_the_check_finds_a_question_that_breaks_off(tmp_path: Path) -> None:
    text = "Ann has 7 pens and buys... no, is given 12. How many pens has she now?\n7+12=19\n"
    checked = check_word_problems(read_word_problems(project(tmp_path, a=text), ["mine"]))
    assert [f.message[:10] for f in checked.findings] == ["breaks off"]


def test_resemblance_does_not_depend_on_numbers() -> None:
    first = "Ida has 12 red apples and gives 5 of them to Otto today"
    other = "A train leaves at nine and covers 210 miles before it stops again"
    assert list(resembling([first, other, first.replace("12", "1,200")])) == [(0, 2, 1.0)]


def test_the_nearest_pair_is_found() -> None:
    mine = ["Ann has 7 pens and buys 12", "Otto paints 9 walls and takes 3 days for each of them"]
    theirs = ["Eve paints 4 walls and takes 2 days for each of them", "A ship sails"]
    share, place, other = nearest(mine, theirs)
    assert (place, other) == (1, 0)
    assert share == pytest.approx(8 / 10)
    assert resemblances(mine, theirs) == [0.0, share]


def test_questions_are_cut_into_quarters_by_resemblance() -> None:
    near = [0.5, 0.1, 0.4, 0.2, 0.3, 0.0, 0.7, 0.6]
    assert quarters(near) == [[5, 1], [3, 4], [2, 0], [7, 6]]
    assert sorted(place for part in quarters(near[:6]) for place in part) == list(range(6))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without word problems."""
    for name in ("schemas", "experiments"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TRACE_PIPELINE_HOME", str(tmp_path))
    return tmp_path


def test_the_command_says_that_there_is_nothing_to_check(home: Path) -> None:
    result = CliRunner().invoke(cli, ["word-problems"])
    assert result.exit_code == 1
    assert "word_problems: no collection of word problems" in result.output


def test_the_command_compares_what_can_be_read(home: Path) -> None:
    project(home / FOLDER, a="Only a question?\n")
    other = home / "other.txt"
    other.write_text(GOOD)
    result = CliRunner().invoke(cli, ["word-problems", "--against", str(other)])
    assert result.exit_code == 1
    assert result.stdout == "mine: 0 problems to train on; operations: none\n"
    assert "word_problems/mine/a.txt, line 1: expected a question" in result.stderr
    (home / FOLDER / "mine" / "a.txt").write_text(GOOD)
    result = CliRunner().invoke(cli, ["word-problems", "--against", str(other)])
    assert "other.txt: 2 share 13 words in a row with one of 2\n" in result.stdout
    assert "nearest, 100.0% of their runs of four words: mine/a.txt, line 5" in result.stdout


def test_the_command_says_where_and_fails(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="trace_pipeline.progress")
    project(home / FOLDER, a=GOOD + "\nOnly a question?\n")
    result = CliRunner().invoke(cli, ["word-problems"])
    assert result.exit_code == 1
    assert "word_problems/mine/a.txt, line 9: expected a question" in result.stderr
    assert "mine: 2 problems to train on; operations: 2 of 2" in result.stdout
    assert [m.partition(",")[0] for m in caplog.messages] == ["word problems: 2/2 converted"]
    assert CliRunner().invoke(cli, ["word-problems", "mine", "yours"]).exit_code != 0
    completed = CliRunner().invoke(cli, ["word-problems", f"{home / FOLDER / 'mine'}/"])
    assert completed.stdout == result.stdout
    twice = CliRunner().invoke(cli, ["word-problems", "mine", "mine"])
    assert "'mine' is named twice" in twice.output


@pytest.mark.parametrize("name", collections_of(ROOT / FOLDER))
def test_the_projects_own_have_nothing_to_mend(name: str) -> None:
    written = read_word_problems(ROOT / FOLDER, [name])
    checked = check_word_problems(written)
    assert not checked.findings
    assert checked.sure == len(written.problems) > 4_000


def test_the_projects_own_tell_each_story_once_and_none_that_is_built_in() -> None:
    names = collections_of(ROOT / FOLDER)
    own = [p.question for p in load_word_problems(ROOT / FOLDER, names).problems]
    assert len(own) > 40_000
    assert not list(resembling(own))
    built_in = [shot.problem.question for shot in few_shot_problems()]
    built_in += [problem.question for problem in load_problems("builtin").problems]
    assert find_overlaps(own, built_in).clean
    assert nearest(own, built_in)[0] < 0.4
