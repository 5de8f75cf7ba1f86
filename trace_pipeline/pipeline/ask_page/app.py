"""The page itself, run by Streamlit from top to bottom at every click."""

from __future__ import annotations

import sys
from collections.abc import Callable

import streamlit as st
from msgspec import to_builtins

from trace_pipeline.experiment import available_experiments
from trace_pipeline.gsm8k import few_shot_problems
from trace_pipeline.paths import project_root
from trace_pipeline.pipeline.ask_page.verbatim import verbatim
from trace_pipeline.pipeline.asking import Answer, Asked, Asker, trained_models
from trace_pipeline.pipeline.resources import ArtifactsResource, bench_of
from trace_pipeline.store import ArtifactError
from trace_pipeline.validation import InvalidInputError

EXAMPLES = 3
"""Problems of each kind that are offered."""


def _load(model: Asked) -> Asker:
    return Asker(bench_of(model.experiment), model.stage)


def _examples(experiment: str) -> dict[str, list[str]]:
    generator = bench_of(experiment).generator
    return {
        "Like its training data": [
            example.question for example in generator.sample(EXAMPLES, split="test")
        ],
        "Of another kind": [shot.problem.question for shot in few_shot_problems()[:EXAMPLES]],
    }


load: Callable[[Asked], Asker] = st.cache_resource(
    max_entries=1, show_spinner="Loading the model", hash_funcs={Asked: to_builtins}
)(_load)
"""The model, kept in memory; another checkpoint is another model."""

examples: Callable[[str], dict[str, list[str]]] = st.cache_data(
    show_spinner="Looking for examples"
)(_examples)
"""Problems to click: like those that the model was trained on, and like GSM-8K's."""


def chosen_model(models: list[Asked], first: str) -> Asked:
    """The model that the sidebar names."""
    with st.sidebar:
        st.header("Model")
        names = list(dict.fromkeys(model.experiment for model in models))
        start = names.index(first) if first in names else 0
        name = st.selectbox("Experiment", names, index=start)
        stages = [model for model in models if model.experiment == name]
        stages.sort(key=lambda model: model.stage != "rl")
        model: Asked = st.selectbox(
            "Checkpoint",
            stages,
            format_func=lambda asked: {"rl": "reinforced (rl)", "sft": "fine-tuned (sft)"}[
                asked.stage
            ],
        )
        st.caption(
            f"Version {model.version}, trained {model.created[:10]}. SHA-256 {model.sha256[:12]}"
        )
        return model


def only_valid_traces() -> bool:
    """Whether only valid traces may be written."""
    return bool(
        st.sidebar.checkbox(
            "Only valid traces", help="The decoder lets no token through that breaks the trace."
        )
    )


def traces_to_draw() -> int:
    """How many traces are written for a problem."""
    return int(
        st.sidebar.select_slider(
            "Traces to draw",
            [1, 4, 8, 16, 32],
            help="Of several, the most frequent answer among the least doubtful ones counts.",
        )
    )


def offer_examples(experiment: str) -> None:
    """Buttons that put a problem into the text field."""
    with st.expander("Examples", expanded=True):
        for kind, questions in examples(experiment).items():
            st.caption(kind)
            for question in questions:
                put = {"problem": question}
                st.button(verbatim(question), on_click=st.session_state.update, kwargs=put)


def show(found: Answer) -> None:
    """The answer, the trace and the solver's steps."""
    if found.solved:
        agreed = f" ({found.agreeing} of {found.samples} traces agree)"
        st.success(f"**Answer: {found.answer}**" + (agreed if found.samples > 1 else ""))
    else:
        st.error(verbatim(f"No answer: {found.problem}"))
    for doubt in found.doubts:
        st.warning(verbatim(f"Doubtful: {doubt}."))
    cut = ", cut by the token limit" if found.clipped else ""
    st.caption(
        f"{found.tokens} tokens in {found.seconds:.1f} s{cut}. The solver computes the answer "
        "exactly; whether the trace fits the problem nobody has checked."
    )
    trace, steps = st.columns(2)
    with trace:
        st.subheader("Trace")
        st.code(found.completion.rstrip() or "(nothing)", language="yaml", wrap_lines=True)
    with steps:
        st.subheader("The solver's steps")
        if found.steps:
            st.code("\n".join(found.steps), language=None, wrap_lines=True)
        else:
            st.write("None: the trace could not be executed.")


def main(first: str) -> None:
    """Draw the page, with the experiment ``first`` chosen."""
    st.set_page_config(page_title="Ask the model", layout="wide")
    st.title("Ask the model")
    names = available_experiments(project_root() / "experiments")
    models = trained_models(ArtifactsResource().store(), names)
    if not models:
        st.warning("No model has been trained here yet. Train one with")
        st.code(f"trace-pipeline run --experiment {first}", language="console")
        return
    model = chosen_model(models, first)
    constrained, samples = only_valid_traces(), traces_to_draw()
    with st.form("ask"):
        problem = st.text_area("Problem", key="problem", height=120)
        asked = st.form_submit_button("Solve", type="primary")
    if asked:
        try:
            asker = load(model)
            with st.spinner("Writing the trace"):
                found = asker.answer(problem, constrained, samples)
            show(found)
        except (InvalidInputError, ArtifactError) as error:
            st.error(verbatim(str(error)))
    offer_examples(model.experiment)


main(sys.argv[1])
