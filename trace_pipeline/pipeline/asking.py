"""One problem of a person's own: the model writes the trace, the solver answers."""

from __future__ import annotations

from msgspec import Struct

from trace_pipeline.pipeline.policies import open_policy
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.solver import explain
from trace_pipeline.traces import TraceError, format_number, parse_trace
from trace_pipeline.validation import InvalidInputError


class Answer(Struct, frozen=True):
    """What a person is shown."""

    completion: str
    """The model's text as it came."""
    steps: tuple[str, ...]
    """Each step of the execution, with its numbers."""
    conclusion: str
    """The answer, or why there is none."""
    solved: bool
    """Whether the trace could be executed; whether the answer is right nobody has checked."""


def answer(bench: Workbench, problem: str) -> Answer:
    """Decode a trace for ``problem`` with the experiment's trained model and execute it.

    Raises:
        InvalidInputError: an empty problem.
        MissingUpstreamError: the experiment has no trained model yet.
    """
    if not problem.strip():
        raise InvalidInputError("the problem is empty; give a word problem in quotes")
    checkpoint = bench.require("rl_checkpoint")
    from trace_pipeline.modeling.engines import open_engine

    decoder = open_engine(open_policy(bench, checkpoint), bench.experiment.decoding)
    text = decoder.decode([problem])[0].text
    try:
        trace = parse_trace(text)
        execution = bench.solver.execute(trace)
    except TraceError as error:
        return Answer(text, (), f"no answer: {error}", False)
    steps = tuple(explain(trace, execution))
    return Answer(text, steps, f"answer: {format_number(execution.answer)}", True)
