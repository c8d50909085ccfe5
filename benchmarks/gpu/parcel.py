"""Make the parcel for `kit.py`: what a machine with a GPU and no network lacks.

`--wheels` downloads packages for its Python; the weights are cut into pieces, so that each transfer
stays below a limit; rows are packed in the official layout, without what is not used.

Run: `python benchmarks/gpu/parcel.py --weights FILE --data DIR --output DIR`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
from pathlib import Path

from gpteval.results.provenance import commit

PACKAGES = ("datasets", "dill", "multiprocess", "msgspec", "gguf", "platformdirs")
"""What gpteval needs and an image made for torch and transformers may not have."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "any")
ROWS = (
    "glue/RTE", "glue/CoLA", "glue/MRPC", "glue/STS-B", "glue/WNLI", "glue/SST-2", "copa",
    "rocstories", "RACE/test",
)  # fmt: skip
"""What is fine-tuned on or scored there."""


def wheels(output: Path, constraints: Path, python: str) -> None:
    """Download the packages at the versions of the constraints."""
    pinned = dict(
        text.split("==") for text in constraints.read_text("utf-8").split() if "==" in text
    )
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(output)]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    command += [f"--abi={abi}" for abi in (f"cp{python.replace('.', '')}", "abi3", "none")]
    command += [f"--platform={platform}" for platform in PLATFORMS]
    subprocess.run([*command, *(f"{name}=={pinned[name]}" for name in PACKAGES)], check=True)


def pieces(weights: Path, output: Path, size: int) -> None:
    """Cut the file into pieces of at most `size` bytes, each named by its number and theirs."""
    whole = weights.read_bytes()
    parts = [whole[i : i + size] for i in range(0, len(whole), size)]
    for number, part in enumerate(parts, 1):
        (output / f"piece-{number}-of-{len(parts)}").write_bytes(part)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--data", type=Path, required=True, help="official files")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--size", type=float, default=47, help="MiB of a piece")
    parser.add_argument("--python", default="3.12", help="of the machine")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    wheels(options.output / "wheels", Path("constraints.txt"), options.python)
    pieces(options.weights, options.output, int(options.size * 2**20))
    with tarfile.open(options.output / "data.tar.xz", "w:xz") as archive:
        for name in ROWS:
            if (options.data / name).is_dir():
                archive.add(options.data / name, f"data/{name}")
    (options.output / "commit").write_text(commit(), encoding="utf-8")


if __name__ == "__main__":
    main()
