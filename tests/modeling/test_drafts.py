from __future__ import annotations

import pytest
import torch

from tests.modeling.test_decoding import QUESTIONS, make_ends_likely, texts
from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.decoding.decoder import Completion, Decoder, Sampling, _draw
from trace_pipeline.modeling.decoding.drafts import ENTRIES, ORDERS, Drafts
from trace_pipeline.modeling.decoding.running import RunningBatch
from trace_pipeline.modeling.network.products import FEW, product
from trace_pipeline.modeling.storage.checkpoints import Policy


def decode(
    policy: Policy,
    drafts: int,
    sampling: Sampling | None = None,
    constrained: bool = False,
    batch_size: int = 4,
) -> list[Completion]:
    config = DecodingConfig(
        max_tokens=220 if constrained else 40,
        drafts=drafts,
        constrained=constrained,
        batch_size=batch_size,
    )
    return Decoder(policy, config).decode(QUESTIONS, sampling)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Sequences and tokens of each step that the batch took."""
    taken: list[tuple[int, int]] = []
    step = RunningBatch.step

    def counted(batch: RunningBatch) -> torch.Tensor:
        hidden = step(batch)
        taken.append((len(batch.running), len(hidden)))
        return hidden

    monkeypatch.setattr(RunningBatch, "step", counted)
    return taken


def test_what_came_twice_is_guessed() -> None:
    drafts = Drafts()
    drafts.learn([], [1, 2, 3, 4, 5])
    assert drafts.guess([1, 2], 3) == []  # once proves nothing
    drafts.learn([], [1, 2, 3, 4, 5])
    assert drafts.guess([1, 2], 3) == [3, 4, 5]
    assert drafts.guess([1, 2], 2) == [3, 4]
    assert drafts.guess([1, 2], 0) == []
    assert drafts.guess([9, 1, 2], 1) == [3]  # the shorter context speaks
    assert drafts.guess([2], 3) == []


def test_contexts_that_go_either_way_are_silent() -> None:
    drafts = Drafts()
    for token in (3, 4, 3, 4, 3):
        drafts.learn([1, 2], [token])
    assert drafts.guess([1, 2], 1) == []


def test_the_longest_known_context_decides() -> None:
    drafts = Drafts()
    for _ in range(3):
        drafts.learn([7, 8, 1, 2], [5])
        for _ in range(20):
            drafts.learn([9, 9, 1, 2], [3])
    assert drafts.guess([7, 8, 1, 2], 1) == [5]
    assert drafts.guess([6, 6, 1, 2], 1) == [3]


def test_a_new_habit_replaces_the_old() -> None:
    drafts = Drafts()
    drafts.learn([1, 2], [3])
    for _ in range(8):
        drafts.learn([1, 2], [4])
    assert drafts.guess([1, 2], 1) == [4]


def test_the_table_stops_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trace_pipeline.modeling.decoding.drafts.ENTRIES", 10)
    drafts = Drafts()
    for _ in range(2):
        drafts.learn([], list(range(100)))
    assert len(drafts._table) == 10 < ENTRIES
    assert drafts.guess([0, 1], 1) == [2]
    assert max(ORDERS) == ORDERS[0]


@pytest.mark.parametrize("constrained", [False, True])
def test_drafts_change_no_text(
    policy: Policy, passes: list[tuple[int, int]], constrained: bool
) -> None:
    plain = decode(policy, 0, constrained=constrained)
    without = len(passes)
    assert all(sequences == rows for sequences, rows in passes)
    drafted = decode(policy, 4, constrained=constrained)
    assert any(sequences < rows for sequences, rows in passes[without:])
    assert texts(drafted) == texts(plain)
    assert [c.forced for c in drafted] == [c.forced for c in plain]
    assert [c.choices for c in drafted] == [c.choices for c in plain]
    assert [c.logprob for c in drafted] == pytest.approx([c.logprob for c in plain], rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("constrained", [False, True])
def test_drafts_change_no_draw(policy: Policy, batch_size: int, constrained: bool) -> None:
    make_ends_likely(policy)
    sampling = Sampling(seeds=range(60, 60 + 3 * len(QUESTIONS)), temperature=0.6, samples=3)
    plain = decode(policy, 0, sampling, constrained=constrained)
    drafted = decode(policy, 6, sampling, constrained=constrained, batch_size=batch_size)
    assert texts(drafted) == texts(plain)


def test_one_product_for_all_constrained_sequences_gives_the_same(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU does: nothing is computed for the allowed tokens alone."""
    few = decode(policy, 4, constrained=True)
    monkeypatch.setattr("trace_pipeline.modeling.decoding.decoder.FEW", {"cpu": 0})
    whole = decode(policy, 4, constrained=True)
    assert texts(whole) == texts(few)
    assert [c.forced for c in whole] == [c.forced for c in few]


def test_fewer_passes_where_the_model_repeats_itself(
    policy: Policy, passes: list[tuple[int, int]]
) -> None:
    with torch.no_grad():  # every token is followed by the one that it is most like: itself
        for layer in policy.model.base_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    decode(policy, 0)
    before = len(passes)
    decode(policy, 6)
    assert len(passes) - before < before / 2


@pytest.mark.parametrize("rows", [1, 2, 3, 20, FEW, FEW + 1])
@pytest.mark.parametrize("biased", [False, True])
def test_products_are_those_of_linear(rows: int, biased: bool) -> None:
    x, weight = torch.randn(rows, 24), torch.randn(40, 24)
    bias = torch.randn(40) if biased else None
    expected = torch.nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(product(x, weight, bias), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [256, 259, 1000])
def test_draws_are_inversions_of_the_cumulated_probabilities(size: int) -> None:
    logits = 4 * torch.randn(50, size)
    draws = torch.rand(50, dtype=torch.float64)
    cumulated = logits.double().softmax(-1).cumsum(-1)
    expected = torch.searchsorted(cumulated, draws[:, None], right=True)[:, 0]
    before = logits.clone()
    chosen, logprobs = _draw(logits, draws)
    assert chosen.tolist() == expected.tolist()
    assert torch.equal(logits, before)
    kept = torch.log_softmax(logits, -1).gather(-1, expected[:, None])[:, 0]
    torch.testing.assert_close(logprobs, kept, rtol=0, atol=1e-5)


def test_nothing_impossible_is_drawn() -> None:
    logits = torch.full((2, 600), torch.finfo(torch.float32).min)
    logits[:, 300:310] = torch.randn(2, 10)
    chosen, logprobs = _draw(logits, torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64))
    assert chosen.tolist() == [300, 309]
    assert logprobs.min() > -20
