"""Which problems an iteration rolls out on: their source, their order, how long their chains."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from msgspec import Struct

from trace_pipeline.experiment import RlConfig
from trace_pipeline.modeling.network.batching import TraceExample
from trace_pipeline.traces import Init, Query, Trace
from trace_pipeline.validation import InvalidInputError

_STREAMS = {"synthetic": "problems", "real": "real problems"}


@dataclass(frozen=True)
class RlData:
    """Problems to learn on and to measure by; real ones are converted GSM-8K train problems."""

    synthetic: Sequence[TraceExample]
    real: Sequence[TraceExample]
    validation: Sequence[TraceExample]
    real_validation: Sequence[TraceExample]

    def require(self, config: RlConfig) -> None:
        """Check that what ``config`` wants to learn on is there.

        Raises:
            InvalidInputError: no problems, or none to validate on.
        """
        if config.source != "real" and not (self.synthetic and self.validation):
            raise InvalidInputError(
                "RL needs training and validation examples, found "
                f"{len(self.synthetic)} and {len(self.validation)}; generate some first "
                "(data.train, data.validation), or set rl.source: real"
            )
        if config.source != "synthetic" and not (self.real and self.real_validation):
            raise InvalidInputError(
                f"rl.source: {config.source} needs real training and validation problems, found "
                f"{len(self.real)} and {len(self.real_validation)}; raise data.gsm8k.train (with "
                "GSM-8K at hand), or set rl.source: synthetic"
            )


@dataclass(frozen=True)
class Problem:
    """A problem that was drawn."""

    source: str
    """``synthetic`` or ``real``."""
    index: int
    """Among the problems of its source."""
    example: TraceExample
    length: int
    """Of its chain: operations in the reference trace."""

    @property
    def expert(self) -> str | None:
        """The expert that must answer; any may answer a real problem."""
        return None if self.source == "real" else self.example.expert


def chain_length(trace: Trace) -> int:
    """Steps that compute something, over all sub-traces."""
    steps = (step for subtrace in trace.subtraces for step in subtrace.steps)
    return sum(not isinstance(step, Init | Query) for step in steps)


class Position(Struct):
    """How far problems were drawn, for a snapshot."""

    drawn: int = 0
    """Problems of both sources."""
    synthetic: int = 0
    """Places in the endless order of the synthetic problems that were passed."""
    real: int = 0


class ProblemStream:
    """Draws problems; every one of a source comes once before any comes twice.

    What is drawn is a function of the seed, the iteration and the position.
    """

    def __init__(
        self, data: RlData, config: RlConfig, seed: int, position: Position | None = None
    ) -> None:
        self._config = config
        self.position = position or Position()
        sources = {"synthetic": data.synthetic, "real": data.real}
        unused = {"synthetic": "real", "real": "synthetic"}.get(config.source)
        self._problems = {
            name: [Problem(name, i, e, chain_length(e.trace)) for i, e in enumerate(examples)]
            for name, examples in sources.items()
            if name != unused and examples
        }
        self._lengths = {
            name: sorted(problem.length for problem in problems)
            for name, problems in self._problems.items()
        }
        self._orders = {
            name: _Order(len(problems), f"{seed}/{_STREAMS[name]}")
            for name, problems in self._problems.items()
        }

    def __len__(self) -> int:
        """Problems in all sources."""
        return sum(map(len, self._problems.values()))

    def longest(self, iteration: int) -> int:
        """The longest chain that ``iteration`` (from 0) admits."""
        low = min(lengths[0] for lengths in self._lengths.values())
        high = max(lengths[-1] for lengths in self._lengths.values())
        ramp = self._config.curriculum * self._config.iterations
        return high if iteration >= ramp else low + int((high - low) * iteration / ramp)

    def draw(self, wanted: int, iteration: int) -> list[Problem]:
        """The next ``wanted`` problems that ``iteration`` admits."""
        limit = self.longest(iteration)
        return [self._next(self._source(), limit) for _ in range(wanted)]

    def draw_distinct(self, wanted: int, iteration: int) -> list[Problem]:
        """As :meth:`draw`, none twice; all that ``iteration`` admits, where there are fewer.

        Of a mix the other source gives what one cannot.
        """
        limit = self.longest(iteration)
        left = {
            name: bisect_right(lengths, self._admitted(name, limit))
            for name, lengths in self._lengths.items()
        }
        found: dict[tuple[str, int], Problem] = {}
        while len(found) < wanted and any(left.values()):
            source = self._source()
            if not left[source]:
                source = next(name for name, count in left.items() if count)
            problem = self._next(source, limit)
            if (source, problem.index) not in found:
                found[source, problem.index] = problem
                left[source] -= 1
        return list(found.values())

    def _source(self) -> str:
        place, share = self.position.drawn, self._config.real_share
        self.position.drawn += 1
        if len(self._problems) == 1:
            return next(iter(self._problems))
        return "real" if int((place + 1) * share) > int(place * share) else "synthetic"

    def _next(self, source: str, limit: int) -> Problem:
        problems, order = self._problems[source], self._orders[source]
        limit = self._admitted(source, limit)
        for place in count(getattr(self.position, source)):
            problem = problems[order[place]]
            if problem.length <= limit:
                setattr(self.position, source, place + 1)
                return problem
        raise AssertionError("an endless order ended")

    def _admitted(self, source: str, limit: int) -> int:
        """The longest chain of ``source``; one whose shortest is longer gives its shortest."""
        return max(limit, self._lengths[source][0])


class _Order:
    """Indices of ``size`` problems, endlessly: a fresh shuffle for every pass."""

    def __init__(self, size: int, seed: str) -> None:
        self._size, self._seed = size, seed
        self._passes = -1
        self._shuffled: list[int] = []

    def __getitem__(self, place: int) -> int:
        passes, offset = divmod(place, self._size)
        if passes != self._passes:
            self._shuffled = list(range(self._size))
            random.Random(f"{self._seed}/{passes}").shuffle(self._shuffled)
            self._passes = passes
        return self._shuffled[offset]
