"""Verified examples from a catalogue: any schema, any index, any split, any shard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from typing import Literal

from msgspec import Struct

from trace_pipeline.generation.allocation import Quota, allocate, in_proportion
from trace_pipeline.generation.catalog import Catalog
from trace_pipeline.generation.findings import GenerationError
from trace_pipeline.generation.naming import Naming
from trace_pipeline.generation.plan import Plan, Wording
from trace_pipeline.generation.randomness import fingerprint
from trace_pipeline.generation.realisation import Accept, Realisation, realise, require_sound
from trace_pipeline.generation.vocabulary import CatalogError
from trace_pipeline.generation.wording import vary
from trace_pipeline.solver import Solver
from trace_pipeline.traces import Number, Trace
from trace_pipeline.validation import unknown_name

Split = Literal["train", "validation", "test", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test", "heldout")
"""``heldout`` keeps whole templates that the others never use."""

BLOCK = 4000
"""Examples that ``sample`` makes at a time."""

_SHARES: tuple[Split, ...] = ("train",) * 6 + ("validation", "test")
"""The split of a question by its hash: three quarters, an eighth, an eighth of all texts."""


class Example(Struct, frozen=True, kw_only=True, gc=False):
    """One verified problem; it holds no cycle, so the garbage collector need not follow it."""

    question: str
    trace: Trace
    answer: Number
    expert: str
    schema: str
    """The schema's id, ``<expert>/<name>``."""
    index: int
    """Number of the example within its schema and split."""
    split: str
    explanation: str = ""
    """The solution in words, where there is one to learn from beside the trace."""


def split_of(question: str) -> Split:
    """The split to which a text belongs, whichever schema made it."""
    return _SHARES[fingerprint("split\0" + " ".join(question.lower().split())) % len(_SHARES)]


class Generator:
    """Makes examples; two generators with the same arguments make the same ones anywhere."""

    def __init__(
        self,
        catalog: Catalog,
        seed: int = 0,
        *,
        naming: Naming = "hybrid",
        phrasings: int | Literal["all"] = "all",
        interleaved_ratio: float | None = None,
        composition_share: float | None = None,
        wording: Literal["plain", "varied"] = "plain",
        schemas: Sequence[str] | None = None,
        solver: Solver | None = None,
        verify: bool = True,
    ) -> None:
        """Choose what is generated.

        Args:
            catalog: The schemas.
            seed: Different seeds share no example but by chance.
            naming: Names in the traces.
            phrasings: Templates in use per schema, each with a single fixed wording if a number.
            interleaved_ratio: Share of arithmetic examples with an init after an operation.
            composition_share: Share of compositions, whatever their weight in a mix.
            wording: ``varied`` also perturbs the finished text.
            schemas: Ids or unique names to draw from; all when absent.
            solver: The solver that verifies every example.
            verify: Verify each example (the default; off only to measure what it costs).

        Raises:
            CatalogError: an unknown schema.
            ValueError: an option out of its range.
        """
        if phrasings != "all" and phrasings < 1:
            raise ValueError(f"phrasings: expected 'all' or at least 1, found {phrasings}")
        for name, share in (
            ("interleaved_ratio", interleaved_ratio),
            ("composition_share", composition_share),
        ):
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{name}: expected a share from 0 to 1, found {share}")
        chosen = list(catalog.plans.values())
        if schemas is not None:
            chosen = list({plan.id: plan for plan in map(catalog.plan, schemas)}.values())
        self.catalog = catalog
        self.plans: dict[str, Plan] = {p.id: p for p in sorted(chosen, key=lambda p: p.id)}
        self.seed = seed
        self.naming: Naming = naming
        self.phrasings = phrasings
        self.interleaved_ratio = interleaved_ratio
        self.composition_share = composition_share
        self.wording = wording
        self.solver = solver or Solver()
        self.verify = verify
        self._restricted = schemas is not None
        self._turns: dict[tuple[str, str], tuple[int, tuple[Wording, ...]]] = {}

    def example(self, schema: str, index: int, split: str = "train") -> Example:
        """Example number ``index`` (from 0) of a schema; nothing else influences it.

        Raises:
            CatalogError: an unknown schema or split.
            GenerationError: constraints that cannot be met, or an example that fails verification.
        """
        return self._of_schema(schema, (index,), split)[0]

    def _of_schema(self, schema: str, indices: Iterable[int], split: str) -> list[Example]:
        """Examples of one schema: all of them drawn, then all of them verified.

        The processor's cache holds the code of the one or of the other, hardly of both.
        """
        plan = self.catalog.plan(schema)
        drawn = [
            (index, self._drawn(plan, self.wording_of(plan, index, split), index, split))
            for index in indices
        ]
        for index, found in drawn:
            self._check(plan, found, index, split)
        return [
            Example(
                question=found.question,
                trace=found.trace,
                answer=found.answer,
                expert=plan.expert,
                schema=plan.id,
                index=index,
                split=split,
            )
            for index, found in drawn
        ]

    def wordings(self, plan: Plan, split: str) -> tuple[Wording, ...]:
        """The templates of a schema that serve a split under this generator's options.

        Raises:
            CatalogError: an unknown split.
        """
        return self._turns_of(plan, split)[1]

    def wording_of(self, plan: Plan, index: int, split: str) -> Wording:
        """The template of an example: they take turns, from a start that depends on the seed."""
        start, wordings = self._turns_of(plan, split)
        return wordings[(start + index) % len(wordings)]

    def _turns_of(self, plan: Plan, split: str) -> tuple[int, tuple[Wording, ...]]:
        turns = self._turns.get((plan.id, split))
        if turns is None:
            _check_split(split)
            found = plan.for_split(split == "heldout")
            wordings = found if self.phrasings == "all" else found[: self.phrasings]
            turns = (fingerprint(self.seed, split, plan.id), wordings)
            self._turns[plan.id, split] = turns
        return turns

    def realise(self, plan: Plan, wording: Wording, index: int, split: str) -> Realisation:
        """The drawn, written and verified problem behind an example.

        Raises:
            GenerationError: constraints that cannot be met, or an example that fails verification.
        """
        found = self._drawn(plan, wording, index, split)
        self._check(plan, found, index, split)
        return found

    def _check(self, plan: Plan, found: Realisation, index: int, split: str) -> None:
        if self.verify:
            try:
                require_sound(plan, found, self.naming, self.solver)
            except GenerationError as error:
                raise _placed(error, plan, found.wording, index, split) from None

    def _drawn(self, plan: Plan, wording: Wording, index: int, split: str) -> Realisation:
        try:
            return realise(
                plan,
                wording,
                f"{self.seed}\0{split}\0{plan.id}\0{index}",
                naming=self.naming,
                fixed=self.phrasings != "all",
                accept=_ACCEPT.get(split),
                rewrite=vary if self.wording == "varied" else None,
            )
        except GenerationError as error:
            raise _placed(error, plan, wording, index, split) from None

    def quotas(self, n: int, mix: Mapping[str, float] | None = None, split: str = "train") -> Quota:
        """How many of ``n`` examples each schema gives.

        Raises:
            CatalogError: a mix that names an unknown expert or one without schemas.
        """
        return allocate(
            n,
            mix,
            self.plans.values(),
            order=partial(fingerprint, self.seed, split),
            interleaved_ratio=self.interleaved_ratio,
            composition_share=self.composition_share,
            restricted=self._restricted,
        )

    def sample(
        self,
        n: int,
        mix: Mapping[str, float] | None = None,
        split: str = "train",
        *,
        expert: str | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> Iterator[Example]:
        """Exactly ``n`` examples, schemas and experts evenly mixed throughout.

        Args:
            n: Examples over all experts.
            mix: Weight of each expert; the default mix when absent.
            split: One of ``SPLITS``.
            expert: Only this partition of the ``n``, the same as within the whole.
            shard: ``(k, of)``: every ``of``-th example from the ``k``-th on.

        Raises:
            CatalogError: an unknown split or a mix that cannot be met.
        """
        return self.examples(self.places(n, mix, split, expert=expert, shard=shard), split)

    def places(
        self,
        n: int,
        mix: Mapping[str, float] | None = None,
        split: str = "train",
        *,
        expert: str | None = None,
        shard: tuple[int, int] = (0, 1),
        start: int = 0,
    ) -> Iterator[tuple[str, int]]:
        """The schema and index of each example that ``sample`` gives, which has the arguments.

        The first ``start`` are left out, without a walk through them.

        Raises:
            CatalogError: an unknown split or a mix that cannot be met.
        """
        _check_split(split)
        quotas = self.quotas(n, mix, split)
        if expert is not None:
            quotas = {
                key: count for key, count in quotas.items() if self.plans[key].expert == expert
            }
        part, parts = shard
        if not 0 <= part < parts:
            raise ValueError(f"expected a shard (k, of) with 0 <= k < of, found {shard}")
        return islice(in_proportion(quotas, part + start * parts), 0, None, parts)

    def examples(
        self, places: Iterable[tuple[str, int]], split: str = "train"
    ) -> Iterator[Example]:
        """The examples of ``places`` in their order, made schema by schema within a block.

        A schema's closures then stay in the processor's cache, which gives a quarter more speed.
        """
        remaining = iter(places)
        while block := list(islice(remaining, BLOCK)):
            order = sorted(range(len(block)), key=block.__getitem__)
            made: list[Example] = []
            for schema, found in groupby(map(block.__getitem__, order), key=itemgetter(0)):
                made += self._of_schema(schema, [index for _, index in found], split)
            for place, example in zip(order, list(made), strict=True):
                made[place] = example
            yield from made


def _placed(
    error: GenerationError, plan: Plan, wording: Wording, index: int, split: str
) -> GenerationError:
    return GenerationError(error.kind, f"{plan.id} {wording.name} #{index} ({split}): {error}")


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise CatalogError(unknown_name("split", split, list(SPLITS)))


def _belongs(split: str, question: str) -> bool:
    return split_of(question) == split


_ACCEPT: dict[str, Accept] = {
    split: partial(_belongs, split) for split in SPLITS if split != "heldout"
}
"""What each split's texts must be; the held-out one takes any, its templates being its own."""
