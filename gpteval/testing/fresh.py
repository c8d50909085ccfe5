"""What a process of its own makes of a task: what it imports, and which examples it makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gpteval.errors import PluginError
from gpteval.loading import HEAVY, OWN, Plugin

SEED = "1"
"""Of Python's hashes there: in another order than here, sets betray themselves."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the process says.

    Attributes:
        heavy: Modules that came with the import of the task's module and should not.
        contents: Split → digest of its examples.
    """

    heavy: tuple[str, ...]
    contents: Mapping[str, str]


@cache
def report(
    task: str, owner: Plugin, kind: str, directories: tuple[str, ...], splits: tuple[str, ...]
) -> Report:
    """Ask a process of its own.

    Args:
        task: A name that it finds too.
        owner: The plug-in that offers it.
        kind: Where the rows come from: `Origin.kind`.
        directories: Of files: where they are looked for, in order.
        splits: Which ones.

    Raises:
        PluginError: It ends without an answer.
    """
    asked = [task, owner.name, owner.module if owner.digest else "", kind, *directories]
    words = [sys.executable, "-m", "gpteval.testing.fresh", json.dumps(asked), json.dumps(splits)]
    environment = {**os.environ, "PYTHONHASHSEED": SEED, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        line = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PluginError(f"a process of its own can't make its examples: {line}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return Report(tuple(answer["heavy"]), answer["contents"])


def main(asked: list[str], splits: list[str]) -> dict[str, object]:
    """The answer, in that process."""
    task, plugin, file, kind, *directories = asked
    from gpteval.plugins import registry

    if file:
        registry().add_file(Path(file))
    package = plugin.partition(":")[0]
    # The built-ins' modules are imported together, and all of them are ours to keep light.
    registry().tasks()
    heavy = sorted(HEAVY & set(sys.modules)) if package == OWN or file else _by(plugin)
    from gpteval.data.examples import examples_of
    from gpteval.data.rows import Origin, load_split
    from gpteval.methods.identity import content

    paths = [Path(directory) for directory in directories]
    rows_from = Origin(kind, paths[0] if paths else None, tuple(paths[1:]))  # type: ignore[arg-type]
    chosen = registry().tasks()[task]
    contents = {
        split: content(examples_of(chosen, load_split(chosen, split, rows_from)))
        for split in splits
    }
    return {"heavy": heavy, "contents": contents}


def _by(plugin: str) -> list[str]:
    """What one plug-in's import brought, as its row remembers it."""
    from gpteval.plugins import registry

    remarks = next((p.remarks for p in registry().plugins if p.name == plugin), ())
    return [name for name in sorted(HEAVY) if any(f"imports {name}," in line for line in remarks)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]), json.loads(sys.argv[2]))) + "\n")
