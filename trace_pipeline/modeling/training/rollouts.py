"""Rollouts: sampled completions of training problems, judged by the solver."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from msgspec import Struct

from trace_pipeline.experiment import Experiment
from trace_pipeline.modeling.decoding.decoder import Completion, Decoder, Sampling
from trace_pipeline.modeling.distributed import World
from trace_pipeline.modeling.network.batching import TraceExample
from trace_pipeline.modeling.training.problem_stream import Problem, RlData
from trace_pipeline.solver import Solver, VerdictKind


class Rollout(Struct):
    """One completion and what became of it."""

    iteration: int
    """From 1."""
    source: str
    """``synthetic`` or ``real``."""
    problem: int
    """Index among the training examples of its source."""
    place: int
    """Of the problem among those drawn in the iteration."""
    sample: int
    steps: int
    """Operations in the problem's reference trace."""
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
    """0 as well for what nothing was learned from."""


@dataclass(frozen=True)
class Group:
    """The completions of one problem."""

    problem: Problem
    rollouts: list[Rollout]
    completions: list[Completion]

    @property
    def varied(self) -> bool:
        """Whether the rewards differ, so that a group estimator learns from them."""
        return len({rollout.reward for rollout in self.rollouts}) > 1


def make_solver(experiment: Experiment) -> Solver:
    """The solver with the experiment's rules and rewards."""
    return Solver(
        allow_short_circuit=experiment.solver.allow_short_circuit, rewards=experiment.rl.rewards
    )


def stream_seed(*parts: int) -> int:
    """A 64-bit seed that is a hash of ``parts``: neighbouring parts share nothing."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def roll_out(
    decoder: Decoder,
    problems: Sequence[Problem],
    solver: Solver,
    experiment: Experiment,
    iteration: int,
    first: int = 0,
    world: World | None = None,
) -> list[Group]:
    """``rl.samples`` judged completions of each problem, dealt out to all processes.

    Args:
        decoder: writes them; what it draws depends on seed, iteration, place and sample alone.
        problems: in the order in which they were drawn.
        solver: judges them.
        experiment: its seed and section rl are read.
        iteration: from 0.
        first: place of the first problem among those drawn in the iteration.
        world: each of its processes rolls out on its share, and all get all; they must call
            this together.
    """
    config = experiment.rl
    world = world or World()
    mine = world.share(list(enumerate(problems, first)))
    keys = [(place, sample) for place, _ in mine for sample in range(config.samples)]
    sampling = Sampling(
        [stream_seed(experiment.seed, iteration, *key) for key in keys],
        config.temperature,
        config.top_p,
    )
    questions = [problem.example.question for _, problem in mine for _ in range(config.samples)]
    completions = decoder.decode(questions, sampling) if questions else []
    groups = []
    for index, (place, problem) in enumerate(mine):
        own = completions[index * config.samples : (index + 1) * config.samples]
        rollouts = [
            _judged(solver, problem, completion, iteration + 1, place, sample)
            for sample, completion in enumerate(own)
        ]
        groups.append(Group(problem, rollouts, own))
    return world.gather(groups)


def _judged(
    solver: Solver,
    problem: Problem,
    completion: Completion,
    iteration: int,
    place: int,
    sample: int,
) -> Rollout:
    example = problem.example
    verdict = solver.verify(completion.text, example.answer, expert=problem.expert)
    return Rollout(
        iteration=iteration,
        source=problem.source,
        problem=problem.index,
        place=place,
        sample=sample,
        steps=problem.length,
        question=example.question,
        text=completion.text,
        kind=str(verdict.kind),
        reason=str(verdict.reason) if verdict.reason else None,
        reward=verdict.reward,
        tokens=completion.tokens,
        clipped=completion.clipped,
        logprob=completion.logprob,
    )


def rewards_of(groups: Sequence[Group]) -> torch.Tensor:
    """(P, K) rewards of K completions of each of P problems."""
    return torch.tensor([[rollout.reward for rollout in group.rollouts] for group in groups])


def summarise(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Figures of one iteration's rollouts (docs/training.md defines them)."""
    count = len(rollouts)
    kinds = [rollout.kind for rollout in rollouts]
    invalid = sum(kind in (VerdictKind.INVALID_TRACE, VerdictKind.WRONG_EXPERT) for kind in kinds)
    parsed = count - kinds.count(VerdictKind.PARSE_FAIL)
    tokens = sum(rollout.tokens for rollout in rollouts)
    return {
        "reward": sum(rollout.reward for rollout in rollouts) / count,
        "rollouts": count,
        "correct": kinds.count(VerdictKind.CORRECT),
        "parsed": parsed,
        "valid": parsed - invalid,
        "clipped_share": sum(rollout.clipped for rollout in rollouts) / count,
        "tokens": tokens,
        "mean_tokens": tokens / count,
    }


def validate(
    decoder: Decoder,
    data: RlData,
    solver: Solver,
    experiment: Experiment,
    world: World | None = None,
) -> dict[str, float]:
    """Greedy accuracy and reward on the first held-out problems, and the reward to select by.

    All processes of ``world`` must call it together.
    """
    world = world or World()
    config = experiment.rl
    figures: dict[str, float] = {}
    if data.validation:
        held_out = data.validation[: config.evaluate_problems]
        figures |= _together("eval", decoder, held_out, solver, False, world)
    if config.source == "synthetic":
        return figures | {"validation_reward": figures["eval_reward"]}
    real = data.real_validation[: config.evaluate_problems]
    figures |= _together("eval_real", decoder, real, solver, True, world)
    share = config.real_share if config.source == "mix" else 1.0
    synthetic = figures.get("eval_reward", 0.0)
    mixed = share * figures["eval_real_reward"] + (1 - share) * synthetic
    return figures | {"validation_reward": mixed}


def _together(
    name: str,
    decoder: Decoder,
    problems: Sequence[TraceExample],
    solver: Solver,
    any_expert: bool,
    world: World,
) -> dict[str, float]:
    """:func:`scored` with the problems dealt out to all processes."""
    mine = world.share(problems)
    own = scored(name, decoder, mine, solver, any_expert) if mine else {}
    reward = own.get(f"{name}_reward", 0.0) * len(mine)
    correct, reward = world.sum([own.get(f"{name}_correct", 0), reward])
    return {
        f"{name}_problems": len(problems),
        f"{name}_correct": correct,
        f"{name}_accuracy": correct / len(problems),
        f"{name}_reward": reward / len(problems),
    }


def scored(
    name: str,
    decoder: Decoder,
    problems: Sequence[TraceExample],
    solver: Solver,
    any_expert: bool = False,
) -> dict[str, float]:
    """What the solver says to greedy answers, as figures that begin with ``name``."""
    completions = decoder.decode([problem.question for problem in problems])
    verdicts = [
        solver.verify(
            completion.text, problem.answer, expert=None if any_expert else problem.expert
        )
        for completion, problem in zip(completions, problems, strict=True)
    ]
    correct = sum(verdict.kind is VerdictKind.CORRECT for verdict in verdicts)
    return {
        f"{name}_problems": len(problems),
        f"{name}_correct": correct,
        f"{name}_accuracy": correct / len(problems),
        f"{name}_reward": sum(verdict.reward for verdict in verdicts) / len(problems),
    }
