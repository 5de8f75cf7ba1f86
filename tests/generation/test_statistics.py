from __future__ import annotations

from typing import Any

import pytest

from trace_pipeline.generation import (
    Catalog,
    Diversity,
    Example,
    Generator,
    Masker,
    dataset_statistics,
    measure_diversity,
)
from trace_pipeline.generation.statistics import OWN_ENTITY, TARGETS_SHOWN, Forms
from trace_pipeline.traces import parse_trace

MASKER = Masker(["Ava", "Ben"], ["kite", "kites", "jar of jam", "jars of jam", "jar", "jars"])


@pytest.mark.parametrize(
    ("text", "skeleton", "without_things"),
    [
        ("Ava has 3 kites.", "@ has # kites .", "@ has # * ."),
        ("Ben has 1,200 kites.", "@ has # kites .", "@ has # * ."),
        ("She has twenty-one jars of jam.", "@ has # jars of jam .", "@ has # * ."),
        ("A jar for $2.50!", "a jar for $ # !", "a * for $ # !"),
        ("An eight-page kite", "a eight-page kite", "a eight-page *"),
        ("Ava's kite", "@ ' s kite", "@ ' s *"),
        ("Is it twice his?", "is it # @ ?", "is it # @ ?"),
    ],
)
def test_skeletons(text: str, skeleton: str, without_things: str) -> None:
    assert MASKER.skeleton(text) == skeleton
    assert MASKER.skeleton(text, things=True) == without_things


def test_a_catalogues_words_are_masked_but_for_verbs(folders: Any, minimal: Any) -> None:
    scenes = {
        "kind": "scenes",
        "nouns": ["item"],
        "verbs": ["act"],
        "lists": {"work": [{"item": "loaf", "act": "bake", "place": "in the old mill"}]},
    }
    folders.put(folders.vocab / "scenes.json", scenes)
    family = minimal["phrasings"][0]
    family["draws"] = {"scene": "scenes.work"}
    text = "${who} ${scene.act.s} ${start} ${scene.item.many} ${scene.place}, not ${given item}. "
    family["texts"] = [f"{text}How many are left?", f"{text}What is the number?"]
    folders.schema(minimal)
    masker = Masker.of(folders.load())
    said = "Ava bakes 3 loaves in the old mill, not 2 toy mice."
    assert masker.skeleton(said) == "@ bakes # loaves in the old mill , not # toy mice ."
    assert masker.skeleton(said, things=True) == "@ bakes # * * , not # * ."


def example(question: str, trace: str, expert: str = "arithmetic") -> Example:
    return Example(
        question=question,
        trace=parse_trace(trace),
        answer=1,
        expert=expert,
        schema=f"{expert}/x",
        index=0,
        split="train",
    )


def gift(target: str) -> str:
    return f"""expert: arithmetic
trace:
- {{op: init, var: a, value: 3}}
- {{op: init, var: b, value: 2}}
- {{op: compute, compute_op: sub, args: [a, b], var: {target}}}
- {{op: query, var: {target}}}
"""


EATEN = """expert: entity_track
trace:
- {op: init, var: kites, value: 3}
- {op: consume, entity: kites, amount: 2}
- {op: query, var: kites}
"""
BOTH = """- expert: percentage
  trace:
  - {op: init, var: a, value: 30}
  - {op: init, var: r, value: 10}
  - {op: percent_of, base: a, rate: r, var: result}
  - {op: query, var: result}
- expert: arithmetic
  trace:
  - {op: init, var: prev, source: prev.result}
  - {op: init, var: c, value: 2}
  - {op: compute, compute_op: add, args: [prev, c], var: result}
  - {op: query, var: result}
"""


def test_the_notebooks_figures() -> None:
    examples = [
        example("Ava has 3 kites and 2 go.", gift("result")),
        example("Ben has 9 kites and 4 go.", gift("result")),
        example("Ben has 9 jars and 4 go.", gift("left")),
        example("Ava has 3 kites and loses 2.", EATEN, "entity_track"),
        example("10% of 30, and 2.", BOTH, "composition"),
    ]
    found = dataset_statistics(examples, MASKER, count_tokens=len)
    assert (found.examples, found.distinct) == (5, 5)
    assert list(found.forms) == ["arithmetic", "composition", "entity_track", "all"]
    arithmetic = found.forms["arithmetic"]
    assert (arithmetic.skeletons, arithmetic.forms, arithmetic.per_form) == (2, 1, 3.0)
    assert (found.forms["all"].skeletons, found.forms["all"].forms) == (4, 3)
    assert found.query_targets == {"result": 3, OWN_ENTITY: 1, "left": 1}
    assert found.chain_lengths == {3: 1, 4: 3, 8: 1}
    assert list(found.classes) == ["arithmetic", "entity_track", "percentage + arithmetic"]
    assert found.classes["percentage + arithmetic"].longest_steps == 8
    assert found.classes["entity_track"].longest_tokens == len(EATEN)
    plain = dataset_statistics(examples, MASKER)
    assert plain.classes["entity_track"].longest_tokens is None


def test_rare_targets_are_counted_together() -> None:
    examples = [example("x", gift(f"t{number}")) for number in range(TARGETS_SHOWN + 5)]
    targets = dataset_statistics(examples, MASKER).query_targets
    assert len(targets) == TARGETS_SHOWN + 1
    assert targets["5 others"] == 5


def test_nothing_has_figures_too() -> None:
    found = dataset_statistics([], MASKER)
    assert (found.examples, found.forms["all"].per_form) == (0, 0.0)


def test_the_language_is_as_varied_as_promised(catalog: Catalog) -> None:
    found = measure_diversity(catalog)
    assert found.shortfalls() == []
    assert (found.examples, found.plain["all"].examples) == (3000, 3000)
    assert "duplicates: 0, varied: 0" in found.to_table()


def test_what_falls_short_of_the_promised_variety_is_said() -> None:
    forms = {"all": Forms(examples=3000, skeletons=2599, forms=1499)}
    found = Diversity(examples=3000, duplicates=4, varied_duplicates=3, plain=forms, varied=forms)
    assert found.shortfalls() == [
        "plain: 4 duplicates, at most 3 may be",
        "plain: 2599 skeletons, at least 2600 are promised",
        "varied: 1499 forms, at least 1500 are promised",
    ]
    assert all(text in found.to_table() for text in found.shortfalls())


def test_names_of_options_change_the_census(catalog: Catalog) -> None:
    def targets(naming: Any) -> int:
        examples = Generator(catalog, naming=naming).sample(300, {"arithmetic": 1})
        return len(dataset_statistics(examples, MASKER).query_targets)

    assert targets("hybrid") == targets("abstract") == 1
    assert targets("semantic") > 5
