"""The paper's questions about pre-training: table 5, and figure 2, left.

Every answer is an ordinary run, so what is finished is not run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpteval.config import NOTHING, RunConfig, task_names
from gpteval.errors import ConfigError
from gpteval.methods.suite import run
from gpteval.progress import Progress
from gpteval.weights.transfer import layer_count

if TYPE_CHECKING:
    from gpteval.records import Result


def ablate(
    tasks: str, *, lstm: str | None = None, progress: Progress | None = None, **settings: Any
) -> dict[str, list[Result]]:
    """Fine-tune as it is, without pre-training, without the auxiliary loss, and an LSTM (table 5).

    Args:
        tasks: Names or groups, joined by commas.
        lstm: Reference of a pre-trained LSTM; None leaves its row out.
        progress: Told where the runs stand.
        settings: Fields of `RunConfig`.

    Returns:
        The results of each row of the table, by its name.

    Raises:
        GptevalError: Anything the user can mend, before the first run where possible.
    """
    config = RunConfig(tasks=task_names(tasks), **settings)
    if not config.config.lm_weight:
        raise ConfigError("--lm-weight 0 leaves no auxiliary loss to take away: leave it out")
    _layers(config)
    changes = {**config.changes, "lm_weight": 0.0}
    rows: dict[str, dict[str, Any]] = {
        "full": {},
        "no pre-training": {"transfer_layers": NOTHING},
        "no auxiliary LM": {"changes": changes},
    }
    if lstm is not None:
        rows["LSTM"] = {"model": lstm}
        _layers(RunConfig(tasks=config.tasks, model=lstm))
    return {
        name: run(tasks, progress=progress, **settings | differs) for name, differs in rows.items()
    }


def ablate_layers(
    tasks: str, *, progress: Progress | None = None, **settings: Any
) -> tuple[list[Result], int]:
    """Fine-tune with nothing, the embeddings, one layer … all layers transferred (figure 2, left).

    Args:
        tasks: Names or groups, joined by commas.
        progress: Told where the runs stand.
        settings: Fields of `RunConfig`.

    Returns:
        The results, and how many layers the model has.
    """
    layers = _layers(RunConfig(tasks=task_names(tasks), **settings))
    return run(tasks, progress=progress, transfer_layers="none..all", **settings), layers


def _layers(config: RunConfig) -> int:
    """How many layers the model has; found out before hours of work that need its like afresh."""
    from gpteval.compute.device import resolve
    from gpteval.weights.load import load_model

    resolve(config.compute)  # before a model is loaded, as in a run: it sets how products are made
    return layer_count(load_model(config.model_reference))
