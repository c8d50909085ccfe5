"""Units computed several at once, with the same one after another: `python benchmarks/launch.py`.

`speed`: ten units on two workers of one core each, with the same ten in one process of two
threads. `kills`: the same, while workers are killed at random moments. `overhead`: a thousand tiny
units over four workers, with the same in one process. Exit 1 where a result differs, a unit is lost
or there twice, or a unit costs more than the limit beyond its work.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

LIMIT = 0.05
"""Most seconds that a unit may cost beyond its work."""

MEASURED = {"seconds", "time", "cost", "history"}


@contextmanager
def timed() -> Iterator[list[float]]:
    """Seconds of the clock and of all CPUs, of this process and those that ended within."""
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)

    def spent() -> float:
        return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, both))

    took, clock, used = list[float](), time.perf_counter(), spent()
    yield took
    took += [time.perf_counter() - clock, spent() - used]


def lasting(directory: Path) -> dict[Any, Any]:
    """Key and split → what every run leaves the same: scores, and predictions with them."""
    from gpteval.results.store import ResultStore

    store = ResultStore(directory)
    results = store.read()
    counted = Counter((r.key, r.task, r.split) for r in results)
    if counted and max(counted.values()) > 1:
        sys.exit(f"there twice: {counted.most_common(1)}")
    return {
        (r.key, r.task, r.split): (r.scores, [p.prediction for p in store.read_predictions(r)])
        for r in results
    }


def workers() -> list[int]:
    """The processes that compute units for this one: local ones, or actors of Ray."""
    import psutil

    below = psutil.Process().children(recursive=True)
    actors = [p.pid for p in below if p.is_running() and "ray::Actor" in p.name()]
    return actors or [own.pid or 0 for own in multiprocessing.active_children()]


class Killer:
    """Listens as `gpteval.progress.Silent`, and kills a random worker now and then."""

    def __new__(cls, kills: int, pause: float) -> Any:
        """Made when gpteval may be imported."""
        from gpteval.progress import Silent

        class Kills(Silent):
            left, told, at = kills, 0, time.monotonic()
            draw = random.Random(0)

            def units(self, standing: Any, *, over: bool = False) -> None:
                found = workers()
                if self.left and found and standing.running and time.monotonic() > self.at:
                    os.kill(self.draw.choice(found), signal.SIGKILL)
                    self.left -= 1
                    self.at = time.monotonic() + self.draw.uniform(0, pause)

            def say(self, line: str) -> None:
                self.told += "died; another" in line

        return Kills()


def ten(place: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Five tasks with two seeds, fine-tuned on the bundled samples."""
    import gpteval

    compute = gpteval.Compute(device="cpu")
    changes = {"epochs": given.epochs}
    tasks = "cola,sst2,rte,wnli,copa"
    asked = {"sample": True, "seeds": (0, 1), "compute": compute, "changes": changes}
    return {"tasks": tasks, **asked, "limit": given.limit, "results": place}


def speed(place: Path, given: argparse.Namespace) -> bool:
    """Two workers of a core each, with one process of two threads."""
    import torch

    import gpteval

    torch.set_num_threads(2)
    with timed() as alone:
        gpteval.run(**ten(place / "alone", given))
    os.environ["OMP_NUM_THREADS"] = "1"
    with timed() as shared:
        gpteval.run(**ten(place / "shared", given), engine=gpteval.engine(given.engine))
    same = lasting(place / "alone") == lasting(place / "shared")
    print(
        f"ten units: one process of two threads {alone[0]:.1f} s ({alone[1]:.1f} s of CPU), two "
        f"workers of one core ({given.engine}) {shared[0]:.1f} s ({shared[1]:.1f}), "
        f"{alone[0] / shared[0]:.2f}x; results {'equal' if same else 'DIFFER'}"
    )
    return not same


def kills(place: Path, given: argparse.Namespace) -> bool:
    """Workers killed at random moments lose nothing."""
    import gpteval

    os.environ["OMP_NUM_THREADS"] = "1"
    asked = ten(place / "left", given)
    gpteval.run(**asked, engine=gpteval.engine(given.engine))
    killer = Killer(given.kills, given.pause)
    asked |= {"results": place / "killed", "save_seconds": 1.0}
    gpteval.run(**asked, engine=gpteval.engine(given.engine), progress=killer)
    same = lasting(place / "left") == lasting(place / "killed")
    rest = sorted(p.name for p in (place / "killed").rglob("*.partial"))
    print(
        f"{given.kills - killer.left} workers killed, {killer.told} of them at a unit; results "
        f"{'equal' if same else 'DIFFER'}, {len(lasting(place / 'killed'))} of them, left over: "
        f"{rest or 'nothing'}"
    )
    return not same or bool(killer.left)


def overhead(place: Path, given: argparse.Namespace) -> bool:
    """Tiny units over four workers, with the same in this process."""
    import torch
    from conftest import checkpoint

    import gpteval
    from gpteval.launch import driver

    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    model = str(checkpoint(place / "tiny", context=64))
    compute = gpteval.Compute(device="cpu")
    asked = {"model": model, "sample": True, "limit": 2, "compute": compute}
    asked |= {"changes": {"epochs": 1}}
    with timed() as begun:  # four workers begin, and do a unit each
        gpteval.run(
            "cola",
            **asked,
            seeds=range(4),
            results=place / "begun",
            engine=gpteval.engine("local:4"),
        )
    asked |= {"seeds": range(given.units)}
    with timed() as alone:
        gpteval.run("cola", **asked, results=place / "alone")
    rounds: list[tuple[float, float]] = []
    completes = driver.Drive.outcomes

    def outcomes(self: Any) -> Any:
        began = time.perf_counter()
        made = completes(self)
        rounds.append((time.perf_counter() - began, sum(own.seconds for own in made)))
        return made

    driver.Drive.outcomes = outcomes  # type: ignore[method-assign]
    with timed() as shared:
        gpteval.run("cola", **asked, results=place / "shared", engine=gpteval.engine("local:4"))
    same = lasting(place / "alone") == lasting(place / "shared")
    ((wall, work),) = rounds
    waited = (4 * wall - work) / given.units
    more = (shared[1] - begun[1]) / (given.units - 4) - alone[1] / given.units
    print(
        f"{given.units} units: one process {alone[0]:.1f} s ({alone[1]:.1f} s of CPU); four "
        f"workers {shared[0]:.1f} s ({shared[1]:.1f}), of which {wall:.1f} s handing out; a worker "
        f"waits {1000 * waited:.1f} ms for its next unit, which takes {1000 * more:.1f} ms "
        f"more of CPU; beginning took {begun[1]:.1f} s of it, four units included; results "
        f"{'equal' if same else 'DIFFER'}"
    )
    return not same or max(waited, more) > LIMIT


PARTS = {"speed": speed, "kills": kills, "overhead": overhead}


def main() -> int:
    """Run the parts that are named, all by default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", choices=PARTS, help="This one only.")
    parser.add_argument("--engine", default="local:2", help="Of `speed` and `kills`: ray too.")
    parser.add_argument("--limit", type=int, default=None, help="Rows of every split.")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pause", type=float, default=4.0, help="Most seconds between two kills.")
    parser.add_argument("--units", type=int, default=1000)
    given = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as root:
        for name, part in PARTS.items():
            if given.part in (None, name):
                (Path(root) / name).mkdir()
                failed |= part(Path(root) / name, given)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
