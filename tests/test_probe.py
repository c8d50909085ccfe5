"""Probes: their heads against scikit-learn, scipy and NumPy, and what stands on record."""

from __future__ import annotations

import hashlib
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from official import write
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gpteval
from gpteval import Compute, load_model
from gpteval.cli.probe import command
from gpteval.compute.device import resolve
from gpteval.data.rows import Origin, load_split
from gpteval.features.composed import Layout, composed
from gpteval.features.frozen import Frozen
from gpteval.features.vector_files import read_vectors
from gpteval.methods.heads import STRENGTHS, Columns, cross_validated, linear_path, loss
from gpteval.methods.job import Job
from gpteval.methods.mix import Layers, mix_path, objective
from gpteval.methods.neuron import best_neuron
from gpteval.methods.probe import chosen_layers
from gpteval.methods.reading import Features
from gpteval.methods.word_vectors import VectorFile
from gpteval.plugins import registry
from gpteval.report.standings import standings
from gpteval.results.store import ResultStore

WORDS_OF = re.compile(r"\w+")
DRAW = np.random.default_rng(0)
COLUMNS = DRAW.normal(size=(120, 6)) * [1, 2, 3, 1, 1, 5] + [0, 1, 0, 9, 0, 0]
SIGNAL = COLUMNS @ [1, 0.5, 0, -0.3, 0, 0.1] + DRAW.normal(size=120)


def table(gold: list[object], columns: np.ndarray = COLUMNS, size: int = 1) -> Columns:
    return Columns(columns, np.full(len(gold), size), gold)  # type: ignore[arg-type]


def labels(count: int) -> list[object]:
    cuts = np.quantile(SIGNAL, np.linspace(0, 1, count + 1)[1:-1])
    return [f"class {place}" for place in np.searchsorted(cuts, SIGNAL)]


@pytest.mark.parametrize("count", [2, 3])
def test_the_head_of_labels_is_scikit_learns_logistic_regression(count: int) -> None:
    gold = labels(count)
    fitted = next(linear_path("classify")(table(gold), [0.1]))
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    theirs.fit(COLUMNS, gold)
    np.testing.assert_allclose(fitted.likely(table(gold)), theirs.predict_proba(COLUMNS), atol=1e-6)
    assert list(fitted.classes) == list(theirs.classes_)
    expected = log_loss(gold, theirs.predict_proba(COLUMNS))
    assert loss("classify", fitted, table(gold)) == pytest.approx(expected)


def test_the_head_of_numbers_is_scikit_learns_ridge_regression() -> None:
    gold = list(SIGNAL)
    fitted = next(linear_path("regress")(table(gold), [0.01]))
    theirs = make_pipeline(StandardScaler(), Ridge(alpha=100)).fit(COLUMNS, SIGNAL)
    np.testing.assert_allclose(fitted.likely(table(gold)), theirs.predict(COLUMNS), atol=1e-9)
    expected = np.mean((theirs.predict(COLUMNS) - SIGNAL) ** 2)
    assert loss("regress", fitted, table(gold)) == pytest.approx(expected)


def choice(answers: int) -> Columns:
    gold = SIGNAL.reshape(-1, answers).argmax(1)
    return table([int(place) for place in gold], size=answers)


def test_the_head_of_two_answers_is_the_softmax_over_them() -> None:
    rows = choice(2)
    scaled = (COLUMNS - COLUMNS.mean(0)) / COLUMNS.std(0)
    gold = np.array(rows.gold)

    def lost(weights: np.ndarray) -> float:
        scores = (scaled @ weights).reshape(-1, 2)
        right = scores[np.arange(len(gold)), gold]
        return float((np.logaddexp(*scores.T) - right).sum() + weights @ weights / (2 * 0.1))

    weights = minimize(lost, np.zeros(6), tol=1e-12).x
    scores = (scaled @ weights).reshape(-1, 2)
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    found = next(linear_path("choose")(rows, [0.1])).likely(rows)
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-3)


def test_every_wrong_answer_of_several_is_told_from_the_right_one() -> None:
    rows = choice(4)
    scaled = (COLUMNS - COLUMNS.mean(0)) / COLUMNS.std(0)
    right = np.arange(0, 120, 4) + np.array(rows.gold)
    wrong = [row for row in range(120) if row not in right]

    def lost(weights: np.ndarray) -> float:
        pairs = [scaled[right[row // 4]] - scaled[row] for row in wrong]
        return float(np.logaddexp(0, -np.stack(pairs) @ weights).sum() + weights @ weights / 0.2)

    weights = minimize(lost, np.zeros(6), tol=1e-12).x
    scores = (scaled @ weights).reshape(-1, 4)
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    found = next(linear_path("choose")(rows, [0.1])).likely(rows)
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-3)
    assert loss("choose", next(linear_path("choose")(rows, [0.1])), rows) == pytest.approx(
        -np.log(expected[np.arange(30), rows.gold]).mean(), abs=1e-3
    )


def test_the_strength_is_the_best_on_held_out_groups() -> None:
    gold, groups = labels(2), [f"{row // 3:02}" for row in range(120)]
    fitted, losses = cross_validated(
        "classify", linear_path("classify"), table(gold), groups, STRENGTHS
    )
    folds = list(GroupKFold(5, shuffle=True, random_state=0).split(COLUMNS, groups=groups))
    means = []
    for strength in STRENGTHS:
        own = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        wrong = 0.0
        for learnt, held in folds:
            own.fit(COLUMNS[learnt], [gold[row] for row in learnt])
            shares = own.predict_proba(COLUMNS[held])
            wrong += log_loss([gold[row] for row in held], shares, labels=own.classes_) * len(held)
        means.append(wrong / 120)
    assert len(losses) == len(STRENGTHS)
    assert STRENGTHS[int(np.argmin(means))] == fitted.found["strength"]
    assert len(set(np.round(means, 3))) > 3  # it matters which
    np.testing.assert_allclose(losses, means, rtol=1e-3)


def layers(gold: list[object], states: torch.Tensor, width: int = 1) -> Layers:
    places = [[tuple(range(width * n, width * n + width))] for n in range(len(gold))]
    return Layers(states, Layout.of(places, apart=False), gold)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["two", "three", "regress"])
def test_a_mix_of_one_layer_is_the_head_over_that_layer(kind: str) -> None:
    gold = list(SIGNAL) if kind == "regress" else labels(2 if kind == "two" else 3)
    kind = "regress" if kind == "regress" else "classify"
    states = torch.from_numpy(COLUMNS).float()[None]
    mixed = next(mix_path(kind)(layers(gold, states), [0.1]))  # type: ignore[arg-type]
    plain = next(linear_path(kind)(table(gold), [0.1]))  # type: ignore[arg-type]
    found = mixed.likely(layers(gold, states))
    np.testing.assert_allclose(found, plain.likely(table(gold)), atol=3e-3)


def test_a_mix_of_answers_is_the_head_over_that_layer() -> None:
    rows = choice(2)
    layout = Layout.of([[(2 * n,), (2 * n + 1,)] for n in range(60)], apart=True)
    mine = Layers(torch.from_numpy(COLUMNS).float()[None], layout, rows.gold)
    mixed = next(mix_path("choose")(mine, [0.1]))
    plain = next(linear_path("choose")(rows, [0.1]))
    np.testing.assert_allclose(mixed.likely(mine), plain.likely(rows), atol=3e-3)


def test_the_mix_is_that_of_elmo() -> None:
    """γ Σ s_j h_j with s the softmax, then the head: loss and penalty in NumPy."""
    states = torch.from_numpy(DRAW.normal(size=(3, 8, 5))).float()
    gold = [f"{n % 2}" for n in range(4)]
    rows = layers(gold, states, width=2)
    w, gamma = torch.tensor([0.3, -0.2, 1.0]), torch.tensor(1.7)
    head, bias = torch.from_numpy(DRAW.normal(size=(20, 1))).float(), torch.tensor([0.4])
    asked = "classify", torch.tensor([0, 1, 0, 1]), 0.5
    found = objective((w, gamma, head, bias), states, rows, asked)
    s = np.exp(w.numpy()) / np.exp(w.numpy()).sum()
    mixed = gamma.item() * sum(s[j] * states[j].numpy() for j in range(3))
    u, v = mixed[0::2], mixed[1::2]
    scores = np.hstack([u, v, np.abs(u - v), u * v]) @ head.numpy()[:, 0] + 0.4
    signs = np.array([-1, 1, -1, 1])
    expected = np.logaddexp(0, -signs * scores).sum() + ((1.7 * head.numpy()) ** 2).sum() / 1.0
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_weight_goes_to_the_layer_that_knows() -> None:
    noise = DRAW.normal(size=(2, 120, 6))
    states = torch.from_numpy(np.stack([noise[0], COLUMNS, noise[1]])).float()
    mixed = next(mix_path("classify")(layers(labels(2), states), [1.0]))
    assert np.argmax(mixed.shares) == 1
    assert mixed.shares[1] > 0.7
    assert sum(mixed.shares) == pytest.approx(1)


def test_some_examples_of_a_mix_bring_their_own_texts() -> None:
    states = torch.from_numpy(DRAW.normal(size=(2, 6, 3))).float()
    rows = Layers(states, Layout.of([[(0, 3)], [(1, 1)], [(5, 2)]], apart=False), ["a", "b", "a"])
    own = rows.take(np.array([2, 0]))
    assert list(own.gold) == ["a", "a"]
    back = own.states[:, torch.from_numpy(own.layout.texts)]
    assert torch.equal(back, states[:, torch.tensor([[5, 2], [0, 3]])])


def test_the_best_unit_is_the_one_that_trying_all_finds() -> None:
    columns = np.round(COLUMNS[:40, :4], 1)  # with equal values
    gold = labels(2)[:40]
    positive = np.array([label == "class 1" for label in gold])
    best = 0.0
    for column, sign in product(range(4), (1, -1)):
        values = np.unique(columns[:, column])
        for cut in [values[0] - 1, *((values[1:] + values[:-1]) / 2)]:
            best = max(best, float(((sign * (columns[:, column] - cut) > 0) == positive).mean()))
    found = best_neuron(columns, gold)
    assert found.accuracy == pytest.approx(best)
    rows = table(gold, columns)
    said = found.likely(rows)
    assert ((said[:, 1] > 0.5) == positive).mean() == pytest.approx(best)
    np.testing.assert_allclose(said.sum(1), 1)


def test_the_l1_penalty_leaves_few_units() -> None:
    path = linear_path("classify", "l1")
    weak, strong = (next(path(table(labels(2)), [c])) for c in (100, 0.05))
    assert np.count_nonzero(weak.model.coef_) == weak.found["units"] == 6
    assert 0 < np.count_nonzero(strong.model.coef_) == strong.found["units"] < 4


def test_layers_are_chosen_by_number_or_word() -> None:
    assert chosen_layers("last", (0, 1, 2)) == [(2,)]
    assert chosen_layers("all", (0, 1, 2)) == [(0,), (1,), (2,)]
    assert chosen_layers("mix", (0, 1, 2)) == [(0, 1, 2)]
    assert chosen_layers("1", (0, 1, 2)) == [(1,)]
    assert chosen_layers("last", (-1,)) == [(-1,)]
    for asked, known in (("3", (0, 1, 2)), ("mix", (-1,)), ("1", (-1,))):
        with pytest.raises(gpteval.ConfigError, match="--layer"):
            chosen_layers(asked, known)


@pytest.mark.parametrize("tasks", ["sst2", "stsb", "copa", "snli"])
@pytest.mark.parametrize("setting", [{"layer": "all"}, {"layer": "mix", "state": "last"}], ids=str)
def test_every_kind_of_task_is_probed(
    tasks: str, setting: dict[str, str], roomy_directory: Path, tmp_path: Path
) -> None:
    options = {"model": str(roomy_directory), "sample": True, "limit": 40, "results": tmp_path}
    results = gpteval.score_probes(tasks, **setting, **options)
    assert {r.mode for r in results} == {"probe"}
    assert len({r.recipe for r in results}) == (3 if setting["layer"] == "all" else 1)
    written = ResultStore(tmp_path)
    for result in results:
        assert result.n == 40
        said = written.read_predictions(result)
        assert all(abs(sum(p.scores) - 1) < 1e-4 for p in said if p.scores)
    before = (tmp_path / "records.jsonl").read_bytes()
    gpteval.score_probes(tasks, **setting, **options)
    assert (tmp_path / "records.jsonl").read_bytes() == before


def test_a_probe_is_an_entrant_of_its_own(roomy_directory: Path, tmp_path: Path) -> None:
    options = {"model": str(roomy_directory), "sample": True, "limit": 40, "results": tmp_path}
    for setting in ({"state": "last"}, {"layer": "0"}, {"layer": "mix"}, {"head": "neuron"}):
        gpteval.score_probes("sst2", **setting, **options)
    rows = [row for row in standings(ResultStore(tmp_path).read()) if row.headline]
    assert {row.result.recipe for row in rows} == {
        "last-2", "mean-0", "mean-mix", "mean-2-neuron",
    }  # fmt: skip
    assert all("probe" in {mark.name for mark in row.marks} for row in rows)
    names = gpteval.matrix(tmp_path, entrants=["probe,mean-mix"]).names.values()
    assert list(names) == ["roomy probe, mean-mix"]
    mixed = next(row.result.config for row in rows if row.result.recipe == "mean-mix")
    assert sum(mixed["mix"]) == pytest.approx(1, abs=1e-3)
    assert len(mixed["mix"]) == 3


def vector_file(place: Path, width: int = 3) -> Path:
    """Vectors of a few words of the samples."""
    words = "the a film movie good bad is of and in not man woman it was because to he she".split()
    draw = np.random.default_rng(3)
    lines = [f"{word} {' '.join(map(str, draw.normal(size=width)))}\n" for word in words]
    (place / "own.txt").write_text("".join(lines))
    return place / "own.txt"


@pytest.mark.parametrize("state", ["mean", "extract"])
@pytest.mark.parametrize(("name", "texts"), [("sst2", 1), ("rte", 2), ("copa", 1)])
def test_the_vectors_of_a_texts_words_stand_beside_its_state(
    name: str, texts: int, state: str, roomy_directory: Path, tmp_path: Path
) -> None:
    """The columns of the first examples, each text put together by hand."""
    file = VectorFile.of(vector_file(tmp_path))
    (task,) = registry().select([name])
    rows = {(name, "train"): load_split(task, "train", Origin("sample"), 6)}
    frozen = Frozen(load_model(str(roomy_directory)), resolve(Compute("cpu")), state)
    job = Job(task, ())
    alone, beside = (Features(frozen, (2,), job, rows, own) for own in (None, file))
    columns = []
    for features in (alone, beside):
        examples = features.examples(task, "train")
        split = features.split(task, examples, (2,), lambda count: None)
        columns.append(composed(split.vectors(2), split.layout))
    known = read_vectors(file.path, frozenset(WORDS_OF.findall(file.path.read_text())))
    place = 0
    for example in examples:
        for sequence in example.sequences:
            wanted = [" ".join((example.context, *sequence))] if state == "extract" else (
                [sequence[-1]] if name == "copa" else list(sequence))  # fmt: skip
            sides = []
            for n, text in enumerate(wanted):
                rows_of = [known.row(word) for word in WORDS_OF.findall(text)]
                own = [known.matrix[row] for row in rows_of if row is not None]
                words = np.mean(own, axis=0) if own else np.zeros(3)
                sides.append(np.hstack([words, columns[0][place, 32 * n : 32 * (n + 1)]]))
            pair = [*sides, np.abs(sides[0] - sides[-1]), sides[0] * sides[-1]]
            expected = np.hstack(pair if len(sides) == 2 else sides)
            np.testing.assert_allclose(columns[1][place], expected, atol=1e-5)
            place += 1
    assert len(sides) == (1 if state == "extract" else texts)


@pytest.mark.parametrize("layer", ["last", "mix"])
def test_word_vectors_are_told_in_the_name_and_on_record(
    layer: str, roomy_directory: Path, tmp_path: Path
) -> None:
    options = {"model": str(roomy_directory), "sample": True, "limit": 40, "results": tmp_path}
    file = vector_file(tmp_path)
    for vectors in (None, file):
        gpteval.score_probes("sst2,stsb", layer=layer, vectors=vectors, **options)
    results = ResultStore(tmp_path).read()
    place = "mix" if layer == "mix" else "2"
    assert {r.recipe for r in results} == {f"mean-{place}", f"mean-{place}+own"}
    digests = {r.config.get("vectors") for r in results}
    assert digests == {None, hashlib.sha256(file.read_bytes()).hexdigest()}
    by_name = {(r.task, r.recipe): ResultStore(tmp_path).read_predictions(r) for r in results}
    for name in ("sst2", "stsb"):
        plain, beside = (by_name[name, f"mean-{place}{end}"] for end in ("", "+own"))
        said = [(p.scores or p.prediction) for p in plain]
        assert said != [(p.scores or p.prediction) for p in beside]


def test_a_file_of_vectors_that_can_not_be_read_is_told_before_the_model_is_loaded(
    tmp_path: Path,
) -> None:
    words = ["--tasks", "sst2", "--sample", "--model", "no-such-model", "--vectors"]
    with pytest.raises(gpteval.ConfigError, match=r"--vectors .*nothing"):
        CliRunner().invoke(command, [*words, str(tmp_path / "nothing")], catch_exceptions=False)


def test_probes_of_all_layers_are_the_same_where_there_is_room_for_one_alone(
    roomy_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpteval.features.frozen.FEWEST", 1)
    monkeypatch.setenv("GPTEVAL_CACHE", str(tmp_path / "cache"))
    scored, tokens = [], []
    for room in (1 << 30, 1):
        monkeypatch.setattr("gpteval.features.kept.MOST", room)
        options = {"model": str(roomy_directory), "sample": True, "limit": 40}
        place = tmp_path / f"results {room}"
        results = gpteval.score_probes("sst2", layer="all", results=place, **options)
        scored.append([(r.recipe, r.scores) for r in results])
        tokens.append(sum(r.cost["evaluated_tokens"] for r in results))
        for path in (tmp_path / "cache").iterdir():
            path.unlink()
    assert scored[0] == scored[1]
    assert tokens[1] == 3 * tokens[0]


def test_a_head_that_memory_has_no_room_for_is_refused_in_a_line(
    roomy_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpteval.compute.memory.available", lambda: 25 * 40 * 32)
    options = {"model": str(roomy_directory), "sample": True, "results": tmp_path}
    assert gpteval.score_probes("sst2", limit=40, **options)
    with pytest.raises(gpteval.GptevalError, match=r"head over 42 examples.*--limit"):
        gpteval.score_probes("sst2", limit=42, **options)


def test_scored_rows_decide_nothing_of_the_head(roomy_directory: Path, tmp_path: Path) -> None:
    """With other gold labels on the scored split every answer is the same."""
    words = "the captain looked at the sea and said nothing for a long while".split()
    names = "entailment", "not_entailment"
    for turned in (0, 1):
        for split, turn in (("train", 0), ("dev", turned)):
            rows = ["index\tsentence1\tsentence2\tlabel"]
            for n in range(12):
                texts = " ".join(words[n % 7 :]), " ".join(words[: n + 1])
                rows.append(f"{n}\t{texts[0]}\t{texts[1]}\t{names[(n % 2 + turn) % 2]}")
            write(tmp_path / str(turned), f"glue/RTE/{split}.tsv", "\n".join(rows) + "\n")
    said = []
    for turned in ("0", "1"):
        options = {"data_dir": tmp_path / turned, "results": tmp_path / f"results {turned}"}
        (result,) = gpteval.score_probes("rte", model=str(roomy_directory), **options)
        said.append(ResultStore(tmp_path / f"results {turned}").read_predictions(result))
    assert [p.scores for p in said[0]] == [p.scores for p in said[1]]
    assert [p.label for p in said[0]] != [p.label for p in said[1]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--layer", "9"], "--layer is 0 to 2, last, all or mix, not 9"),
        (["--layer", "x"], "--layer is last, all, mix or a number, not 'x'"),
        (["--layer", "mix", "--head", "l1"], "--head l1 is of one layer"),
    ],
)
def test_what_no_probe_can_use_is_refused(
    options: list[str], said: str, roomy_directory: Path, tmp_path: Path
) -> None:
    words = ["--tasks", "sst2", "--sample", "--model", str(roomy_directory), "--results"]
    with pytest.raises(gpteval.ConfigError, match=said):
        CliRunner().invoke(command, [*words, str(tmp_path), *options], catch_exceptions=False)
