"""What is wrong with each wrong prediction, against the problem's reference traces."""

from trace_pipeline.evaluation.diagnosis.classes import Category, Diagnosed, Diagnosis, Place
from trace_pipeline.evaluation.diagnosis.diagnose import diagnose
from trace_pipeline.evaluation.diagnosis.reference import Reference

__all__ = ["Category", "Diagnosed", "Diagnosis", "Place", "Reference", "diagnose"]
