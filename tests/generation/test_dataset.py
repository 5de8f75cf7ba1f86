from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from msgspec.structs import replace

from trace_pipeline.generation import (
    Catalog,
    Example,
    Generator,
    dataset_hash,
    example_to_record,
    read_examples,
    record_to_example,
    write_examples,
)
from trace_pipeline.validation import InvalidInputError


@pytest.fixture(scope="module")
def examples(catalog: Catalog) -> list[Example]:
    return list(Generator(catalog).sample(80))


def test_a_record_has_the_contracts_fields(examples: list[Example]) -> None:
    record = example_to_record(examples[0])
    assert list(record) == ["question", "trace", "answer", "expert", "schema", "index", "split"]
    assert isinstance(record["answer"], int | float)
    assert "op: query" in record["trace"]


def test_records_give_the_examples_back(examples: list[Example]) -> None:
    for example in examples:
        record = json.loads(json.dumps(example_to_record(example)))
        assert record_to_example(record) == example


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_files_give_the_examples_back(examples: list[Example], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"data{suffix}"
    assert write_examples(path, iter(examples)) == len(examples)
    assert read_examples(path) == examples
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    assert write_examples(path, []) == 0
    assert read_examples(path) == []


@pytest.mark.parametrize("answer", [Fraction(1, 3), 2**53 + 1])
def test_parquet_refuses_what_it_would_round(
    examples: list[Example], tmp_path: Path, answer: int | Fraction
) -> None:
    exact = [replace(examples[0], answer=answer)]
    with pytest.raises(InvalidInputError, match=r"cannot hold .* exactly; write \.jsonl"):
        write_examples(tmp_path / "data.parquet", exact)
    assert not list(tmp_path.iterdir())
    write_examples(tmp_path / "data.jsonl", exact)
    assert read_examples(tmp_path / "data.jsonl") == exact


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_an_interrupted_write_leaves_what_was_there(
    examples: list[Example], tmp_path: Path, suffix: str
) -> None:
    def interrupted() -> Iterator[Example]:
        yield from examples[:10]
        raise KeyboardInterrupt

    path = tmp_path / f"data{suffix}"
    write_examples(path, examples[:3])
    with pytest.raises(KeyboardInterrupt):
        write_examples(path, interrupted())
    assert read_examples(path) == examples[:3]
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_the_hash_is_of_the_content_alone(examples: list[Example], tmp_path: Path) -> None:
    expected = dataset_hash(examples)
    assert dataset_hash(reversed(examples)) == expected
    assert dataset_hash(examples[1:]) != expected
    assert dataset_hash([*examples, examples[0]]) != expected
    for name in ("x.jsonl", "x.parquet"):
        write_examples(tmp_path / name, examples)
        assert dataset_hash(read_examples(tmp_path / name)) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", r"data.jsonl:1: not JSON"),
        pytest.param("[" * 10**5, r"data.jsonl:1: not JSON: maximum recursion", id="deep"),
        ("[]", r"data.jsonl:1: \$: expected"),
        ('{"question": "x"}', r"data.jsonl:1: .*'trace' is missing"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "data.jsonl").write_text(line + "\n")
    with pytest.raises(InvalidInputError, match=reason):
        read_examples(tmp_path / "data.jsonl")


def test_a_line_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(b'{"question": "\xe9"}\n')
    with pytest.raises(InvalidInputError, match=r"data\.jsonl:1: not JSON: 'utf-8'"):
        read_examples(tmp_path / "data.jsonl")


def test_a_bad_field_is_named(examples: list[Example], tmp_path: Path) -> None:
    good = example_to_record(examples[0])
    for change, reason in (
        ({"trace": "expert: nobody"}, r"\$\.trace: "),
        ({"answer": float("nan")}, r"\$\.answer: expected a finite number, found nan"),
        ({"answer": "12"}, r"\$\.answer: expected"),
        ({"answer": "1/0"}, r"\$\.answer: .* divides by zero"),
        ({"answer": None}, r"\$\.answer: expected"),
        ({"extra": 1}, "unknown field 'extra'"),
    ):
        with pytest.raises(InvalidInputError, match=reason):
            record_to_example(good | change)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name in ("x.csv", "x"):
        with pytest.raises(InvalidInputError, match=r"\.jsonl or \.parquet"):
            write_examples(tmp_path / name, [])
        with pytest.raises(InvalidInputError, match=r"\.jsonl or \.parquet"):
            read_examples(tmp_path / name)
    with pytest.raises(InvalidInputError, match="no such file"):
        read_examples(tmp_path / "x.jsonl")
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(InvalidInputError, match="not Parquet"):
        read_examples(tmp_path / "x.parquet")


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_an_explanation_is_kept_and_its_lack_changes_no_record(
    examples: list[Example], tmp_path: Path, suffix: str
) -> None:
    explained = [replace(examples[0], explanation="It is 3 + 4."), *examples[1:]]
    path = tmp_path / f"data{suffix}"
    write_examples(path, explained)
    assert read_examples(path) == explained
    assert "explanation" not in example_to_record(examples[0])
    assert dataset_hash(explained) != dataset_hash(examples)
