"""Where a prediction and the reference part, and what the solver computed until then."""

import pytest

from trace_pipeline.evaluation import Benchmark, BenchmarkKind, Item, score
from trace_pipeline.evaluation.marking import Mark, mark
from trace_pipeline.solver import Solver
from trace_pipeline.traces import parse_trace

REFERENCE = """\
expert: arithmetic
trace:
- {op: init, var: boxes, value: 8}
- {op: init, var: pens, value: 3}
- {op: compute, compute_op: mul, args: [boxes, pens], var: step1}
- {op: init, var: lost, value: 5}
- {op: compute, compute_op: sub, args: [step1, lost], var: result}
- {op: query, var: result}
"""
COMPOSED = """\
- expert: arithmetic
  trace:
  - {op: init, var: a, value: 8}
  - {op: init, var: b, value: 3}
  - {op: compute, compute_op: mul, args: [a, b], var: result}
  - {op: query, var: result}
- expert: arithmetic
  trace:
  - {op: init, var: made, source: prev.result}
  - {op: init, var: lost, value: 4}
  - {op: compute, compute_op: sub, args: [made, lost], var: result}
  - {op: query, var: result}
"""
QUESTION = "Pens come in 8 boxes of 3, for 1,200 pupils. 5 are lost. How many are left?"


@pytest.fixture
def marked(right_completion):
    def judge(text: str, reference: str = REFERENCE):
        traces = (parse_trace(reference),) if reference else ()
        item = Item(0, QUESTION, 19, None, 2, reference, traces)
        benchmark = Benchmark(name="test", kind=BenchmarkKind.SYNTHETIC, source="", items=(item,))
        completion = replace_text(right_completion, text)
        return mark(score(benchmark, [completion], Solver(), "rl").predictions[0])

    return judge


def replace_text(completion, text):
    from dataclasses import replace as change

    return change(completion, text=text)


def test_a_correct_trace_has_its_steps_and_no_mark(marked):
    found = marked(REFERENCE)
    assert found.steps[-1] == "query result = 19"
    assert (found.predicted, found.reference) == (None, None)


@pytest.mark.parametrize(
    ("old", "new", "predicted", "missing"),
    [
        pytest.param(
            "compute_op: mul", "compute_op: add",
            (4, "gives 11"),
            (4, "gives 24, which the prediction never has"),
            id="wrong operation",
        ),
        pytest.param(
            "value: 5", "value: 7",
            (5, "takes 7"),
            (6, "gives 19, which the prediction never has"),
            id="invented number",
        ),
        pytest.param(
            "value: 5", "value: 1,200",
            (5, "takes 1200"),
            (6, "gives 19, which the prediction never has"),
            id="another number of the question",
        ),
        pytest.param(
            "[step1, lost]", "[lost, step1]",
            (6, "gives -19"),
            (6, "gives 19, which the prediction never has"),
            id="wrong wiring",
        ),
        pytest.param(
            "- {op: init, var: lost, value: 5}\n"
            "- {op: compute, compute_op: sub, args: [step1, lost], var: result}\n"
            "- {op: query, var: result}", "- {op: query, var: step1}",
            (5, "asks for 24"),
            (6, "gives 19, which the prediction never has"),
            id="stops short",
        ),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_marked_where_it_parts_from_the_reference(
    marked, old, new, predicted, missing
):
    assert old in REFERENCE
    found = marked(REFERENCE.replace(old, new))
    assert found.predicted == Mark(*predicted)
    assert found.reference == Mark(*missing)
    assert found.steps


def test_another_order_and_other_names_are_no_mistake(marked):
    other = REFERENCE.replace("boxes", "crates").replace("[crates, pens]", "[pens, crates]")
    assert marked(other.replace("value: 5", "value: 6")).predicted.line == 5


def test_lines_are_those_of_the_text_as_the_model_wrote_it(marked):
    wrong = "Here is the trace.\n\n```yaml\n" + COMPOSED + "```\n"
    found = marked(wrong)
    assert wrong.split("\n")[found.predicted.line].startswith("  - {op: init, var: lost, value: 4}")
    assert found.steps[0] == "sub0 (arithmetic):"


@pytest.mark.parametrize(
    ("old", "new", "line", "says", "steps"),
    [
        ("[step1, lost]", "[step1, found]", 6, "'found' is not defined here", 4),
        ("compute_op: mul", "compute_op: plus", 4, "plus", 0),
        ("var: result}\n- {op: query, var: result}", "var: x}\n- {op: query, var: lost}",
         7, "short_circuit", 6),
    ],
)  # fmt: skip
def test_a_refused_trace_is_marked_where_the_solver_stopped(marked, old, new, line, says, steps):
    assert old in REFERENCE
    found = marked(REFERENCE.replace(old, new))
    assert found.predicted.line == line
    assert says in found.predicted.note
    assert len(found.steps) == steps


@pytest.mark.parametrize("text", ["", "I do not know.", "expert: arithmetic\ntrace: {"])
def test_what_is_no_trace_has_no_marks(marked, text):
    found = marked(text)
    assert (found.steps, found.predicted, found.reference) == ((), None, None)


def test_without_a_reference_a_wrong_answer_has_its_steps_alone(marked):
    found = marked(REFERENCE.replace("mul", "add"), reference="")
    assert found.steps[-1] == "query result = 6"
    assert (found.predicted, found.reference) == (None, None)


def test_a_trace_on_one_line_is_read_without_a_mark(marked):
    flow = (
        "{expert: arithmetic, trace: [{op: init, var: a, value: 8}, {op: init, var: b, value: 3}, "
        "{op: compute, compute_op: add, args: [a, b], var: c}, {op: query, var: c}]}"
    )
    found = marked(flow)
    assert found.steps[-1] == "query c = 11"
    assert found.predicted is None


@pytest.mark.parametrize("expert", ["arithmetic", "entity_track", "percentage", "rate_equation"])
@pytest.mark.parametrize("kept", range(1, 7))
def test_whatever_is_cut_or_asked_can_be_shown(marked, expert, kept):
    lines = REFERENCE.replace("arithmetic", expert).splitlines(keepends=True)
    text = "".join(lines[: kept + 2])
    assert len(marked(text).steps) <= kept
    marked(text + "- {op: query, var: lost}\n")
    marked(text + "- {op: transfer, from_entity: boxes, to_entity: pens, amount: 2}\n")
