"""Commands killed in the middle of writing, then run to their end: `python benchmarks/kills.py`.

Every command is killed at moments spread over all that it writes, each time in a fresh directory;
the same command again must leave what an undisturbed run leaves: results, predictions, costs,
curve, weights, and no file beyond them. Prints what differs; exit code 1 where anything does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from conftest import checkpoint
from killing import commands, differences, gpteval, moments


def broken(name: str, arguments: list[str], place: Path, count: int) -> bool:
    """Kill one command so many times; whether it ever left something else."""
    _, changes = gpteval(arguments, place / name)
    kills, told = 0, []
    for number, moment in enumerate(moments(changes, count, count // 3)):
        directory = place / f"{name}-{number}"
        code, _ = gpteval(arguments, directory, moment)
        kills += code < 0
        gpteval(arguments, directory)
        apart = differences(directory, place / name)
        told += [f"  killed {moment}: {line}" for line in apart]
        if code >= 0:
            told.append(f"  not killed {moment}: it did not come")
    print(f"{name}: {len(changes)} changes, killed {kills} times, {len(told)} differences")
    print("\n".join(told), end="\n" * bool(told), flush=True)
    return bool(told)


def main() -> int:
    """Kill every command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10, help="Of each command.")
    parser.add_argument("--command", default="", help="This one only.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        place = Path(root)
        lines = commands(place, checkpoint(place / "roomy", context=512))
        chosen = {name: own for name, own in lines.items() if given.command in ("", name)}
        found = [broken(name, own, place, given.kills) for name, own in chosen.items()]
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
