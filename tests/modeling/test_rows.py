"""Whole rows give what prefix trees give, plain and through a compiler."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from tests.modeling.tiny import experiment, make_tiny_model, problems
from trace_pipeline.modeling import resolve_base, train_sft
from trace_pipeline.modeling.network.batching import Sequences, collate, tokenise
from trace_pipeline.modeling.network.linear import COMPILE_TOKENS, resolve_compile
from trace_pipeline.modeling.network.objective import completion_logprobs
from trace_pipeline.modeling.network.rows import (
    PLAIN,
    Kernels,
    chosen_logprobs,
    compiled,
    logits_gradient,
    rows_layer,
)
from trace_pipeline.modeling.network.trainable import select_trainable
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.validation import InvalidInputError

EAGER = Kernels(layer=rows_layer, loss=(chosen_logprobs, logits_gradient))
"""What is compiled, uncompiled."""


def gradients(
    policy: Policy, examples: list[Any], whole_rows: bool, kernels: Kernels
) -> list[torch.Tensor]:
    """Log-probabilities of the targets, and the gradients of their weighted sum."""
    batch = collate(tokenise(policy.prompt, examples, 1024), whole_rows)
    logprobs, _ = completion_logprobs(policy.model, batch, entropies=False, kernels=kernels)
    weights = torch.linspace(0.5, 2, len(logprobs))
    chosen = [p for p in policy.model.parameters() if p.requires_grad]
    return [logprobs, *torch.autograd.grad((weights * logprobs).sum(), chosen)]


@pytest.mark.parametrize("trainable", ["all", "last_layers"])
@pytest.mark.parametrize("kernels", [PLAIN, EAGER], ids=["slices", "at once"])
def test_whole_rows_give_what_trees_give(policy: Policy, trainable: str, kernels: Kernels) -> None:
    select_trainable(policy.model, trainable, 1)
    expected = gradients(policy, problems(5), False, PLAIN)
    found = gradients(policy, problems(5), True, kernels)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_what_the_compiler_makes_gives_the_same_for_all_shapes_with_one_compilation(
    policy: Policy,
) -> None:
    from torch._dynamo.testing import CompileCounterWithBackend

    select_trainable(policy.model, "all", 1)
    counter = CompileCounterWithBackend("aot_eager")
    kernels = compiled(counter)
    for count in (2, 3, 5, 7, 1):
        examples = problems(12)[-count:]
        expected = gradients(policy, examples, False, PLAIN)
        found = gradients(policy, examples, True, kernels)
        for mine, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)
    assert counter.frame_count == 3


def test_rows_are_filled_up_and_padding_is_told() -> None:
    sequences = tokenise_words([3, 9, 5])
    batch = collate(sequences, whole_rows=True)
    assert batch.paths.shape == (3, 16)
    assert (len(batch.ids), batch.tokens, batch.padding, batch.shared) == (48, 17, 31, 0)
    assert batch.input_ids[1].tolist() == [1] * 9 + [0] * 7
    tree = collate(sequences)
    assert batch.targets.tolist() == tree.targets.tolist()
    assert batch.rows.tolist() == tree.rows.tolist()


def tokenise_words(lengths: list[int]) -> list[Any]:
    return [Sequences([1] * (length - 1), [1]) for length in lengths]


def test_training_on_whole_rows_ends_where_training_on_trees_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trace_pipeline.modeling.sft.finetuning.compiled", lambda: EAGER)
    base = resolve_base(str(make_tiny_model(tmp_path / "base")))
    ends = {}
    for compile in ("never", "always"):
        told: list[dict[str, float]] = []
        settings = experiment(sft={"trainable": "all", "epochs": 2, "compile": compile})
        info = train_sft(
            settings, base, problems(9), tmp_path / compile, lambda _, m, t=told: t.append(m)
        )
        ends[compile] = (info.run, told)
    (run, trees), (same, rows) = ends["never"], ends["always"]
    assert run == same  # as another device, it is no part of the run's identity
    assert [m["loss"] for m in rows] == pytest.approx([m["loss"] for m in trees], rel=1e-3)
    assert [m["tokens"] for m in rows] == [m["tokens"] for m in trees]
    assert all(m["shared_share"] == 0 for m in rows)
    assert any(m["shared_share"] > 0 for m in trees)


def test_what_cannot_be_compiled_is_refused_if_asked_for_and_else_left(policy: Policy) -> None:
    sequences = tokenise_words([4])
    asked = replace(experiment(sft={"compile": "always"}).sft, matmul="int8")  # what auto may mean
    with pytest.raises(InvalidInputError, match="int8"):
        resolve_compile(asked, policy.model, sequences)
    kept = experiment(sft={"compile": "always", "epochs": 2, "layers": 1})
    select_trainable(policy.model, "last_layers", 1)
    with pytest.raises(InvalidInputError, match="reuse_frozen"):
        resolve_compile(kept.sft, policy.model, sequences)
    for compile in ("auto", "never"):
        config = experiment(sft={"compile": compile}).sft
        assert not resolve_compile(config, policy.model, sequences * 2_000_000)  # no GPU


@pytest.mark.parametrize(
    ("tokens", "shared", "compiler", "means"),
    [
        (COMPILE_TOKENS, False, True, True),
        (COMPILE_TOKENS - 1, False, True, False),
        (COMPILE_TOKENS, True, True, False),
        (COMPILE_TOKENS, False, False, False),
    ],
)
def test_auto_compiles_long_runs_on_a_gpu_whose_sequences_share_little(
    monkeypatch: pytest.MonkeyPatch, tokens: int, shared: bool, compiler: bool, means: bool
) -> None:
    for name, value in (("is_lean", True), ("runs_on_trees", True), ("frozen_layers", 0)):
        monkeypatch.setattr(f"trace_pipeline.modeling.network.linear.{name}", lambda _, v=value: v)
    monkeypatch.setattr("trace_pipeline.modeling.network.linear._has_compiler", lambda: compiler)
    model = SimpleNamespace(device=torch.device("cuda"), config=SimpleNamespace(model_type="llama"))
    long = 1000
    first = [0] * (long - 1) if shared else []
    sequences = [
        Sequences([*first, place], [1] * (long - 1 - len(first)))
        for place in range(2, 2 + tokens // long)
    ]
    left = tokens - sum(map(len, sequences))
    sequences += [Sequences([1], [1] * (left - 1))] if left else []
    assert resolve_compile(experiment(sft={"epochs": 1}).sft, model, sequences) is means


def test_kernels_are_compiled_once() -> None:
    assert compiled() is compiled()
