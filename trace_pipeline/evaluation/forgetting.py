"""What fine-tuning cost elsewhere: losses on general text and chat before and after training."""

from __future__ import annotations

import math

from msgspec import Struct

from trace_pipeline.evaluation.tables import Table

TOLERATED_PERPLEXITY = 1.2
"""Growth of a perplexity above which a report warns: a fifth more, 0.18 nats a token.

A convention, not a law; the figures stand beside the warning.
"""


class Drift(Struct, frozen=True, kw_only=True):
    """The mean loss on one kind of text, in nats per token, before and after training."""

    name: str
    """What the text is: ``general text``, ``chat replies``."""
    before: float
    after: float
    tokens: int
    """Tokens that the losses are the mean of."""

    @property
    def change(self) -> float:
        """Loss after less loss before, in nats per token; above 0 the model got worse."""
        return self.after - self.before

    @property
    def growth(self) -> float:
        """How many times larger the perplexity has become."""
        return math.exp(self.change)


class Forgetting(Struct, frozen=True, kw_only=True):
    """What a trained model has lost against its base."""

    text: Drift
    chat: Drift | None = None
    """None where the base has no chat template."""

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """All that was measured."""
        return (self.text, self.chat) if self.chat else (self.text,)

    @property
    def forgotten(self) -> tuple[Drift, ...]:
        """Those whose perplexity grew by more than is tolerated."""
        return tuple(drift for drift in self.drifts if drift.growth > TOLERATED_PERPLEXITY)

    def metrics(self) -> dict[str, float]:
        """Flat figures for a tracking server: losses in nats per token, and perplexities."""
        found: dict[str, float] = {}
        for key, drift in (("text", self.text), ("chat", self.chat)):
            if drift is not None:
                found |= {
                    f"{key}_loss_before": drift.before,
                    f"{key}_loss": drift.after,
                    f"{key}_loss_change": drift.change,
                    f"{key}_perplexity_before": math.exp(drift.before),
                    f"{key}_perplexity": math.exp(drift.after),
                }
        return found

    def table(self) -> Table:
        """One row a kind of text."""
        rows = tuple(
            (
                drift.name,
                f"{drift.before:.3f}",
                f"{drift.after:.3f}",
                f"{drift.change:+.3f}",
                f"{math.exp(drift.before):.2f}",
                f"{math.exp(drift.after):.2f}",
                f"{drift.growth:.2f} times",
                f"{drift.tokens:,}",
            )
            for drift in self.drifts
        )
        columns = (
            "text", "loss before", "loss after", "change", "perplexity before",
            "perplexity after", "growth", "tokens",
        )  # fmt: skip
        return Table("Loss elsewhere, in nats per token", columns, rows)
