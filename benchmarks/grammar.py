"""What constrained decoding costs beside the model: known traces through the constraint alone.

    python -m benchmarks.grammar docs/results/outputs/NAME.jsonl.gz --experiment NAME

The texts, which the experiment's base model wrote under the constraint, are written once more
without a model, ``--batch`` of them side by side as the decoder does: the constraint says what may
come, which becomes masks over the vocabulary and packed sets. A text that the constraint does not
lead through (it was written freely, or up to another limit) is counted and left. Milliseconds of
processor time a text, the second of two passes: the first fills the tokenizer's cache.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks.common import table
from trace_pipeline.evaluation.outputs import read_outputs
from trace_pipeline.experiment import Experiment, load_experiment
from trace_pipeline.modeling.base.base_models import resolve_base
from trace_pipeline.modeling.base.choices import Allowed, TokenMasks, TokenSets
from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.modeling.base.trace_tokens import prompt_tokenizer
from trace_pipeline.modeling.decoding.constrained import TraceConstraint
from trace_pipeline.paths import project_root

T = TypeVar("T")


class Replay:
    """A known completion on its way through the constraint."""

    def __init__(self, constraint: TraceConstraint, ids: Sequence[int]) -> None:
        self.constraint = constraint
        self._ids = ids
        self.written = constraint.settle()
        self.choices = 0
        self.strayed = False
        """Whether the constraint does not lead through the text."""

    @property
    def waits(self) -> bool:
        """Whether there is a choice to make."""
        constraint = self.constraint
        return not self.strayed and not constraint.ended and constraint.left > 0

    def go_on(self) -> None:
        """Choose what the text says."""
        place = len(self.written)
        token = self._ids[place] if place < len(self._ids) else -1
        if [*self._ids[:place]] != self.written or token not in self.constraint.choices():
            self.strayed = True
            return
        self.choices += 1
        self.constraint.accept(token)
        self.written += [token, *self.constraint.settle()]


class Clock:
    """Processor seconds by what they went into."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def timed(self, what: str, work: Callable[[], T]) -> T:
        """What ``work`` gives; its time goes to ``what``."""
        start = time.process_time()
        found = work()
        self.spent[what] = self.spent.get(what, 0.0) + time.process_time() - start
        return found


def replay(
    experiment: Experiment, prompt: Prompt, texts: Sequence[Sequence[int]], batch: int
) -> tuple[list[Replay], Clock]:
    """All ``texts`` through the constraint, ``batch`` of them side by side."""
    clock, config = Clock(), experiment.decoding
    rows, common = len(prompt.tokenizer), prompt.vocabulary.common
    sets, masks = TokenSets(rows, common), TokenMasks(rows, common, torch.device("cpu"))

    def start(ids: Sequence[int]) -> Replay:
        limit = config.max_tokens
        constraint = TraceConstraint(prompt.vocabulary, prompt.end_id, limit, config.sensible)
        return Replay(constraint, ids)

    done: list[Replay] = []
    for first in range(0, len(texts), batch):
        part = clock.timed("grammar", lambda f=first: [*map(start, texts[f : f + batch])])
        done += part
        while going := [one for one in part if one.waits]:
            allowed: list[Allowed] = [one.constraint.allowed() for one in going]
            many = [one for one in allowed if one.common is not None]
            if many:
                clock.timed("masks", lambda m=many: masks.barred(m))
            clock.timed("sets", lambda a=allowed: [*map(sets.pack, a)])
            clock.timed("grammar", lambda g=going: [one.go_on() for one in g])
    return done, clock


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outputs", type=Path, help="of trace-pipeline outputs")
    parser.add_argument("--experiment", required=True, help="its prompt, limit and sense count")
    parser.add_argument("--texts", type=int, help="so many of them; all by default")
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    experiment = load_experiment(options.experiment, project_root() / "experiments")
    base = resolve_base(experiment.model.reference)
    prompt = Prompt(experiment.prompt, prompt_tokenizer(base, experiment.prompt))
    outputs = read_outputs(options.outputs)[1][: options.texts]
    texts = prompt.target_ids_of_many([output.text for output in outputs])
    replay(experiment, prompt, texts, options.batch)
    done, clock = replay(experiment, prompt, texts, options.batch)
    count = len(done)
    written, chosen = sum(len(one.written) for one in done), sum(one.choices for one in done)
    strayed = sum(one.strayed for one in done)
    print(f"{count} texts, {written} tokens, {chosen} choices; {strayed} not led through")
    spent = {**clock.spent, "all": sum(clock.spent.values())}
    rows = [[what, f"{1000 * seconds / count:.1f}"] for what, seconds in spent.items()]
    print(table(["work", "ms a text"], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
