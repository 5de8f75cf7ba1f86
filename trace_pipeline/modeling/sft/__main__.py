"""``python -m trace_pipeline.modeling.sft``: supervised fine-tuning on a bare host."""

from trace_pipeline.modeling.command_line import sft_main

if __name__ == "__main__":
    raise SystemExit(sft_main())
