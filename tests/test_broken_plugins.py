"""A package of every fault beside a good one, in one environment: every command still works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpteval.cli.main import COMMANDS
from gpteval.hookspecs import hookspec

EXAMPLE = Path(__file__).parent / "plugin_example" / "gpteval_polarity"
RESULTS = Path(__file__).parent.parent / "results"
HEAD = """
import dataclasses
from gpteval import FinetuneConfig, ModelFamily, Suite, hookimpl
from gpteval_tasks.rte import RTE
"""
TASKS = "@hookimpl\ndef gpteval_register_tasks():\n    "
METRICS = "@hookimpl\ndef gpteval_register_metrics():\n    "
MODELS = "@hookimpl\ndef gpteval_register_models():\n    "
SUITES = "@hookimpl\ndef gpteval_register_suites():\n    "
RECIPES = "@hookimpl\ndef gpteval_register_recipes():\n    "
CLI = "@hookimpl\ndef gpteval_register_commands(cli):\n    "


def other(changes: str) -> str:
    """A task like RTE but for some fields."""
    return f"{TASKS}return [dataclasses.replace(RTE, **{{'name': 'other', **dict({changes})}})]"


FAILED = {
    "raises": ("raise ValueError('no such thing')", "import: ValueError: no such thing"),
    "leaves": ("import sys; sys.exit('needs CUDA')", "import: SystemExit: needs CUDA"),
    "misspelt": (
        "@hookimpl\ndef gpteval_register_taks(): return []",
        "unknown hook 'gpteval_register_taks'; did you mean 'gpteval_register_tasks'?",
    ),
    "imports": (f"{TASKS}import nothing_of_that_name", "register_tasks: ModuleNotFoundError"),
    "tasks-raise": (f"{TASKS}raise OSError('no file')", "register_tasks: OSError: no file"),
    "tasks-leave": (f"{TASKS}raise SystemExit(3)", "register_tasks: SystemExit: 3"),
    "tasks-none": (f"{TASKS}pass", "register_tasks: TypeError: returns None"),
    "tasks-text": (f"{TASKS}return ['x']", "register_tasks: a str ('x') where a Task is due"),
    "tasks-late": (f"{TASKS}yield RTE\n    raise KeyError('late')", "register_tasks: KeyError"),
    "metrics-number": (f"{METRICS}return 5", "register_metrics: TypeError: returns 5"),
    "metrics-text": (f"{METRICS}return {{'mine': 'accuracy'}}", "where a Metric is due"),
    "models-raise": (f"{MODELS}raise RuntimeError('boom')", "register_models: RuntimeError: boom"),
    "suites-empty": (f"{SUITES}return [Suite('mine', {{}})]", "register_suites mine: no members"),
    "suites-task": (
        f"{SUITES}return [Suite('mine', {{'nowhere': ('accuracy',)}})]",
        "register_suites mine: no task 'nowhere'",
    ),
    "suites-metric": (
        f"{SUITES}return [Suite('mine', {{'rte': ('pearson',)}})]",
        "register_suites mine: task 'rte' has no metric 'pearson'",
    ),
    "recipes-type": (f"{RECIPES}return {{'mine': 3}}", "where a FinetuneConfig is due"),
    "recipes-field": (
        f"{RECIPES}return {{'mine': FinetuneConfig(lr='fast')}}",
        "register_recipes: ConfigError: --lr is a number, not 'fast'",
    ),
    "commands-raise": (f"{CLI}raise RuntimeError('no display')", "register_commands: RuntimeError"),
    "no-metrics": (other("metrics=()"), "register_tasks other: no metrics"),
    "no-labels": (other("labels=()"), "needs two labels"),
    "label-twice": (other("labels=('a', 'a')"), "a label twice"),
    "unknown-split": (other("evaluate=('best',)"), "evaluate names ['best']"),
    "no-split": (other("evaluate=()"), "evaluate names no split"),
    "wrong-kind": (other("kind='clasify'"), "kind can't be 'clasify'"),
    "wrong-type": (other("paper=(1,)"), "paper can't be (1,)"),
    "wrong-reader": (
        other("source=dataclasses.replace(RTE.source, reader='json')"),
        "reader",
    ),
    "undeclared-label": (
        other("source=dataclasses.replace(RTE.source, label_names={'0': 'maybe'})"),
        "label_names lead to ['maybe']",
    ),
    "outside": (other("name='../../evil'"), "is not of letters, digits"),
    "twice": (f"{TASKS}return [RTE, RTE]", "'rte' twice"),
    "later-api": (
        "GPTEVAL_API = 99\nfrom gpteval import Nothing_of_the_kind",
        "import: ImportError: written for plug-in API 99, and this gpteval has 1: upgrade gpteval",
    ),
    "earlier-api": ("GPTEVAL_API = 0", "has 1: upgrade the package"),
}
"""Name of the package → its module, and what its row says."""

REMARKED = {
    "prints": (f"print('welcome')\n{other('name=chr(112)')}", "import: prints 'welcome'"),
    "heavy": ("import scipy", "import: imports scipy, so that every command takes seconds"),
    "takes-task": (f"{TASKS}return [RTE]", "write takes-task/rte"),
    "takes-model": (
        f"{MODELS}return [ModelFamily(name='gpt', description='', load=lambda r: 1)]",
        "write takes-model/gpt",
    ),
    "takes-metric": (
        f"{METRICS}return {{'accuracy': lambda a, b, c: 0.0}}",
        "takes-metric/accuracy",
    ),
    "takes-command": (
        f"{CLI}@cli.command()\n    def run(): print('mine')",
        "command 'run' is gpteval itself's: write takes-command/run",
    ),
    "command-a": (f"{CLI}@cli.command()\n    def hello(): 1 / 0", ""),
    "command-b": (
        f"{CLI}@cli.command()\n    def hello(): print('b')",
        "command 'hello' is command-a's: write command-b/hello",
    ),
    "metric-a": (f"{METRICS}return {{'same': lambda a, b, c: 0.0}}", "write metric-a/same"),
    "metric-b": (f"{METRICS}return {{'same': lambda a, b, c: 1.0}}", "write metric-b/same"),
}
"""Likewise; nothing failed."""

LATER = {
    "finishes": "@hookimpl\ndef gpteval_run_finished(results): raise ConnectionError('no tracker')",
    "undecorated": other("name='undecorated'").replace("@hookimpl\n", ""),
    "loads": f"def load(r): raise RuntimeError('weights are not there')\n{MODELS}return "
    "[ModelFamily(name='zz', description='', load=load, references={'foo': ''})]",
    "scores": f"def broken(a, b, c): raise ZeroDivisionError('by chance')\n{METRICS}return "
    f"{{'broken': broken}}\n{other('''name='scored', metrics=('broken',)''')}",
    "makes": other("name='made', example=lambda row: row.sentence"),
    "reads": f"def read(path): raise KeyError('column')\n"
    f"{other('''name='read', source=dataclasses.replace(RTE.source, reader=read)''')}",
    "rides": other("name='rides', train_task='snli', labels=('yes', 'no'), "
                   "source=dataclasses.replace(RTE.source, label_names={})"),
}  # fmt: skip
"""Packages whose fault shows when they are used."""


def lay_out(site: Path, name: str, text: str) -> None:
    """A package on the path as pip leaves it."""
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(HEAD + text + "\n")
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[gpteval]\n{name} = {module}\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, and the good one."""
    site = tmp_path_factory.mktemp("site")
    for name, (text, _) in {**FAILED, **REMARKED}.items():
        lay_out(site, name, text)
    for name, text in LATER.items():
        lay_out(site, name, text)
    lay_out(site, "half-written", "")
    (site / "half_written-1.0.dist-info" / "METADATA").unlink()
    lay_out(site, "gpteval-polarity", "from gpteval_polarity_ import *")
    shutil.rmtree(site / "gpteval_polarity", ignore_errors=True)
    (site / "gpteval_polarity.py").unlink()
    shutil.copytree(EXAMPLE, site / "gpteval_polarity")
    return site


@pytest.fixture
def gpteval(site: Path, tmp_path: Path):
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "300"}
        environment.pop("GPTEVAL_DATA", None)
        command = [sys.executable, "-m", "gpteval", *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def rows(site: Path) -> dict[str, dict[str, object]]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-m", "gpteval", "plugins", "--json"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {row["package"]: row for row in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("package", FAILED)
def test_a_failure_is_on_its_packages_row(package: str, rows: dict[str, dict[str, object]]) -> None:
    assert FAILED[package][1] in str(rows[package]["error"])


@pytest.mark.parametrize("package", REMARKED)
def test_a_remark_is_on_its_packages_row(package: str, rows: dict[str, dict[str, object]]) -> None:
    assert not rows[package]["error"]
    assert REMARKED[package][1] in "\n".join([*rows[package]["remarks"], ""])


def test_every_hook_has_a_failing_package() -> None:
    """A hook that is added needs one too."""
    import gpteval.hookspecs as specs

    assert hookspec
    hooks = {name for name in vars(specs) if name.startswith("gpteval_")}
    texts = "".join([*(text for text, _ in FAILED.values()), *LATER.values()])
    assert {hook for hook in hooks if f"def {hook}(" in texts} == hooks


def test_the_good_package_and_the_built_ins_are_untouched(
    rows: dict[str, dict[str, object]], gpteval
) -> None:
    good = rows["gpteval-polarity"]
    assert (good["error"], good["remarks"]) == ("", [])
    lines = gpteval("tasks", "--json").stdout.splitlines()
    tasks = {json.loads(line)["name"] for line in lines}
    assert {"polarity", "rte", "takes-task/rte", "snli"} <= tasks
    assert not {"undecorated", "other"} & tasks


QUICK = {
    "--help": [],
    "tasks": ["show", "rte"],
    "models": [],
    "metrics": [],
    "plugins": [],
    "leaderboard": [RESULTS],
    "history": [RESULTS, "--tasks", "sst2"],
    "data": ["verify", "--sample", "--tasks", "polarity"],
    "run": ["--tasks", "polarity", "--sample", "--recipe", "hasty", "--limit", 16],
    "plan": ["--tasks", "polarity", "--sample", "--recipe", "hasty", "--limit", 16],
    "zeroshot": ["--tasks", "cola", "--sample", "--limit", 4],
    "probe": ["--tasks", "polarity", "--sample", "--limit", 16],
    "neuron": ["--task", "sst2", "--sample", "--limit", 16],
    "baselines": ["--tasks", "polarity", "--sample", "--limit", 16],
    "ablate": ["--tasks", "copa", "--sample", "--limit", 8, "--epochs", 1],
    "doctor": ["--tasks", "cola", "--sample", "--limit", 4],
    "compare": [f"{RESULTS}@tfidf", f"{RESULTS}@mini,finetune", "--tasks", "sst2"],
    "bless": [RESULTS, "--output", "baseline.json"],
    "rescore": [RESULTS, "--dry-run"],
    "results": ["verify", RESULTS],
    "show": [f"{RESULTS}@tfidf", "--task", "sst2", "--wrong"],
    "noise": ["--tasks", "polarity", "--sample", "--recipe", "hasty", "--limit", 16, "--seeds", 2],
}
LONGER = ("pretrain", "vectors", "curve", "check", "diff", "predict", "submit")
"""What needs another command before it."""


@pytest.mark.parametrize("command", [*QUICK, *LONGER])
def test_every_command_works_beside_them(
    command: str, gpteval, tiny_directory: Path, tmp_path: Path
) -> None:
    if command in ("pretrain", "curve"):
        (tmp_path / "a.txt").write_text("It was a day. It was a night. " * 200)
        size = ["--merges", 20, "--context", 128, "--updates", 4, "--warmup", 1, "--snapshots", 1]
        done = gpteval("pretrain", "a.txt", "--output", "out", "--held-out", 0, *size)
        if command == "curve":
            done = gpteval("curve", "out", "--tasks", "copa", "--sample", "--limit", 4)
    elif command == "vectors":
        (tmp_path / "a.txt").write_text("It was a day. It was a night. " * 20)
        done = gpteval("vectors", "a.txt", "--output", "a.vec", "--width", 4, "--epochs", 1)
    elif command == "check":
        assert not gpteval("bless", *QUICK["bless"]).returncode
        done = gpteval("check", RESULTS, "--baseline", "baseline.json")
    elif command == "predict":
        (tmp_path / "rows.csv").write_text("sentence\nIt is good.\n")
        options = ["--model", tiny_directory, "--save-model", "kept"]
        assert not gpteval("run", *QUICK["run"], *options).returncode
        done = gpteval("predict", "kept", "rows.csv")
    elif command == "submit":  # of what test_submit makes whole; here there is nothing to send
        done = gpteval("submit", RESULTS, "--output", "glue.zip")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        return
    elif command == "diff":
        for seed in (0, 1):
            options = ["--model", tiny_directory, "--results", str(seed), "--seed", seed]
            assert not gpteval("run", *QUICK["run"], *options).returncode
        done = gpteval("diff", "0", "1", "--task", "polarity", "--sample")
    else:
        model = ["run", "plan", "zeroshot", "probe", "neuron", "ablate", "doctor", "noise"]
        more = ["--model", tiny_directory] if command in model else []
        done = gpteval(command, *QUICK[command], *more)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_no_command_is_forgotten() -> None:
    assert {*QUICK, *LONGER} == {*COMMANDS, "--help"}


def test_a_hook_that_fails_after_a_run_is_told_and_loses_nothing(
    gpteval, tiny_directory: Path, tmp_path: Path
) -> None:
    done = gpteval("run", *QUICK["run"], "--model", tiny_directory)
    assert "plug-in finishes:finishes: run_finished: ConnectionError: no tracker" in done.stderr
    assert "polarity" in done.stdout
    assert (tmp_path / "runs" / "records.jsonl").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--tasks", "raises/any"], "plug-in raises:raises failed: import: ValueError"),
        (["run", "--tasks", "other"], "failed: register_tasks other: "),
        (["run", "--tasks", "rte", "--sample", "--model", "bar"],
         "failed: `gpteval plugins` says why"),
        (["zeroshot", "--tasks", "copa", "--sample", "--model", "foo"],
         "model 'zz' of loads: RuntimeError: weights are not there"),
        (["run", "--tasks", "scored", "--sample", "--model", "TINY"],
         "metric 'broken' of scores: ZeroDivisionError: by chance"),
        (["run", "--tasks", "made", "--sample", "--model", "TINY"],
         "made train: row 0 makes no example (task 'made' of makes: AttributeError"),
        (["run", "--tasks", "rides", "--sample", "--model", "TINY"],
         "scored with a model of 'snli', whose label 'entailment' is none of yes, no: say in"),
        (["run", "--tasks", "rte", "--sample", "--recipe", "mine"], "'mine' is not one of"),
        (["hello"], "command of command-a: ZeroDivisionError"),
    ],
    ids=lambda each: each[-1] if isinstance(each, list) else "",
)  # fmt: skip
def test_what_was_asked_for_and_failed_is_one_line(
    arguments: list[str], said: str, gpteval, tiny_directory: Path
) -> None:
    done = gpteval(*[str(tiny_directory) if a == "TINY" else a for a in arguments])
    assert done.returncode == (1 if arguments == ["hello"] else 2)
    assert said in done.stderr.splitlines()[-1]
    assert done.stdout == ""


def test_a_reader_that_raises_is_told_with_its_file(
    gpteval, tiny_directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "data" / "glue" / "RTE").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        (tmp_path / "data" / "glue" / "RTE" / f"{split}.tsv").write_text("x")
    done = gpteval("run", "--tasks", "read", "--data-dir", "data", "--model", tiny_directory)
    assert done.returncode == 2
    said = "glue/RTE/train.tsv: can't be read by its task's reader: task 'read' of reads: KeyError"
    assert said in done.stderr


def test_another_packages_command_is_reached_by_its_qualified_name(gpteval) -> None:
    assert gpteval("command-b/hello").stdout == "b\n"
    assert gpteval("takes-command/run").stdout == "mine\n"
    assert "Fine-tune one model" in gpteval("run", "--help").stdout
