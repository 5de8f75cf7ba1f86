"""Problems come from the first source that is there, and every bad line is accounted for."""

import json

import pytest

from trace_pipeline.gsm8k import HubUnavailableError, load_problems
from trace_pipeline.gsm8k.loading import FOLDER_VARIABLE
from trace_pipeline.validation import InvalidInputError


def record(number: int) -> dict[str, str]:
    return {
        "question": f"What is {number} + 1?",
        "answer": f"<<{number}+1={number + 1}>>\n#### {number + 1}",
    }


def no_hub(split: str) -> list[object]:
    raise HubUnavailableError("the hub sleeps")


@pytest.fixture(autouse=True)
def no_folder_variable(monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)


@pytest.fixture
def folder(tmp_path):
    lines = [json.dumps(record(n)) for n in range(5)]
    (tmp_path / "test.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_a_folder_is_read_in_order(folder):
    problems = load_problems("folder", folder=folder)
    assert [p.gold for p in problems.problems] == [1, 2, 3, 4, 5]
    assert [p.index for p in problems.problems] == [0, 1, 2, 3, 4]
    assert problems.is_gsm8k
    assert problems.name == "GSM-8K test"
    assert str(folder / "test.jsonl") in problems.source


def test_a_byte_order_mark_is_no_part_of_the_first_problem(folder):
    path = folder / "test.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_problems("folder", folder=folder).rejected == ()


def test_another_size_than_the_published_one_is_noted(folder):
    assert any("1,319" in note for note in load_problems("folder", folder=folder).notes)


def test_the_environment_names_the_folder(folder, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    assert load_problems("folder").available == 5
    assert load_problems("auto", fetch=no_hub).source.startswith("folder")


def test_a_limit_keeps_the_first_and_says_so(folder):
    problems = load_problems("folder", folder=folder, limit=2)
    assert [p.gold for p in problems.problems] == [1, 2]
    assert problems.available == 5
    assert "the first 2 of 5 problems" in problems.notes


def test_a_limit_beyond_the_end_changes_nothing(folder):
    everything = load_problems("folder", folder=folder)
    assert load_problems("folder", folder=folder, limit=99) == everything


def test_bad_lines_are_rejected_by_number_and_the_rest_goes_on(tmp_path):
    lines = [
        json.dumps(record(1)),
        "{broken",
        json.dumps({"question": "Why?"}),
        "",
        json.dumps({"question": "How many?", "answer": "some"}),
        json.dumps({"question": "How many?", "answer": "#### a few"}),
        json.dumps({"question": "How many?", "answer": "<<1+=2>> #### 2"}),
        json.dumps(record(1) | {"question": "What  is 1 + 1?"}),
        json.dumps(record(2)),
    ]
    (tmp_path / "test.jsonl").write_bytes(
        "\r\n".join(lines).encode() + b'\n{"question": "\xff"}\n' + b"[" * 10**5
    )
    problems = load_problems("folder", folder=tmp_path)
    assert [(p.index, p.gold) for p in problems.problems] == [(0, 2), (8, 3)]
    rejected = {r.line: r.reason for r in problems.rejected}
    assert sorted(rejected) == [2, 3, 5, 6, 7, 8, 10, 11]
    assert "not JSON" in rejected[2]
    assert "'answer' is missing" in rejected[3]
    assert "####" in rejected[5]
    assert "no number" in rejected[6]
    assert "broken annotation" in rejected[7]
    assert rejected[8] == "the question of line 1 again"
    assert "not JSON" in rejected[10]
    assert "not JSON" in rejected[11]
    assert any("8 lines were rejected" in note for note in problems.notes)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read"),
        ("", "empty"),
        ("  \n\n", "empty"),
        ('{"question": "Why?"}\n', "not one usable problem (line 1: the field 'answer'"),
    ],
)
@pytest.mark.parametrize("source", ["folder", "auto"])
def test_an_unusable_file_names_itself_and_the_setting(
    tmp_path, monkeypatch, source, content, complaint
):
    path = tmp_path / "test.jsonl"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(InvalidInputError) as caught:
        load_problems(source, fetch=no_hub)
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)
    assert FOLDER_VARIABLE in str(caught.value)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "test.jsonl").mkdir()
    with pytest.raises(InvalidInputError, match="cannot be read"):
        load_problems("folder", folder=tmp_path)


def test_auto_prefers_the_hub_to_the_sample():
    problems = load_problems("auto", fetch=lambda split: [record(1), record(2), {}])
    assert problems.is_gsm8k
    assert problems.source.startswith("hub")
    assert [r.line for r in problems.rejected] == [3]
    assert any(FOLDER_VARIABLE in note for note in problems.notes)


def test_auto_falls_back_to_the_sample_and_says_what_it_tried():
    problems = load_problems("auto", fetch=no_hub)
    assert not problems.is_gsm8k
    assert problems.name == "built-in sample"
    assert any(FOLDER_VARIABLE in note for note in problems.notes)
    assert any("the hub sleeps" in note for note in problems.notes)


def test_the_sample_never_calls_itself_gsm8k():
    problems = load_problems("builtin")
    assert "GSM" not in f"{problems.name} {problems.source} {problems.notes}"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"source": "web"}, "unknown source of problems 'web'"),
        ({"split": "dev"}, "unknown split 'dev'"),
        ({"limit": 0}, "limit: expected 1 or more"),
        ({"source": "folder"}, f"{FOLDER_VARIABLE} is not set"),
        ({"source": "hub", "fetch": no_hub}, "the hub sleeps"),
        ({"source": "hub", "fetch": lambda split: []}, "no usable problem"),
        ({"source": "builtin", "split": "train"}, "only a test split"),
        ({"source": "auto", "split": "train", "fetch": no_hub}, "the hub sleeps"),
    ],
)
def test_what_cannot_be_loaded_is_refused(arguments, complaint):
    with pytest.raises(InvalidInputError) as caught:
        load_problems(**arguments)
    assert complaint in str(caught.value)
