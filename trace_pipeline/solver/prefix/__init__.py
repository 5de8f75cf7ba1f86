"""Canonical traces from left to right: what may follow a text so that it ends as a valid trace."""

from trace_pipeline.solver.prefix.slots import Free, Slot, number, variable
from trace_pipeline.solver.prefix.trace_prefix import TracePrefix

__all__ = ["Free", "Slot", "TracePrefix", "number", "variable"]
