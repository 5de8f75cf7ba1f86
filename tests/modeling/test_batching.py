from __future__ import annotations

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.modeling.tiny import make_tokenizer, problem, problems
from trace_pipeline.experiment import PromptConfig
from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.modeling.network.batching import Sequences, collate, plan_batches, tokenise
from trace_pipeline.validation import InvalidInputError

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=200)


def prompt() -> Prompt:
    return Prompt(PromptConfig(system="none", template="plain"), make_tokenizer())


@given(LENGTHS, st.integers(1, 200), st.integers(0, 3))
def test_every_sequence_is_in_one_batch_within_the_budget(
    lengths: list[int], budget: int, epoch: int
) -> None:
    batches = plan_batches(lengths, budget, seed=1, epoch=epoch)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    assert batches == plan_batches(lengths, budget, seed=1, epoch=epoch)


def test_epochs_and_seeds_differ() -> None:
    lengths = [5] * 100
    plans = [plan_batches(lengths, 20, s, e) for s, e in [(0, 0), (0, 1), (1, 0)]]
    assert plans[0] != plans[1] != plans[2] != plans[0]


def test_little_padding_where_lengths_vary() -> None:
    lengths = [20 + (i * 37) % 200 for i in range(800)]
    batches = plan_batches(lengths, 2000, seed=0)
    places = sum(len(b) * max(lengths[i] for i in b) for b in batches)
    assert sum(lengths) / places > 0.9  # unsorted batches give 0.55


def test_loss_is_on_the_completion_alone() -> None:
    batch = collate([Sequences([1, 2], [3, 4]), Sequences([5], [6, 7, 8, 9])])
    assert batch.input_ids.tolist() == [[1, 2, 3, 4, 1], [5, 6, 7, 8, 9]]
    assert batch.targets.tolist() == [3, 4, 6, 7, 8, 9]
    assert batch.ids[batch.positions].tolist() == [2, 3, 5, 6, 7, 8]  # each before its target
    assert batch.rows.tolist() == [0, 0, 1, 1, 1, 1]
    assert (batch.tokens, batch.padding) == (9, 1)


def test_what_sequences_begin_with_is_there_once() -> None:
    batch = collate([Sequences([1, 2], [3, 4]), Sequences([1, 2], [3, 5]), Sequences([2], [3])])
    assert batch.ids.tolist() == [1, 2, 3, 4, 5, 2, 3]
    assert batch.depths.tolist() == [0, 1, 2, 3, 3, 0, 1]
    assert batch.paths.tolist() == [[0, 1, 2, 3], [0, 1, 2, 4], [5, 6, 0, 0]]
    assert torch.equal(batch.paths.flatten()[batch.homes], torch.arange(7))
    assert batch.positions.tolist() == [1, 2, 1, 2, 5]
    assert batch.targets.tolist() == [3, 4, 3, 5, 3]
    assert (batch.tokens, batch.shared, batch.padding) == (10, 3, 2)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 2), min_size=1, max_size=5),
            st.lists(st.integers(0, 2), min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=7,
    )
)
def test_nodes_are_the_different_prefixes_in_order_of_appearance(
    pairs: list[tuple[list[int], list[int]]],
) -> None:
    sequences = [Sequences(*pair) for pair in pairs]
    batch = collate(sequences)
    width = batch.paths.shape[1]
    nodes: dict[tuple[int, ...], int] = {}
    homes, predicted = [], []
    for row, sequence in enumerate(sequences):
        tokens = sequence.prompt + sequence.completion
        for end in range(1, len(tokens) + 1):
            node = nodes.setdefault(tuple(tokens[:end]), len(nodes))
            if node == len(homes):
                homes.append(row * width + end - 1)
            assert batch.paths[row, end - 1] == node
        ends = range(len(sequence.prompt), len(tokens))
        predicted += [(nodes[tuple(tokens[:end])], tokens[end], row) for end in ends]
    assert batch.homes.tolist() == homes
    assert batch.ids.tolist() == [prefix[-1] for prefix in nodes]
    assert batch.depths.tolist() == [len(prefix) - 1 for prefix in nodes]
    columns = (batch.positions.tolist(), batch.targets.tolist(), batch.rows.tolist())
    assert list(zip(*columns, strict=True)) == predicted


def test_a_target_that_does_not_fit_is_an_error() -> None:
    examples = [*problems(3), problem(10**30, 10**29)]
    sequences = tokenise(prompt(), examples, max_len=1000)
    longest = max(len(s) for s in sequences)
    with pytest.raises(InvalidInputError, match=rf"1 of 4 .*example 3, has {longest} tokens"):
        tokenise(prompt(), examples, max_len=longest - 1)


def test_cutting_keeps_prompts_and_warns(caplog: pytest.LogCaptureFixture) -> None:
    examples = problems(3)
    whole = tokenise(prompt(), examples, max_len=1000)
    with caplog.at_level(logging.WARNING):
        cut = tokenise(prompt(), examples, max_len=120, overflow="cut")
    assert "3 of 3 examples are longer" in caplog.text
    for short, long in zip(cut, whole, strict=True):
        assert len(short) == 120
        assert short.prompt == long.prompt
        assert short.completion == long.completion[: len(short.completion)]
    with pytest.raises(InvalidInputError, match="Raise sft"):
        tokenise(prompt(), examples, max_len=40, overflow="cut")


def test_no_examples() -> None:
    with pytest.raises(InvalidInputError, match="no training examples"):
        tokenise(prompt(), [], max_len=100)


def test_twins_are_the_places_of_nodes_that_have_their_home_elsewhere() -> None:
    batch = collate([Sequences([1, 2, 3], [4]), Sequences([1, 2], [5]), Sequences([1, 2, 3], [4])])
    flat, width = batch.paths.flatten(), batch.paths.shape[1]
    assert batch.twins.tolist() == [width, width + 1, *range(2 * width, 2 * width + 4)]
    assert batch.shared == len(batch.twins)
    for place in batch.twins.tolist():
        assert batch.homes[flat[place]] != place
