"""Command-line options made from the fields of a configuration value.

A field `lm_weight: float = option(0.5, "...")` becomes `--lm-weight FLOAT` with that help and
default, so that a setting is named, typed, explained and defaulted in one place.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, get_type_hints

import click

from gpteval.cli import output
from gpteval.plugins import registry

if TYPE_CHECKING:
    from gpteval.records import Result

Command = Callable[..., Any]

model_option = click.option(
    "--model", help="Model reference (see `gpteval models`); mini with --sample, else openai-gpt."
)
data_dir_option = click.option(
    "--data-dir", help="Directory of official files; default: $GPTEVAL_DATA, else the hub."
)
sample_option = click.option(
    "--sample", is_flag=True, help="Use the small data sets that come with the package."
)
limit_option = click.option(
    "--limit", type=click.IntRange(1), help="Most rows of every split, for a quick try."
)
results_option = click.option(
    "--results", help="Directory of records; default: results (runs with --sample)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")


def show_results(results: Sequence[Result], *, as_json: bool) -> None:
    """Print results: the leaderboard of them, or their records as JSON."""
    if as_json:
        output.show_json([asdict(result) for result in results])
        return
    from gpteval.report.leaderboard import Leaderboard
    from gpteval.report.standings import standings

    output.show(Leaderboard(standings(results)))


def tell_where(settings: Mapping[str, Any], *, new: bool) -> None:
    """Say in a line where the results are, and what can be done next.

    Args:
        settings: The command's options.
        new: Whether any result is new.
    """
    from gpteval.methods.settings import results_directory

    directory = results_directory(settings["results"], settings["sample"])
    table = f"`gpteval leaderboard {shlex.quote(str(directory))}`"
    if new:
        output.tell(f"the results are in {directory}: {table} shows them")
    else:
        output.tell(
            f"nothing was run: all of it was finished before, in {directory}; {table} shows it, "
            "--results with another directory measures it again"
        )


def options_from(config: type[Any], into: str) -> Callable[[Command], Command]:
    """Add an option per field; the command gets the finished value as its argument `into`.

        @click.command()
        @options_from(PretrainConfig, "config")
        def command(config: PretrainConfig) -> None: ...

    Args:
        config: A dataclass of plain fields (int, float, str, bool) made with
            `gpteval.config.option`.
        into: Name of the command's argument.
    """
    return _collected(config, into, lambda given: config(**given), defaults=True)


def changes_from(config: type[Any], into: str) -> Callable[[Command], Command]:
    """Add an option per field without a default; the command gets a dict of those given.

    For settings whose defaults depend on another option, such as a named recipe.
    """
    given_only = lambda given: {k: v for k, v in given.items() if v is not None}  # noqa: E731
    return _collected(config, into, given_only, defaults=False)


def suite_options(command: Command) -> Command:
    """Add the options of every command that fine-tunes: the model, its rows, the seeds, results."""
    for option in reversed(SUITE):
        command = option(command)
    return command


def chosen_seeds(seed: int, seeds: int) -> tuple[int, ...]:
    """What --seed and --seeds say together."""
    return tuple(range(seed, seed + seeds))


SUITE = (
    model_option,
    data_dir_option,
    sample_option,
    click.option(
        "--recipe",
        type=click.Choice(list(registry().recipes())),
        help="Named settings; default: paper (sample with --sample).",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="The first seed."),
    click.option(
        "--seeds", type=click.IntRange(1), default=1, show_default=True, help="How many seeds."
    ),
    limit_option,
    results_option,
    click.option("--save-seconds", default=60.0, show_default=True, help="Time between two saves."),
)


def _collected(
    config: type[Any], into: str, make: Callable[[dict[str, Any]], Any], *, defaults: bool
) -> Callable[[Command], Command]:
    kinds = get_type_hints(config)

    def decorate(function: Command) -> Command:
        @wraps(function)
        def command(**arguments: Any) -> Any:
            given = {field.name: arguments.pop(field.name) for field in fields(config)}
            return function(**{into: make(given)}, **arguments)

        for field in reversed(fields(config)):
            shown = (
                {"default": field.default, "show_default": field.default != ""} if defaults else {}
            )
            name, help_text = field.name.replace("_", "-"), field.metadata["help"]
            kind = kinds[field.name]
            option = click.option(
                f"--{name}", type=kind, is_flag=kind is bool, help=help_text, **shown
            )
            command = option(command)
        return command

    return decorate
