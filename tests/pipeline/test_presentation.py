"""What a person finds in the Dagster UI: owners, columns, forms, schedules, what is stale."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.definitions import defs
from trace_pipeline.experiment import EXPERTS
from trace_pipeline.generation import read_examples
from trace_pipeline.generation.dataset import example_to_record
from trace_pipeline.pipeline import metadata
from trace_pipeline.pipeline.automation import SCHEMA_FILES, files_seen, watch_schemas
from trace_pipeline.pipeline.dataset_tables import statistics_metadata
from trace_pipeline.pipeline.judging import PREDICTIONS
from trace_pipeline.pipeline.presentation import (
    EXAMPLE_COLUMNS,
    OWNERS,
    PREDICTION_MEANINGS,
    parquet_columns,
)
from trace_pipeline.pipeline.resources import ExperimentResource, bench_of, default_resources

SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_asset_says_what_it_is_and_whose(name: str) -> None:
    spec = SPECS[name]
    assert spec.description
    assert spec.owners == [OWNERS[spec.group_name or ""]]
    assert spec.tags["area"] == spec.group_name
    assert spec.kinds


@pytest.mark.parametrize("name", ["full_pipeline", "data_only", "evaluate"])
def test_the_launchpad_opens_with_the_experiment_filled_in(name: str) -> None:
    job = defs.resolve_job_def(name)
    filled = job.run_config or job.get_run_config_for_partition_key(EXPERTS[0])
    assert filled == {"resources": {"experiment": {"config": {"name": "quickstart"}}}}
    assert job.description


def test_any_partition_in_the_launchpad_stands_for_all(project: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        done = defs.resolve_job_def("data_only").execute_in_process(
            instance=instance,
            partition_key="comparison",
            run_config={
                "ops": {"schema_validation": {"config": {"samples": 1}}},
                "resources": {"experiment": {"config": {"name": "tiny"}}},
            },
        )
        assert done.success
        made = instance.get_materialized_partitions(dg.AssetKey("synthetic_dataset"))
    assert made == set(EXPERTS)
    assert len(bench_of("tiny").partitions()) == len(EXPERTS)


def test_the_nightly_evaluation_is_off_until_somebody_wants_it() -> None:
    schedule = defs.resolve_schedule_def("nightly_evaluation")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == "evaluate"


def test_a_table_without_rows_says_so() -> None:
    assert metadata.table(["line", "reason"], []) == dg.MetadataValue.md(metadata.NOTHING)
    assert metadata.table(["line"], [[3]]) == dg.MetadataValue.md("| line |\n| --- |\n| 3 |")


def test_a_check_quotes_the_first_of_what_it_found_and_nothing_else() -> None:
    assert metadata.counted("shared", []) == {"shared": dg.MetadataValue.int(0)}
    found = metadata.counted("shared", [f"question {number}" for number in range(9)])
    assert found["shared"] == dg.MetadataValue.int(9)
    assert str(found["first_shared"].value).splitlines()[-1] == "question 4"


def test_columns_are_described(finished: FinishedRun) -> None:
    bench = finished.bench()
    written = bench.require("gsm8k_eval").path / PREDICTIONS
    shown = parquet_columns(written, PREDICTION_MEANINGS).schema.columns
    assert [column.name for column in shown] == pq.read_schema(written).names
    assert all(column.description for column in shown)
    example = read_examples(bench.require("synthetic_dataset", "percentage").path / "train.jsonl")
    assert set(example_to_record(example[0])) == set(EXAMPLE_COLUMNS)


def stale(instance: dg.DagsterInstance, *names: str) -> dict[str, StaleStatus]:
    resolver = CachingStaleStatusResolver(
        instance, defs.resolve_asset_graph(), LoadingContextForTest(instance)
    )
    return {name: resolver.get_status(dg.AssetKey(name)) for name in names}


def test_a_changed_schema_marks_what_was_made_from_it(project: Path) -> None:
    schemas = project / "schemas"
    target = schemas.resolve()
    schemas.unlink()
    (schemas / "percentage").mkdir(parents=True)
    (schemas / "percentage" / "percent_tip.json").write_bytes(
        (target / "percentage" / "percent_tip.json").read_bytes()
    )
    assets = [a for a in defs.assets or [] if isinstance(a, dg.AssetsDefinition)]
    validation = [a for a in assets if a.key == dg.AssetKey("schema_validation")]
    with dg.DagsterInstance.ephemeral() as instance:
        made = dg.materialize(
            validation,
            instance=instance,
            resources=default_resources() | {"experiment": ExperimentResource(name="tiny")},
            raise_on_error=False,  # the audit finds vocabulary that one schema does not read
        )
        assert made.asset_materializations_for_node("schema_validation")
        assert stale(instance, "schema_validation") == {"schema_validation": StaleStatus.FRESH}
        with dg.build_sensor_context(instance=instance) as context:
            assert isinstance(watch_schemas(context), dg.SkipReason)
            (schemas / "percentage" / "another.json").write_text("{}")
            result = watch_schemas(context)
        assert isinstance(result, dg.SensorResult)
        (event,) = result.asset_events
        assert isinstance(event, dg.AssetMaterialization)
        assert event.asset_key == SCHEMA_FILES
        instance.report_runless_asset_event(event)
        assert stale(instance, "schema_validation") == {"schema_validation": StaleStatus.STALE}


def test_the_first_look_is_reported(project: Path) -> None:
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance) as context,
    ):
        result = watch_schemas(context)
    assert isinstance(result, dg.SensorResult)
    (event,) = result.asset_events
    assert isinstance(event, dg.AssetMaterialization)
    assert event.tags == files_seen(event.tags["dagster/data_version"]).tags


def test_after_a_run_nothing_is_stale(finished: FinishedRun) -> None:
    # The comparison reads evaluations, and another test may have evaluated again since the run.
    apart = ("synthetic_dataset", "schema_files", "run_comparison")
    unpartitioned = [name for name in SPECS if name not in apart]
    with dg.DagsterInstance.get() as instance:
        found = stale(instance, *unpartitioned)
    assert found == dict.fromkeys(unpartitioned, StaleStatus.FRESH)


def test_the_statistics_of_a_dataset_are_tables(project: Path) -> None:
    bench = bench_of("tiny")
    shown = statistics_metadata(bench, list(bench.generator.sample(30, None, "train")))
    heads = {
        name: str(value.value).splitlines()[0].strip("| ").split(" | ")
        for name, value in shown.items()
    }
    assert heads["question_forms"][-1] == "examples per form"
    assert heads["query_targets"] == ["target", "training examples"]
    assert heads["chain_lengths"] == ["steps in the trace", "training examples"]
    assert heads["composition_classes"][-2:] == ["median tokens", "most tokens"]
    rows = [line.split(" | ") for line in str(shown["chain_lengths"].value).splitlines()[2:]]
    assert sum(int(row[1].strip(" |")) for row in rows) == 30
    classes = str(shown["composition_classes"].value).splitlines()[2:]
    assert all("| - |" not in line for line in classes)  # the tokens were counted


def test_without_training_examples_there_is_a_sentence_for_tables(project: Path) -> None:
    (name,) = statistics_metadata(bench_of("tiny"), [])
    assert name == "statistics"
