"""The notebook's findings as pairs of presets, measured from committed results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Literal

from msgspec import Struct

from trace_pipeline.evaluation.results import Outcomes, Result, RolloutCount
from trace_pipeline.evaluation.statistics import (
    CONFIDENCE,
    Proportion,
    compare_proportions,
    mcnemar_exact,
    paired_bootstrap,
)
from trace_pipeline.evaluation.tables import Table
from trace_pipeline.validation import InvalidInputError, convert
from trace_pipeline.yaml_core import load_yaml

EARLY, LATE = 1, 4
"""RL iterations (from 1): short circuits are counted in the first, and after the fourth."""


MISSING = "not yet measured"
BASELINE, AGAIN = "small_baseline", "small_baseline_again"
"""Two presets that differ in the order of their examples alone: what luck does."""


Verdict = Literal[
    "seen here",
    "the opposite is seen here",
    "not distinguishable here",
    "no more than the luck of an order",
]


class Claim(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One finding and the pair of presets that tests it."""

    title: str
    notebook: str
    """What the notebook says, with its figures."""
    first: str
    second: str
    on: Literal["synthetic", "gsm8k", "rollouts", "transfer"]
    """What is compared: accuracy on held-out synthetic or on real problems, short circuits among
    rollouts, or (one experiment) accuracy on real against synthetic problems."""
    expected: Literal["lower", "higher"]
    """What becomes of the second against the first, if the finding holds."""

    @property
    def presets(self) -> list[str]:
        """The experiments that it needs."""
        return list(dict.fromkeys((self.first, self.second)))


class Measured(Struct, frozen=True, kw_only=True):
    """What a pair of experiments says about a claim."""

    text: str
    verdict: Verdict


def load_claims() -> list[Claim]:
    """The claims that come with the package.

    Raises:
        InvalidInputError: the file has been edited into something else.
    """
    folder = resources.files("trace_pipeline.evaluation") / "data"
    text = (folder / "claims.yaml").read_text(encoding="utf-8")
    return convert(load_yaml(text), list[Claim], "evaluation/data/claims.yaml")


def measure(claim: Claim, results: Mapping[str, Result]) -> Measured | None:
    """The claim on the results at hand; None if one is missing or they cannot be paired.

    Raises:
        InvalidInputError: a result without the evaluation that the claim is about.
    """
    if any(name not in results for name in claim.presets):
        return None
    if not _same_problems(claim, results):
        return None
    first, second = results[claim.first], results[claim.second]
    if claim.on == "rollouts":
        return _rollouts(claim, first, second)
    if claim.on == "transfer":
        return _transfer(claim, first)
    return _paired(claim, first, second, results)


def presets_of(claims: Sequence[Claim]) -> list[str]:
    """All experiments that the page needs."""
    return list(dict.fromkeys([*(name for c in claims for name in c.presets), BASELINE, AGAIN]))


def render_claims(claims: Sequence[Claim], results: Mapping[str, Result]) -> str:
    """The page docs/claims.md."""
    measured = [measure(claim, results) for claim in claims]
    count = sum(found is not None for found in measured)
    overview = Table(
        "",
        ("", "finding", "presets", "result"),
        tuple(
            (str(n), claim.title, " / ".join(claim.presets), found.verdict if found else MISSING)
            for n, (claim, found) in enumerate(zip(claims, measured, strict=True), 1)
        ),
    )
    parts = [
        "# Claims",
        "The notebook's findings, each as a pair of presets on the embedded model (SmolLM2-135M-"
        f"Instruct). Measured so far: {count} of {len(claims)}. This page is written by "
        "`trace-pipeline claims` from the outcome bits in `docs/results/claims/`; nothing on it "
        "is typed by hand. A result belongs to the revision that the table at the end names: "
        "schemas that have changed since give other problems, and `trace-pipeline claims --run` "
        "then measures anew.",
        "A result here says what a model of 135M parameters does after few examples of a few "
        "patterns, with one seed. The intervals and p-values cover the choice of the problems, not "
        "the luck of a training run: a run this short may miss an expert altogether. Where the "
        "notebook's finding is seen, it is not an accident of one model; where it is not, it may "
        "still hold for larger models and more data. Each test is at the 5 % level by itself, and "
        "there are ten of them.",
        _luck_described(results),
        overview.to_markdown(),
    ]
    for n, (claim, found) in enumerate(zip(claims, measured, strict=True), 1):
        parts += [f"## {n}. {claim.title}", f"Notebook: {claim.notebook.strip()}"]
        parts += [_setup(claim)]
        parts += [f"**{_capital(found.verdict)}.** {found.text}" if found else _how(claim, results)]
    parts += ["## Made with", _provenance(claims, results), _by_hand()]
    return "\n\n".join(parts) + "\n"


def _luck(results: Mapping[str, Result], problems: str) -> tuple[Outcomes, Outcomes] | None:
    """The baseline's outcomes in its two orders, if both were asked these problems."""
    if BASELINE not in results or AGAIN not in results:
        return None
    first, second = (_evaluation(results[name], "synthetic") for name in (BASELINE, AGAIN))
    asked = {first.problems_sha256, second.problems_sha256}
    return (first, second) if asked == {problems} else None


def _luck_described(results: Mapping[str, Result]) -> str:
    problems = ""
    if BASELINE in results:
        problems = _evaluation(results[BASELINE], "synthetic").problems_sha256
    found = _luck(results, problems)
    if found is None:
        return f"What the order of the examples alone does ({AGAIN}) is {MISSING}."
    first, second = found
    test = mcnemar_exact(first.bits("correct"), second.bits("correct"))
    return (
        f"**What the order of the examples alone does:** {BASELINE} solves "
        f"{first.share('correct')}, and with the same examples in another order ({AGAIN}) "
        f"{second.share('correct')}: {test.only_second} problems won and {test.only_first} lost, "
        f"exact McNemar p = {test.p_value:.2g}. A difference on these problems that is no larger "
        "than that is called luck below, whatever its own p-value."
    )


def _paired(claim: Claim, first: Result, second: Result, results: Mapping[str, Result]) -> Measured:
    ours, theirs = _outcomes(claim, first), _outcomes(claim, second)
    before, after = ours.bits("correct"), theirs.bits("correct")
    test, difference = mcnemar_exact(before, after), paired_bootstrap(before, after)
    low, high = difference.interval.low, difference.interval.high
    shown = [
        f"{claim.first} solves {ours.share('correct')} of the {ours.benchmark}'s problems"
        f"{_besides(ours)}, {claim.second} {theirs.share('correct')}{_besides(theirs)}.",
        f"That is {100 * difference.difference:+.1f} points (95 % interval {100 * low:+.1f} to "
        f"{100 * high:+.1f}), {test.only_second} problems won and {test.only_first} lost, exact "
        f"McNemar p = {test.p_value:.2g}.",
    ]
    if ours.experts:
        shown.append(_by_expert(claim, ours, theirs))
    signed = difference.difference if test.p_value < 1 - CONFIDENCE else 0.0
    verdict = _verdict(claim, signed)
    luck = _luck(results, ours.problems_sha256)
    if signed and luck is not None:
        apart = abs(luck[0].share("correct").rate - luck[1].share("correct").rate)
        if abs(signed) <= apart:
            verdict = "no more than the luck of an order"
    return Measured(text="\n\n".join(shown), verdict=verdict)


def _same_problems(claim: Claim, results: Mapping[str, Result]) -> bool:
    if claim.on in ("rollouts", "transfer"):
        return True
    asked = {_outcomes(claim, results[name]).problems_sha256 for name in claim.presets}
    return len(asked) == 1


def _transfer(claim: Claim, result: Result) -> Measured:
    seen, real = _evaluation(result, "synthetic"), _evaluation(result, "gsm8k")
    test = compare_proportions(seen.share("correct"), real.share("correct"))
    text = (
        f"{claim.first} solves {seen.share('correct')} held-out problems of the patterns that it "
        f"was trained on{_besides(seen)}, and {real.share('correct')} of {real.benchmark}"
        f"{_besides(real)}; exact p = {test.p_value:.2g}."
    )
    if "gsm8k_base" in result.evaluations:
        base = result.evaluations["gsm8k_base"]
        text += (
            f" The untuned model on the first {len(base.correct)} of them: "
            f"{base.share('correct').count} correct, {base.share('parsed').count} parsed."
        )
    change = test.second.rate - test.first.rate if test.distinguishable else 0.0
    return Measured(text=text, verdict=_verdict(claim, change))


def _rollouts(claim: Claim, first: Result, second: Result) -> Measured:
    accepted, refused = _late(first), _late(second)
    early = Proportion(*_sums([r for r in second.rollouts if r.iteration == EARLY]))
    between, within = compare_proportions(accepted, refused), compare_proportions(early, refused)
    text = (
        f"Where they are refused ({claim.second}), short circuits are {_few(early)} of the "
        f"rollouts in iteration {EARLY} and {_few(refused)} after iteration {LATE} (exact p = "
        f"{within.p_value:.2g}); where they are accepted ({claim.first}), {_few(accepted)} after "
        f"iteration {LATE} (p = {between.p_value:.2g} against refused). By iteration, refused: "
        f"{_series(second)}; accepted: {_series(first)}."
    )
    change = refused.rate - early.rate if within.distinguishable else 0.0
    return Measured(text=text, verdict=_verdict(claim, change))


def _verdict(claim: Claim, change: float) -> Verdict:
    if not change:
        return "not distinguishable here"
    return (
        "seen here"
        if (change < 0) == (claim.expected == "lower")
        else ("the opposite is seen here")
    )


def _outcomes(claim: Claim, result: Result) -> Outcomes:
    return _evaluation(result, claim.on)


def _evaluation(result: Result, name: str) -> Outcomes:
    if name not in result.evaluations:
        raise InvalidInputError(
            f"the result of {result.experiment} has no {name} evaluation; make it with "
            f"trace-pipeline run --experiment {result.experiment}, and collect it again"
        )
    return result.evaluations[name]


def _by_expert(claim: Claim, ours: Outcomes, theirs: Outcomes) -> str:
    rows = []
    for expert in sorted(set(ours.experts)):
        places = [i for i, name in enumerate(ours.experts) if name == expert]
        shares = [
            Proportion(sum(o.bits("correct")[i] for i in places), len(places))
            for o in (ours, theirs)
        ]
        rows.append((expert, *(f"{s.count} of {s.total}" for s in shares)))
    return Table("", ("expert", claim.first, claim.second), tuple(rows)).to_markdown()


def _late(result: Result) -> Proportion:
    return Proportion(*_sums([r for r in result.rollouts if r.iteration > LATE]))


def _sums(rollouts: Sequence[RolloutCount]) -> tuple[int, int]:
    return sum(r.short_circuits for r in rollouts), sum(r.rollouts for r in rollouts)


def _series(result: Result) -> str:
    return " ".join(str(r.short_circuits) for r in result.rollouts)


def _few(share: Proportion) -> str:
    return f"{share.count} of {share.total}"


def _besides(outcomes: Outcomes) -> str:
    valid, parsed, cut = (outcomes.share(name) for name in ("valid", "parsed", "clipped"))
    text = f"parsed {100 * parsed.rate:.0f} %, valid {100 * valid.rate:.0f} %"
    return f" ({text}, clipped {100 * cut.rate:.0f} %)" if cut.count else f" ({text})"


def _setup(claim: Claim) -> str:
    command = f"`trace-pipeline experiments --diff {claim.first} {claim.second}`"
    if claim.first == claim.second:
        command = f"`trace-pipeline experiments --show {claim.first}`"
    return f"Presets: {' and '.join(f'`{name}`' for name in claim.presets)} ({command})."


def _how(claim: Claim, results: Mapping[str, Result]) -> str:
    missing = [name for name in claim.presets if name not in results]
    why = "It takes"
    if not missing:
        missing = claim.presets
        why = "The results at hand are on different problems; it takes both anew:"
    commands = "\n".join(f"trace-pipeline run --experiment {name}" for name in missing)
    return (
        f"**{_capital(MISSING)}.** {why}\n\n```console\n{commands}\n"
        "trace-pipeline claims --collect\n```"
    )


def _provenance(claims: Sequence[Claim], results: Mapping[str, Result]) -> str:
    used = [name for name in presets_of(claims) if name in results]
    rows = tuple(
        (r.experiment, r.settings_sha256[:12], r.dataset_sha256[:12], r.git[:12], r.created)
        for r in map(results.__getitem__, used)
    )
    columns = ("experiment", "settings", "dataset", "revision", "made")
    return Table("", columns, rows).to_markdown() if rows else "Nothing yet."


def _by_hand() -> str:
    return (
        "Findings that are no pair of presets, because today's rules forbid one side: structural "
        "consistency (finding 2: every rate_equation, percentage and comparison trace has one "
        "shape), experts with vocabularies of their own (finding 4: a foreign operation is an "
        "invalid trace), FormulaStep as noise (finding 6: it does not exist), domain operations "
        "instead of mul/div chains (finding 7)."
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
