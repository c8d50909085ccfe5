"""What a part of it is worth: the paper's table 5, figure 2 (left), and a recipe's settings.

Every answer is an ordinary run, so what is finished is not run again; all of them share the loaded
model and the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gpteval.config import NOTHING, RECIPE
from gpteval.errors import ConfigError
from gpteval.methods.outcome import Results
from gpteval.methods.run import execute
from gpteval.methods.settings import RunConfig, recipe, settled
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.results.pairing import measurements
from gpteval.results.store import ResultStore
from gpteval.score.difference import holm
from gpteval.studies.compare import Row, compare
from gpteval.weights.transfer import layer_count

if TYPE_CHECKING:
    from gpteval.methods.session import Session
    from gpteval.records import Result

WHOLE = "whole"
"""What the recipe as it is is called among its pieces."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a setting of a recipe, or all of them, did for one task.

    Attributes:
        name: The setting that was taken back to the paper's; the paper's recipe, where all were.
        value: What the recipe has; None for all.
        row: The recipe whole (second) against it without the piece (first), on the same examples;
            p is corrected for all pieces and tasks.
    """

    name: str
    value: Any
    row: Row


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

    config = _config(tasks, settings)
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
    return _executed(rows, config, settings, session, progress)


def ablate_pieces(
    tasks: str | Iterable[str], *, progress: Progress | None = None, **settings: Any
) -> tuple[dict[str, Results], list[Piece]]:
    """Fine-tune by a recipe, by the paper's, and with one of its settings as the paper's at a time.

    Args:
        tasks: Names or groups, as a list or joined by commas.
        progress: Told where the runs stand.
        settings: Fields of `RunConfig`.

    Returns:
        The results of every variant, by its name, and what each piece is worth.

    Raises:
        ConfigError: The recipe is the paper's, or a setting of it can't be taken back alone.
        GptevalError: Anything else the user can mend, before the first run where possible.
    """
    from gpteval.methods.session import Session

    config, base = _config(tasks, settings), recipe(RECIPE)
    changed = config.config.changed
    if not changed:
        raise ConfigError(
            f"recipe {config.recipe_name} is the paper's, which has no pieces to take back: name "
            "another with --recipe, or change a setting"
        )
    variants: dict[str, dict[str, Any]] = {WHOLE: {}, RECIPE: {"recipe": RECIPE, "changes": {}}}
    for name in changed if len(changed) > 1 else ():
        variants[name] = {"changes": {**config.changes, name: getattr(base, name)}}
    for differs in variants.values():
        settled(RunConfig, config.tasks, {**settings, **differs}).config  # noqa: B018 (checks it)
    session = Session(config, together=True)
    table = _executed(variants, config, settings, session, progress)
    store = ResultStore(config.results_directory)
    sides = {name: measurements(store, results) for name, results in table.items() if results}
    pieces = [
        Piece(name, changed.get(name), row)
        for name, side in sides.items()
        if name != WHOLE
        for row in compare(side, sides[WHOLE]).rows
        if row.adjusted is not None and not row.suite
    ]
    corrected = holm([piece.row.difference.p for piece in pieces])
    return table, [
        replace(piece, row=replace(piece.row, adjusted=p))
        for piece, p in zip(pieces, corrected, strict=True)
    ]


def _config(tasks: str | Iterable[str], settings: Mapping[str, Any]) -> RunConfig:
    config = settled(RunConfig, tasks, settings)
    if config.save_model:
        raise ConfigError("an ablation keeps no model: leave out save_model")
    return config


def _executed(
    variants: Mapping[str, Mapping[str, Any]],
    config: RunConfig,
    settings: Mapping[str, Any],
    session: Session,
    progress: Progress | None,
) -> dict[str, Results]:
    """Run each variant, what differs in it beside all other settings."""
    table: dict[str, Results] = {}
    for number, (name, differs) in enumerate(variants.items(), start=1):
        session.told(progress or Silent()).say(f"{name} ({number} of {len(variants)})")
        variant = settled(RunConfig, config.tasks, {**settings, **differs})
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

    if "transfer_layers" in settings:
        raise ConfigError("every layer is tried: leave out transfer_layers")
    config = settled(RunConfig, tasks, {**settings, "transfer_layers": "none..all"})
    session = Session(config, together=True)
    layers = layer_count(session.model(config.model_reference))
    results = execute(config, progress or Silent(), session)
    _tell(results)
    return results, layers


def _tell(results: Sequence[Result]) -> None:
    """Tell plug-ins, once; of several processes the first alone has results."""
    if results:
        registry().run_finished(results)
