"""``python -m trace_pipeline.modeling.likelihoods``: how likely a model finds completions."""

from trace_pipeline.modeling.command_line import likelihoods_main

if __name__ == "__main__":
    raise SystemExit(likelihoods_main())
