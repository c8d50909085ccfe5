"""The training curve: a JSON line per point as it is made, and a picture of it at the end.

The file is for readers: a training that resumes has its points from its saved state, and writes
them anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpteval.files import (
    Checksum,
    append,
    file_checksum,
    parse_json,
    replacing,
    to_json,
    write_whole,
)

FILE = "curve.jsonl"
PICTURE = "curve.png"


class Curve:
    """The points of one training, in memory and on disk.

    Attributes:
        points: What `Pretraining.point` measured, in order.
    """

    def __init__(self, directory: Path) -> None:
        """Nothing is read or written yet."""
        self.directory = directory
        self.points: list[dict[str, Any]] = []

    def restore(self, points: Sequence[Mapping[str, Any]], *, write: bool) -> None:
        """Begin with these points, whatever the file holds."""
        self.points = [dict(point) for point in points]
        if write:
            (self.directory / PICTURE).unlink(missing_ok=True)
            write_whole(self.directory / FILE, "".join(map(_line, self.points)))

    @property
    def checksum(self) -> str:
        """Of the file as it is on disk."""
        return str(file_checksum(self.directory / FILE))

    def add(self, point: Mapping[str, Any], *, write: bool) -> None:
        """Take a point, and put it on disk if this process is the one that writes."""
        self.points.append(dict(point))
        if write:
            append(self.directory / FILE, _line(point).encode())


def _line(point: Mapping[str, Any]) -> str:
    return to_json(point) + "\n"


def picture(directory: Path, checksum: str) -> bool:
    """Draw the curve of a finished training, unless that was done before.

    Args:
        directory: Where the curve is.
        checksum: Of the curve when it was finished.

    Returns:
        Whether the curve is as it was then; nothing is drawn of another.
    """
    try:
        content = (directory / FILE).read_bytes()
    except OSError:
        content = b""
    if str(Checksum.of(content)) != checksum:
        return False
    if not (directory / PICTURE).exists():
        _draw([parse_json(line) for line in content.splitlines()], directory / PICTURE)
    return True


def _draw(points: Sequence[Mapping[str, Any]], target: Path) -> None:
    """Loss and held-out loss over tokens, the learning rate below; nothing without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(7, 5), layout="constrained")
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    tokens = [point["tokens"] for point in points]
    losses.plot(tokens, [point["loss"] for point in points], label="training", linewidth=1)
    measured = [point for point in points if "held_out_loss" in point]
    if measured:
        places = [point["tokens"] for point in measured]
        held_out = [point["held_out_loss"] for point in measured]
        losses.plot(places, held_out, "o-", label="held out", markersize=3)
        losses.legend(frameon=False)
    losses.set_ylabel("loss, nats per token")
    rates.plot(tokens, [point["lr"] for point in points], color="gray", linewidth=1)
    rates.set_ylabel("learning rate")
    rates.set_xlabel("tokens")
    with replacing(target) as partial:
        figure.savefig(partial, format="png", dpi=150)
