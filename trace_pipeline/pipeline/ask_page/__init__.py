"""The local page on which a trained model is asked: ``trace-pipeline ask --page``."""

from trace_pipeline.pipeline.ask_page.serving import DEFAULT_PORT, serve

__all__ = ["DEFAULT_PORT", "serve"]
