"""The paper's questions about pre-training: table 5, and figure 2, left.

Every answer is an ordinary run, so what is finished is not run again; all of them share the loaded
model and the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gpteval.config import NOTHING, task_names
from gpteval.errors import ConfigError
from gpteval.methods.outcome import Results
from gpteval.methods.run import execute
from gpteval.methods.settings import RunConfig
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.weights.transfer import layer_count

if TYPE_CHECKING:
    from gpteval.records import Result


def ablate(
    tasks: str | Iterable[str],
    *,
    lstm: str | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> dict[str, Results]:
    """Fine-tune as it is, without pre-training, without the auxiliary loss, and an LSTM (table 5).

    Args:
        tasks: Names or groups, as a list or joined by commas.
        lstm: Reference of a pre-trained LSTM; None leaves its row out.
        progress: Told where the runs stand.
        settings: Fields of `RunConfig`.

    Returns:
        The results of each row of the table, by its name.

    Raises:
        GptevalError: Anything the user can mend, before the first run where possible.
    """
    from gpteval.methods.session import Session

    config = RunConfig(tasks=task_names(tasks), **settings)
    if config.save_model:
        raise ConfigError("an ablation keeps no model: leave out save_model")
    if not config.config.lm_weight:
        raise ConfigError("--lm-weight 0 leaves no auxiliary loss to take away: leave it out")
    session = Session(config, together=True)
    layer_count(session.model(config.model_reference))  # it can begin afresh
    changes = {**config.changes, "lm_weight": 0.0}
    rows: dict[str, dict[str, Any]] = {
        "full": {},
        "no pre-training": {"transfer_layers": NOTHING},
        "no auxiliary LM": {"changes": changes},
    }
    if lstm is not None:
        rows["LSTM"] = {"model": lstm}
        layer_count(session.model(lstm))
    table: dict[str, Results] = {}
    for number, (name, differs) in enumerate(rows.items(), start=1):
        session.told(progress or Silent()).say(f"{name} ({number} of {len(rows)})")
        variant = RunConfig(tasks=config.tasks, **settings | differs)
        table[name] = execute(variant, progress or Silent(), session)
    _tell([result for results in table.values() for result in results])
    return table


def ablate_layers(
    tasks: str | Iterable[str], *, progress: Progress | None = None, **settings: Any
) -> tuple[Results, int]:
    """Fine-tune with nothing, the embeddings, one layer … all layers transferred (figure 2, left).

    Args:
        tasks: Names or groups, as a list or joined by commas.
        progress: Told where the runs stand.
        settings: Fields of `RunConfig`.

    Returns:
        The results, and how many layers the model has.
    """
    from gpteval.methods.session import Session

    config = RunConfig(tasks=task_names(tasks), transfer_layers="none..all", **settings)
    session = Session(config, together=True)
    layers = layer_count(session.model(config.model_reference))
    results = execute(config, progress or Silent(), session)
    _tell(results)
    return results, layers


def _tell(results: Sequence[Result]) -> None:
    """Tell plug-ins, once; of several processes the first alone has results."""
    if results:
        registry().run_finished(results)
