"""``python -m trace_pipeline.modeling.decode``: completions of questions on a bare host."""

from trace_pipeline.modeling.command_line import decode_main

if __name__ == "__main__":
    raise SystemExit(decode_main())
