"""Small benchmarks and evaluations that the tests of this folder share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from trace_pipeline.evaluation import (
    Benchmark,
    BenchmarkKind,
    Evaluation,
    Item,
    Prediction,
    score,
)
from trace_pipeline.evaluation.runs import Run
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.traces import parse_trace

ANSWERING_19 = """expert: arithmetic
trace:
- {op: init, var: bowls, value: 8}
- {op: init, var: days, value: 3}
- {op: compute, compute_op: mul, args: [bowls, days], var: step1}
- {op: init, var: cracked, value: 5}
- {op: compute, compute_op: sub, args: [step1, cracked], var: result}
- {op: query, var: result}
"""

QUERYING_AN_INIT = """expert: arithmetic
trace:
- {op: init, var: bowls, value: 19}
- {op: query, var: bowls}
"""


@dataclass(frozen=True)
class Text:
    """A completion as a decoder returns it."""

    text: str
    tokens: int = 40
    clipped: bool = False
    seconds: float = 0.5


@pytest.fixture
def benchmark() -> Benchmark:
    """Five real problems whose gold is 19, of two lengths."""
    return Benchmark(
        name="GSM-8K test",
        kind=BenchmarkKind.GSM8K,
        source="folder, test.jsonl",
        items=tuple(
            Item(i, f"Question {i}: how many bowls?", 19, None, 1 + i % 2, f"so <<19>> {i}")
            for i in range(5)
        ),
    )


@pytest.fixture
def referenced(benchmark: Benchmark) -> Benchmark:
    """The same problems, three of them with a reference trace and what the schemas cover of it."""
    trace = parse_trace(ANSWERING_19)
    known = [
        replace(item, traces=(trace,), coverage="full" if item.index else "partial")
        for item in benchmark.items[:3]
    ]
    return replace(benchmark, items=(*known, *benchmark.items[3:]))


@pytest.fixture
def diagnosed(referenced: Benchmark) -> Evaluation:
    """Right; a misread number; a name that is not there; no trace; wrong without a reference."""
    completions = [
        Text(ANSWERING_19),
        Text(ANSWERING_19.replace("value: 5", "value: 50")),
        Text(ANSWERING_19.replace("var: result}\n- {op: query", "var: other}\n- {op: query", 1)),
        Text("I believe it is 19."),
        Text(ANSWERING_19.replace("value: 5", "value: 4")),
    ]
    return score(referenced, completions, Solver(), "rl")


@pytest.fixture
def evaluation(benchmark: Benchmark) -> Evaluation:
    """One prediction of each outcome that a real problem can have, and a clipped one."""
    completions = [
        Text(ANSWERING_19),
        Text(ANSWERING_19.replace("value: 5", "value: 4")),
        Text(QUERYING_AN_INIT),
        Text("I believe it is 19.", tokens=9),
        Text(ANSWERING_19[:50], clipped=True),
    ]
    return score(benchmark, completions, Solver(), "rl")


@pytest.fixture
def right_completion() -> Text:
    """An arithmetic trace that computes 19."""
    return Text(ANSWERING_19)


@pytest.fixture
def predict() -> Callable[..., Prediction]:
    """Make a prediction; what is not given is that of a correct one."""

    def build(**fields: Any) -> Prediction:
        default = {
            "index": 0,
            "question": "How many?",
            "completion": "text",
            "kind": VerdictKind.CORRECT,
            "reason": None,
            "message": "",
            "answer": 3,
            "gold": 3,
            "expert": None,
            "predicted_expert": "arithmetic",
            "steps": 1,
            "tokens": 10,
            "clipped": False,
            "seconds": 0.1,
            "reference": "so 3",
        }
        return Prediction(**default | fields)

    return build


@pytest.fixture
def evaluate(predict: Callable[..., Prediction]) -> Callable[..., Evaluation]:
    """Make an evaluation with so many correct, wrong and unparsed predictions."""

    def build(
        correct: int = 0,
        wrong: int = 0,
        unparsed: int = 0,
        clipped: int = 0,
        kind: BenchmarkKind = BenchmarkKind.GSM8K,
        model: str = "rl",
    ) -> Evaluation:
        kinds = (
            [VerdictKind.CORRECT] * correct
            + [VerdictKind.WRONG_ANSWER] * wrong
            + [VerdictKind.PARSE_FAIL] * unparsed
        )
        return Evaluation(
            model=model,
            benchmark="GSM-8K test" if kind is BenchmarkKind.GSM8K else str(kind),
            kind=kind,
            source="somewhere",
            predictions=tuple(
                predict(
                    index=i,
                    question=f"Question {i}?",
                    kind=verdict,
                    answer=None if verdict is VerdictKind.PARSE_FAIL else 3,
                    clipped=i < clipped,
                )
                for i, verdict in enumerate(kinds)
            ),
        )

    return build


@pytest.fixture
def run(evaluate: Callable[..., Evaluation]) -> Callable[..., Run]:
    """Make a run; what is not given is that of one on the embedded model."""

    def build(name: str, correct: int = 4, wrong: int = 6, **fields: Any) -> Run:
        default = {
            "base_model": "embedded",
            "base_sha256": "ab" * 32,
            "settings": {"name": name, "sft.layers": "6"},
            "real": evaluate(correct=correct, wrong=wrong),
        }
        return Run(name=name, **default | fields)

    return build
