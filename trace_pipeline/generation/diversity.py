"""How varied the language of a balanced dataset is, held against the promised floors."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from trace_pipeline.generation.catalog import Catalog
from trace_pipeline.generation.generator import Generator
from trace_pipeline.generation.masking import Masker
from trace_pipeline.generation.statistics import (
    DatasetStatistics,
    Forms,
    dataset_statistics,
)

EXAMPLES = 3000
"""The dataset that the floors are for: this many examples of the default mix."""
MOST_DUPLICATES = 3
"""Questions that may occur a second time."""
FEWEST_SKELETONS = 2600
"""Distinct questions with numbers and names masked, in the default wording."""
FEWEST_VARIED_FORMS = 1500
"""Distinct questions with things masked too, under ``wording: varied``."""


class Diversity(Struct, frozen=True, kw_only=True):
    """The figures of one dataset in the default wording and under ``wording: varied``."""

    examples: int
    duplicates: int
    varied_duplicates: int
    plain: dict[str, Forms]
    """By expert, alphabetical; ``all`` is the whole dataset."""
    varied: dict[str, Forms]

    def shortfalls(self) -> list[str]:
        """What is missed of the promised floors; empty if all are met."""
        skeletons, forms = self.plain["all"].skeletons, self.varied["all"].forms
        found = []
        for wording, count in (("plain", self.duplicates), ("varied", self.varied_duplicates)):
            if count > MOST_DUPLICATES:
                found.append(f"{wording}: {count} duplicates, at most {MOST_DUPLICATES} may be")
        if skeletons < FEWEST_SKELETONS:
            found.append(f"plain: {skeletons} skeletons, at least {FEWEST_SKELETONS} are promised")
        if forms < FEWEST_VARIED_FORMS:
            found.append(f"varied: {forms} forms, at least {FEWEST_VARIED_FORMS} are promised")
        return found

    def to_table(self) -> str:
        """A plain text table, one line an expert, followed by duplicates and shortfalls."""
        lines = [
            f"{'expert':15} examples  skeletons  without things  varied: skeletons  without things"
        ]
        for name, plain in self.plain.items():
            varied = self.varied[name]
            lines.append(
                f"{name:15} {plain.examples:8}  {plain.skeletons:9}  {plain.forms:14}"
                f"  {varied.skeletons:17}  {varied.forms:14}"
            )
        lines.append(f"duplicates: {self.duplicates}, varied: {self.varied_duplicates}")
        return "\n".join([*lines, *(f"diversity: {text}" for text in self.shortfalls())])


def measure_diversity(catalog: Catalog, seed: int = 0) -> Diversity:
    """Generate the dataset of ``EXAMPLES`` examples in both wordings and count its forms."""
    masker = Masker.of(catalog)

    def counted(wording: Literal["plain", "varied"]) -> DatasetStatistics:
        generator = Generator(catalog, seed, wording=wording)
        return dataset_statistics(generator.sample(EXAMPLES), masker)

    plain, varied = counted("plain"), counted("varied")
    return Diversity(
        examples=plain.examples,
        duplicates=plain.examples - plain.distinct,
        varied_duplicates=varied.examples - varied.distinct,
        plain=plain.forms,
        varied=varied.forms,
    )
