"""Rollouts: sampled completions of training problems, judged by the solver."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from msgspec import Struct

from trace_pipeline.experiment import Experiment
from trace_pipeline.modeling.batching import TraceExample
from trace_pipeline.modeling.decoding import Completion, Decoder, Sampling
from trace_pipeline.solver import Solver, VerdictKind


class Rollout(Struct):
    """One completion and what became of it."""

    iteration: int
    """From 1."""
    problem: int
    """Index among the training examples."""
    sample: int
    question: str
    text: str
    kind: str
    """The verdict's kind."""
    reason: str | None
    """Of an invalid trace."""
    reward: float
    tokens: int
    clipped: bool
    logprob: float
    """Of the whole completion, when it was drawn."""
    advantage: float = 0.0


def make_solver(experiment: Experiment) -> Solver:
    """The solver with the experiment's rules and rewards."""
    return Solver(
        allow_short_circuit=experiment.solver.allow_short_circuit, rewards=experiment.rl.rewards
    )


def draw_problems(count: int, prompts: int, seed: int, iteration: int) -> list[int]:
    """Indices of the problems of ``iteration``: a fresh shuffle of all ``count`` per pass.

    Consecutive iterations take consecutive stretches, so every problem comes once before
    any comes twice.
    """
    first, last = iteration * prompts, (iteration + 1) * prompts
    stream: list[int] = []
    for passes in range(first // count, (last - 1) // count + 1):
        order = list(range(count))
        random.Random(f"{seed}/problems/{passes}").shuffle(order)
        stream += order
    offset = first - first // count * count
    return stream[offset : offset + prompts]


def stream_seed(*parts: int) -> int:
    """A 64-bit seed that is a hash of ``parts``: neighbouring parts share nothing."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def roll_out(
    decoder: Decoder,
    examples: Sequence[TraceExample],
    chosen: Sequence[int],
    solver: Solver,
    experiment: Experiment,
    iteration: int,
) -> tuple[list[Rollout], list[Completion]]:
    """``rl.samples`` completions of each chosen problem, judged; problem by problem."""
    config = experiment.rl
    keys = [(place, sample) for place in range(len(chosen)) for sample in range(config.samples)]
    sampling = Sampling(
        [stream_seed(experiment.seed, iteration, *key) for key in keys],
        config.temperature,
        config.top_p,
    )
    completions = decoder.decode([examples[chosen[place]].question for place, _ in keys], sampling)
    rollouts: list[Rollout] = []
    for (place, sample), completion in zip(keys, completions, strict=True):
        example = examples[chosen[place]]
        verdict = solver.verify(completion.text, example.answer, expert=example.expert)
        rollouts.append(
            Rollout(
                iteration=iteration + 1,
                problem=chosen[place],
                sample=sample,
                question=example.question,
                text=completion.text,
                kind=str(verdict.kind),
                reason=str(verdict.reason) if verdict.reason else None,
                reward=verdict.reward,
                tokens=completion.tokens,
                clipped=completion.clipped,
                logprob=completion.logprob,
            )
        )
    return rollouts, completions


def summarise(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Figures of one iteration's rollouts (docs/training.md defines them)."""
    count = len(rollouts)
    kinds = [rollout.kind for rollout in rollouts]
    invalid = sum(kind in (VerdictKind.INVALID_TRACE, VerdictKind.WRONG_EXPERT) for kind in kinds)
    parsed = count - kinds.count(VerdictKind.PARSE_FAIL)
    return {
        "reward": sum(rollout.reward for rollout in rollouts) / count,
        "rollouts": count,
        "correct": kinds.count(VerdictKind.CORRECT),
        "parsed": parsed,
        "valid": parsed - invalid,
        "clipped_share": sum(rollout.clipped for rollout in rollouts) / count,
        "mean_tokens": sum(rollout.tokens for rollout in rollouts) / count,
    }


def evaluate(
    decoder: Decoder, problems: Sequence[TraceExample], solver: Solver
) -> dict[str, float]:
    """Greedy accuracy and mean reward on held-out problems."""
    completions = decoder.decode([problem.question for problem in problems])
    verdicts = [
        solver.verify(completion.text, problem.answer, expert=problem.expert)
        for completion, problem in zip(completions, problems, strict=True)
    ]
    correct = sum(verdict.kind is VerdictKind.CORRECT for verdict in verdicts)
    return {
        "eval_problems": len(problems),
        "eval_correct": correct,
        "eval_accuracy": correct / len(problems),
        "eval_reward": sum(verdict.reward for verdict in verdicts) / len(problems),
    }
