"""An evaluation on disk is the one that was written, and any Parquet tool can read it."""

from fractions import Fraction

import msgspec
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from trace_pipeline.evaluation import Prediction, read_evaluation, write_evaluation
from trace_pipeline.evaluation.sampled import Sampled
from trace_pipeline.solver import VerdictKind
from trace_pipeline.validation import InvalidInputError


def test_round_trip(tmp_path, evaluation):
    sampled = Sampled(2, (0, 1, 2, 0, 0), (False, True, True, False, False))
    noted = replace(evaluation, notes=("the first 5 of 9 problems",), sampled=sampled)
    write_evaluation(tmp_path / "predictions.parquet", noted)
    assert read_evaluation(tmp_path / "predictions.parquet") == noted


@pytest.mark.parametrize(
    "answer", [0, -3, 2**1024 - 1, Fraction(1, 3), Fraction(-5, 2), Fraction(1, 2**1000), None]
)
def test_answers_of_any_size_survive(tmp_path, evaluate, predict, answer):
    predictions = (predict(kind=VerdictKind.WRONG_ANSWER, answer=answer, completion="é\0\n|"),)
    evaluation = replace(evaluate(), predictions=predictions)
    write_evaluation(tmp_path / "one.parquet", evaluation)
    assert read_evaluation(tmp_path / "one.parquet") == evaluation


def test_diagnoses_survive(tmp_path, diagnosed):
    assert any(p.diverges_at for p in diagnosed.predictions)
    write_evaluation(tmp_path / "p.parquet", diagnosed)
    assert read_evaluation(tmp_path / "p.parquet") == diagnosed


def test_a_file_from_before_diagnoses_is_read_without_them(tmp_path, diagnosed):
    write_evaluation(tmp_path / "new.parquet", diagnosed)
    later = [f.name for f in msgspec.structs.fields(Prediction) if not f.required]
    assert "diagnosis" in later
    pq.write_table(
        pq.read_table(tmp_path / "new.parquet").drop_columns(later), tmp_path / "old.parquet"
    )
    read = read_evaluation(tmp_path / "old.parquet")
    assert [p.status for p in read.predictions] == [p.status for p in diagnosed.predictions]
    assert read.diagnoses() == {}


def test_an_empty_evaluation_survives(tmp_path, evaluate):
    write_evaluation(tmp_path / "none.parquet", evaluate())
    assert read_evaluation(tmp_path / "none.parquet") == evaluate()


def test_columns_are_what_a_person_would_filter_by(tmp_path, evaluation):
    write_evaluation(tmp_path / "p.parquet", evaluation)
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert rows[1]["status"] == "wrong_answer:20"
    assert (rows[1]["answer"], rows[1]["gold"], rows[1]["tokens"]) == ("20", "19", 40)
    assert rows[2]["reason"] == "short_circuit"


def test_writing_leaves_no_other_file(tmp_path, evaluation):
    write_evaluation(tmp_path / "p.parquet", evaluation)
    write_evaluation(tmp_path / "p.parquet", evaluation)
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def test_what_is_no_evaluation_is_refused(tmp_path):
    import pyarrow as pa

    with pytest.raises(InvalidInputError, match=r"none\.parquet: cannot be read"):
        read_evaluation(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("text", encoding="utf-8")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    for name in ("text", "other"):
        with pytest.raises(InvalidInputError, match=rf"{name}\.parquet: not an evaluation"):
            read_evaluation(tmp_path / f"{name}.parquet")
