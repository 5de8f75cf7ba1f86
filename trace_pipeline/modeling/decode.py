"""Command: completions of a file of questions, with a checkpoint or an untuned base model."""

if __name__ == "__main__":
    from trace_pipeline.modeling.command_line import decode_main

    raise SystemExit(decode_main())
