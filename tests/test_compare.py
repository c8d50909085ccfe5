import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from fabricated import data, measured

from gpteval.cli.compare import command as compare_command
from gpteval.cli.diff import command as diff_command
from gpteval.errors import ResultError
from gpteval.records import Prediction
from gpteval.results.pairing import side
from gpteval.results.store import ResultStore
from gpteval.score.metrics import score
from gpteval.studies.compare import compare
from gpteval.studies.flips import flips
from gpteval_tasks.glue import GLUE

COMMITTED = Path(__file__).parent.parent / "results"
TWO_METRICS = {"mrpc", "stsb", "qqp"}


def sides(tmp_path, name="rte", **more):
    first = measured(tmp_path / "a", name, right=0.8, model="a", **more)
    second = measured(tmp_path / "b", name, right=0.6, drawn=1, model="b", **more)
    return side(str(first)), side(str(second))


def rows(tmp_path, name="rte", **more):
    return compare(*sides(tmp_path, name, **more), resamples=500).rows


@pytest.mark.parametrize("name", ["rte", "cola", "mrpc", "stsb", "race", "mnli"])
def test_every_metric_of_a_task_is_compared(tmp_path, name):
    found = rows(tmp_path, name)
    assert len(found) == 2 if name in TWO_METRICS else 1
    assert found[0].difference.value < 0
    assert found[0].difference.p < 0.01


def test_further_metrics_are_not_corrected_for_the_number_of_tasks(tmp_path):
    measured(tmp_path / "a", "rte"), measured(tmp_path / "b", "rte", drawn=1)
    _, headline, further = rows(tmp_path, "mrpc")
    assert headline.adjusted == pytest.approx(2 * headline.difference.p)
    assert further.adjusted is None


def test_a_suite_that_both_sides_have_whole_is_compared_by_its_mean(tmp_path):
    for name in GLUE.members:
        found = rows(tmp_path, name, count=80)
    mean = found[-1]
    assert (mean.task, mean.suite) == ("glue", True)
    assert mean.difference.error < max(row.difference.error for row in found[:-1])


def test_an_unfinished_suite_has_no_mean(tmp_path):
    assert not any(row.suite for row in rows(tmp_path, "cola"))


@pytest.mark.parametrize(("change", "reason"), [("label", "1 gold labels"), ("id", "2 examples")])
def test_other_examples_are_not_compared(tmp_path, change, reason):
    first, second = sides(tmp_path)
    (path,) = (tmp_path / "b" / "predictions").iterdir()
    lines = path.read_text().splitlines()
    row = json.loads(lines[3])
    other = {"label": "entailment" if row["label"] != "entailment" else "not_entailment",
             "id": "another"}  # fmt: skip
    lines[3] = json.dumps(row | {change: other[change]})
    path.write_text("\n".join(lines) + "\n")
    (refused,) = compare(first, second).refused
    assert reason in refused[2]


def test_answers_that_do_not_give_the_score_on_record_are_not_compared(tmp_path):
    first, second = sides(tmp_path)
    (path,) = (tmp_path / "b" / "predictions").iterdir()
    path.write_text(path.read_text().replace('"prediction":"not_entailment"',
                                             '"prediction":"entailment"'))  # fmt: skip
    (refused,) = compare(first, second).refused
    assert "on record is" in refused[2]


def test_seeds_and_examples_are_told_apart_where_there_are_several_runs(tmp_path):
    (alone,) = rows(tmp_path / "x")
    (several,) = rows(tmp_path / "y", seeds=4, training=0.3)
    assert alone.seeds_unknown
    assert alone.difference.training is None
    assert several.difference.training > 0


def run(command, *arguments):
    return CliRunner().invoke(command, [str(word) for word in arguments], catch_exceptions=False)


def test_the_command_says_which_side_is_better(tmp_path):
    sides(tmp_path)
    page = run(compare_command, tmp_path / "a", tmp_path / "b", "--resamples", 500).stdout
    assert "a (finetune, paper) → b (finetune, paper)" in page
    assert "<0.001*" in page
    (row,) = run(compare_command, tmp_path / "a", tmp_path / "b", "--json").stdout.splitlines()
    assert json.loads(row)["difference"] < 0
    markdown = run(compare_command, tmp_path / "a", tmp_path / "b", "--format", "markdown").stdout
    assert "| rte |" in markdown


def test_sides_with_nothing_in_common_are_refused(tmp_path):
    first, second = measured(tmp_path / "a"), measured(tmp_path / "b", "cola")
    with pytest.raises(ResultError, match="nothing in common"):
        run(compare_command, first, second)
    with pytest.raises(ResultError, match="no results of cola"):
        run(compare_command, first, second, "--tasks", "cola")


def test_the_committed_results_are_compared_without_torch():
    code = (
        "import sys; from gpteval.cli.main import main\n"
        f"sys.argv = ['gpteval', 'compare', '{COMMITTED}@tfidf', '{COMMITTED}@mini,finetune']\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, 'sklearn' in sys.modules)"
    )
    page = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "sst2" in page.stdout
    assert page.stdout.splitlines()[-1] == "False False"


def test_flips_are_the_examples_that_make_the_difference(tmp_path):
    first, second = sides(tmp_path)
    found = flips(first[0], second[0])
    (row,) = compare(first, second).rows
    more, fewer = row.difference.discordant
    assert [sum(f.gain == g for f in found) for g in (1, -1)] == [more, fewer]


def test_the_surest_flip_comes_first(tmp_path):
    for place, sure in (("a", 0.0), ("b", 1.0)):
        store = ResultStore(measured(tmp_path / place, drawn=int(sure)))
        (result,) = store.read()
        given = [
            Prediction(p.id, p.label, p.prediction, (0.5 + int(p.id) / 1000, 0.5))
            for p in store.read_predictions(result)
        ]
        store.replace_predictions(result, given)
    (first,), (second,) = side(str(tmp_path / "a")), side(str(tmp_path / "b"))
    ids = [int(flip.id) for flip in flips(first, second)]
    assert ids == sorted(ids, reverse=True)


def test_of_numbers_the_largest_move_comes_first(tmp_path):
    (first,), (second,) = sides(tmp_path, "stsb")
    gains = [abs(flip.gain) for flip in flips(first, second)]
    assert gains == sorted(gains, reverse=True)


def test_diff_shows_texts_labels_and_both_answers(tmp_path):
    from gpteval.data.rows import load_split, origin
    from gpteval.plugins import registry

    rte = registry().tasks()["rte"]
    rows = load_split(rte, "dev", origin(sample=True)).rows
    for place, answer in (("a", "entailment"), ("b", "not_entailment")):
        measured(tmp_path / place, model=place, data=data(origin="sample"))
        store = ResultStore(tmp_path / place)
        (result,) = store.read()
        given = [Prediction(r["id"], r["label"], answer, (0.6, 0.4)) for r in rows]
        store.replace_predictions(result, given)
        assert score(rte, given)
    words = (tmp_path / "a", tmp_path / "b", "--task", "rte")
    page = run(diff_command, *words, "--sample", "--limit", 2).stdout
    assert f"{len(rows)} of" in page
    assert "entailment → not_entailment; gold: " in page
    assert "--limit" in page
    lines = run(diff_command, *words, "--sample", "--json").stdout.splitlines()
    assert rows[0]["sentence1"] in [json.loads(line)["texts"][0][0] for line in lines[1:]]


def test_diff_without_the_data_set_shows_ids(tmp_path):
    sides(tmp_path)
    words = (tmp_path / "a", tmp_path / "b", "--task", "rte", "--data-dir", tmp_path)
    found = run(diff_command, *words)
    assert "without their texts" in found.stderr
    assert "gold: " in found.stdout
    with pytest.raises(ResultError, match="nothing of cola"):
        run(diff_command, *words[:2], "--task", "cola")


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"config": {"epochs": 10, "lr": 1.0}}, ",epochs=3 or ,epochs=10"),
        ({"recipe": "small", "config": {"epochs": 10, "lr": 1.0}}, ",paper or ,small"),
    ],
)
def test_several_settings_that_match_are_told_with_what_chooses_one(tmp_path, second, said):
    measured(tmp_path, "rte", model="a", mode="baseline", recipe="baseline")
    measured(tmp_path, "rte", 0.7, model="b", config={"epochs": 3, "lr": 1.0})
    measured(tmp_path, "rte", 0.6, model="b", **second)
    page = CliRunner().invoke(compare_command, [f"{tmp_path}@a", f"{tmp_path}@b"])
    told = f"rte dev: not compared: 2 entrants or settings of the second side match: {{}}{said}"
    assert told.format("choose one with ") in page.output.replace("\n", " ").replace("  ", " ")
    assert "side alone" not in page.output
    for words in said.split(" or "):
        (row,) = compare(side(f"{tmp_path}@a"), side(f"{tmp_path}@b{words}")).rows
        assert row.second.words >= {words[1:]}
