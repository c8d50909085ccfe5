"""How long `gpteval --help` and `gpteval tasks` take, beside lm-evaluation-harness if installed.

Run: `python benchmarks/startup.py`. Medians of whole processes; exit 1 above the limits.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

GPTEVAL = str(Path(sys.executable).with_name("gpteval"))
LIMITS = {(GPTEVAL, "--help"): 0.4, (GPTEVAL, "tasks"): 0.6}
"""Command → most seconds."""
PEERS = [("lm_eval", "--help"), ("lm_eval", "ls", "tasks")]


def seconds(command: tuple[str, ...]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    slow = False
    for command in [*LIMITS, *(peer for peer in PEERS if shutil.which(peer[0]))]:
        times = [seconds(command) for _ in range(runs)]
        limit = LIMITS.get(command)
        said = f", limit {limit} s" if limit else ""
        shown = " ".join((Path(command[0]).name, *command[1:]))
        print(f"{shown:20} {median(times):6.3f} s [{min(times):.3f}..{max(times):.3f}]{said}")
        slow = slow or (limit is not None and median(times) > limit)
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
