"""A converted problem in other words, or with another question: its trace written anew."""

from __future__ import annotations

from msgspec.structs import replace

from trace_pipeline.gsm8k.conversion.conversion import Conversion
from trace_pipeline.gsm8k.conversion.experts import Policy, write_trace
from trace_pipeline.gsm8k.conversion.reading import Reading
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.solver import Solver
from trace_pipeline.traces import TraceError

_SOLVER = Solver()


def reworded(
    conversion: Conversion, text: Text, reading: Reading, policy: Policy
) -> Conversion | None:
    """``conversion`` with another question and what computes its answer; None if nothing may.

    Args:
        conversion: The problem as it was.
        text: The new question.
        reading: What of it is computed.
        policy: To which experts the trace may be given.
    """
    trace, origins = write_trace(reading, text, policy)
    try:
        answer = _SOLVER.execute(trace).answer
    except TraceError:
        return None
    return replace(
        conversion,
        question=text.question,
        trace=trace,
        answer=answer,
        origins=origins,
        reading=reading,
        text=text,
        alternatives=(),
    )
