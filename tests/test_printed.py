"""What is printed is fit for where it goes: every command, every encoding, a reader that has gone.

A command that is added is asked here too: the first test fails until `ASKED` says how.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import io
import json
import logging
import math
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from official import write
from rich.console import Console
from test_laws import ROOT, modules

from gpteval.cli import output
from gpteval.cli.main import cli, main
from gpteval.cli.progress import Whole
from gpteval.cli.views import SUFFIXES
from gpteval.plugins import registry
from gpteval.report.leaderboard import Leaderboard
from gpteval.report.standings import standings
from gpteval.results.store import ResultStore
from gpteval.text import LINE, duration, json_lines, markdown, one_line, printable, spreadsheet

ENCODINGS = ["utf-8", "cp1252", "ascii"]
HOSTILE = "\x1b[2J\x9b31m\x07|`a`<b>[c](d)*e*é–λ✓\u202e\r\n# f"
SAMPLE = "--tasks wnli --sample --limit 8 --results {results}"
CPU = "--model {model} --device cpu"
ASKED = {
    "run": f"run {SAMPLE} {CPU} --epochs 1 --save-model {{kept}}",
    "plan": f"plan {SAMPLE} {CPU} --epochs 1 --seeds 2 --budget 9s",
    "predict": "predict {kept} {rows} --device cpu",
    "show": "show {results}@tfidf --task wnli --wrong",
    "ablate": f"ablate {SAMPLE} {CPU} --epochs 1",
    "zeroshot": f"zeroshot --tasks copa --sample --limit 2 --results {{results}} {CPU}",
    "probe": f"probe {SAMPLE} {CPU}",
    "neuron": f"neuron --task sst2 --sample --limit 8 --results {{results}} {CPU}",
    "baselines": f"baselines {SAMPLE}",
    "pretrain": "pretrain {corpus} --output {pretrained} --merges 20 --updates 2 --batch-size 2 "
    "--context 256 --warmup 0 --evaluate 1 --snapshots 1 --device cpu",
    "curve": "curve {pretrained} --tasks copa --sample --limit 2 --results {curve} --no-picture "
    "--device cpu",
    "vectors": "vectors {corpus} --output {vectors} --width 4 --least 1 --epochs 1",
    "leaderboard": "leaderboard {hostile}",
    "history": "history {results}",
    "compare": "compare {results} {results}",
    "diff": "diff {results} {results} --task wnli --sample",
    "bless": "bless {results} --output {baseline}",
    "check": "check {results} --baseline {baseline}",
    "noise": f"noise {SAMPLE} {CPU} --epochs 1 --seeds 2",
    "rescore": "rescore {results} --dry-run",
    "results verify": "results verify {results}",
    "results merge": "results merge {results} --output {merged}",
    "tasks": "tasks",
    "tasks list": "tasks list",
    "tasks show": "tasks show race",
    "models": "models",
    "tasks check": "tasks check copa --sample --model {model}",
    "metrics": "metrics",
    "plugins": "plugins",
    "plugins list": "plugins list",
    "plugins show": "plugins show gpteval",
    "data verify": "data verify --tasks race,stsb --sample",
    "doctor": f"doctor --tasks copa --sample --limit 1 {CPU}",
}


ELSEWHERE = {"plugins check", "plugins new", "submit"}
"""Commands that take long, or can't be asked twice: test_plugins, test_scaffold and test_submit ask
them."""


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something by itself, by what is typed."""
    if not isinstance(command, click.Group) or (path and command.invoke_without_command):
        yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, *path, name)


TREE = dict(commands(cli))
CHOICES = next(p.type for p in TREE["leaderboard"].params if p.name == "layout")
FORMS = [*(f"--format {name}" for name in CHOICES.choices), "--json"]
ASKABLE = {name: command for name, command in TREE.items() if name not in ELSEWHERE}
JSON = [n for n, c in ASKABLE.items() if any(p.name == "as_json" for p in c.params)]
EVERYTHING = [
    "--version",
    "--help",
    "no-such-command",
    *(f"{path} --help" for path in TREE),
    *ASKED.values(),
    *(f"{ASKED[path]} --json" for path in JSON),
    *(
        f"{ASKED['leaderboard']} {form}{more}"
        for form in FORMS
        for more in ("", " --cost", " --matrix")
        if not (more and "html" in form)  # a page has everything
    ),
    *(f"{ASKED['history']} {form}" for form in FORMS),
]


def test_every_command_is_asked_below() -> None:
    assert set(ASKED) == set(ASKABLE)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, roomy_directory: Path) -> dict[str, str]:
    """What stands in braces above; everything that takes long is done before."""
    root = tmp_path_factory.mktemp("printed")
    names = {name: str(root / name) for name in ("results", "curve", "pretrained", "hostile")}
    names |= {"vectors": str(root / "v.vec")}
    names |= {"baseline": str(root / "b.json"), "merged": str(root / "merged")}
    names |= {"kept": str(root / "kept"), "rows": str(root / "rows.jsonl")}
    (root / "rows.jsonl").write_text(json.dumps({"sentence1": HOSTILE, "sentence2": "It is."}))
    names |= {"model": str(roomy_directory), "corpus": str(root / "books.jsonl")}
    line = json.dumps({"text": "the captain looked at the sea and said nothing . " * 9})
    (root / "books.jsonl").write_text(f"{line}\n" * 40)
    for path in ("run", "ablate", "zeroshot", "baselines", "pretrain", "curve", "noise", "bless"):
        code, told = ask(ASKED[path].format(**names), root / "page", root / "told")
        assert code == 0, told
    known = ResultStore(root / "results").read()
    changed = [replace(r, model=HOSTILE, recipe=HOSTILE, task=f"{r.task}{HOSTILE}") for r in known]
    ResultStore(root / "hostile").append(changed)
    return names


def ask(
    arguments: str | Sequence[str], stdout: Path | int, stderr: Path, encoding: str = "utf-8"
) -> tuple[int, str]:
    """The exit code of a command line, and what it said on stderr."""
    pages = io.TextIOWrapper(io.BufferedWriter(io.FileIO(stdout, "w")), encoding=encoding)
    with pytest.MonkeyPatch.context() as patch, stderr.open("w", encoding=encoding) as errors:
        patch.setattr(os, "environ", os.environ.copy())  # main sets variables
        words = arguments.split() if isinstance(arguments, str) else arguments
        patch.setattr(sys, "argv", ["gpteval", *words])
        patch.setattr(sys, "stdout", pages)
        patch.setattr(sys, "stderr", errors)
        with pytest.raises(SystemExit) as ended:
            main()
    with contextlib.suppress(OSError):  # what nobody has read
        pages.close()
    return int(str(ended.value.code)), stderr.read_text(encoding=encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("arguments", EVERYTHING)
def test_every_command_prints_what_an_encoding_can_show_and_nothing_a_terminal_obeys(
    places: dict[str, str], tmp_path: Path, arguments: str, encoding: str
) -> None:
    page = tmp_path / "page"
    code, told = ask(arguments.format(**places), page, tmp_path / "told", encoding)
    assert code == (2 if arguments == "no-such-command" else 0), told
    text = page.read_bytes().decode(encoding)
    assert (text + told).replace("\n", "").isprintable()
    assert "Traceback" not in told
    if "--json" in arguments.split():
        values = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
        assert values and all(isinstance(value, dict) for value in values)


@pytest.mark.parametrize("arguments", [a for a in EVERYTHING if a != "no-such-command"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_every_command_ends_quietly_where_nobody_reads_and_in_a_line_where_stdout_is_full(
    places: dict[str, str], tmp_path: Path, arguments: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    told = tmp_path / "told"
    code, gone = ask(arguments.format(**places), writer, told)
    assert code == output.READ_ENOUGH
    assert "Traceback" not in gone and "written" not in gone
    code, full = ask(arguments.format(**places), Path("/dev/full"), told)
    assert code == 1
    last = f"gpteval: stdout can't be written: {os.strerror(errno.ENOSPC)}"
    assert full.splitlines()[-1] == last


def test_names_mean_themselves_in_every_page(places: dict[str, str], tmp_path: Path) -> None:
    for form in FORMS:
        page = tmp_path / "page"
        ask(f"leaderboard {places['hostile']} {form}", page, tmp_path / "told")
        text = page.read_text()
        assert "\x1b" not in text and "\u202e" not in text, form
        if form.endswith("markdown"):
            for table in (part for part in text.split("\n\n") if part.startswith("|")):
                cells = {line.replace("\\|", "").count("|") for line in table.splitlines()}
                assert len(cells) == 1
            own = re.sub(r"</?(details|summary)>", "", text)  # the page's own; the names have none
            assert "<" not in own and "\\[c\\](d)\\*e\\*" in text


def test_a_cell_that_looks_like_a_formula_is_text() -> None:
    assert [spreadsheet(v) for v in ("=1+1", "@x", "a", -1.5, None)] == [
        "'=1+1", "'@x", "a", -1.5, "",
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["x" * 3_000_000, 'it\'s "x" ' * 300_000, "'" * 100_001, 10**400])
def test_an_error_cuts_what_it_quotes(value: object) -> None:
    line = one_line(f"row 3: {value!r} isn't a label, expected one of 'no', 'yes'")
    assert len(line) < 200
    assert line.startswith("row 3: ")
    assert line.endswith(" isn't a label, expected one of 'no', 'yes'")


def test_an_error_is_short_and_one_line_whatever_it_lists() -> None:
    line = one_line("the header has " + ", ".join(map(str, range(1_000_000))) + "\r\nend")
    assert len(line) == LINE and line.endswith("\\r\\nend")


def test_markdown_means_what_it_says() -> None:
    assert markdown("a_b __c__ <i> & x|y") == r"a_b \_\_c\_\_ &lt;i&gt; &amp; x\|y"


def test_what_is_printable_stays_and_what_is_not_is_named() -> None:
    assert printable("é λ") == "é λ"
    assert printable("\x1b[0m\ud800\n") == r"\x1b[0m\ud800\n"


def test_hours_are_hours() -> None:
    assert [duration(s) for s in (4.06, 59.97, 61, 3599, 4800, 7200)] == [
        "4.1 s", "1 min", "1 min", "1 h 0 min", "1 h 20 min", "2 h 0 min",
    ]  # fmt: skip


def test_the_time_left_for_all_goes_by_the_size_of_what_was_worked_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("gpteval.cli.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    whole, sizes = Whole(), (1000.0, 100.0, 300.0)
    whole.part(1, sizes, "task")  # finished before: it says nothing of the time
    whole.part(2, sizes, "task")
    whole.phase(0.5)  # an earlier run made half of it
    now[0], _ = 600.0, whole.at(1.0)
    whole.part(3, sizes, "task")
    whole.phase(0.0)
    assert whole.told() == "task 3 of 3, 1 h 0 min left for all"


def test_a_piped_table_is_never_wrapped(places: dict[str, str], tmp_path: Path) -> None:
    page = tmp_path / "page"
    for arguments in ("models", "tasks", "plugins", "leaderboard {hostile}"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", "40")
            ask(arguments.format(**places), page, tmp_path / "told")
        narrow = page.read_text()
        ask(arguments.format(**places), page, tmp_path / "told")
        assert page.read_text() == narrow
        assert "…" not in narrow


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_the_score_its_interval_and_the_majority_are_the_last_to_go(width: int) -> None:
    rows = standings(ResultStore(ROOT / "results").read())
    page = io.StringIO()
    Console(file=page, width=width).print(Leaderboard(rows))
    lines = page.getvalue().splitlines()
    assert max(map(len, map(str.rstrip, lines))) <= width
    for row in rows:
        low, high = row.interval or (0, 0)
        words = [f"{row.score:.1f}", f"{low:.1f}–{high:.1f}" * bool(row.interval)]
        words += [f"{row.majority:.1f}"] if row.majority is not None else []
        assert any(all(word in line for word in words) for line in lines), words


def test_a_run_says_where_its_results_are_and_a_finished_one_that_nothing_was_run(
    tmp_path: Path,
) -> None:
    told, directory = tmp_path / "told", str(tmp_path / "of all")
    words = [*ASKED["baselines"].split()[:-1], directory]
    for more, expected in (([], "the results are in"), ([], "nothing was run"),
                           (["--force"], "the results are in")):  # fmt: skip
        last = ask([*words, *more], tmp_path / "page", told)[1].splitlines()[-1]
        assert f"gpteval: {expected}" in last
        assert f"`gpteval leaderboard '{directory}'`" in last
        assert ("--force measures it again" in last) == ("nothing" in expected)
        assert last.endswith("next, real data: the same with --data-dir DATA in place of --sample")


@pytest.mark.parametrize("asked", ["run --json", "noise --seeds 2"])
def test_a_group_s_task_without_data_is_named_before_the_last_line_and_in_the_exit_code(
    places: dict[str, str], tmp_path: Path, asked: str
) -> None:
    rows = "".join(f"{n}\tIt rains.\tIt is wet.\tentailment\n" for n in range(32))
    for split in ("train", "dev"):
        write(tmp_path, f"glue/RTE/{split}.tsv", f"index\tsentence1\tsentence2\tlabel\n{rows}")
    words = f"{asked} --tasks glue --data-dir {tmp_path} --results {tmp_path} --epochs 1 {CPU}"
    page = tmp_path / "page"
    code, told = ask(words.format(**places), page, tmp_path / "told")
    *_, left_out, last = told.splitlines()
    assert (code, "rte" in page.read_text()) == (1, True)
    assert left_out.startswith("gpteval: sst2 has no result: no train split below")
    assert last.startswith(f"gpteval: the results are in {tmp_path}")


def test_the_leaderboard_shows_the_results_written_last(
    places: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page, told = tmp_path / "page", tmp_path / "told"
    for number, (name, model) in enumerate([("results", "early"), ("runs", "late")]):
        known = ResultStore(places["results"]).read()[:1]
        ResultStore(name).append([replace(result, model=model) for result in known])
        os.utime(Path(name) / "records.jsonl", (number, number))
        assert ask("leaderboard", page, told)[0] == 0
        assert model in page.read_text()
    assert "others: gpteval leaderboard results" in told.read_text()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("x.csv", "task,metric,"),
        ("x.MD", "# Leaderboard"),
        ("x.html", "<!DOCTYPE html>"),
        ("x.tex", "\\begin{longtable}"),
        ("x.jsonl", '{"task": "'),
        ("x.txt", "────"),
    ],
)
def test_a_file_is_laid_out_by_its_suffix(
    places: dict[str, str], tmp_path: Path, name: str, part: str
) -> None:
    code, _ = ask(f"leaderboard {places['results']} --output {tmp_path / name}", tmp_path / "page",
                  tmp_path / "told")  # fmt: skip
    assert (code, part in (tmp_path / name).read_text()) == (0, True)


def test_a_suffix_that_says_nothing_is_refused(places: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "x.xls"
    code, told = ask(f"leaderboard {places['results']} --output {path}", tmp_path / "page",
                     tmp_path / "told")  # fmt: skip
    assert (code, path.exists(), told.count("\n")) == (2, False, 1)
    assert f"name a file ending in {', '.join(SUFFIXES)}, or give --format" in told


@pytest.mark.parametrize("path", TREE)
def test_help_shows_no_empty_default_and_no_mark_of_layout(path: str) -> None:
    shown = TREE[path].get_help(click.Context(TREE[path], info_name=path))
    assert '[default: ""]' not in shown and "\\b" not in shown and "\b" not in shown


FEW = ["--device [auto|cuda|mps|cpu]", "--precision [auto|fp32|bf16]", "--branches [shared|apart]",
       "--preset [gpt1|", "--weights [fp32|bf16]", "--recipe [paper|"]  # fmt: skip


@pytest.mark.parametrize("few", FEW)
def test_an_option_of_few_values_lists_them_in_every_command(few: str) -> None:
    option, _ = few.split(maxsplit=1)
    having = [c for c in TREE.values() if any(option in p.opts for p in c.params)]
    assert having
    assert all(few in c.get_help(click.Context(c)) for c in having)


def test_one_word_names_the_results_directory() -> None:
    kept = {
        path for path, command in TREE.items() if any(p.name == "results" for p in command.params)
    }
    assert kept == {
        "run", "ablate", "zeroshot", "probe", "neuron", "baselines", "curve", "leaderboard",
        "history", "noise", "plan",
    }  # fmt: skip


def test_the_hub_s_tries_are_one_line(tmp_path: Path) -> None:
    client = logging.getLogger("huggingface_hub.utils._http")
    filters, told = client.filters[:], tmp_path / "told"
    client.filters.clear()
    with pytest.MonkeyPatch.context() as patch, told.open("w") as errors:
        patch.setattr(sys, "stderr", errors)
        output.prepare()
        for number in range(5):
            client.warning("'no route' thrown while requesting HEAD https://huggingface.co")
            client.warning("Retrying in %ds [Retry %d/5].", number, number)
    client.filters[:] = filters
    assert told.read_text() == "gpteval: the hub does not answer: trying again\n"


OUT = {"cli/output.py": {"write", "StreamHandler", "Console"},
       "report/table.py": {"Console", "Table"},
       "cli/progress.py": {"Console"}, "table.py": {"Table"},
       "testing/fresh.py": {"write"}}  # fmt: skip
"""Who may print, or make what prints itself; a task's Table is another, and the kit's child process
answers its parent."""


@pytest.mark.parametrize("path", modules("gpteval"), ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_printed_past_the_one_way_out(path: Path) -> None:
    allowed = OUT.get(str(path.relative_to(ROOT / "gpteval")), set())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            printing = name in ("print", "click.echo", "click.secho", "Console", "Table")
            printing |= name in ("sys.stdout.write", "sys.stderr.write")
            assert not printing or name.split(".")[-1] in allowed, f"{path}:{node.lineno}: {name}"


INFINITE = """
import gpteval

def load(reference):
    loaded = gpteval.load_model(DIRECTORY)
    compute = loaded.model.hidden_at
    def hidden_at(trees, places):
        return compute(trees, places) * (1 if len(trees.tokens) <= 12 else NUMBER)
    loaded.model.hidden_at = hidden_at
    return loaded

@gpteval.hookimpl
def gpteval_register_models():
    return [gpteval.ModelFamily("zz", "", load, references={"zz": ""})]
"""


@pytest.mark.parametrize("number", [math.inf, math.nan])
def test_json_has_null_for_what_is_no_number(
    number: float, roomy_directory: Path, tmp_path: Path
) -> None:
    lines = json_lines([{"a": [number, (1.5, -number)], "b": {"c": number}}, "é"])
    first, second = (json.loads(line, parse_constant=pytest.fail) for line in lines.splitlines())
    assert first == {"a": [None, [1.5, None]], "b": {"c": None}}
    assert second == "é" and lines.isascii()
    code = INFINITE.replace("DIRECTORY", repr(str(roomy_directory)))
    (tmp_path / "mine.py").write_text(code.replace("NUMBER", f"float('{number}')"))
    words = ["doctor", "--tasks", "copa", "--sample", "--limit", "2", "--model", "zz", "--json"]
    words += ["--device", "cpu", "--plugin", str(tmp_path / "mine.py")]
    code, told = ask(words, tmp_path / "page", tmp_path / "told")
    registry.cache_clear()
    assert (code, "Traceback" in told) == (1, False), told
    text = (tmp_path / "page").read_text()
    changes = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    assert None in [change["largest"] for change in changes]


@pytest.mark.parametrize("folder", ["gpteval/cli", "gpteval/report"])
def test_json_lines_are_written_in_one_place(folder: str) -> None:
    """But for a key, which nobody sees."""
    for path in modules(folder):
        calls = path.read_text(encoding="utf-8").count("json.dumps(")
        assert calls <= {"standings.py": 1}.get(path.name, 0), path
