"""``torchrun`` that ends without a stack when it is told to: ``python -m`` this module.

PyTorch's own command answers a signal with warnings and two stacks on the terminal of a person
who did no more than stop a training.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.run import main as torchrun


def main(arguments: Sequence[str]) -> int:
    """Run ``torchrun`` with ``arguments``; the exit status."""
    logging.disable(logging.WARNING)  # its loggers have levels of their own
    try:
        torchrun(list(arguments))
    except SignalException as ended:
        return 128 + int(ended.sigval)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
