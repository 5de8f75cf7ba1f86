"""What the conversion and the coverage of real problems look like on their pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import dagster as dg

from trace_pipeline.gsm8k import ProblemSet
from trace_pipeline.gsm8k.conversion import Failure, FailureKind
from trace_pipeline.gsm8k.coverage import Coverage, CoverageReport
from trace_pipeline.gsm8k.training import TrainingTraces
from trace_pipeline.pipeline import metadata

FAILURES_SHOWN = 10
NEAREST_SHOWN = 3
SCHEMAS_SHOWN = 30

MEANINGS: Mapping[Coverage, str] = {
    Coverage.FULL: "a schema computes the same",
    Coverage.STRUCTURAL: "a schema has the same shape with other operations",
    Coverage.PARTIAL: "a schema computes a part of it, or the other way round",
    Coverage.NONE: "no schema has any of it",
}
"""What a class of coverage says, for a reader of the page."""


def conversion_metadata(
    made: TrainingTraces, problems: ProblemSet
) -> dict[str, dg.MetadataValue | str | int | float]:
    """Yields, parts, failures by kind, confidence, experts, and traces to look at."""
    report = made.report
    questions = {problem.index: problem.question for problem in problems.problems}
    lines = len(problems.problems) + len(problems.rejected)
    total = max(report.total, 1)
    return {
        "yield": metadata.table(
            ["", "problems", "of those tried"],
            [
                ["lines of the file", lines, ""],
                ["rejected lines", len(problems.rejected), ""],
                ["dropped: overlap with a test question", len(made.overlap.train_indices), ""],
                ["tried", report.total, "100.0 %"],
                *(
                    [name, count, f"{100 * count / total:.1f} %"]
                    for name, count in (
                        ("execute to gold", len(report.conversions)),
                        ("execute to gold, every number grounded", report.grounded),
                        ("with a rival reading as likely", report.tied),
                        ("failed", len(report.failures)),
                    )
                ),
            ],
        ),
        "parts": metadata.table(
            ["part", "examples"],
            [
                ["sure conversions of the train part", made.available],
                ["trained on: originals", len(made.train)],
                ["trained on: variants", len(made.variants)],
                ["trained on: contrasts", len(made.contrasts)],
                ["trained on: intermediate questions", len(made.intermediate)],
                ["explained in words", sum(bool(e.explanation) for e in made.train)],
                ["trained on: word problems", len(made.own.train)],
                ["trained on: variants of word problems", len(made.own.variants)],
                ["word problems that overlap", len(made.own.overlap.train_indices)],
                ["word problems not sure enough", len(made.own.unsure)],
                ["word problems that failed", len(made.own.report.failures)],
                ["held out for choices", len(made.validation)],
            ],
        ),
        "failures": metadata.table(
            ["kind", "problems"],
            [[str(kind), count] for kind, count in report.failure_counts().items()],
        ),
        "first_failures": metadata.table(
            ["problem", "kind", "reason", "question"],
            [
                [f.index, str(f.kind), _reason(f), questions[f.index]]
                for f in report.failures[:FAILURES_SHOWN]
            ],
        ),
        "rejected_lines": metadata.table(
            ["line", "reason"], [[r.line, r.reason] for r in problems.rejected]
        ),
        "confidence": metadata.table(["confidence", "traces"], report.confidence_counts().items()),
        "experts": metadata.table(["expert", "traces"], report.expert_counts().items()),
        "without_variants": metadata.table(
            ["reason", "problems"],
            [[str(kind), count] for kind, count in made.unvaried.items()],
        ),
        "samples": metadata.sample_traces(made.train or made.validation),
        "sample_variants": metadata.sample_traces(made.variants),
        "sample_word_problems": metadata.sample_traces(made.own.train),
        "sample_contrasts": metadata.sample_traces(made.contrasts),
        "sample_intermediate": metadata.sample_traces(made.intermediate),
    }


def coverage_metadata(
    report: CoverageReport, questions: Mapping[int, str]
) -> dict[str, dg.MetadataValue | str | int | float]:
    """Classes, gaps, chain lengths, nearest schemas, and the uncovered shapes."""
    total = max(len(report.problems), 1)
    return {
        "coverage": metadata.table(
            ["coverage", "problems", "share", "meaning"],
            [
                [str(k).upper(), n, _share(n, total), MEANINGS[k]]
                for k, n in report.counts().items()
            ],
        ),
        "gaps": metadata.table(
            ["gap", "problems", "share"],
            [[str(k), n, _share(n, total)] for k, n in report.gap_counts().items()],
        ),
        "chain_lengths": metadata.table(["operations", "problems"], report.chain_lengths().items()),
        "nearest_schemas": metadata.table(
            ["nearest schema", "full", "structural", "partial", "none, but most alike"],
            [
                [schema, *counts.values()]
                for schema, counts in list(report.nearest_counts().items())[:SCHEMAS_SHOWN]
            ],
        ),
        "uncovered_shapes": metadata.table(
            ["problems", "shape", "coverage", "nearest schemas", "for example"],
            [
                [
                    len(group),
                    f"`{group[0].shape}`",
                    "/".join(Counter(str(p.coverage) for p in group)),
                    ", ".join(group[0].closest[:NEAREST_SHOWN]),
                    questions[group[0].index],
                ]
                for group in report.uncovered()
            ],
        ),
    }


def coverage_records(report: CoverageReport) -> list[dict[str, Any]]:
    """One record a problem."""
    return [
        {
            "index": p.index,
            "coverage": str(p.coverage),
            "shape": p.shape,
            "operations": p.operations,
            "closest": list(p.closest),
            "gaps": sorted(map(str, p.gaps)),
        }
        for p in report.problems
    ]


def shape_records(report: CoverageReport) -> list[dict[str, Any]]:
    """Every shape that no schema has, the most frequent first, with the problems of it."""
    return [
        {
            "shape": group[0].shape,
            "coverage": str(group[0].coverage),
            "problems": [p.index for p in group],
            "closest": list(group[0].closest),
        }
        for group in report.uncovered(len(report.problems))
    ]


def _reason(failure: Failure) -> str:
    """Why there is no trace; the figure of a reading alone would say nothing."""
    if failure.kind is FailureKind.IMPLAUSIBLE:
        return f"its likeliest reading is too unlikely: {failure.message}"
    return failure.message


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %"
