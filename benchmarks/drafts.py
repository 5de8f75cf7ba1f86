"""How far drafted tokens carry: converted training problems, replayed as if a model wrote them.

    TRACE_PIPELINE_GSM8K=<folder with train.jsonl and test.jsonl> python -m benchmarks.drafts

``--together`` traces advance side by side, as in the decoder, which drafts with the same table. No
model is asked: each draft is held against the trace. Printed are the tokens by which a sequence
advances in a pass, the tokens that go through the model for each one that is kept, and the share
of drafted tokens that are thrown away. Without the folder it replays the built-in problems.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.common import table
from benchmarks.trace_tokens import converted
from trace_pipeline.modeling.decoding.drafts import Drafts


def replay(texts: list[list[int]], together: int, most: int) -> tuple[float, float, float]:
    """Tokens a pass and sequence, tokens computed for each kept, share of drafts thrown away."""
    drafts, waiting = Drafts(), list(reversed(texts))
    running: list[tuple[list[int], int]] = []
    passes = computed = drafted = agreed = 0
    while waiting or running:
        while waiting and len(running) < together:
            running.append((waiting.pop(), 0))
        after = []
        for text, done in running:
            guess = drafts.guess(text[:done], min(most, len(text) - done - 1))
            right = 0
            while right < len(guess) and guess[right] == text[done + right]:
                right += 1
            passes, computed = passes + 1, computed + 1 + len(guess)
            drafted, agreed = drafted + len(guess), agreed + right
            after.append((text, done, done + right + 1))
        for text, done, now in after:
            drafts.learn(text[:done], text[done:now])
        running = [(text, now) for text, _, now in after if now < len(text)]
    tokens = sum(map(len, texts))
    return tokens / passes, computed / tokens, (drafted - agreed) / max(1, drafted)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problems", type=int, default=652)
    parser.add_argument("--together", type=int, default=128)
    options = parser.parse_args()
    rows, count = [], 0
    for added, sequences in converted(options.problems):
        count = len(sequences)
        texts = [list(sequence.completion) for sequence in sequences]
        for most in (0, 2, 4, 6, 8):
            one, two, thrown = replay(texts, options.together, most)
            rows.append(
                [str(added).lower(), str(most), f"{one:.2f}", f"{two:.2f}", f"{100 * thrown:.0f} %"]
            )
    print(f"{count:,} traces, {options.together} side by side\n")
    header = ["trace_tokens", "drafts", "tokens a pass", "computed for each", "thrown away"]
    print(table(header, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
