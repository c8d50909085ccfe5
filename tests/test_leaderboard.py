import io
import json
import shlex
import subprocess
import sys

import pytest
from click.testing import CliRunner
from fabricated import data, result, task
from rich.console import Console

from gpteval.cli.leaderboard import command
from gpteval.errors import ResultError, UnknownNameError
from gpteval.plugins import registry
from gpteval.report.footnotes import footnotes
from gpteval.report.leaderboard import Leaderboard, json_rows, markdown
from gpteval.report.standings import standings
from gpteval.results.store import ResultStore
from gpteval.task import PaperScore
from gpteval_tasks.glue import GLUE

PAPER = PaperScore("accuracy", 56.0, "test", "P t.2", best_before=61.7)
V1 = PaperScore("accuracy", 88.1, "test", "P t.2", data="QNLI v1")
V2 = PaperScore("accuracy", 87.4, "test", "GLUE")
INSTALLED = {"made": task("accuracy", name="made", paper=(PAPER,))}
RACE = task(
    "accuracy",
    name="race",
    kind="choose",
    paper=tuple(
        PaperScore(f"accuracy{p}", 60.0, "test", "P t.3") for p in ("", "/middle", "/high")
    ),
)


def rows(*results, tasks=INSTALLED, **options):
    return standings(results, tasks, **options)


def row(*results, **options):
    (only,) = rows(*results, **options)
    return only


def marks(line):
    return {mark.name: mark.detail for mark in line.marks}


def printed(results, width, tasks=INSTALLED):
    page = io.StringIO()
    Console(file=page, width=width).print(Leaderboard(standings(results, tasks)))
    return page.getvalue()


def installed_results(**more):
    """Every installed task's headline split, as its official files would give it."""
    found = []
    for made in registry().tasks().values():
        scores = dict.fromkeys(made.metrics, 0.5)
        if made.name == "race":
            scores |= {"accuracy/high": 0.4, "accuracy/middle": 0.6}
        halves = [s for s in made.evaluate if s.partition("_")[0] == made.evaluate[-1]]
        found += [result(made.name, scores, split=half, **more) for half in halves]
    return found


def test_on_the_papers_split_the_difference_is_given():
    line = row(result(scores={"accuracy": 0.5849}))
    assert (line.paper.score, line.difference, line.paper.best_before) == (56.0, 2.5, 61.7)


def test_on_another_split_the_papers_is_named_and_nothing_subtracted():
    line = row(result(split="dev"))
    assert (line.paper, line.difference) == (PAPER, None)
    assert "56.0 (test)" in printed([result(split="dev")], 100)


def test_a_cut_scored_split_is_not_subtracted_from():
    line = row(result(data=data(rows=60, complete=False)))
    assert (line.paper, line.difference) == (PAPER, None)
    assert marks(line) == {"cut": "60 of 100 test rows"}


def test_another_metric_than_the_papers_has_no_figure_beside_it():
    line = rows(result(scores={"f1": 0.6, "accuracy": 0.7}))[0]
    assert (line.metric, line.paper, line.difference) == ("f1", None, None)


def test_a_sample_never_stands_beside_the_paper():
    line = row(result(data=data(origin="sample")))
    assert (line.paper, line.difference, marks(line)) == (None, None, {"sample": ""})


def test_zero_shot_scores_do_not_stand_beside_fine_tuned_ones():
    line = row(result(mode="zeroshot"))
    assert (line.paper, marks(line)) == (None, {"zero-shot": ""})


def test_zero_shot_scores_are_a_section_after_the_fine_tuned_ones():
    zero = result(
        mode="zeroshot",
        scores={"accuracy": 0.4, "accuracy_pmi": 0.5},
        baselines={"majority": {"accuracy": 0.5}, "untrained": {"accuracy": 0.31}},
    )
    tuned = result(seed=1)
    assert [line.result.mode for line in rows(zero, tuned)] == ["finetune", "zeroshot", "zeroshot"]
    page = markdown(rows(zero, tuned), "c")
    before, after = page.split("## Zero-shot")
    assert "untrained" not in before.split("| task")[1]
    assert "| 31.0 |" in after and "accuracy, PMI" in after
    assert "31.0" in printed([zero, tuned], 200)


def test_one_answer_to_everything_is_marked_on_the_rule_that_gave_it():
    lines = rows(result(mode="zeroshot", degenerate=True, scores={"accuracy": 0.4, "roc_auc": 0.5}))
    assert ["constant" in marks(line) for line in lines] == [True, False]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_figure_on_another_version_of_the_data_is_named_only(split):
    qnli = {"made": task("accuracy", name="made", paper=(V1,))}
    line = row(result(split=split), tasks=qnli)
    assert (line.paper, line.difference) == (None, None)
    assert marks(line) == {"†": "88.1 on QNLI v1, test"}


def test_the_figure_on_our_version_of_the_data_stands():
    qnli = {"made": task("accuracy", name="made", paper=(V1, V2))}
    line = row(result(scores={"accuracy": 0.9}), tasks=qnli)
    assert (line.paper, line.difference) == (V2, 2.6)


def test_cut_training_data_is_marked_with_its_rows():
    line = row(result(data=data(complete=False, train_rows=12811, train_official=392702)))
    assert marks(line) == {"cut": "12811 of 392702 train rows"}
    assert line.difference is None  # a cut training set is no ground for one


def test_a_split_that_chose_the_weights_says_so():
    history = tuple({"update": n, "epoch": n, "loss": 1.0, "score": 0.5} for n in (1.0, 2.0))
    on = {split: row(result(split=split, history=history)) for split in ("dev", "dev_mismatched")}
    assert [marks(line) for line in on.values()] == [{"chosen": ""}, {}]
    assert marks(row(result(split="dev", history=history[:1]))) == {}


def test_a_score_without_an_interval_shows_a_dash():
    lines = rows(result(interval=None))
    assert lines[0].interval is None
    assert "| – |" in markdown(lines, "made")
    assert json_rows(lines)[0]["interval"] is None


def test_a_limit_is_marked_as_one_and_not_as_cut_data():
    line = row(result(data=data(complete=False, rows=10, train_rows=10, limit=10)))
    assert (marks(line), line.difference) == ({"limit": "10"}, None)


def test_changed_settings_are_named():
    line = row(result(changed={"epochs": 1, "lr": 0.001}))
    assert marks(line) == {"changed": "epochs 1, lr 0.001"}


def test_one_answer_to_everything_is_marked_with_its_seeds():
    runs = [result(seed=n, degenerate=n == 1) for n in range(3)]
    assert marks(row(*runs)) == {"constant": "1 of 3 seeds"}
    assert marks(row(runs[1])) == {"constant": ""}


def test_another_version_of_the_task_is_marked_and_stands_apart():
    lines = rows(result(), result(version=2))
    assert [marks(line) for line in lines] == [{}, {"old": "version 2, installed is 1"}]


def test_seeds_give_their_median_and_range():
    runs = [result(seed=n, scores={"accuracy": s}) for n, s in enumerate((0.5, 0.9, 0.6))]
    line = row(*runs)
    assert line.score == pytest.approx(60)
    assert line.interval == pytest.approx((50, 70))
    assert "3 (50.0–90.0)" in printed(runs, 120)


def test_of_one_seed_scored_twice_the_later_counts():
    line = row(result(), result(scores={"accuracy": 0.8}))
    assert line.scores == (80.0,)


@pytest.mark.parametrize(
    "other",
    [
        {"model_digest": "fedcba"},
        {"recipe": "sample"},
        {"config": {"lr": 1.0}},
        {"data": data(digest="e")},
        {"mode": "zeroshot"},
    ],
)
def test_what_differs_in_more_than_the_seed_is_a_line_of_its_own(other):
    assert len(rows(result(), result(seed=1, **other))) == 2


def test_the_split_a_run_scored_last_is_shown_others_on_request():
    run = [result(split="dev"), result(split="test")]
    assert [line.split for line in rows(*run)] == ["test"]
    assert [line.split for line in rows(*run, all_splits=True)] == ["dev", "test"]


def test_both_halves_of_mnli_stand_beside_their_own_figures():
    halves = tuple(
        PaperScore("accuracy", s, t, "P") for s, t in ((82.1, "test"), (81.4, "test_mm"))
    )
    known = {"made": task("accuracy", name="made", paper=halves)}
    lines = rows(result(split="dev_mm"), result(split="dev"), tasks=known)
    assert [(line.split, line.paper.score) for line in lines] == [("dev", 82.1), ("dev_mm", 81.4)]


def test_parts_follow_in_the_papers_order_and_other_metrics_after_them():
    scores = {
        "accuracy": 0.5,
        "f1": 0.4,
        "accuracy/high": 0.3,
        "accuracy/middle": 0.6,
        "f1/high": 0.1,
    }
    lines = rows(result("race", scores), tasks={"race": RACE})
    assert [line.metric for line in lines] == ["accuracy", "accuracy/middle", "accuracy/high", "f1"]
    assert [line.n for line in lines] == [100, None, None, 100]
    assert [line.difference for line in lines] == [-10.0, 0.0, -30.0, None]


def test_breaking_nli_shows_macro_f1_every_category_and_the_majority_above_it():
    scores = {"accuracy": 0.8, "macro_f1": 0.3, "accuracy/synonyms": 0.9, "accuracy/drinks": 0.7}
    majority = {"majority": dict.fromkeys(scores, 0.874)}
    known = {"breaking_nli": registry().tasks()["breaking_nli"]}
    lines = rows(result("breaking_nli", scores, baselines=majority), tasks=known)
    assert [line.metric.split("/")[-1] for line in lines] == [
        "accuracy", "synonyms", "drinks", "macro_f1",
    ]  # fmt: skip
    assert (lines[0].paper.score, lines[0].majority) == (83.75, pytest.approx(87.4))
    assert ("GPT-1", "from the blog post, not in the paper: breaking_nli") in footnotes(lines)


def test_a_task_that_is_not_installed_still_shows():
    lines = rows(result("gone"), result())
    assert [(line.task, line.paper) for line in lines] == [("made", PAPER), ("gone", None)]


def glue_results(**more):
    return [r for r in installed_results(**more) if r.task in GLUE.members]


def test_the_glue_mean_averages_a_tasks_metrics_and_splits_first():
    scores = {"mrpc": {"f1": 0.9, "accuracy": 0.7}, "cola": {"matthews": 0.4}}
    given = [r for r in glue_results() if r.task not in scores]
    given += [result(name, s, split="dev") for name, s in scores.items()]
    given.append(result("mnli", {"accuracy": 0.9}, split="dev_mismatched"))
    line = rows(*given, tasks=registry().tasks())[-1]
    expected = (6 * 50 + (50 + 90) / 2 + (90 + 70) / 2 + 40) / 9
    assert (line.task, line.score) == ("glue", pytest.approx(expected))
    assert (line.paper, line.split, line.difference) == (None, "dev", None)
    assert marks(line)["†"] == "72.8 on QNLI v1, test"


def test_there_is_no_glue_mean_without_all_nine_tasks_of_one_setting():
    nine = glue_results()
    for missing in GLUE.members:
        other = [r for r in glue_results(seed=1, recipe="sample") if r.task == missing]
        given = [r for r in nine if r.task != missing] + other
        assert "glue" not in {line.task for line in rows(*given, tasks=registry().tasks())}


def test_the_glue_mean_of_samples_has_no_figure_beside_it():
    line = rows(*glue_results(data=data(origin="sample")), tasks=registry().tasks())[-1]
    assert (line.task, line.paper, marks(line)) == ("glue", None, {"sample": ""})


def test_the_glue_mean_is_over_the_seeds_that_have_all_nine():
    given = [*glue_results(), *glue_results(seed=1), *glue_results(seed=2)[:4]]
    assert len(rows(*given, tasks=registry().tasks())[-1].scores) == 2


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_the_table_fits_a_terminal_without_wrapping_a_line(width):
    page = printed(installed_results(changed={"lr": 1.0}), width, registry().tasks())
    table = page.split("\n\n")[0].splitlines()
    assert max(len(line.rstrip()) for line in page.splitlines()) <= width
    lines = standings(installed_results(), registry().tasks())
    assert len(table) == 1 + 2 + len(lines) + 1  # shared facts, heading and rule, rows, a section


def test_a_narrow_terminal_says_which_columns_it_left_out():
    page = printed([result(split="dev"), result("other", split="test")], 46)
    assert "no room for" in page
    assert "dev: made; test: other" in page
    assert "no room for" not in printed([result(split="dev")], 140)


def test_what_all_rows_share_is_said_once():
    given = [result(n, data=data(origin="sample")) for n in ("made", "other")]
    first, *rest = printed(given, 100).splitlines()
    assert first.strip() == "mini · recipe paper · test split · 1 seed · all rows: sample"
    assert "marks" not in rest[0]


def test_several_models_are_told_apart():
    given = [
        result(),
        result(model_digest="123456789"),
        result(model="hf:/home/me/smol", model_digest="x"),
    ]
    page = printed(given, 120)
    assert all(name in page for name in ("mini abcdef", "mini 123456", "hf:smol"))
    assert "/home/me" not in page


def test_settings_that_differ_from_the_named_recipe_are_told_apart():
    given = [result(config={"lr": 1e-4}, changed={"lr": 1e-4}), result()]
    assert "paper lr=0.0001" in printed(given, 120)


def test_footnotes_name_the_tasks_unless_all_share_the_fact():
    shared = rows(*(result(n, changed={"epochs": 1}) for n in ("made", "other")))
    assert footnotes(shared)[0][1].endswith("recipe: epochs 1")
    apart = rows(result(changed={"epochs": 1}), result("other", changed={"lr": 1}))
    assert footnotes(apart)[0][1].endswith("recipe: epochs 1 (made); lr 1 (other)")


def test_markdown_says_how_it_was_made_and_has_a_cell_for_every_column():
    page = markdown(rows(result(split="dev"), result("a|b")), "gpteval leaderboard results")
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "Generated by `gpteval leaderboard results`; do not edit." in page
    assert "| made | accuracy | mini | paper | 60.0 | 50.0–70.0 | 56.0 (test) |" in page


def test_json_has_every_fact_of_a_row():
    (fact,) = json_rows(rows(result(changed={"lr": 1})))
    assert json.loads(json.dumps(fact))["interval"] == pytest.approx([50, 70])
    assert (fact["score"], fact["paper"], fact["difference"]) == (60.0, 56.0, 4.0)
    assert fact["marks"] == {"changed": "lr 1"}


@pytest.fixture
def directory(tmp_path):
    store = ResultStore(tmp_path / "results")
    store.append([result("rte", split="dev"), result("cola", {"matthews": 0.3}, model="other")])
    store.append([result("gone")])
    return store.directory


def invoke(*arguments):
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(command, given, catch_exceptions=False, standalone_mode=False).output


def test_the_command_prints_the_leaderboard_of_a_directory(directory):
    page = invoke(directory)
    assert all(name in page for name in ("rte", "cola", "gone", "56.0 (test)"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--tasks", "rte,gone"], ["rte", "gone"]),
        (["--tasks", "glue"], ["cola", "rte"]),
        (["--model", "other"], ["cola"]),
    ],
)
def test_the_command_selects_tasks_groups_and_models(directory, options, expected):
    lines = invoke(directory, "--json", *options).splitlines()
    assert sorted(json.loads(line)["task"] for line in lines) == sorted(expected)


@pytest.mark.parametrize("layout", ["terminal", "markdown"])
def test_the_command_writes_a_file(directory, layout):
    page = directory / "README.md"
    assert invoke(directory, "--format", layout, "--output", page) == ""
    assert "56.0 (test)" in page.read_text(encoding="utf-8")
    assert sorted(p.name for p in directory.iterdir() if p.suffix != ".lock") == [
        "README.md",
        "records.jsonl",
    ]


@pytest.mark.parametrize("made", [False, True])
def test_an_empty_or_missing_directory_says_how_to_make_results(tmp_path, made):
    if made:
        (tmp_path / "none").mkdir()
    with pytest.raises(ResultError, match=r"no results in .*none: make some with `gpteval run"):
        invoke(tmp_path / "none")


def test_names_without_results_are_refused(directory):
    with pytest.raises(UnknownNameError, match="did you mean 'other'"):
        invoke(directory, "--model", "othr")
    with pytest.raises(UnknownNameError, match="did you mean 'rte'"):
        invoke(directory, "--tasks", "rt")
    with pytest.raises(ResultError, match=r"no results of mrpc: there are some of cola, gone, rte"):
        invoke(directory, "--tasks", "mrpc")


def test_the_leaderboard_needs_no_heavy_library(directory):
    code = (
        "import sys; from gpteval.cli.leaderboard import command; command(sys.argv[1:], "
        "standalone_mode=False); sys.exit(str({'torch', 'sklearn', 'datasets', 'numpy'} & "
        "set(sys.modules)))"
    )
    program = [sys.executable, "-c", code, directory]
    run = subprocess.run(program, capture_output=True, text=True, check=False)
    assert run.stderr.strip() == "set()"


@pytest.mark.parametrize(
    "words", [[], ["--tasks=rte"], ["--model=m m"], ["--all-splits"], ["--cost", "--tasks", "rte"]]
)
def test_the_command_that_a_page_names_makes_the_same_page(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    ResultStore("my runs/a").append(
        [result("rte"), result("cola"), result(model="m m", key="k" * 64)]
    )
    whole = ["my runs/a", *words, "--format", "markdown"]
    page = CliRunner().invoke(command, whole, catch_exceptions=False).output
    named = page.partition("`")[2].partition("`")[0]
    again = CliRunner().invoke(command, shlex.split(named)[2:], catch_exceptions=False).output
    assert page == again and shlex.split(named)[:2] == ["gpteval", "leaderboard"]
