"""Speed of generation on one core, against reasoning-gym's gsm_symbolic in the same run.

``python -m benchmarks.generation`` prints rates and ratios (medians over interleaved
rounds, in CPU time) and fails where a bound is missed; the peer is measured where the
package ``reasoning_gym`` is installed (``pip install reasoning-gym``). With
``--scale N`` it also writes N examples to Parquet with one process and with two, and
reports memory and wall time: leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.common import table
from trace_pipeline.generation import Catalog, Generator, audit, example_to_record

EXAMPLES = 8000
ROUNDS = 7
VERIFIED, UNVERIFIED = 1 / 3, 1 / 2
"""Bounds, as shares of gsm_symbolic's rate."""
MEGABYTES, SPEEDUP = 700, 1.8
"""Bounds of ``--scale``: memory of each process, and two processes against one."""
PEER = "gsm_symbolic (reasoning-gym)"

Work = Callable[[], Iterator[object]]


def rate(work: Work) -> float:
    """Things a CPU second that ``work`` makes."""
    start = time.process_time()
    count = sum(1 for _ in work())
    return count / (time.process_time() - start)


def works(catalog: Catalog) -> dict[str, Work]:
    """What is measured, by name."""
    verified, bare = Generator(catalog), Generator(catalog, verify=False)
    varied = Generator(catalog, wording="varied")
    found: dict[str, Work] = {
        "verified": lambda: verified.sample(EXAMPLES),
        "not verified": lambda: bare.sample(EXAMPLES),
        "verified, wording varied": lambda: varied.sample(EXAMPLES),
        "verified, as records": lambda: map(example_to_record, verified.sample(EXAMPLES)),
    }
    try:
        import reasoning_gym
    except ImportError:
        return found
    data = reasoning_gym.create_dataset("gsm_symbolic", size=EXAMPLES, seed=0)
    return found | {PEER: lambda: (data[index] for index in range(EXAMPLES))}


def speed(catalog: Catalog) -> tuple[list[list[str]], bool]:
    """The table of rates, and whether the bounds are kept (they need the peer)."""
    chosen = works(catalog)
    rounds = [{name: rate(work) for name, work in chosen.items()} for _ in range(ROUNDS)]
    rows, ratios = [], {}
    for name in chosen:
        ratio = ""
        if PEER in chosen:
            ratios[name] = statistics.median(found[name] / found[PEER] for found in rounds)
            ratio = f"{ratios[name]:.2f}"
        rows.append([name, f"{statistics.median(r[name] for r in rounds):,.0f}", ratio])
    kept = not ratios or (ratios["verified"] >= VERIFIED and ratios["not verified"] >= UNVERIFIED)
    return rows, kept


_PRODUCE = """
import resource, sys
from pathlib import Path
from trace_pipeline.generation.production import Request, Source, produce

if __name__ == "__main__":
    n, processes, out = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    produce(Request(n=n), out, Source(Path("schemas"), Path("vocab")), processes)
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(kind) for kind in kinds]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    print(max(one.ru_maxrss for one in used) // 1024, cpu)
"""


def scale(n: int) -> tuple[list[list[str]], bool]:
    """Time and largest process of ``n`` examples to Parquet, with one process and two.

    CPU seconds are those of all processes together: they show what sharing costs, and depend
    less than the time on what else the machine does.
    """
    rows, seconds, largest = [], {}, 0
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "produce.py"
        script.write_text(_PRODUCE)
        for processes in (1, 2):
            out = Path(folder) / f"{processes}.parquet"
            command = [sys.executable, str(script), str(n), str(processes), str(out)]
            start = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds[processes] = time.perf_counter() - start
            megabytes, cpu = done.stdout.split()
            largest = max(largest, int(megabytes))
            rows.append(
                [
                    f"{n:,} examples, {processes} process(es)",
                    f"{seconds[processes]:.1f}",
                    f"{float(cpu):.1f}",
                    f"{n / seconds[processes]:,.0f}",
                    f"{seconds[1] / seconds[processes]:.2f}",
                    megabytes,
                    f"{out.stat().st_size / 1e6:.0f}",
                ]
            )
    return rows, largest < MEGABYTES and seconds[1] / seconds[2] >= SPEEDUP


def main() -> int:
    """Print the tables; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--scale", type=int, metavar="N", help="also write N examples to Parquet")
    arguments = parser.parse_args()
    start = time.process_time()
    catalog = Catalog.load("schemas", "vocab")
    print(f"{len(catalog.plans)} schemas loaded in {time.process_time() - start:.2f} s of CPU\n")
    rows, kept = speed(catalog)
    rows.append(["audited", f"{rate(lambda: _audited(catalog)):,.0f}", ""])
    print(table(["generation", "examples/s", "of the peer's rate"], rows))
    print(f"bounds: {VERIFIED:.2f} verified, {UNVERIFIED:.2f} not verified")
    if arguments.scale:
        rows, flat = scale(arguments.scale)
        header = [
            "to Parquet",
            "s",
            "CPU s",
            "examples/s",
            "speed-up",
            "largest process, MB",
            "file, MB",
        ]
        print("\n" + table(header, rows))
        print(f"bounds: {MEGABYTES} MB, speed-up {SPEEDUP}")
        kept = kept and flat
    return 0 if kept else 1


def _audited(catalog: Catalog) -> Iterator[object]:
    return itertools.chain.from_iterable(
        range(row.samples) for row in audit(catalog, samples=12).rows
    )


if __name__ == "__main__":
    sys.exit(main())
