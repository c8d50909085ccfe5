"""What a pre-training reads, what it keeps, and when it stops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpteval.config import check, option


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What is kept of a pre-training under way, and when it stops: no weight depends on it."""

    save_seconds: float = option(
        60.0, "Time between two saves of the unfinished training.", least=0, most=10**9
    )
    save_updates: int = option(
        0, "Updates between two saves, in place of --save-seconds.", least=0, most=10**12
    )
    keep: int = option(2, "How many saves are kept.", least=1, most=10**6)
    snapshots: int = option(
        0, "Models to keep along the way, beside the untrained one.", least=0, most=10**6
    )
    spike: float = option(
        3.0,
        "Stop at a loss so far above the mean of the last 100 updates, in nats; 0: never.",
        least=0,
        most=10**6,
    )

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check(self)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a corpus is read, and which tests are looked up in it before training."""

    text_field: str = option("text", "Field of a JSONL line, or column of a row, with the text.")
    tokenizer: Path | None = option(
        None, "Checkpoint whose tokenizer to use; default: one is trained on the corpus."
    )
    overlap: str = option(
        "",
        "Tasks whose scored splits are looked up in the corpus, names and groups by commas; "
        "default: none, or with --data-dir all that are there.",
    )
    data_dir: tuple[Path, ...] = option(
        (),
        "Directory of official files, of --watch too; may be given several times. Default: "
        "$GPTEVAL_DATA, or hub.",
    )
