"""``python -m trace_pipeline.modeling.rl``: reinforcement learning on a bare host."""

from trace_pipeline.modeling.command_line import rl_main

if __name__ == "__main__":
    raise SystemExit(rl_main())
