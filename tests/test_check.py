import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from fabricated import data, measured

from gpteval.api.compare import bless
from gpteval.cli.bless import command as bless_command
from gpteval.cli.check import command as check_command
from gpteval.errors import ConfigError, ResultError, UnknownNameError
from gpteval.report.verdicts import json_values
from gpteval.results.baseline import Baseline, Noise, read_baseline, write_baseline
from gpteval.results.pairing import side
from gpteval.results.store import ResultStore
from gpteval.studies.check import CheckConfig, Tolerance, check, exit_code
from gpteval.studies.gate_config import settings

COMMITTED = Path(__file__).parent.parent / "results"


def blessed(directory, **noise):
    return Baseline(tuple(side(str(directory))), noise)


def verdicts(tmp_path, *, name="rte", before=0.8, after=0.8, drawn=0, config=None, **more):
    """Of one task: `drawn` 0 answers just as before, but for what `after` changes."""
    old = blessed(measured(tmp_path / "old", name, right=before, **more))
    new = side(str(measured(tmp_path / "new", name, right=after, drawn=drawn, **more)))
    return check(new, old, config or CheckConfig(), resamples=500)


@pytest.mark.parametrize("name", ["rte", "cola", "mrpc", "race", "stsb"])
@pytest.mark.parametrize(
    ("before", "after", "word"),
    [(0.8, 0.8, "HELD"), (0.8, 0.3, "REGRESSED"), (0.3, 0.8, "IMPROVED")],
)
def test_a_task_is_held_regressed_or_improved(tmp_path, name, before, after, word):
    (verdict,) = verdicts(tmp_path, name=name, before=before, after=after)
    assert verdict.word == word


@pytest.mark.parametrize("seeds", [1, 3])
def test_other_runs_of_an_equal_model_are_not_called_held(tmp_path, seeds):
    (verdict,) = verdicts(tmp_path, drawn=1, seeds=seeds)
    assert verdict.word == "UNDERPOWERED"
    assert 0.02 < verdict.detectable < 0.3


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("after", [0.74, 0.8])
def test_an_open_verdict_names_the_examples_that_would_close_it(tmp_path, seeds, after):
    """As many of the same: then the difference is found, or lies within the tolerance."""
    config = CheckConfig(absolute=0.03)
    (verdict,) = verdicts(tmp_path, drawn=1, after=after, seeds=seeds, config=config)
    assert verdict.word == "UNDERPOWERED"
    found, most = verdict.difference, verdict.tolerance
    if verdict.needed is None:
        assert abs(found.value) == pytest.approx(most)
        assert "no number of examples" in verdict.reason
        return
    if verdict.seeds_needed:
        assert seeds == 3
        return  # the test below has them
    share = found.n / verdict.needed
    error = math.sqrt(found.examples * share + (found.training or 0)) / found.error
    reach = found.detectable(verdict.level) * error
    low, high = found.interval(1 - verdict.level)
    settled = (high - low) / 2 * error + abs(found.value)
    if abs(found.value) > most:
        assert reach == pytest.approx(abs(found.value) - most, rel=0.02)
    else:
        assert settled == pytest.approx(most, rel=0.02)


@pytest.mark.parametrize("after", [0.8, 0.6])
def test_an_open_verdict_of_few_seeds_names_the_seeds_that_would_close_it(tmp_path, after):
    config = CheckConfig(absolute=0.03)
    (verdict,) = verdicts(
        tmp_path, drawn=1, after=after, seeds=3, training=0.15, count=500, config=config
    )
    assert verdict.word == "UNDERPOWERED"
    now, most = verdict.difference, verdict.tolerance
    assert now.training > 0

    def settled(seeds):
        """With so many runs of each side, whose variances fall as one over their number."""
        fewer, single = 3 / seeds, max(now.examples - now.shared, 0)
        shared, examples = now.shared * fewer, verdict.needed
        error = (single + shared) * now.n / examples
        then = replace(
            now, examples=error, seeds=now.seeds * fewer, shared=shared * now.n / examples,
            freedom=2 * seeds - 2, n=examples, clusters=examples,
        )  # fmt: skip
        if abs(now.value) > most:
            return then.detectable(verdict.level) <= 1.05 * (abs(now.value) - most)
        low, high = then.interval(1 - verdict.level)
        return -most <= 0.95 * low and 0.95 * high <= most

    assert verdict.seeds_needed > 3
    assert settled(verdict.seeds_needed)
    assert not settled(math.floor(0.6 * verdict.seeds_needed))


def test_held_is_said_where_the_interval_lies_inside_the_tolerance(tmp_path):
    config = CheckConfig(absolute=0.5)
    (verdict,) = verdicts(tmp_path, drawn=1, after=0.75, config=config)
    assert verdict.word == "HELD"


@pytest.mark.parametrize(("absolute", "relative"), [(0.6, 0.0), (0.0, 0.9)])
def test_a_drop_has_to_exceed_both_tolerances(tmp_path, absolute, relative):
    loose = CheckConfig(absolute=absolute, relative=relative)
    (verdict,) = verdicts(tmp_path, after=0.3, config=loose)
    assert verdict.word == "HELD"


def test_a_metric_has_a_tolerance_of_its_own(tmp_path):
    config = CheckConfig(tolerances={"accuracy": Tolerance(absolute=0.9)})
    (verdict,) = verdicts(tmp_path, after=0.3, config=config)
    assert verdict.tolerance == 0.9


def test_a_task_without_results_is_missing_and_a_new_one_is_no_verdict(tmp_path):
    old = blessed(measured(tmp_path / "old", "rte"))
    (verdict,) = check(side(str(measured(tmp_path / "new", "cola"))), old, CheckConfig())
    assert (verdict.task, verdict.word) == ("rte", "MISSING")


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", ["rte", "cola", "mrpc", "race", "stsb"])
def test_files_as_they_were_blessed_are_judged_as_by_their_answers(tmp_path, name, seeds):
    directory = measured(tmp_path / "r", name, seeds=seeds)
    known = bless(directory, tmp_path / "b.json")
    assert known.measurements[0].files
    read = read_baseline(tmp_path / "b.json")
    found, plainly = (
        check(side(str(directory)), replace(read, measurements=own), CheckConfig())
        for own in (read.measurements, [replace(m, files=None) for m in read.measurements])
    )
    rows, expected = (
        json.loads(json.dumps(json_values(own)), parse_float=lambda text: round(float(text), 9))
        for own in (found, plainly)
    )
    assert rows == expected
    assert found[0].difference.clusters == plainly[0].difference.clusters


def test_a_file_with_another_answer_is_no_longer_as_it_was_blessed(tmp_path):
    directory = measured(tmp_path / "r")
    bless(directory, tmp_path / "b.json")
    (path,) = (directory / "predictions").iterdir()
    first, *others = map(json.loads, path.read_text().splitlines())
    other = next(row["prediction"] for row in others if row["prediction"] != first["prediction"])
    rows = [{**first, "prediction": other}, *others]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (verdict,) = check(side(str(directory)), read_baseline(tmp_path / "b.json"), CheckConfig())
    assert (verdict.word, verdict.reason[:6]) == ("INCOMPARABLE", "score:")


def test_a_score_that_the_answers_do_not_give_is_not_held_for_having_been_blessed(tmp_path):
    store = ResultStore(measured(tmp_path / "r"))
    (result,) = store.read()
    store.append([replace(result, scores={"accuracy": 0.99}, key="another-key-of-a-run")])
    known = bless(store.directory, tmp_path / "b.json")
    assert known.measurements[0].files is None
    (verdict,) = check(
        side(str(store.directory)), read_baseline(tmp_path / "b.json"), CheckConfig()
    )
    assert (verdict.word, verdict.reason[:6]) == ("INCOMPARABLE", "score:")


APART = {
    "version": {"version": 9},
    "data": {"data": data(digest="other")},
    "recipe": {"config": {"lr": 1.0}},
    "code": {"versions": {"gpteval": "9.0"}},
}


@pytest.mark.parametrize("kind", APART)
def test_what_is_not_comparable_is_named_and_can_be_allowed(tmp_path, kind):
    old = blessed(measured(tmp_path / "old"))
    new = side(str(measured(tmp_path / "new", **APART[kind])))
    (verdict,) = check(new, old, CheckConfig())
    assert verdict.word == "INCOMPARABLE"
    assert verdict.reason.startswith(f"{kind}: ")
    (verdict,) = check(new, old, CheckConfig(allow=(kind,)))
    assert verdict.word == "HELD"


@pytest.mark.parametrize(("more", "kind"), [({"count": 190}, "examples"), ({"split": "test"}, "")])
def test_other_examples_and_splits_are_not_held_against_each_other(tmp_path, more, kind):
    old = blessed(measured(tmp_path / "old"))
    (verdict,) = check(side(str(measured(tmp_path / "new", **more))), old, CheckConfig())
    assert verdict.word == ("INCOMPARABLE" if kind else "MISSING")
    assert verdict.reason.startswith(kind)


def test_noise_that_was_measured_stands_in_for_seeds(tmp_path):
    old = measured(tmp_path / "old")
    new = side(str(measured(tmp_path / "new", right=0.6)))
    plain = check(new, blessed(old), CheckConfig())[0]
    noisy = blessed(old, **{"rte/dev/accuracy": Noise(0.1, 0.02, 5)})
    known = check(new, noisy, CheckConfig())[0]
    assert (plain.word, known.word) == ("REGRESSED", "UNDERPOWERED")
    assert "one run" in plain.reason
    assert "one run" not in known.reason


def test_the_codes_of_several_verdicts_are_one_exit_code(tmp_path):
    (worse,) = verdicts(tmp_path / "1", after=0.3)
    (held,) = verdicts(tmp_path / "2")
    (unknown,) = verdicts(tmp_path / "3", drawn=1)
    apart = check(
        side(str(measured(tmp_path / "n", version=9))),
        blessed(measured(tmp_path / "o")),
        CheckConfig(),
    )
    assert exit_code([held, worse, *apart], strict=False) == 1
    assert exit_code([held, unknown, *apart], strict=True) == 4
    assert [exit_code([held, unknown], strict=strict) for strict in (False, True)] == [0, 3]


def test_an_advisory_task_fails_nothing(tmp_path):
    found = verdicts(tmp_path, after=0.3, config=CheckConfig(advisory=("rte",)))
    assert found[0].word == "REGRESSED"
    assert exit_code(found, strict=True) == 0


# The command


@pytest.fixture
def directories(tmp_path, monkeypatch):
    """A blessed directory, and one for each of what may happen to it."""
    monkeypatch.chdir(tmp_path)
    measured(tmp_path / "good")
    measured(tmp_path / "bad", right=0.3)
    measured(tmp_path / "vague", drawn=1)
    measured(tmp_path / "other", version=9)
    measured(tmp_path / "absent", "cola")
    run(bless_command, "good", "--output", "baseline.json")
    return tmp_path


def run(command, *arguments):
    return CliRunner().invoke(
        command, list(arguments), catch_exceptions=False, standalone_mode=False
    )


def shell(directory, *words):
    return subprocess.run(
        [sys.executable, "-m", "gpteval", "check", *words, "--baseline", "baseline.json"],
        capture_output=True, text=True, cwd=directory, check=False,
    )  # fmt: skip


def test_a_shell_sees_each_exit_code(directories):
    codes = {
        ("good",): 0,
        ("bad",): 1,
        ("nowhere",): 2,
        ("absent", "--strict"): 3,
        ("other",): 4,
    }
    found = {words: shell(directories, *words).returncode for words in codes}
    assert found == codes


def test_what_can_not_be_told_fails_only_where_strict_is_asked_for(directories):
    for words, code in {"vague": 0, "vague --strict": 3, "absent": 0}.items():
        page = run(check_command, *words.split(), "--baseline", "baseline.json")
        assert page.return_value == code


def test_the_whole_committed_results_are_checked_without_torch(tmp_path):
    write_baseline(tmp_path / "b.json", Baseline(tuple(side(str(COMMITTED)))))
    code = (
        "import sys; from gpteval.cli.main import main\n"
        f"sys.argv = ['gpteval', 'check', '{COMMITTED}', '--baseline', '{tmp_path}/b.json']\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    page = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *_, summary, last = page.stdout.splitlines()
    assert summary == f"PASS (fine): {len(side(str(COMMITTED)))} held"
    assert last == "0 False"


def test_every_format_names_the_task_and_the_verdict(directories):
    for layout in ("text", "markdown", "json", "junit", "github"):
        page = run(check_command, "bad", "--baseline", "baseline.json", "--format", layout).stdout
        assert "rte" in page
        assert "REGRESSED" in page


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("tolerance", ["0", "0.03"])
def test_every_format_says_how_many_examples_and_seeds_would_tell(tmp_path, seeds, tolerance):
    for drawn in (0, 1):
        measured(tmp_path / str(drawn), drawn=drawn, seeds=seeds, training=0.15 * (seeds > 1))
    baseline = str(tmp_path / "baseline.json")
    run(bless_command, str(tmp_path / "0"), "--output", baseline)
    words = (str(tmp_path / "1"), "--baseline", baseline, "--absolute", tolerance, "--format")
    (row,) = map(json.loads, run(check_command, *words, "json").stdout.splitlines())
    assert row["verdict"] == "UNDERPOWERED"
    assert row["examples_needed"] >= row["n"]
    needed = [row["examples_needed"], *([row["seeds_needed"]] if seeds > 1 else [])]
    for layout in ("text", "markdown", "junit", "github"):
        page = run(check_command, *words, layout, "--strict").stdout
        for number in needed:
            assert f"{number:,}" in page, layout


def test_junit_is_xml_with_a_failure(directories):
    words = ("--baseline", "baseline.json", "--format", "junit", "--output", "check.xml")
    cases = [("bad", "failure"), ("vague", "skipped"), ("vague --strict", "failure"), ("good", "")]
    for typed, found in cases:
        run(check_command, *typed.split(), *words)
        (case,) = ElementTree.parse("check.xml").getroot()
        assert "".join(child.tag for child in case) == found


def test_github_gets_annotations_and_a_summary(directories, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(directories / "summary.md"))
    words = ("--baseline", "baseline.json", "--format", "github")
    annotation = run(check_command, "bad", *words).stdout.splitlines()[0]
    assert annotation.startswith("::error title=REGRESSED%3A rte dev::rte dev: REGRESSED: accuracy")
    assert run(check_command, "vague", *words).stdout.startswith("::warning ")
    summary = (directories / "summary.md").read_text()
    assert summary.startswith("## FAIL (regressed): 1 regressed")
    assert "| rte |" in summary


def test_json_has_a_line_for_every_verdict(directories):
    page = run(check_command, "bad", "--baseline", "baseline.json", "--format", "json").stdout
    (row,) = map(json.loads, page.splitlines())
    assert (row["verdict"], row["blocking"], row["n"]) == ("REGRESSED", True, 200)


def test_bless_says_what_changed_against_the_last(directories):
    again = run(bless_command, "good", "--output", "baseline.json").stdout.splitlines()
    assert again == ["1 measurements blessed, 1 as before"]
    measured(directories / "bad", "cola")
    lines = run(bless_command, "bad", "--output", "baseline.json").stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == [
        "rte dev mini (finetune, paper)",
        "cola dev mini (finetune, paper)",
    ]
    assert " → " in lines[0]
    assert "new" in lines[1]


def test_bless_keeps_the_noise_that_was_measured(directories):
    path = directories / "baseline.json"
    known = read_baseline(path)
    write_baseline(path, Baseline(known.measurements, {"rte/dev/accuracy": Noise(0.1, 0.0, 5)}))
    run(bless_command, "good", "--output", "baseline.json")
    assert read_baseline(path).noise["rte/dev/accuracy"].seeds == 5


# Settings


def test_settings_come_from_pyproject_and_options_win(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.gpteval.check]\nbaseline = "b.json"\nabsolute = 0\nadvisory = ["wnli"]\n'
        "strict = true\n[tool.gpteval.check.metrics.matthews]\nabsolute = 0.03\n"
    )
    config = settings(tmp_path, {"absolute": 0.02})
    assert (config.baseline, config.absolute, config.strict) == ("b.json", 0.02, True)
    assert config.advisory == ("wnli",)
    assert config.tolerance("matthews").of(0.5) == 0.03
    assert config.tolerance("accuracy").of(0.5) == 0.02


def test_gpteval_toml_comes_before_pyproject(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.gpteval.check]\nabsolute = 0.5\n")
    (tmp_path / "gpteval.toml").write_text('[check]\nabsolute = 0.25\nallow = "code, recipe"\n')
    config = settings(tmp_path, {})
    assert (config.absolute, config.allow) == (0.25, ("code", "recipe"))


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("absolut = 1", UnknownNameError, "did you mean 'absolute'"),
        ("absolute = 'much'", ConfigError, "a number, not 'much'"),
        ("alpha = 0", ConfigError, "above 0"),
        ("allow = ['cods']", UnknownNameError, "did you mean 'code'"),
        ("strict = 1", ConfigError, "True or False"),
        ("metrics.f1 = 3", ConfigError, "is a table"),
        ("metrics.f1.absolute = -1", ConfigError, "at least 0"),
        ("metrics.f1.relativ = 1", UnknownNameError, "did you mean 'relative'"),
        ("a b", ConfigError, "can't be read"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(tmp_path, text, error, told):
    (tmp_path / "gpteval.toml").write_text(f"[check]\n{text}\n")
    with pytest.raises(error, match=told):
        settings(tmp_path, {})


def test_a_check_without_a_baseline_is_a_mistake(directories):
    with pytest.raises(ConfigError, match="no baseline named"):
        run(check_command, "good")
    with pytest.raises(ResultError, match="no baseline at"):
        run(check_command, "good", "--baseline", "none.json")
