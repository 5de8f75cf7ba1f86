"""A stored problem set is the one that was loaded."""

import pytest

from trace_pipeline.gsm8k import load_problems, read_problem_set, write_problem_set
from trace_pipeline.validation import InvalidInputError


def test_round_trip(tmp_path):
    problems = load_problems(
        "auto",
        limit=10,
        fetch=lambda split: [
            {"question": "What is 1/2 of 5?", "answer": "<<5/2=2.5>>2.5\n#### 2.5"},
            {"question": "Why?"},
        ],
    )
    write_problem_set(tmp_path / "problems.json", problems)
    assert read_problem_set(tmp_path / "problems.json") == problems


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"name": 3}', b'{"name": "\xff"}'])
def test_anything_else_is_refused(tmp_path, content):
    path = tmp_path / "problems.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"problems\.json: not a stored problem set"):
        read_problem_set(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_problem_set(tmp_path / "none.json")
