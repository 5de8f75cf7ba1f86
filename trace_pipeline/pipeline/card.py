"""The card of a trained model: what it is, how it was made, what it can do, how to load it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from trace_pipeline.evaluation import Evaluation, Forgetting, Proportion
from trace_pipeline.experiment import Experiment, load_experiment
from trace_pipeline.modeling.base.prompts import system_text
from trace_pipeline.validation import InvalidInputError

CARD = "model_card.md"

LICENCES = {"embedded": ("apache-2.0", "HuggingFaceTB/SmolLM2-135M-Instruct")}
"""Base reference -> its licence and its name on the hub, where we know them."""


class Trained(Struct, frozen=True):
    """What a card says of a checkpoint."""

    experiment: Experiment
    revision: str
    """Of the project, as git describes it."""
    created: str
    place: str
    """Where the weights are."""
    parameters_trained: int
    parameters_total: int
    base_sha256: str
    weights_sha256: str
    taken_from: Experiment | None = None
    """Whose trained model it is, where ``sft.epochs`` is 0."""


def origin(experiment: Experiment, folder: Path) -> Experiment | None:
    """The experiment in ``folder`` that trained the model which this one takes as it is, if any.

    Raises:
        InvalidInputError: they take each other's model.
    """
    found, seen = experiment, [experiment.name]
    while not found.sft.epochs:
        found = load_experiment(found.sft.continues, folder)
        seen.append(found.name)
        if found.name in seen[:-1]:
            raise InvalidInputError(
                f"sft.continues goes in a circle: {', '.join(seen)}; with sft.epochs: 0 each takes "
                "the next one's model, so let one of them name an experiment that trains"
            )
    return found if len(seen) > 1 else None


def front_matter(reference: str) -> str:
    """What model hubs read at the head of a card; ``reference`` names the base model."""
    licence, base = LICENCES.get(reference, ("", reference))
    lines = [f"base_model: {base}", "language: en", "library_name: transformers"]
    lines += [f"license: {licence}"] if licence else []
    return "\n".join(["---", *lines, "---", "", ""])


def model_card(
    trained: Trained, evaluations: Sequence[Evaluation], forgetting: Forgetting | None = None
) -> str:
    """The card as Markdown; ``forgetting`` is what training cost, where it was measured."""
    experiment = trained.experiment
    share = 100 * trained.parameters_trained / trained.parameters_total
    lines = [
        f"# {experiment.name}",
        "",
        experiment.description or "A model trained by trace_pipeline.",
        "",
        "It writes *traces*: YAML programs that pick the numbers out of a word problem and wire",
        "them through operations. A solver executes them; the model computes nothing itself.",
        "",
        "## Use",
        "",
        "```console",
        f'$ trace-pipeline ask --experiment {experiment.name} "Tom has 5 boxes of 12 pencils..."',
        f"$ trace-pipeline export --experiment {experiment.name} model   # a plain folder",
        "```",
        "",
        "The exported folder needs no trace_pipeline to write traces:",
        "",
        "```python",
        *loading_code(experiment),
        "```",
        "",
        "`trace-pipeline solve` executes what it printed.",
        "",
        "## Evaluation",
        "",
        f"{_answered(experiment)}; intervals are Wilson's, 95 %.",
        *_constrained(experiment),
        "",
        "| problems | correct | accuracy | interval | valid traces |",
        "|---|---|---|---|---|",
        *_rows(evaluations),
        "",
        *_forgotten(forgetting),
        "## Training",
        "",
        f"- Base: `{experiment.model.reference}`, sha256 {trained.base_sha256}",
        f"- Trained: {trained.parameters_trained / 1e6:.1f} of "
        f"{trained.parameters_total / 1e6:.1f} million parameters ({share:.0f} %)",
        *_trained_on(trained),
        f"- Seed {experiment.seed}; git revision {trained.revision}",
        f"- Made {trained.created}",
        f"- Weights: {trained.place}, sha256 {trained.weights_sha256}",
        "",
        "## Limits",
        "",
        "English word problems only. A valid trace is not a right one: the solver checks that a",
        "trace computes, not that it computes what was asked. Not for decisions about people.",
        "",
    ]
    return "\n".join(lines)


def _answered(experiment: Experiment) -> str:
    """How the one answer to each problem came about."""
    decoding, answer = experiment.decoding, experiment.eval.answer
    if answer != "first":
        doubted = answer in ("plausible", "probable")
        voters = ", the least doubtful of which vote" if doubted else ""
        most = "probable" if answer == "probable" else "frequent"
        return f"One answer a problem, the most {most} of {decoding.samples} traces{voters}"
    drawn = decoding.temperature and not decoding.greedy_first
    return f"One {'drawn' if drawn else 'greedy'} answer a problem"


def _constrained(experiment: Experiment) -> list[str]:
    """That the figures are not those of a decoder without the grammar."""
    if not experiment.decoding.constrained:
        return []
    return [
        "The decoder of trace_pipeline lets nothing through that cannot become a valid trace;",
        "plain transformers do, so that some of their traces are not valid.",
    ]


def _forgotten(forgetting: Forgetting | None) -> list[str]:
    """What training cost on texts that are no traces."""
    if forgetting is None:
        return []
    found = [
        f"perplexity {drift.growth:.2f} times that of the base on {drift.name} "
        f"({drift.before:.2f} to {drift.after:.2f} nats a token)"
        for drift in forgetting.drifts
    ]
    return [f"On texts that are no traces: {', '.join(found)}.", ""]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _reinforced(experiment: Experiment) -> str:
    config = experiment.rl
    if config.method == "expert_iteration":
        return f"expert iteration, {_counted(config.iterations, 'round')}"
    return f"{_counted(config.iterations, 'iteration')}, {config.estimator}"


def _trained_on(trained: Trained) -> list[str]:
    """What the training began with, and what it was."""
    source = trained.taken_from or trained.experiment
    sft, lines = source.sft, []
    if trained.taken_from:
        lines.append(f"- The trained model of the experiment `{source.name}`, as it is:")
    if sft.continues:
        lines.append(
            f"- Goes on from the model of the experiment `{sft.continues}`, with these data:"
        )
    lines += [
        f"- Data: {source.data.train} synthetic examples{_real(source)}, all verified by the "
        "solver",
        f"- SFT: {_counted(sft.epochs, 'epoch')}, learning rate {sft.learning_rate:g}",
    ]
    stages = [source, trained.experiment] if trained.taken_from else [source]
    reinforced = [_reinforced(stage) for stage in stages if stage.rl.iterations]
    return [*lines, f"- RL: {'; then '.join(reinforced) or 'none'}"]


def _real(experiment: Experiment) -> str:
    real = experiment.data.gsm8k
    own = ", ".join(real.word_problems)
    written = f", the word problems of {own} ({real.variants} variants of each)" if own else ""
    if not real.train:
        return written
    copies = f"{real.variants} variants"
    if real.contrasts:
        copies += f" and {real.contrasts} contrasts"
    if real.intermediate:
        copies += f" and {real.intermediate} intermediate questions"
    if real.explanations:
        copies += ", with their solutions in words,"
    return f", GSM-8K train problems as traces ({real.train}, {copies} of each){written}"


def _rows(evaluations: Sequence[Evaluation]) -> list[str]:
    """A row an evaluation; where two are on the same problems, with who answered."""
    asked = [evaluation.benchmark for evaluation in evaluations]
    return [
        _row(evaluation, f", {evaluation.model}" if asked.count(evaluation.benchmark) > 1 else "")
        for evaluation in evaluations
    ]


def _row(evaluation: Evaluation, who: str) -> str:
    right, bounds = evaluation.correct, evaluation.correct.interval
    return (
        f"| {evaluation.benchmark}{who} | {right.count} of {right.total} | {_percent(right)} | "
        f"{100 * bounds.low:.1f} to {100 * bounds.high:.1f} % | {_percent(evaluation.valid)} |"
    )


def _percent(share: Proportion) -> str:
    return f"{100 * share.rate:.1f} %"


def loading_code(experiment: Experiment) -> list[str]:
    """Code that asks the exported model, in the words that it was trained with."""
    system = system_text(experiment.prompt.system)
    special = ""
    if experiment.prompt.template == "chat":
        special = ", add_special_tokens=False"  # the template writes its own
        first = [f'    {{"role": "system", "content": {system!r}}},'] if system else []
        asked = [
            "messages = [",
            *first,
            '    {"role": "user", "content": question},',
            "]",
            "text = tokenizer.apply_chat_template("
            "messages, tokenize=False, add_generation_prompt=True)",
        ]
    else:
        before = f"{system!r} + " if system else ""
        blank = "\\n\\n" if system else ""
        asked = [f'text = {before}f"{blank}Question: {{question}}\\nTrace:\\n"']
    return [
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        'tokenizer = AutoTokenizer.from_pretrained("model")',
        'model = AutoModelForCausalLM.from_pretrained("model")',
        'question = "Tom has 5 boxes of 12 pencils and gives 7 away. How many are left?"',
        *asked,
        f'inputs = tokenizer(text, return_tensors="pt"{special})',
        f"output = model.generate(**inputs, max_new_tokens={experiment.decoding.max_tokens})",
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], '
        "skip_special_tokens=True))",
    ]
