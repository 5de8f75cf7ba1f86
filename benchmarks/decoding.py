"""How fast traces are decoded, against ``transformers.generate`` in the same run.

``python -m benchmarks.decoding`` decodes the same prompts greedily with both, alternating, on a
checkpoint that writes traces (``benchmarks.checkpoint`` trains it first where there is none).
``python -m benchmarks.decoding --constrained`` compares the constrained engine with the
unconstrained one at batch 1, and counts valid traces, of the untuned base model too.
``--untuned`` needs no checkpoint: the base model, whose completions run to ``--max-tokens``.
Both end with 1 where a bound is missed. On a busy machine, CPU seconds are the fairer figure.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.checkpoint import examples, trained_folder
from benchmarks.common import table
from trace_pipeline.experiment import DecodingConfig, PromptConfig
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.modeling.base.base_models import resolve_base
from trace_pipeline.modeling.decoding.decoder import Completion, Decoder
from trace_pipeline.modeling.storage.checkpoints import Policy, load_base_policy, load_checkpoint
from trace_pipeline.solver import Solver, VerdictKind

PEER_BATCH = 32
FASTER, SAME_TEXT, CONSTRAINED_FASTER = 3.0, 0.99, 2.0
VALID = (VerdictKind.CORRECT, VerdictKind.WRONG_ANSWER)


class Outcome(NamedTuple):
    """What one engine wrote in one go, and in what time."""

    texts: list[str]
    tokens: int
    clipped: int
    wall: float
    cpu: float


def prompts(count: int) -> list[str]:
    """Half synthetic problems of the test split, half built-in real ones, as far as they go."""
    real = [problem.question for problem in load_problems("builtin").problems][: count // 2]
    return [e.question for e in examples(count - len(real), "test")] + real


def timed(work: Callable[[], list[tuple[str, int, bool]]]) -> Outcome:
    wall, cpu = time.perf_counter(), time.process_time()
    written = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    texts = [text for text, _, _ in written]
    return Outcome(texts, sum(t for _, t, _ in written), sum(c for _, _, c in written), wall, cpu)


def with_engine(policy: Policy, questions: Sequence[str], config: DecodingConfig) -> Outcome:
    def work() -> list[tuple[str, int, bool]]:
        completions: list[Completion] = Decoder(policy, config).decode(questions)
        return [(c.text, c.tokens, c.clipped) for c in completions]

    return timed(work)


@torch.inference_mode()
def with_generate(policy: Policy, questions: Sequence[str], limit: int) -> Outcome:
    """Batches of similar length, padded on the left, key-value cache, as its documentation says."""
    tokenizer: Any = policy.prompt.tokenizer
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else policy.prompt.end_id

    def work() -> list[tuple[str, int, bool]]:
        ids = [policy.prompt.prompt_ids(question) for question in questions]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        written: dict[int, tuple[str, int, bool]] = {}
        for start in range(0, len(order), PEER_BATCH):
            batch = order[start : start + PEER_BATCH]
            width = max(len(ids[i]) for i in batch)
            padded = [[pad] * (width - len(ids[i])) + ids[i] for i in batch]
            mask = [[0] * (width - len(ids[i])) + [1] * len(ids[i]) for i in batch]
            output = policy.model.generate(
                torch.tensor(padded),
                attention_mask=torch.tensor(mask),
                max_new_tokens=limit,
                do_sample=False,
                use_cache=True,
                pad_token_id=pad,
            )
            for i, row in zip(batch, output[:, width:].tolist(), strict=True):
                end = row.index(policy.prompt.end_id) + 1 if policy.prompt.end_id in row else None
                tokens = row[:end]
                written[i] = (policy.prompt.decode(tokens), len(tokens), end is None)
        return [written[i] for i in range(len(ids))]

    return timed(work)


def row(name: str, outcomes: list[Outcome]) -> list[str]:
    wall, cpu = (statistics.median(o[field] for o in outcomes) for field in (3, 4))
    one = outcomes[0]
    done = len(one.texts) - one.clipped
    valid = sum(Solver().verify(text, 1).kind in VALID for text in one.texts)
    figures = [f"{wall:.1f}", f"{cpu:.1f}", f"{done / wall:.2f}", f"{one.tokens / wall:.0f}"]
    return [name, *figures, str(one.clipped), f"{valid} of {len(one.texts)}"]


HEADER = ["engine", "seconds", "CPU s", "traces/s", "tokens/s", "clipped", "valid"]


def against_generate(options: argparse.Namespace, policy: Policy) -> bool:
    questions = prompts(options.prompts)
    config = DecodingConfig(
        max_tokens=options.max_tokens, batch_size=options.batch_size, drafts=options.drafts
    )
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(with_engine(policy, questions, config))
        theirs.append(with_generate(policy, questions, options.max_tokens))
    names = [f"engine, batch {options.batch_size}", f"transformers.generate, batch {PEER_BATCH}"]
    print(table(HEADER, [row(names[0], ours), row(names[1], theirs)]))
    pairs = list(zip(ours[0].texts, theirs[0].texts, strict=True))
    same = sum(a == b for a, b in pairs) / len(pairs)
    what = "tokens" if options.untuned else "finished traces"
    done = [
        o[0].tokens if options.untuned else len(o[0].texts) - o[0].clipped for o in (ours, theirs)
    ]
    ratios = [
        statistics.median(
            done[0] * b[field] / (max(done[1], 1) * a[field])
            for a, b in zip(ours, theirs, strict=True)
        )
        for field in (3, 4)
    ]
    print(
        f"{what}/s: {ratios[0]:.2f} times by wall time, {ratios[1]:.2f} by CPU time "
        f"(bound {FASTER}); same text {100 * same:.1f} % (bound {100 * SAME_TEXT:.0f} %)"
    )
    return ratios[0] >= FASTER and same >= SAME_TEXT


def constrained(options: argparse.Namespace, policy: Policy) -> bool:
    """Judged without drafts on either side, which would hide what the constraint saves."""
    questions = prompts(options.prompts)
    ways = [(False, 0), (True, 0), (False, options.drafts), (True, options.drafts)]
    outcomes: list[list[Outcome]] = [[] for _ in ways]
    for _ in range(options.rounds):
        for (bound, drafts), seen in zip(ways, outcomes, strict=True):
            config = DecodingConfig(
                max_tokens=options.max_tokens, batch_size=1, constrained=bound, drafts=drafts
            )
            seen.append(with_engine(policy, questions, config))
    rows = [
        row(f"{'constrained' if bound else 'free'}, batch 1, {drafts} drafts", seen)
        for (bound, drafts), seen in zip(ways, outcomes, strict=True)
    ]
    base = load_base_policy(resolve_base("embedded"), PromptConfig(), "auto", "cpu")
    several = DecodingConfig(
        max_tokens=options.max_tokens, batch_size=options.batch_size, constrained=True
    )
    untuned = with_engine(base, prompts(options.base_prompts), several)
    rows.append(row(f"untuned, constrained, batch {options.batch_size}", [untuned]))
    print(table(HEADER, rows))
    speeds = [
        statistics.median(
            (b.tokens / b[field]) / (a.tokens / a[field])
            for a, b in zip(outcomes[0], outcomes[1], strict=True)
        )
        for field in (3, 4)
    ]
    texts = [text for seen in (outcomes[1][0], outcomes[3][0], untuned) for text in seen.texts]
    valid = sum(Solver().verify(text, 1).kind in VALID for text in texts)
    print(
        f"tokens/s at batch 1: {speeds[0]:.2f} times by wall time, {speeds[1]:.2f} by CPU time "
        f"(bound {CONSTRAINED_FASTER}); valid {valid} of {len(texts)} (bound: all)"
    )
    return speeds[0] >= CONSTRAINED_FASTER and valid == len(texts)


def main() -> int:
    """Print the tables; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--base-prompts", type=int, default=32, help="of the untuned base model")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--drafts", type=int, default=DecodingConfig().drafts)
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--constrained", action="store_true")
    parser.add_argument(
        "--checkpoint", type=Path, help="a folder that holds one; else trained first"
    )
    parser.add_argument("--untuned", action="store_true", help="the base model, no checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    base = resolve_base("embedded")
    if options.untuned:
        policy = load_base_policy(base, PromptConfig(), "auto", "cpu")
    else:
        policy = load_checkpoint(
            options.checkpoint or trained_folder(), base, dtype="auto", device="cpu"
        )
    print(f"{options.prompts} prompts, {options.threads} threads, {policy.model.dtype}")
    compare = constrained if options.constrained else against_generate
    return 0 if compare(options, policy) else 1


if __name__ == "__main__":
    sys.exit(main())
