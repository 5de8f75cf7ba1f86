"""What is wrong with each wrong prediction, against the problem's reference traces."""

from trace_pipeline.evaluation.diagnosis.classes import Category, Diagnosed, Diagnosis
from trace_pipeline.evaluation.diagnosis.diagnose import diagnose

__all__ = ["Category", "Diagnosed", "Diagnosis", "diagnose"]
