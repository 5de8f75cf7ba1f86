"""Products of bytes are close to those of floats, and training with them is as exact to resume."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch.nn import functional

from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import LoraConfig
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.network import int8
from trace_pipeline.modeling.network.batching import collate, tokenise
from trace_pipeline.modeling.network.byte_kernels import MOST_TERMS, Quantised, scaled_product
from trace_pipeline.modeling.network.frozen import keep_frozen_states
from trace_pipeline.modeling.network.int8 import int8_linear
from trace_pipeline.modeling.network.linear import kernels_of, resolve_matmul, sums_bytes_exactly
from trace_pipeline.modeling.network.lora import add_adapters
from trace_pipeline.modeling.network.objective import completion_logprobs
from trace_pipeline.modeling.network.rows import Kernels
from trace_pipeline.modeling.network.trainable import select_trainable
from trace_pipeline.modeling.rl.reinforcement import train_rl
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.modeling.storage.records import read_records
from trace_pipeline.solver import Solver, Verdict, VerdictKind
from trace_pipeline.store import file_sha256
from trace_pipeline.validation import InvalidInputError


@pytest.fixture(autouse=True)
def _exact_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU whose sums overflow, what is tested is all but these sums."""
    if not sums_bytes_exactly():
        monkeypatch.setattr("torch._int_mm", lambda a, b: (a.double() @ b.double()).to(torch.int32))
        monkeypatch.setattr(
            "trace_pipeline.modeling.network.linear.sums_bytes_exactly", lambda: True
        )


def matrix(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    """Rows and columns of very different magnitude."""
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, columns, generator=draw)
    return values * torch.rand(rows, 1, generator=draw).exp() * torch.logspace(-2, 2, columns)


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((found - wanted).norm() / wanted.norm()).item()


def by_torch(x: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    most = x.abs().amax(dim, keepdim=True).clamp(min=1e-30)
    return (x * (127 / most)).round().to(torch.int8), (most / 127).flatten()


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (200, 33), (129, 128)])
def test_bytes_and_scales_are_what_plain_operations_give(shape: tuple[int, int]) -> None:
    x = matrix(*shape)
    both = Quantised(x)
    for only in (both, Quantised(x, by_column=False)):
        rows, scales = by_torch(x, 1)
        assert torch.equal(only.rows, rows)
        assert torch.equal(only.row_scales, scales)
    for only in (both, Quantised(x, by_row=False)):
        columns, scales = by_torch(x, 0)
        assert torch.equal(only.columns, columns)
        assert torch.equal(only.column_scales, scales)
    error = (both.rows * both.row_scales[:, None] - x).abs()
    assert bool((error <= both.row_scales[:, None] * 0.5001).all())


def test_a_product_is_scaled_as_plain_operations_do() -> None:
    left, right = Quantised(matrix(130, 40)), Quantised(matrix(40, 70, 1))
    found = scaled_product(left.rows, right.columns, left.row_scales, right.column_scales)
    sums = torch._int_mm(left.rows, right.columns).float()
    assert torch.equal(found, sums * left.row_scales[:, None] * right.column_scales)


@pytest.mark.parametrize(
    "x", [torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2, 2, 2), torch.zeros(3)]
)
def test_only_matrices_of_float32_are_taken(x: torch.Tensor) -> None:
    with pytest.raises(InvalidInputError, match=r"float32 matrices on a CPU.*matmul: float"):
        Quantised(x)


def test_no_more_terms_than_fit_into_a_sum() -> None:
    ones = torch.ones(MOST_TERMS + 1, dtype=torch.int8)
    scale = torch.ones(1)
    with pytest.raises(InvalidInputError, match=r"lower sft.batch_tokens"):
        scaled_product(ones[None], ones[:, None], scale, scale)


def test_nothing_has_no_rows() -> None:
    assert int8_linear(torch.empty(0, 4), torch.ones(3, 4)).shape == (0, 3)


def test_a_gradient_has_no_gradient() -> None:
    x = matrix(4, 5).requires_grad_()
    above = torch.ones(4, 6, requires_grad=True)
    (slope,) = torch.autograd.grad(int8_linear(x, matrix(6, 5)), x, above, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_without_gradients_no_bytes_are_made_for_them() -> None:
    weight = matrix(6, 5).requires_grad_()
    with (
        torch.no_grad(),
        patch.object(int8, "Quantised", wraps=Quantised) as made,
    ):
        int8_linear(matrix(4, 5), weight)
    assert all(call.kwargs["by_column"] is False for call in made.call_args_list)


def test_what_was_not_asked_for_is_not_there() -> None:
    assert not hasattr(Quantised(matrix(2, 3), by_column=False), "columns")
    assert not hasattr(Quantised(matrix(2, 3), by_row=False), "rows")


def test_rows_and_columns_of_zeros_stay_zeros() -> None:
    x = matrix(4, 5)
    x[1], x[:, 2] = 0, 0
    found = Quantised(x)
    assert not found.rows[1].any()
    assert not found.columns[:, 2].any()
    assert torch.equal(int8_linear(torch.zeros(3, 5), x), torch.zeros(3, 4))


def test_a_value_that_is_no_number_is_not_hidden() -> None:
    """Training sees by its loss that it diverged."""
    x, weight = matrix(4, 5), matrix(6, 5)
    x[2, 3] = float("nan")
    found = int8_linear(x, weight)
    assert found[2].isnan().all()
    assert found[[0, 1, 3]].isfinite().all()


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = matrix(300, 64).requires_grad_(), matrix(96, 64, 1).requires_grad_()

    def outcome() -> list[torch.Tensor]:
        product = int8_linear(x, weight)
        return [product, *torch.autograd.grad(product.square().sum(), [x, weight])]

    alone = outcome()
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    for one, three in zip(alone, outcome(), strict=True):
        assert torch.equal(one, three)


@pytest.mark.parametrize("biased", [False, True])
def test_product_and_gradients_are_close_to_those_of_floats(biased: bool) -> None:
    x, weight = torch.randn(150, 64), torch.randn(96, 64)
    bias = torch.randn(96) if biased else None
    given = [t.requires_grad_() for t in (x, weight, bias) if t is not None]
    slope = torch.randn(150, 96)
    outcomes = []
    for linear in (functional.linear, int8_linear):
        product = linear(x, weight, bias)
        gradients = torch.autograd.grad(product, given, slope)
        outcomes.append([product, *gradients])
    for exact, close in zip(*outcomes, strict=True):
        assert relative(close, exact) < 0.02
    if biased:
        assert torch.equal(outcomes[0][-1], outcomes[1][-1])


def test_only_what_wants_a_gradient_gets_one() -> None:
    x, weight = torch.randn(8, 4), torch.randn(6, 4)
    assert not int8_linear(x, weight).requires_grad
    int8_linear(x, weight.requires_grad_()).sum().backward()
    assert weight.grad is not None
    assert x.grad is None
    frozen, states = torch.randn(6, 4), torch.randn(8, 4).requires_grad_()
    int8_linear(states, frozen).sum().backward()
    assert states.grad is not None


@pytest.mark.parametrize("trainable", ["all", "last_layers"])
def test_a_model_gives_nearly_the_same(policy: Policy, trainable: str) -> None:
    select_trainable(policy.model, trainable, 1)
    batch = collate(tokenise(policy.prompt, problems(4), 1024))
    chosen = [p for p in policy.model.parameters() if p.requires_grad]
    outcomes = []
    for kernels in (kernels_of("float"), kernels_of("int8")):
        logprobs, _ = completion_logprobs(policy.model, batch, kernels=kernels)
        gradients = torch.autograd.grad(logprobs.sum(), chosen)
        outcomes.append((logprobs, torch.cat([g.flatten() for g in gradients])))
    (exact, slope), (close, near) = outcomes
    assert 0 < (exact - close).abs().max().item() < 0.2  # and not the same by accident
    assert functional.cosine_similarity(slope, near, 0).item() > 0.99


def test_frozen_layers_multiply_bytes_too(policy: Policy, tmp_path: Path) -> None:
    select_trainable(policy.model, "last_layers", 1)
    sequences = tokenise(policy.prompt, problems(3), 1024)
    kernels = Kernels(linear=int8_linear)
    kept = keep_frozen_states(policy.model, sequences, [[0, 1, 2]], tmp_path, kernels)
    assert kept is not None
    batch = collate(sequences)
    with_kept, _ = completion_logprobs(
        policy.model, batch, lower=kept.of([0, 1, 2], batch), kernels=kernels
    )
    without, _ = completion_logprobs(policy.model, batch, kernels=kernels)
    torch.testing.assert_close(with_kept, without)


SETTINGS: dict[str, Any] = {"epochs": 4, "save_every": 2, "trainable": "all", "batch_tokens": 520}
RATE = {"learning_rate": 0.003}


def losses(base: BaseModel, folder: Path, **sft: Any) -> list[float]:
    train_sft(experiment(sft=SETTINGS | RATE | sft), base, problems(8), folder)
    return [record["loss"] for record in read_records(folder / "metrics.jsonl")]


def test_a_model_learns_with_it_as_without(base: BaseModel, tmp_path: Path) -> None:
    with_floats = losses(base, tmp_path / "float")
    with_bytes = losses(base, tmp_path / "int8", matmul="int8")
    assert with_bytes != with_floats
    assert with_bytes == pytest.approx(with_floats, rel=0.03)
    assert with_bytes[-1] < 0.7 * with_bytes[0]


def test_a_run_that_was_stopped_goes_on_exactly(base: BaseModel, tmp_path: Path) -> None:
    settings = experiment(sft=SETTINGS | RATE | {"matmul": "int8"})

    class Stopped(Exception):  # noqa: N818
        pass

    def stop(step: int, _: object) -> None:
        if step == 5:
            raise Stopped

    train_sft(settings, base, problems(8), tmp_path / "whole")
    with pytest.raises(Stopped):
        train_sft(settings, base, problems(8), tmp_path / "parts", stop)
    train_sft(settings, base, problems(8), tmp_path / "parts")
    shas = [file_sha256(tmp_path / f / "weights.safetensors") for f in ("whole", "parts")]
    assert shas[0] == shas[1]


def test_reinforcement_updates_multiply_bytes_too(
    base: BaseModel, sft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rollouts, judged the same; the first update is nearly the same."""

    def verify(_: Solver, text: str, *__: object, **___: object) -> Verdict:
        return Verdict(VerdictKind.WRONG_ANSWER, None, sum(text.encode()) % 5 / 4, None, "", None)

    monkeypatch.setattr(Solver, "verify", verify)
    rl = {"iterations": 1, "prompts": 2, "samples": 2, "max_tokens": 6, "temperature": 3.0}
    rl |= {"kl_coefficient": 0.1, "estimator": "rloo", "evaluate_problems": 2}
    first = []
    for matmul in ("float", "int8"):
        settings = experiment(rl=rl, sft={"matmul": matmul})
        train_rl(settings, sft_folder, problems(4), problems(4), tmp_path / matmul, base)
        first.append(read_records(tmp_path / matmul / "metrics.jsonl")[0])
    exact, close = first
    assert close["reward"] == exact["reward"]
    assert close["grad_norm"] != exact["grad_norm"]
    assert close["kl"] == exact["kl"] == 0  # the reference multiplies as the policy does
    for name in ("grad_norm", "entropy"):
        assert close[name] == pytest.approx(exact[name], rel=0.05)


def test_what_auto_means_is_recorded(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a run that began in one way is not gone on with in the other."""
    settings = experiment(sft=SETTINGS | {"epochs": 1, "matmul": "auto"})
    runs = []
    for fast in (True, False):
        monkeypatch.setattr(
            "trace_pipeline.modeling.network.linear.has_byte_products", lambda f=fast: f
        )
        runs.append(train_sft(settings, base, problems(4), tmp_path / str(fast)))
    assert [info.config["matmul"] for info in runs] == ["int8", "float"]
    for info, name in zip(runs, ("int8", "float"), strict=True):
        asked = experiment(sft=SETTINGS | {"epochs": 1, "matmul": name})
        made = train_sft(asked, base, problems(4), tmp_path / name)
        assert made.run == info.run
        # What was made elsewhere, in either way, is what auto asks for.
        assert train_sft(settings, base, problems(4), tmp_path / name) == made


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Says whether the CPU is fast at products of bytes."""

    def say(whether: bool) -> None:
        monkeypatch.setattr(
            "trace_pipeline.modeling.network.linear.has_byte_products", lambda: whether
        )

    return say


def meaning(asked: str, policy: Policy) -> str:
    return resolve_matmul(experiment(sft={"matmul": asked}), policy.model)


def test_auto_multiplies_bytes_where_that_is_faster(
    policy: Policy, fast: Callable[[bool], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fast(True)
    assert meaning("auto", policy) == "int8"
    assert meaning("float", policy) == "float"
    fast(False)
    assert meaning("auto", policy) == "float"
    assert "auto is float here: this CPU has no instructions" in caplog.text


def test_int8_on_a_slow_cpu_warns(
    policy: Policy, fast: Callable[[bool], None], caplog: pytest.LogCaptureFixture
) -> None:
    fast(False)
    with caplog.at_level(logging.WARNING):
        assert meaning("int8", policy) == "int8"
    assert "slower than float" in caplog.text


def _in_bfloat16(policy: Policy, _: pytest.MonkeyPatch) -> None:
    policy.model.bfloat16()


def _with_adapters(policy: Policy, _: pytest.MonkeyPatch) -> None:
    add_adapters(policy.model, LoraConfig(rank=2))


def _with_a_window(policy: Policy, _: pytest.MonkeyPatch) -> None:
    policy.model.config.model_type = "mistral"
    policy.model.config.sliding_window = 64


def _without_numba(_: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)


def _with_overflowing_sums(_: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch._int_mm", lambda a, b: torch.full((64, 96), 32640))
    monkeypatch.setattr("trace_pipeline.modeling.network.linear.sums_bytes_exactly", _probe())


def _probe() -> Callable[[], bool]:
    """The real one, without what it remembers."""
    probe: Callable[[], bool] = sums_bytes_exactly.__wrapped__
    return probe


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_in_bfloat16, "torch.bfloat16 on cpu; set model.device: cpu and model.dtype: float32"),
        (_with_adapters, "adapters; set sft.trainable: all or last_layers"),
        (_with_a_window, "this mistral model's are not; take another model.reference"),
        (_without_numba, "pip install -c constraints.txt numba"),
        (_with_overflowing_sums, "in 16 bits, which overflow; take a CPU with"),
    ],
)
def test_where_it_cannot_be_the_remedy_is_said(
    policy: Policy,
    monkeypatch: pytest.MonkeyPatch,
    fast: Callable[[bool], None],
    change: Callable[[Policy, pytest.MonkeyPatch], None],
    said: str,
) -> None:
    fast(True)
    change(policy, monkeypatch)
    with pytest.raises(InvalidInputError, match=said) as caught:
        meaning("int8", policy)
    assert str(caught.value).endswith("or set sft.matmul: float")
    assert meaning("auto", policy) == "float"
