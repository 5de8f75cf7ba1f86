"""Real and synthetic problems take one form."""

from trace_pipeline.evaluation import (
    BenchmarkKind,
    real_benchmark,
    synthetic_benchmark,
    with_reference_traces,
)
from trace_pipeline.evaluation.benchmark import computing_steps
from trace_pipeline.generation import Catalog, Generator
from trace_pipeline.gsm8k import few_shot_problems, load_problems
from trace_pipeline.gsm8k.coverage import ShapeCatalogue
from trace_pipeline.paths import project_root
from trace_pipeline.solver import Solver
from trace_pipeline.traces import parse_trace


def test_real_problems_keep_their_index_and_demand_no_expert():
    problems = load_problems("builtin", limit=3)
    benchmark = real_benchmark(problems)
    assert benchmark.kind is BenchmarkKind.BUILTIN
    assert (benchmark.name, benchmark.source) == (problems.name, problems.source)
    assert benchmark.notes == problems.notes
    for item, problem in zip(benchmark.items, problems.problems, strict=True):
        assert (item.index, item.question, item.gold) == (
            problem.index,
            problem.question,
            problem.gold,
        )
        assert (item.expert, item.steps, item.reference) == (None, problem.steps, problem.solution)
    assert benchmark.questions == [problem.question for problem in problems.problems]


def test_problems_from_elsewhere_are_gsm8k():
    records = [{"question": "What is 1 + 1?", "answer": "#### 2"}]
    problems = load_problems("hub", fetch=lambda split: records)
    assert real_benchmark(problems).kind is BenchmarkKind.GSM8K


def test_synthetic_problems_demand_their_expert():
    root = project_root()
    generator = Generator(Catalog.load(root / "schemas", root / "vocab"), seed=0)
    examples = list(generator.sample(6))
    benchmark = synthetic_benchmark(examples)
    assert benchmark.kind is BenchmarkKind.SYNTHETIC
    assert [item.index for item in benchmark.items] == list(range(6))
    for item, example in zip(benchmark.items, examples, strict=True):
        assert (item.question, item.gold, item.expert) == (
            example.question,
            example.answer,
            example.expert,
        )
        assert parse_trace(item.reference) == example.trace
        assert item.traces == (example.trace,)
        assert item.steps == computing_steps(example.trace) >= 1


def test_computing_steps_leave_out_init_and_query():
    steps = [computing_steps(parse_trace(example.trace)) for example in few_shot_problems()]
    assert steps == [2, 1, 1, 2, 2, 2, 1, 2]


def test_the_first_problems_are_a_benchmark_that_says_so():
    benchmark = real_benchmark(load_problems("builtin"))
    first = benchmark.first(2)
    assert (first.items, first.name) == (benchmark.items[:2], benchmark.name)
    assert first.notes == ("only the first 2 of 60 problems were answered",)
    assert benchmark.first(60) == benchmark.first(99) == benchmark


def test_real_problems_get_the_traces_that_their_solutions_convert_to():
    problems = load_problems("builtin")
    plain = real_benchmark(problems)
    catalogue = ShapeCatalogue([])
    known = with_reference_traces(plain, problems.problems, catalogue)
    assert [item.question for item in known.items] == plain.questions
    converted = [item for item in known.items if item.traces]
    assert len(converted) >= 0.9 * len(known.items)
    for item in converted:
        assert {Solver().execute(trace).answer for trace in item.traces} == {item.gold}
    assert {item.coverage for item in converted} == {"none"}
    assert {item.coverage for item in known.items if not item.traces} <= {None}
    assert {i.coverage for i in with_reference_traces(plain, problems.problems).items} == {None}
