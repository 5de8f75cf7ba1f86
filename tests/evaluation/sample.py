"""An evaluation as large as GSM-8K's test split: synthetic problems, traces broken on purpose.

Imported by the tests of the report and of its page.
"""

from __future__ import annotations

import random
from pathlib import Path

from msgspec.structs import replace

from trace_pipeline.evaluation import (
    Evaluation,
    Figure,
    Report,
    loss_figure,
    reward_figure,
    score,
    synthetic_benchmark,
)
from trace_pipeline.generation import Catalog, Example, Generator
from trace_pipeline.solver import Solver
from trace_pipeline.traces import render_trace

ROOT = Path(__file__).parents[2]
MISTAKES = ("none", "other_operation", "short", "queries_an_init", "prose", "cut")
"""How traces are broken, with these weights."""
WEIGHTS = (6, 5, 4, 2, 1, 1)


class Text:
    """A completion as a decoder returns it."""

    def __init__(self, text: str, clipped: bool) -> None:
        self.text, self.clipped = text, clipped
        self.tokens, self.seconds = len(text) // 3, len(text) / 500


def broken(trace: str, how: str) -> str:
    """The trace with a mistake of the kind ``how``."""
    lines = trace.splitlines()
    computes = [i for i, line in enumerate(lines) if "op: compute," in line]
    if how == "other_operation" and computes:
        swapped = {"compute_op: add": "compute_op: mul", "compute_op: sub": "compute_op: add"}
        line = lines[computes[-1]]
        for old, new in swapped.items():
            if old in line:
                lines[computes[-1]] = line.replace(old, new)
                return "\n".join(lines) + "\n"
        return trace.replace("compute_op: mul", "compute_op: add", 1)
    if how == "short" and len(computes) > 1:
        first = lines[computes[0]].rpartition("var: ")[2].rstrip("}")
        return "\n".join([*lines[: computes[0] + 1], f"- {{op: query, var: {first}}}"]) + "\n"
    if how == "queries_an_init":
        first = next(line for line in lines if "op: init" in line)
        name = first.partition("var: ")[2].partition(",")[0]
        return "\n".join([*lines[:-1], f"- {{op: query, var: {name}}}"]) + "\n"
    if how == "prose":
        return "I add the numbers and get the answer."
    return trace[: len(trace) // 2] if how == "cut" else trace


def examples(count: int) -> list[Example]:
    """Synthetic problems of all experts."""
    generator = Generator(Catalog.load(ROOT / "schemas", ROOT / "vocab"), seed=7)
    return list(generator.sample(count, None, "test"))


def evaluation(count: int, problems: list[Example] | None = None) -> Evaluation:
    """``count`` predictions, about half of them right."""
    drawn = random.Random(0)
    problems = problems or examples(count)
    kinds = [drawn.choices(MISTAKES, WEIGHTS)[0] for _ in problems]
    texts = [broken(render_trace(e.trace), how) for e, how in zip(problems, kinds, strict=True)]
    completions = [Text(text, how == "cut") for text, how in zip(texts, kinds, strict=True)]
    benchmark = replace(synthetic_benchmark(problems), source=f"{count:,} generated examples")
    return score(benchmark, completions, Solver(), "rl")


def report(count: int) -> Report:
    """The report of :func:`evaluation`, an untuned base and training curves beside it."""
    problems = examples(count)
    judged = evaluation(count, problems)
    base = score(
        synthetic_benchmark(problems[:32]), [Text("No idea.", False)] * 32, Solver(), "base"
    )
    losses = [{"step": float(i), "loss": 2.4 / (1 + i / 9) + 0.1} for i in range(120)]
    rewards = [
        {"iteration": float(i), "reward": 0.5 + i / 40, "baseline": 0.45 + i / 45}
        for i in range(10)
    ]
    return Report(
        title="sample",
        evaluation=judged,
        base=base,
        curves=(
            Figure.drawn("loss", "Training loss", lambda form: loss_figure(losses, form=form)),
            Figure.drawn("reward", "Mean reward", lambda form: reward_figure(rewards, form=form)),
        ),
        facts=(("base model", "none"), ("seed", "7")),
    )
