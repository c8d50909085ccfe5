"""The `gpteval` command: finds the sub-commands, turns errors into one line and an exit code.

A sub-command's module is imported when it is called, so `gpteval --help` stays quick.
"""

from __future__ import annotations

import os
import shlex
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gpteval.cli import early, output
from gpteval.cli.strict import strict
from gpteval.compute.memory import ran_out
from gpteval.compute.processes import launched, rank, stay_alone
from gpteval.errors import GptevalError
from gpteval.loading import Plugin, reason
from gpteval.plugins import Registry, registry
from gpteval.text import one_line

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "run": "Fine-tune one model on every task and score it.",
    "plan": "Tell what a run will take: time, memory, disk.",
    "ablate": "Ask what pre-training, the auxiliary loss, layers and settings are worth.",
    "zeroshot": "Score one model by likelihood, without fine-tuning it.",
    "probe": "Fit linear heads on the states of a frozen model.",
    "neuron": "Show the one unit of a frozen model that tells two labels apart best.",
    "baselines": "Score what needs no language model, for comparison.",
    "pretrain": "Train a language model on text files, to fine-tune later.",
    "vectors": "Train word vectors on text files, for the baselines.",
    "curve": "Score every checkpoint of a pre-training and draw the curves.",
    "predict": "Have a fine-tuned model that was kept answer rows.",
    "leaderboard": "Show results beside the paper's.",
    "history": "Show what each step from counted words to a fine-tuned model brings.",
    "compare": "Compare two sides example by example: more than chance?",
    "diff": "Show the examples that two sides answer differently.",
    "show": "Browse the predictions of a result, wrong ones alone or all.",
    "check": "Hold results against a baseline: a gate for CI.",
    "bless": "Make results the baseline that later ones are held against.",
    "noise": "Measure how much scores move with the seed.",
    "submit": "Write the zip that GLUE's server takes.",
    "rescore": "Compute metrics again from stored predictions.",
    "results": "Verify a results directory, or join several.",
    "tasks": "List the tasks, show one, or check one before it is run.",
    "metrics": "List what a task can be scored by.",
    "models": "List the models that can be named.",
    "plugins": "List the installed plug-ins and why one failed.",
    "data": "Check data sets against their official counts.",
    "doctor": "Find out whether a model's numbers depend on how they are computed.",
}

FROM_PYTHON = {
    "run": "run",
    "plan": "plan",
    "ablate": "ablate",
    "zeroshot": "score_zeroshot",
    "probe": "score_probes",
    "neuron": "neuron",
    "baselines": "score_baselines",
    "pretrain": "pretrain_model",
    "vectors": "train_vectors",
    "curve": "curve",
    "predict": "load_finetuned",
    "leaderboard": "leaderboard",
    "history": "history",
    "compare": "compare",
    "diff": "diff",
    "show": "show",
    "check": "check",
    "bless": "bless",
    "noise": "noise",
    "rescore": "rescore",
    "results verify": "verify_results",
    "results merge": "merge_results",
    "submit": "submit",
    "tasks": "list_tasks",
    "tasks list": "list_tasks",
    "tasks show": "list_tasks",
    "tasks check": "preview_tasks",
    "metrics": "list_metrics",
    "models": "list_models",
    "plugins": "list_plugins",
    "plugins list": "list_plugins",
    "plugins show": "list_plugins",
    "plugins new": "new_package",
    "plugins check": "plugin_faults",
    "data verify": "verify_data",
    "doctor": "doctor",
}
"""Command → the public function that does the same."""

ROOM = "use a smaller model, fewer rows (--limit) or --device cpu, or a machine with more"
"""What to do where memory runs out and nothing can be computed in parts."""

RESUMED = {
    "run",
    "zeroshot",
    "probe",
    "neuron",
    "baselines",
    "ablate",
    "pretrain",
    "curve",
    "noise",
}
"""Commands that resume where they were interrupted."""


SHARED = {"run", "ablate", "pretrain", "noise"}
"""Commands that share their work among torchrun's processes; of others the first does it all."""


class Commands(click.Group):
    """The built-in commands by name, imported when called; plug-ins may add more.

    Attributes:
        owners: A plug-in's command → the plug-in.
        running: The plug-in whose command was asked for, if any.
        known: Whose plug-ins' commands these are.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """As click's."""
        super().__init__(*arguments, **settings)
        self.owners: dict[str, Plugin] = {}
        self.running: Plugin | None = None
        self.known: Registry | None = None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Built-ins in reading order, then the plug-ins'."""
        return [*COMMANDS, *(n for n in super().list_commands(ctx) if n not in COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name in COMMANDS:
            if cmd_name not in SHARED and launched():
                if rank():
                    end(0)  # the first process does it all
                stay_alone()
            command: click.Command = import_module(f"gpteval.cli.{cmd_name}").command
            return told(strict(command), cmd_name)
        if cmd_name in self.owners:
            self.running = self.owners[cmd_name]
        return super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, when it is known which plug-ins there are and what they add."""
        rest = early.read(args)
        if self.known is not registry():
            self.known = registry()
            for name in self.owners:
                self.commands.pop(name)
            self.owners.clear()
            self.known.add_commands(self.take)
        return super().parse_args(ctx, rest)

    def take(self, plugin: Plugin, group: click.Group) -> None:
        """Add a plug-in's commands; one whose name is taken is reached as package/name."""
        for name, command in group.commands.items():
            if not isinstance(command, click.Command):
                raise TypeError(f"{command!r:.40} where a command is due")
            qualified = f"{plugin.package}/{name}"
            taken = name in COMMANDS or name in self.commands
            if taken:
                whose = self.owners[name].package if name in self.owners else "gpteval itself"
                registry().note(plugin, f"command {name!r} is {whose}'s: write {qualified}")
            self.add_command(command, qualified if taken else name)
            self.owners[qualified if taken else name] = plugin

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name where there is none of that name."""
        unknown = args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None
        if unknown and not ctx.resilient_parsing:
            import difflib

            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands that begin so, without importing any; options after a dash."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        items = [CompletionItem(name, help=COMMANDS.get(name)) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a command, without importing any."""
        added = [n for n in self.list_commands(ctx) if n not in COMMANDS]
        rows = list(COMMANDS.items())
        rows += [(n, self.commands[n].get_short_help_str()) for n in added]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def told(command: click.Command, path: str) -> click.Command:
    """A command whose help names its function, and so every command below it."""
    if path in FROM_PYTHON:
        command.epilog = f"From Python: gpteval.{FROM_PYTHON[path]}."
    for name, below in getattr(command, "commands", {}).items():
        told(below, f"{path} {name}")
    return command


def show_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Print the version, and a line for each plug-in, which may change what commands do."""
    if not asked or context.resilient_parsing:
        return
    for package, version in registry().versions().items():
        output.write(f"{package} {version}\n")
    context.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@early.options
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version,
              help="Show the version, and those of the plug-ins.")  # fmt: skip
def cli() -> None:
    """How far does one pre-trained language model carry?

    Fine-tunes one model with GPT-1's fixed recipe on a suite of language-understanding tasks and
    puts the scores beside the paper's.

    \b
    Try it on the bundled samples, with the bundled model:
        gpteval run --tasks glue,race --sample
    Then on real data:
        gpteval run --tasks rte,cola --data-dir DATA --model mini

    \b
    Tasks and models completed by the shell (also zsh_source, fish_source):
        eval "$(_GPTEVAL_COMPLETE=bash_source gpteval)"

    GPTEVAL_DATA names the directory of official files, or several as in PATH; GPTEVAL_CACHE the one
    where token ids of whole splits are kept (default: ~/.cache/gpteval).
    """


def main() -> NoReturn:
    """Entry point: run the command line; a user's mistake is one line and exit code 2."""
    output.prepare()
    # A library's own progress bars and warnings would be mixed into ours.
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        code = _run()
        sys.stdout.flush()
    except output.StreamError as error:
        code = output.ended_by(error)
    end(code)


def end(code: int) -> NoReturn:
    """Leave with an exit code."""
    if launched():
        from gpteval.compute.distributed import leave

        leave(code)
    sys.exit(code)


def _run() -> int:
    """The exit code of the command line: the command's own, or that of how it failed."""
    try:
        code = cli.main(standalone_mode=False)  # that of a command which exits, or what it returns
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _failed(_usage(error), error.exit_code)
    except GptevalError as error:
        return _failed(str(error), 2)
    except (KeyboardInterrupt, click.Abort):
        again = shlex.join(["gpteval", *sys.argv[1:]])
        resumes = f"; the same command resumes where it stopped: {again}"
        return _failed(f"interrupted{resumes if RESUMED.intersection(sys.argv[1:2]) else ''}", 130)
    except output.StreamError:
        raise
    except (Exception, SystemExit) as error:
        return _failed(*_unforeseen(error))


def _unforeseen(error: BaseException) -> tuple[str, int]:
    """What to say of an error that nobody mended, and the exit code; one of ours is raised."""
    if ran_out(error):
        return f"memory ran out ({reason(error)}): {ROOM}", 2
    if cli.running is not None and isinstance(error, Exception):
        return f"command of {cli.running.package}: {reason(error)}", 1
    author = registry().author(error)
    if author is None or cli.running is not None:
        raise error
    return f"code of plug-in {author.name}: {reason(error)}", 1


def _failed(line: str, code: int) -> int:
    """Say on stderr what is wrong."""
    output.tell(line)
    return code


def _usage(error: click.ClickException) -> str:
    """What is wrong with the command line, and where its right use is explained."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = f" (see `{context.command_path} --help`)" if context else ""
    return f"{one_line(error.format_message())}{where}"
