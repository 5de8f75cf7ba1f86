"""When a completion is over although the model goes on."""

from __future__ import annotations

import pytest

from tests.modeling.tiny import make_tokenizer
from trace_pipeline.modeling.base.vocabulary import Vocabulary
from trace_pipeline.modeling.decoding.endings import EndOfTrace
from trace_pipeline.solver import Solver, VerdictKind

STEPS = (
    "{op: init, var: a, value: 2}",
    "{op: compute, compute_op: add, args: [a, a], var: r}",
    "{op: query, var: r}",
)
SINGLE = "expert: arithmetic\ntrace:\n" + "".join(f"- {step}\n" for step in STEPS)
PART = "- expert: arithmetic\n  trace:\n" + "".join(f"  - {step}\n" for step in STEPS)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (SINGLE, None),  # the end token decides
        (SINGLE + "So the answer is 4.", SINGLE),
        (SINGLE + "\nSo", SINGLE),
        (SINGLE + "- {op: init, var: b, value: 3}\n", None),  # it goes on, to no good
        (PART + PART, None),  # a list is not stopped early
        (PART + PART + "That is all", PART + PART),
        (SINGLE.replace("query, var: r", "query, var: a") + "That", None),  # no valid trace
        ("Here it is:\n" + SINGLE + "Done", "Here it is:\n" + SINGLE),
        ("Nothing of the kind\nat all\n", None),
    ],
)
def test_a_trace_is_over_where_other_text_follows(text: str, kept: str | None) -> None:
    tokenizer = make_tokenizer()
    ending = EndOfTrace(Vocabulary(tokenizer), Solver())
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    stopped = next((n for n, token in enumerate(ids) if ending.passed(token)), None)
    if kept is None:
        assert stopped is None
    else:
        assert stopped is not None
        assert tokenizer.decode(ids[: ending.kept]) == kept


@pytest.mark.parametrize(
    ("allowed", "kind"), [(False, VerdictKind.PARSE_FAIL), (True, VerdictKind.CORRECT)]
)
def test_what_a_whole_trace_is_says_the_solver_that_judges_the_text(
    allowed: bool, kind: VerdictKind
) -> None:
    tokenizer, solver = make_tokenizer(), Solver(allow_short_circuit=allowed)
    ending = EndOfTrace(Vocabulary(tokenizer), solver)
    text = 2 * SINGLE.replace("query, var: r", "query, var: a")  # again, to no good
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if any(ending.passed(token) for token in ids):
        text = tokenizer.decode(ids[: ending.kept])
    assert solver.verify(text, 2).kind is kind
