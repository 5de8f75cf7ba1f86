"""Which value a step would have to set for a trace's answer to be another one.

As a function of the value that one step sets, the answer of most traces is linear fractional,
``(a x + b) / (c x + d)``. Three runs determine it, a fourth confirms it, and the wanted value
follows: such functions preserve the cross-ratio of four points. So a change is tried by
computing one step instead of running the trace again.
"""

from __future__ import annotations

from collections.abc import Mapping

from trace_pipeline.evaluation.diagnosis.classes import Place
from trace_pipeline.evaluation.diagnosis.field import PRIME, Element, Run, opaque
from trace_pipeline.evaluation.diagnosis.steps import names_set, step_at
from trace_pipeline.traces import Query, Step

_PROBES = tuple(opaque("probe", number) for number in range(4))


class Aim:
    """Changes of one run, and whether they lead to the target."""

    def __init__(self, run: Run, target: Element) -> None:
        self._run = run
        self._target = target
        self._wanted: dict[Place, Element | None] = {}
        self._curved: set[Place] = set()
        """Places on whose value the answer depends otherwise than linear fractionally."""

    def is_hit_by(self, steps: Mapping[Place, Step]) -> bool:
        """Whether the trace with other steps in some places has the target as its answer."""
        if len(steps) == 1:
            ((place, step),) = steps.items()
            names = names_set(step_at(self._run.trace, place))
            if not isinstance(step, Query) and len(names) == 1 and names == names_set(step):
                return self._is_within_reach(place) and self.is_hit_at(
                    place, self._run.value_with(place, step)
                )
        return self._run.answer_with(steps) == self._target

    def is_hit_at(self, place: Place, value: Element) -> bool:
        """Whether the trace has the target as its answer if ``place`` sets ``value``."""
        if not self._is_within_reach(place):
            return False
        if place not in self._curved and value != self._wanted[place]:
            return False
        return self._answer(place, value) == self._target

    def _is_within_reach(self, place: Place) -> bool:
        """Whether some value at ``place`` may hit the target."""
        if place not in self._wanted:
            self._wanted[place] = self._solve(place)
        return self._wanted[place] is not None or place in self._curved

    def _answer(self, place: Place, value: Element) -> Element:
        return self._run.answer_with({}, {place: value})

    def _solve(self, place: Place) -> Element | None:
        """The value that hits the target; None if none does, or if that cannot be told."""
        first, second = _PROBES[:2]
        at_first, at_second = self._answer(place, first), self._answer(place, second)
        if at_first == at_second:
            return None
        third, fourth = _PROBES[2:]
        at_third, at_fourth = self._answer(place, third), self._answer(place, fourth)
        points, answers = (first, second, third), (at_first, at_second, at_third)
        if len(set(answers)) < 3 or _matching(at_fourth, answers, points) != fourth:
            self._curved.add(place)
            return None
        return _matching(self._target, answers, points)


def _matching(
    answer: Element, answers: tuple[Element, ...], points: tuple[Element, ...]
) -> Element | None:
    """The point that goes to ``answer`` under the map that takes ``points`` to ``answers``."""
    if answer in answers:
        return points[answers.index(answer)]
    a, b, c = answers
    p, q, r = points
    ratio = (answer - b) * (a - c) % PRIME * pow((answer - c) * (a - b), -1, PRIME) % PRIME
    # (x - q)(p - r) = ratio (x - r)(p - q)
    below = ((p - r) - ratio * (p - q)) % PRIME
    if not below:
        return None
    return (q * (p - r) - ratio * r % PRIME * (p - q)) * pow(below, -1, PRIME) % PRIME
