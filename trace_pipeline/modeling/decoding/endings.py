"""Where a completion is a whole valid trace and the model goes on all the same."""

from __future__ import annotations

from trace_pipeline.modeling.base.vocabulary import Vocabulary
from trace_pipeline.solver import Solver
from trace_pipeline.traces import TraceError, parse_trace

_QUERY = "- {op: query, var: "


class EndOfTrace:
    """Watches a sequence for text behind a whole valid trace.

    The text ends where a line with a query is followed by something that does not go on with the
    trace: a list goes on with ``- expert``, everything goes on with a line that is indented or a
    step. What precedes must be a trace that ``solver`` executes: the one that will judge the text.
    """

    def __init__(self, vocabulary: Vocabulary, solver: Solver) -> None:
        self._vocabulary = vocabulary
        self._solver = solver
        self._tokens = 0
        self._text = ""
        self.kept = 0
        """Tokens up to the end of the trace."""

    def passed(self, token: int) -> bool:
        """Whether ``token`` follows a whole valid trace without going on with it."""
        behind = self._text.endswith("\n")
        text = self._vocabulary.text(token)
        trace, self.kept = self._text, self._tokens
        self._text += text
        self._tokens += 1
        if not behind or not text or text[0] in "- ":
            return False
        last_line = trace.rstrip("\n").rpartition("\n")[2]
        if not last_line.lstrip(" ").startswith(_QUERY):
            return False
        try:
            self._solver.execute(parse_trace(trace))
        except TraceError:
            return False
        return True
