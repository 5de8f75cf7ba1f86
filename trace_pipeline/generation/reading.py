"""Examples as a page to be read by eye: question, how the trace solves it, answer."""

from __future__ import annotations

from collections.abc import Iterable

from trace_pipeline.generation.generator import Example
from trace_pipeline.solver import Solver, explain
from trace_pipeline.traces import Init, Query, Trace, format_number


def reading_page(examples: Iterable[Example], solver: Solver | None = None) -> str:
    """Markdown with a heading for each expert and a numbered entry for each example.

    Args:
        examples: Any dataset; examples of one expert stand together.
        solver: Executes the traces.
    """
    solver = solver or Solver()
    by_expert: dict[str, list[Example]] = {}
    for example in examples:
        by_expert.setdefault(example.expert, []).append(example)
    parts = []
    for expert, found in by_expert.items():
        entries = [
            f"{number}. {example.question} **{format_number(example.answer)}**\n"
            f"   <br>`{example.schema}`: {_working(example.trace, solver)}"
            for number, example in enumerate(found, 1)
        ]
        parts.append(f"## {expert}\n\n" + "\n".join(entries) + "\n")
    return "\n".join(parts)


def _working(trace: Trace, solver: Solver) -> str:
    """The computing steps in one line, such as ``step1 = eggs - eaten = 16 - 3 = 13; ...``."""
    steps = [step for subtrace in trace.subtraces for step in subtrace.steps]
    lines = [line for line in explain(trace, solver.execute(trace)) if not _is_heading(line)]
    shown = zip(steps, lines, strict=True)
    return "; ".join(line.strip() for step, line in shown if not isinstance(step, Init | Query))


def _is_heading(line: str) -> bool:
    return line.endswith("):") and line.startswith("sub")
