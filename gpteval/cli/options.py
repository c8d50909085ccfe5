"""Command-line options made from the fields of a configuration value.

A field `lm_weight: float = option(0.5, "...")` becomes `--lm-weight FLOAT` with that help and
default, so that a setting is named, typed, explained and defaulted in one place.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import click

from gpteval.cli import output
from gpteval.errors import ConfigError
from gpteval.paths import user_path
from gpteval.plugins import registry

if TYPE_CHECKING:
    from gpteval.methods.order import Engine
    from gpteval.methods.outcome import Results
    from gpteval.records import Result

Command = Callable[..., Any]


INCOMPLETE = 1
"""Exit code where a task of a group could not be measured, or a check found something."""


class UserPath(click.Path):
    """A path as a user types it: the type of every option and argument that is one.

    bash leaves the `~` of `--results=~/mine` alone; see `gpteval.paths.user_path`.
    """

    def __init__(self, *, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; a usage error where it is none."""
        try:
            path = user_path(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)
        super().convert(path, param, ctx)
        return path


DIRECTORY = UserPath(file_okay=False)


def _engine(
    context: click.Context, parameter: click.Parameter, launch: str | None
) -> Engine | None:
    """What `--launch` names, before anything is read."""
    if launch is None or context.resilient_parsing:
        return None
    from gpteval.launch.engine import engine

    return engine(launch)


model_option = click.option(
    "--model", help="Model reference (see `gpteval models`); mini with --sample, else openai-gpt."
)
data_dir_option = click.option(
    "--data-dir",
    type=DIRECTORY,
    multiple=True,
    help="Directory of official files; may be given several times: the first that has a split "
    "wins. Default: $GPTEVAL_DATA (several as in PATH), else the hub.",
)
sample_option = click.option(
    "--sample", is_flag=True, help="Use the small data sets that come with the package."
)
limit_option = click.option(
    "--limit",
    type=click.IntRange(1),
    help="Most rows of every split, drawn from all over it, for a quick try.",
)
skip_missing_option = click.option(
    "--skip-missing",
    is_flag=True,
    help="Leave out tasks whose rows are not there, those named by themselves too; exit code 0.",
)
force_option = click.option(
    "--force",
    is_flag=True,
    help="Measure what is finished again, from its start: the new results replace the earlier.",
)
results_option = click.option(
    "--results", type=DIRECTORY, help="Directory of records; default: results (runs with --sample)."
)
predict_option = click.option(
    "--predict",
    is_flag=True,
    help="Predict test sets whose labels are private too, for `gpteval submit`.",
)
launch_option = click.option(
    "--launch",
    metavar="ENGINE",
    callback=_engine,
    help="Compute several units (a task, a seed) at once: local:N, on N processes of this machine; "
    "ray or ray:ADDRESS; slurm.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead, an object a line."
)


FILE_TASKS = "gpteval.file-tasks"
"""Where a command keeps the tasks of its task files."""


def _add_files(context: click.Context, _: click.Parameter, paths: tuple[Path, ...]) -> None:
    """Register the task files before any name is looked up."""
    names = [name for path in paths for name in registry().tasks_of(registry().add_file(path))]
    context.meta[FILE_TASKS] = ",".join(names)


class Tasks(click.Option):
    """`--tasks`, which may be left out where there are task files."""

    def get_default(self, ctx: click.Context, call: bool = True) -> Any:
        """The tasks that they define; without one as click has it."""
        return ctx.meta.get(FILE_TASKS) or super().get_default(ctx, call)


task_file_option = click.option(
    "--task-file",
    type=UserPath(dir_okay=False),
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_add_files,
    help="A task told by the columns of its files, in TOML; may be given several times. Without "
    "--tasks, what these define.",
)


def show_results(results: Sequence[Result], *, as_json: bool) -> None:
    """Print results: the leaderboard of them, or their records as JSON lines."""
    if as_json:
        output.show_json(*map(asdict, results))
        return
    from gpteval.report.leaderboard import Leaderboard
    from gpteval.report.standings import standings

    output.show(Leaderboard(standings(results)))


def conclude(settings: Mapping[str, Any], results: Results, *, new: bool) -> None:
    """Say at the end what was left out, where the results are, and what can be done next.

    Args:
        settings: The command's options.
        results: All that the command came to.
        new: Whether any result is new.

    Raises:
        click.exceptions.Exit: With the code `INCOMPLETE`: a task of a group has no result.
    """
    from gpteval.methods.settings import results_directory

    directory = results_directory(settings["results"], sample=settings["sample"])
    table = f"`gpteval leaderboard {shlex.quote(str(directory))}`"
    if new:
        where = f"the results are in {directory}: {table} shows them"
    else:
        where = (
            f"nothing was run: all of it was finished before, in {directory}; {table} shows it, "
            "--force measures it again"
        )
    if settings["sample"]:
        where += "; next, real data: the same with --data-dir DATA in place of --sample"
    end(results.skipped | results.left_out, where, failed=bool(results.left_out))


def end(untold: Mapping[str, str], line: str = "", *, failed: bool) -> None:
    """Name the tasks that have no result, and say one line more.

    Raises:
        click.exceptions.Exit: With the code `INCOMPLETE`, where `failed`: a task of a group has
            none, or what was asked is not so.
    """
    for name, why in untold.items():
        output.tell(f"{name} has no result: {why}")
    if line:
        output.tell(line)
    if failed:
        raise click.exceptions.Exit(INCOMPLETE)


def options_from(
    config: type[Any], into: str, **choices: Sequence[str]
) -> Callable[[Command], Command]:
    """Add an option per field; the command gets the finished value as its argument `into`.

        @click.command()
        @options_from(PretrainConfig, "config")
        def command(config: PretrainConfig) -> None: ...

    Args:
        config: A dataclass of plain fields (int, float, str, bool) made with
            `gpteval.config.option`.
        into: Name of the command's argument.
        choices: Field → values that it may have, where plug-ins say which.
    """
    return _collected(config, into, lambda given: config(**given), choices, defaults=True)


def changes_from(config: type[Any], into: str) -> Callable[[Command], Command]:
    """Add an option per field without a default; the command gets a dict of those given.

    For settings whose defaults depend on another option, such as a named recipe.
    """
    given_only = lambda given: {k: v for k, v in given.items() if v is not None}  # noqa: E731
    return _collected(config, into, given_only, {}, defaults=False)


def suite_options(command: Command) -> Command:
    """Add the options of every command that fine-tunes: the model, its rows, the seeds, results."""
    from gpteval.config import SEEDS

    suite = (
        model_option,
        data_dir_option,
        sample_option,
        click.option(
            "--recipe",
            type=click.Choice(list(registry().recipes())),
            help="Named settings; default: paper (sample with --sample).",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0, SEEDS - 1),
            default=0,
            show_default=True,
            help="The first seed.",
        ),
        click.option(
            "--seeds",
            type=click.IntRange(1, 10**6),
            default=1,
            show_default=True,
            help="How many seeds.",
        ),
        limit_option,
        skip_missing_option,
        force_option,
        results_option,
        click.option(
            "--save-seconds", default=60.0, show_default=True, help="Time between two saves."
        ),
    )
    for option in reversed(suite):
        command = option(command)
    return command


def chosen_seeds(seed: int, seeds: int) -> tuple[int, ...]:
    """What --seed and --seeds say together."""
    return tuple(range(seed, seed + seeds))


PATHS = (Path | None, tuple[Path, ...])
"""Types of the fields that are a path, and several."""


def _collected(
    config: type[Any],
    into: str,
    make: Callable[[dict[str, Any]], Any],
    choices: Mapping[str, Sequence[str]],
    *,
    defaults: bool,
) -> Callable[[Command], Command]:
    kinds = get_type_hints(config)

    def decorate(function: Command) -> Command:
        @wraps(function)
        def command(**arguments: Any) -> Any:
            given = {field.name: arguments.pop(field.name) for field in fields(config)}
            if defaults:
                given = {name: value for name, value in given.items() if value is not None}
            return function(**{into: make(given)}, **arguments)

        for field in reversed(fields(config)):
            name, kind = field.name.replace("_", "-"), kinds[field.name]
            shown: dict[str, Any] = {"help": field.metadata["help"]}
            if defaults and field.default != "":
                shown |= {"default": field.default, "show_default": True}
            if kind in PATHS:
                shown["multiple"] = kind == tuple[Path, ...]
                kind = UserPath()
            elif words := choices.get(field.name) or field.metadata.get("choices"):
                kind = click.Choice(words)
            elif kind is bool:
                shown["is_flag"] = True
            elif metavar := field.metadata.get("metavar"):
                shown["metavar"] = metavar
            command = click.option(f"--{name}", type=kind, **shown)(command)
        return command

    return decorate
