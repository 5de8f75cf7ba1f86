"""GSM-8K's annotated solutions as verified traces, and variants of them with new numbers."""

from trace_pipeline.gsm8k.conversion.contrasts import contrasts
from trace_pipeline.gsm8k.conversion.conversion import (
    Conversion,
    Failure,
    FailureKind,
    convert_problem,
)
from trace_pipeline.gsm8k.conversion.experts import Policy
from trace_pipeline.gsm8k.conversion.intermediate import intermediate_questions
from trace_pipeline.gsm8k.conversion.report import (
    ConversionReport,
    ConvertedTrace,
    conversion_record,
    convert,
    convert_file,
    read_conversions,
    write_conversions,
)
from trace_pipeline.gsm8k.conversion.results import with_named_results
from trace_pipeline.gsm8k.conversion.variants import (
    Fixed,
    Variant,
    VariantMaker,
    variant_maker,
)

__all__ = [
    "Conversion",
    "ConversionReport",
    "ConvertedTrace",
    "Failure",
    "FailureKind",
    "Fixed",
    "Policy",
    "Variant",
    "VariantMaker",
    "contrasts",
    "conversion_record",
    "convert",
    "convert_file",
    "convert_problem",
    "intermediate_questions",
    "read_conversions",
    "variant_maker",
    "with_named_results",
    "write_conversions",
]
