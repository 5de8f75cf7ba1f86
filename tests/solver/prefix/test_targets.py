"""What may be queried: judged from step to step as the solver judges the whole trace."""

from __future__ import annotations

import random

from tests.solver.prefix.test_trace_prefix import choose
from trace_pipeline.solver.execution import run
from trace_pipeline.solver.prefix import TracePrefix
from trace_pipeline.solver.prefix.program import Program
from trace_pipeline.solver.shortcut import check_short_circuit
from trace_pipeline.traces.errors import TraceError
from trace_pipeline.traces.steps import Query, SubTrace, Trace


def is_valid(program: Program, name: str) -> bool:
    """Whether the solver takes the trace in which the sub-trace at hand queries ``name``."""
    ended = SubTrace(program.expert, (*program.steps, Query(name)))
    trace = Trace((*program.done, ended))
    try:
        check_short_circuit(trace, run(trace), proven=program.composed)
    except TraceError:
        return False
    return True


def test_what_may_be_queried_is_what_the_solver_takes() -> None:
    found = {True: 0, False: 0}
    for seed in range(150):
        rng, prefix = random.Random(seed), TracePrefix()
        for _ in range(rng.randrange(10, 120)):
            slot, program = prefix.slot(), prefix._program
            if not slot.texts and slot.free is None:
                break
            if program is not None and program.steps and prefix._open is None:
                offered = set(program.targets())
                for name in set(program._made):
                    assert (name in offered) == is_valid(program, name), (seed, name)
                    found[name in offered] += 1
            prefix.take(choose(rng, slot))
    assert min(found.values()) > 50, found
