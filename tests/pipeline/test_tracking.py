"""Runs reach MLflow: nested, complete, and also when the server was down at first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest

from trace_pipeline.pipeline.journal import Event, Journal, Sent, StageLog, batches
from trace_pipeline.pipeline.tracking import EXPERIMENT, Tracking


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlruns') / 'mlflow.db'}"


def run_stage(tracking: Tracking, journal: Journal, name: str, lr: str = "1") -> None:
    tags = {"stage": name, "experiment": journal.title}
    with tracking.stage(journal, name, tags, {"sft.learning_rate": lr}) as stage:
        for step in range(3):
            stage.metrics({"loss": 3.0 - step}, step)
        stage.finals({"accuracy": 0.5})


def test_stages_nest_under_one_parent_per_dataset(uri: str, tmp_path: Path) -> None:
    tracking = Tracking(uri, tmp_path / "mlruns")
    journal = Journal(tmp_path / "tracking", "quick", "a" * 64)
    run_stage(tracking, journal, "sft")
    run_stage(tracking, Journal(tmp_path / "tracking", "quick", "a" * 64), "rl")
    run_stage(tracking, Journal(tmp_path / "tracking", "quick", "b" * 64), "sft")
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    assert len(parents) == 2
    first = next(r for r in parents if r.data.tags["dataset_hash"] == "a" * 64)
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == first.info.run_id]
    assert sorted(r.info.run_name for r in children) == ["rl", "sft"]
    assert first.data.params == {"sft.learning_rate": "1"}
    assert first.data.metrics == {"accuracy": 0.5}
    assert first.info.status == "FINISHED"
    assert journal.sent().experiment == experiment.experiment_id
    sft = next(r for r in children if r.info.run_name == "sft")
    history = client.get_metric_history(sft.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    for stage in children:
        took, share = (stage.data.metrics[f"tracking.{name}"] for name in ("seconds", "share"))
        assert took > 0
        assert 0 < share <= 1  # these stages do nothing but log


def test_the_cost_of_tracking_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of every sending and of every metric call, and their share of the whole."""
    clock = [0.0]
    stopped = SimpleNamespace(monotonic=lambda: clock[0])
    monkeypatch.setattr("trace_pipeline.pipeline.tracking.time", stopped)

    def slow(tracking: Tracking, journal: Journal) -> bool:
        clock[0] += 3.0
        return True

    monkeypatch.setattr(Tracking, "send", slow)
    tracking = Tracking("sqlite:///unused.db", tmp_path)
    journal = Journal(tmp_path / "tracking", "slow", "a" * 64)
    with tracking.stage(journal, "sft", {"stage": "sft"}, {}) as stage:
        clock[0] += 44.0
        stage.metrics({"loss": 1.0})  # due, since the last sending was over 15 s ago
    assert stage.seconds == 6.0
    told = {k: v for e, _ in journal.unsent(Sent()) for k, v in e.values.items()}
    assert told == {"loss": 1.0, "tracking.seconds": 6.0, "tracking.share": 6.0 / 50.0}


def test_a_server_that_is_down_loses_nothing(uri: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "tracking", "down", "c" * 64)
    run_stage(Tracking("http://127.0.0.1:9", tmp_path), journal, "sft")
    assert journal.sent() == Sent()
    assert len(journal.unsent(Sent())) > 5
    assert Tracking(uri, tmp_path / "mlruns").send_all(tmp_path / "tracking") == (1, 0)
    assert journal.unsent(journal.sent()) == []
    run = mlflow.MlflowClient(tracking_uri=uri).get_run(journal.sent().parent)
    assert run.info.run_name == "down"
    assert run.data.metrics == {"accuracy": 0.5}


def test_a_failed_stage_is_marked_failed(uri: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "tracking", "failing", "d" * 64)
    with (
        pytest.raises(RuntimeError),
        Tracking(uri, tmp_path).stage(journal, "sft", {"stage": "sft"}, {}),
    ):
        raise RuntimeError("out of memory")
    client = mlflow.MlflowClient(tracking_uri=uri)
    assert client.get_run(next(iter(journal.sent().runs.values()))).info.status == "FAILED"


def test_a_changed_parameter_is_said_on_the_parent(uri: str, tmp_path: Path) -> None:
    tracking = Tracking(uri, tmp_path / "mlruns")
    journal = Journal(tmp_path / "tracking", "changed", "e" * 64)
    run_stage(tracking, journal, "sft", lr="1")
    run_stage(tracking, journal, "sft", lr="2")
    parent = mlflow.MlflowClient(tracking_uri=uri).get_run(journal.sent().parent)
    assert parent.data.params["sft.learning_rate"] == "1"
    assert parent.data.tags["changed.sft.learning_rate"] == "2"


def test_neighbouring_metrics_of_one_run_are_one_request() -> None:
    def event(op: str, stage: str) -> Event:
        return Event(op=op, stage=stage, time=0, values={"x": 1.0})  # type: ignore[arg-type]

    entries = [
        (event("metrics", "a"), 10),
        (event("metrics", "a"), 20),
        (event("metrics", "b"), 30),
        (event("end", "a"), 40),
    ]
    assert [(len(group), offset) for group, offset in batches(entries)] == [
        (2, 20),
        (1, 30),
        (1, 40),
    ]
    many = [(event("metrics", "a"), number) for number in range(1500)]
    assert [(len(group), offset) for group, offset in batches(many)] == [(1000, 999), (500, 1499)]


def test_a_torn_last_line_is_left_for_later(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "torn", "f" * 64)
    journal.append(Event(op="start", stage="a", time=0, name="sft"))
    with journal.path.open("ab") as file:
        file.write(b'{"op": "met')
    assert [event.op for event, _ in journal.unsent(Sent())] == ["start"]


def test_a_journal_that_was_torn_or_has_an_infinity_goes_on(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracking, journal = Tracking(uri, tmp_path), Journal(tmp_path / "tracking", "torn", "c" * 64)
    run_stage(tracking, journal, "sft")
    with journal.path.open("ab") as file:
        file.write(
            b'{"op": "metrics", "stage": "", "time": 0, "values": {"loss": null}}\n'
            b'{"op": "tags", "stage": "", "time": 0, "texts": {"by": "Jos\xc3{"op": "end"}\n'
            b'{"op": "met'
        )
    with tracking.stage(journal, "rl", {"stage": "rl"}, {}) as stage:
        stage.metrics({"loss": float("nan"), "reward": 0.5})
    assert "step 0: not finite, so not logged: loss" in caplog.messages
    assert not journal.unsent(journal.sent())
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = [client.get_run(run) for run in journal.sent().runs.values()]
    assert [run.info.run_name for run in runs] == ["sft", "rl"]
    assert runs[1].data.metrics.keys() == {"reward", "tracking.seconds", "tracking.share"}


def test_a_stage_that_was_killed_does_not_run_for_ever(uri: str, tmp_path: Path) -> None:
    tracking, journal = Tracking(uri, tmp_path), Journal(tmp_path / "tracking", "killed", "e" * 64)
    StageLog(journal, "sft", {"stage": "sft"})  # and nothing more
    StageLog(journal, "rl", {"stage": "rl"})
    run_stage(tracking, journal, "sft")
    client = mlflow.MlflowClient(tracking_uri=uri)
    statuses: dict[str, list[str]] = {"sft": [], "rl": []}
    for run in journal.sent().runs.values():
        info = client.get_run(run).info
        statuses[info.run_name].append(info.status)
    assert statuses == {"sft": ["FAILED", "FINISHED"], "rl": ["RUNNING"]}


def test_a_server_that_does_not_answer_has_not_all_of_a_run(uri: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "tracking", "whole", "f" * 64)
    run_stage(Tracking(uri, tmp_path), journal, "sft")
    assert not journal.unsent(journal.sent())
    assert Tracking(uri, tmp_path).restore(journal)
    assert not Tracking("http://127.0.0.1:9", tmp_path).restore(journal)


def test_two_that_send_the_same_journal_make_one_run(uri: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "tracking", "shared", "9" * 64)
    StageLog(journal, "sft", {"stage": "sft"}).end()
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: Tracking(uri, tmp_path).send(journal), range(4)))
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    assert sum(run.info.run_name == "shared" for run in runs) == 1


def test_a_password_is_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracking = Tracking("http://ann:secret@127.0.0.1:9/mlflow", tmp_path)
    journal = Journal(tmp_path / "tracking", "private", "7" * 64)
    StageLog(journal, "sft", {"stage": "sft"}).end()
    assert not tracking.send(journal)
    assert tracking.missing(["run"]) is None
    assert tracking.page == "http://127.0.0.1:9/mlflow"
    assert "http://***@127.0.0.1:9/mlflow" in caplog.text
    assert "secret" not in caplog.text


def test_a_killed_stage_that_somebody_deleted_holds_nothing_up(uri: str, tmp_path: Path) -> None:
    tracking = Tracking(uri, tmp_path)
    journal = Journal(tmp_path / "tracking", "deleted", "6" * 64)
    killed = StageLog(journal, "sft", {"stage": "sft"})
    assert tracking.send(journal)
    mlflow.MlflowClient(tracking_uri=uri).delete_run(journal.sent().runs[killed.stage])
    run_stage(tracking, journal, "sft")
    assert not journal.unsent(journal.sent())
