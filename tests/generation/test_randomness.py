from __future__ import annotations

from collections import Counter

from trace_pipeline.generation.randomness import Stream, fingerprint


def test_the_stream_is_the_same_on_every_machine() -> None:
    """Literal values: a change of these changes every dataset hash."""
    stream = Stream(0, "train", "arithmetic/x", 7, 0)
    assert [stream.below(1000) for _ in range(6)] == EXPECTED
    assert fingerprint("split", "a text") == FINGERPRINT


def test_neighbours_share_nothing() -> None:
    drawn = {
        tuple(Stream(seed, "train", "s", index, 0).below(10**6) for _ in range(3))
        for seed in range(20)
        for index in range(20)
    }
    assert len(drawn) == 400


def test_draws_are_uniform_far_beyond_one_block() -> None:
    stream = Stream("uniform")
    counts = Counter(stream.below(10) for _ in range(20_000))
    assert set(counts) == set(range(10))
    assert all(1800 < count < 2200 for count in counts.values())


EXPECTED = [799, 861, 993, 622, 895, 565]
FINGERPRINT = 12_079_885_358_572_127_978
