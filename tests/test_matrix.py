"""Who is best at what: the matrix, its marks, and the forms it is written in."""

import io
import json
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from fabricated import data, measured, result
from rich.console import Console

from gpteval.api.compare import compare
from gpteval.api.results import matrix
from gpteval.cli.history import command as history
from gpteval.cli.leaderboard import command
from gpteval.errors import ResultError
from gpteval.report import leaderboard, matrix_table
from gpteval.report.standings import standings
from gpteval.report.table import Column, latex_table
from gpteval.results.entrants import Entrant, named_recipe, words
from gpteval.results.store import ResultStore
from gpteval.text import LATEX, PLAIN, latex

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "results"
SMALL = {"lr": 0.000125, "lr_width": 768, "epochs": 10, "warmup": 0.1}


def invoke(*arguments, asked=command):
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(asked, given, catch_exceptions=False, standalone_mode=False).output


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Three entrants: one far above the reference, one like it; a task that only two have."""
    place = tmp_path_factory.mktemp("matrix")
    baseline = {"mode": "baseline", "recipe": "baseline", "config": {}}
    for task in ("rte", "sst2", "mrpc"):
        measured(place, task, right=0.6, drawn=1, model="words", model_digest="w", **baseline)
        measured(place, task, right=0.95, drawn=2, model="large")
    measured(place, "rte", right=0.6, drawn=3, model="mini")
    measured(place, "sst2", right=0.2, drawn=4, model="mini")
    return place


def cells(found):
    """(task, entrant) → cell."""
    return {
        (line.task, found.names[entrant]): cell
        for line in found.lines
        for entrant, cell in line.cells.items()
    }


def test_the_best_of_a_task_is_marked_where_it_is_above_the_best_constant_answer(directory):
    found = matrix(directory)
    best = {place for place, cell in cells(found).items() if cell.best}
    assert best == {(task, "large fine-tuned, paper") for task in ("rte", "sst2", "mrpc")}
    high = {"baselines": {"majority": {"accuracy": 0.99}}}
    other = directory.parent / "constant"
    ResultStore(other).append([result("rte", **high), result("sst2", **high)])
    assert not any(cell.best for cell in cells(matrix(other)).values())


def test_equal_scores_are_both_the_best(tmp_path):
    ResultStore(tmp_path).append(
        [result("rte"), result("rte", model="b", scores={"accuracy": 0.6})]
    )
    assert [cell.best for cell in cells(matrix(tmp_path)).values()] == [True, True]


def test_a_quick_try_gives_way_to_a_whole_score_and_is_not_the_best(tmp_path):
    quick = data(limit=20, digest="q")
    ResultStore(tmp_path).append(
        [
            result("rte", scores={"accuracy": 0.6}),
            result("rte", scores={"accuracy": 0.9}, data=quick, key="q" * 64),
            result("rte", scores={"accuracy": 0.8}, data=quick, model="b", key="r" * 64),
        ]
    )
    found = {name: cell for (_, name), cell in cells(matrix(tmp_path)).items()}
    assert found["mini fine-tuned, paper"].row.score == pytest.approx(60)
    assert [cell.best for cell in found.values()] == [True, False]
    assert [bool(cell.notes) for cell in found.values()] == [False, True]


def test_the_signs_are_those_of_compare(directory):
    found = matrix(directory, reference="words")
    signs = {place: cell.sign for place, cell in cells(found).items()}
    assert {signs[task, "large fine-tuned, paper"] for task in ("rte", "sst2", "mrpc")} == {"▲"}
    assert signs["sst2", "mini fine-tuned, paper"] == "▼"
    assert signs["rte", "mini fine-tuned, paper"] == ""
    assert {sign for (_, name), sign in signs.items() if name == "words"} == {""}
    for model in ("large", "mini"):
        rows = compare(f"{directory}@words", f"{directory}@{model}").rows
        by_task = {row.task: row for row in rows if row.adjusted is not None}
        for task, row in by_task.items():
            cell = cells(found)[task, f"{model} fine-tuned, paper"]
            assert cell.against.difference.value == pytest.approx(row.difference.value)
            assert (cell.against.adjusted <= 0.05) == (row.adjusted <= 0.05)


def test_what_cannot_be_compared_is_told_and_has_no_sign(tmp_path):
    measured(tmp_path, "rte", right=0.4, model="words", mode="baseline", recipe="baseline")
    measured(tmp_path, "rte", right=0.9, model="mini", count=150, data=data(digest="other"))
    found = matrix(tmp_path, reference="words")
    assert {cell.sign for cell in cells(found).values()} == {""}
    assert any("not compared: 50 examples were scored on one side alone" in r
               for r in found.remarks)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("nobody", "no results of 'nobody': there are"),
        ("finetune", "is not one entrant: name one of large fine-tuned, paper, mini fine-tuned"),
    ],
)
def test_a_reference_that_is_not_one_entrant_is_refused(directory, words, told):
    with pytest.raises(ResultError, match=told):
        matrix(directory, reference=words)


def test_entrants_stand_in_the_order_in_which_they_are_asked_for(directory):
    names = list(matrix(directory, entrants=["words", "mini", "@large,finetune"]).names.values())
    assert names == ["words", "mini fine-tuned, paper", "large fine-tuned, paper"]
    assert list(matrix(directory).names.values())[-1] == "words"
    with pytest.raises(ResultError, match="no results of 'gpt': there are"):
        matrix(directory, entrants=["gpt"])


def test_settings_of_a_named_recipe_are_that_recipe_whatever_they_were_run_as():
    named = {"lr": 6.25e-05, "batch_size": 32, **SMALL}
    assert named_recipe("paper", named) == ("small", {})
    assert named_recipe("paper", {**named, "epochs": 11})[0] == "paper"
    assert named_recipe("nobody's", {"depth": 3}) == ("nobody's", {})
    one = Entrant.of(result(config={"lr": 0.5}))
    assert (one.label, one.own) == ("mini fine-tuned, paper lr=0.5", ("lr=0.5",))
    fresh = Entrant.of(result(config={"pretraining": False}))
    assert fresh.label == "mini fine-tuned, paper, no pre-training"


def test_words_tell_the_recipe_and_what_was_trained_from_nothing():
    assert {"small", "paper"} & words("finetune", "m", "paper", SMALL) == {"small"}
    whole, fresh = (words("finetune", "m", "paper", c) for c in ({}, {"pretraining": False}))
    assert "pretraining=True" in whole and "pretraining=True" not in fresh


def test_two_models_of_one_name_are_told_apart_by_their_digest(tmp_path):
    ResultStore(tmp_path).append(
        [result("rte"), result("rte", model_digest="fedcba987654", key="z" * 64)]
    )
    names = list(matrix(tmp_path).names.values())
    assert [name.rpartition(" ")[2] for name in names] == ["abcdef", "fedcba"]


def test_a_suite_s_mean_stands_only_where_all_its_tasks_do():
    found = matrix(COMMITTED)
    (glue,) = [line for line in found.lines if line.suite]
    assert [found.names[entrant] for entrant in glue.cells] == ["tfidf"]
    row = matrix_table.markdown(found).split("| glue |")[1].splitlines()[0]
    assert row.count(" – ") == len(found.names) - 1


def test_a_cell_says_what_the_leaderboard_says():
    """Every headline row of the committed results is in the matrix, or a later one stands there."""
    results = ResultStore(COMMITTED).read()
    found = matrix(COMMITTED)
    shown = [cell.row for cell in cells(found).values()]
    rows = [row for row in standings(results) if row.headline]
    assert {(r.task, r.split, r.score, r.interval) for r in shown} <= {
        (r.task, r.split, r.score, r.interval) for r in rows
    }
    assert len(rows) >= sum(len(line.cells) for line in found.lines) > 50


def printed(found, width, **options):
    page = io.StringIO()
    Console(file=page, width=width).print(matrix_table.MatrixTable(found, **options))
    return page.getvalue()


@pytest.mark.parametrize("transposed", [False, True])
def test_every_form_has_every_score(directory, transposed):
    found = matrix(directory, reference="words")
    scores = [f"{cell.row.score:.1f}" for cell in cells(found).values()]
    pages = [
        printed(found, 300, transposed=transposed),
        matrix_table.markdown(found, transposed=transposed),
        matrix_table.latex(found, transposed=transposed),
    ]
    for page in pages:
        assert all(score in page for score in scores)
        assert "paired test" in page
    assert "*" in pages[0] and "▲" in pages[0] and "**" in pages[1] and "\\textbf{" in pages[2]


def test_on_a_narrow_terminal_the_intervals_give_way_and_it_is_told(directory):
    found = matrix(directory)
    wide, narrow = printed(found, 200), printed(found, 64)
    assert "[" in wide.partition("\n\n")[0] and "[" not in narrow.partition("\n\n")[0]
    assert "no room for the intervals" in narrow and "no room" not in wide
    assert max(map(len, narrow.partition("\n\n")[0].splitlines())) <= 64


def test_a_transposed_matrix_has_an_entrant_a_line(directory):
    page = matrix_table.markdown(matrix(directory), transposed=True).splitlines()
    assert page[0].startswith("| entrant | rte accuracy, dev 200 |")
    assert [line.split(" | ")[0][2:] for line in page[2:6]] == [
        "best constant", "large fine-tuned, paper", "mini fine-tuned, paper", "words",
    ]  # fmt: skip


def test_json_has_the_difference_and_csv_a_column_for_it(directory):
    lines = invoke(directory, "--matrix", "--reference", "words", "--json").splitlines()
    by_task = {line["task"]: line["entrants"] for line in map(json.loads, lines)}
    large = by_task["rte"]["large fine-tuned, paper"]
    assert large["best"] and large["against"]["adjusted"] < 0.05
    assert large["against"]["difference"] == pytest.approx(
        large["score"] - by_task["rte"]["words"]["score"]
    )
    page = invoke(directory, "--matrix", "--reference", "words", "--format", "csv")
    head = page.splitlines()[0]
    assert '"entrants.large fine-tuned, paper.against.difference"' in head


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--transpose"], "give --matrix too"),
        (["--reference", "words"], "give --matrix too"),
        (["--matrix", "--cost"], "leave out --matrix"),
    ],
)
def test_what_would_do_nothing_is_refused(directory, options, reason):
    outcome = CliRunner().invoke(command, [str(directory), *options])
    assert outcome.exit_code == 2 and reason in outcome.output


def test_the_command_chooses_entrants_in_every_form(directory):
    for form in ([], ["--matrix"], ["--format", "csv"], ["--cost"], ["--format", "latex"]):
        page = invoke(directory, *form, "--entrant", "large,paper")
        assert "large" in page and "words" not in page, form


SPECIAL = {
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip
"""The ten characters that TeX reads as commands."""


def test_every_special_character_of_latex_is_escaped():
    for character, escaped in SPECIAL.items():
        assert latex(f"a{character}b") == f"a{escaped}b"
    assert latex("a--b---c") == "a-{}-b-{}-{}-c"  # no dash is made of them
    assert latex("\x1b[2J") == r"\textbackslash{}x1b{[}2J"
    assert latex("▲¹²") == r"$\uparrow$\textsuperscript{1}\textsuperscript{2}"


def test_signs_keep_their_sense_in_an_encoding_that_lacks_them():
    assert "▲▼≤¹–".encode("ascii", "gpteval.replaced") == b"><<=1-"
    assert all(character not in "><-" for character in PLAIN)


def test_a_latex_table_has_a_cell_for_every_column(directory):
    for page in (
        invoke(directory, "--matrix", "--format", "latex"),
        invoke(directory, "--format", "latex"),
        invoke(directory, "--cost", "--format", "latex"),
    ):
        body = [line for line in page.splitlines() if line.endswith(r" \\")]
        assert len({line.replace(r"\&", "").count(" & ") for line in body}) == 1
        marks = ["\\toprule", "\\midrule", "\\bottomrule", "\\begin{longtable}"]
        assert all(page.count(mark) == 1 for mark in marks)


HOSTILE = r"\input{/etc/passwd} & % $x$ # _ { } ~ ^ \\ [1em] *2 --- <a> |b| 'c' ~~ \"d\" ?`"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex is installed")
def test_tex_takes_what_is_written(directory, tmp_path):
    rows = standings(
        [replace(r, model=HOSTILE, task=HOSTILE) for r in ResultStore(directory).read()]
    )
    every = [Column("all", lambda text: text), Column(HOSTILE, lambda text: text)]
    parts = [
        matrix_table.latex(matrix(COMMITTED)),
        matrix_table.latex(matrix(COMMITTED), transposed=True),
        leaderboard.latex(rows),
        latex_table(["".join(LATEX), *LATEX, HOSTILE], every, [HOSTILE]),
    ]
    head = "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs, longtable}"
    text = "\n".join([head, "\\begin{document}", *parts, "\\end{document}"])
    (tmp_path / "page.tex").write_text(text, encoding="utf-8")
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:]


def printed_by(line):
    """What a command in a page prints, run at the root of the repository."""
    program, name, *words = shlex.split(line)
    assert program == "gpteval"
    return invoke(*words, asked={"leaderboard": command, "history": history}[name])


def test_the_page_of_results_is_what_its_command_makes_of_the_records(monkeypatch):
    monkeypatch.chdir(ROOT)
    page = (COMMITTED / "README.md").read_text(encoding="utf-8")
    assert printed_by(page.partition("`")[2].partition("`")[0]) == page
    before, _ = page.split("<summary>Every score</summary>")
    assert before.count("\n| ") == len(matrix(COMMITTED).lines) + 2  # its heading, and the rule


@pytest.mark.parametrize("page", ["README.md", "docs/baselines.md"])
def test_the_tables_in_a_page_are_what_the_commands_below_them_print(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / page).read_text(encoding="utf-8").replace(" \\\n", " ")
    commands = [line for line in text.splitlines()
                if line.startswith("gpteval ") and "--format markdown" in line]  # fmt: skip
    assert commands
    for line in commands:
        assert printed_by(line).partition("\n\n")[0] in text, line


@pytest.mark.parametrize("choice", ["nobody", ",,,", "@"])
def test_an_entrant_that_is_not_there_is_told_with_the_words_to_type(choice):
    with pytest.raises(ResultError, match="there are") as told:
        matrix(COMMITTED, entrants=[choice])
    typed = str(told.value).partition("there are ")[2].split("; ")
    assert len(typed) > 5
    for each in typed:
        assert matrix(COMMITTED, entrants=[each]).names
