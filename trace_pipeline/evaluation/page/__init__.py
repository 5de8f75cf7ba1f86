"""The HTML page of a report: one file without network, its template, style and scripts beside."""

from trace_pipeline.evaluation.page.rendering import render_html

__all__ = ["render_html"]
