"""Verified examples from schemas and vocabulary, and the audit that judges them."""

from trace_pipeline.generation.audit import AuditReport, audit
from trace_pipeline.generation.catalog import Catalog
from trace_pipeline.generation.dataset import (
    dataset_hash,
    example_to_record,
    read_examples,
    record_to_example,
    write_examples,
)
from trace_pipeline.generation.diversity import Diversity, measure_diversity
from trace_pipeline.generation.findings import Finding, GenerationError
from trace_pipeline.generation.generator import SPLITS, Example, Generator, Split, split_of
from trace_pipeline.generation.masking import Masker
from trace_pipeline.generation.reading import reading_page
from trace_pipeline.generation.statistics import DatasetStatistics, dataset_statistics
from trace_pipeline.generation.vocabulary import CatalogError

__all__ = [
    "SPLITS",
    "AuditReport",
    "Catalog",
    "CatalogError",
    "DatasetStatistics",
    "Diversity",
    "Example",
    "Finding",
    "GenerationError",
    "Generator",
    "Masker",
    "Split",
    "audit",
    "dataset_hash",
    "dataset_statistics",
    "example_to_record",
    "measure_diversity",
    "read_examples",
    "reading_page",
    "record_to_example",
    "split_of",
    "write_examples",
]
