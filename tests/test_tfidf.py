"""TF-IDF and a linear model, beside pipelines put together by hand."""

from __future__ import annotations

import numpy as np
import pytest
from fabricated import task
from scipy.sparse import hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression, Ridge

from gpteval import Example, Task
from gpteval.data.rows import Origin, load_split
from gpteval.features.tfidf import SETTINGS, WORD, TextFeatures
from gpteval.methods.linear_model import HEAD, LinearModel
from gpteval.plugins import registry
from gpteval.score.metrics import score

SUBJECTS = ("The dog", "A boy", "My old captain", "Nobody", "The boy's dog")
VERBS = ("sleeps", "eats apples", "sails", "is not here", "runs")


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many buckets that among a hundred sentences no two words share one."""
    monkeypatch.setitem(SETTINGS, "buckets", 2**22)


def sample(name: str, split: str, limit: int | None = None) -> tuple[Task, list[Example]]:
    made = registry().tasks()[name]
    rows = load_split(made, split, Origin("sample"), limit).rows
    return made, [made.example(row) for row in rows]


def vectors(train: list[str], *wanted: list[str]) -> list[object]:
    """TF-IDF by a vocabulary instead of buckets; frequencies of the distinct texts of `train`."""
    counter = CountVectorizer(ngram_range=(1, 2), token_pattern=WORD)
    counter.fit([text for texts in (train, *wanted) for text in texts])
    weights = TfidfTransformer(sublinear_tf=True).fit(counter.transform(list(dict.fromkeys(train))))
    return [weights.transform(counter.transform(texts)) for texts in (train, *wanted)]


def logistic() -> LogisticRegression:
    return LogisticRegression(C=HEAD["C"], tol=HEAD["tol"], max_iter=1000)


def pairs(count: int, seed: int, tells: bool) -> list[Example]:
    """Premises and hypotheses at random; "not" gives the label "yes" away where it `tells`."""
    draw = np.random.default_rng(seed)
    found = []
    for number in range(count):
        label = ("no", "yes")[draw.integers(2)]
        texts = [f"{draw.choice(SUBJECTS)} {draw.choice(VERBS)}." for _ in range(2)]
        mark = " not" if tells and label == "yes" else ""
        row = {"id": str(number), "label": label}
        found.append(Example.pair(row, texts[0], f"Surely{mark} {texts[1]}"))
    return found


def right(made: Task, train: list[Example], test: list[Example], **options: bool) -> float:
    model = LinearModel(made, TextFeatures(made, **options))
    model.fit(train)
    return score(made, model.predict(made, test))["accuracy"]


@pytest.mark.usefixtures("roomy")
def test_sentences_are_judged_as_by_a_pipeline_put_together_by_hand() -> None:
    made, train = sample("sst2", "train", 100)
    _, test = sample("sst2", "test", 50)
    columns = vectors(*([e.sequences[0][0] for e in each] for each in (train, test)))
    by_hand = logistic().fit(columns[0], [e.label for e in train])
    model = LinearModel(made, TextFeatures(made))
    model.fit(train)
    found = model.predict(made, test)
    assert [p.prediction for p in found] == list(by_hand.predict(columns[1]))
    likely = by_hand.predict_proba(columns[1])
    if list(by_hand.classes_) != list(made.labels):
        likely = likely[:, ::-1]
    assert np.allclose([p.scores for p in found], likely, atol=1e-3)


@pytest.mark.usefixtures("roomy")
@pytest.mark.parametrize("last_only", [False, True])
def test_pairs_are_judged_as_by_a_pipeline_put_together_by_hand(last_only: bool) -> None:
    made, train = sample("rte", "train", 100)
    _, test = sample("rte", "test", 50)
    first, last = ([e.sequences[0][side] for e in train + test] for side in (0, 1))
    seen = len(train)
    known = last[:seen] if last_only else [t for e in train for t in e.sequences[0]]
    _, given, hypothesis = vectors(known, first, last)
    columns = hypothesis if last_only else hstack([given, hypothesis, overlap(given, hypothesis)])
    by_hand = logistic().fit(columns.tocsr()[:seen], [e.label for e in train])
    model = LinearModel(made, TextFeatures(made, last_only=last_only))
    model.fit(train)
    answers = [p.prediction for p in model.predict(made, test)]
    assert answers == list(by_hand.predict(columns.tocsr()[seen:]))


def overlap(given: object, last: object) -> np.ndarray:
    """Row by row, with sets."""
    rows = []
    for a, b in zip(given, last, strict=True):
        one, two = set(a.indices), set(b.indices)
        cosine = float((a.toarray() * b.toarray()).sum())
        rows.append([cosine, len(one & two) / len(two), len(one & two) / len(one)])
    return np.array(rows)


@pytest.mark.usefixtures("roomy")
def test_numbers_are_judged_as_by_ridge_regression_by_hand() -> None:
    made, train = sample("stsb", "train", 100)
    _, test = sample("stsb", "test", 50)
    both = train + test
    known = [t for e in train for t in e.sequences[0]]
    _, a, b = vectors(known, *([e.sequences[0][side] for e in both] for side in (0, 1)))
    columns = hstack([(a + b) / 2, (a + b) / 2, (overlap(a, b) + overlap(b, a)) / 2]).tocsr()
    by_hand = Ridge(alpha=1.0, solver="cholesky")
    by_hand.fit(columns[: len(train)].toarray(), [e.label for e in train])
    model = LinearModel(made, TextFeatures(made))
    model.fit(train)
    found = [p.prediction for p in model.predict(made, test)]
    expected = by_hand.predict(columns[len(train) :].toarray()).clip(*made.scale)
    assert np.allclose(found, expected, atol=1e-3)


def test_the_order_of_two_alike_sentences_does_not_matter() -> None:
    made, train = sample("mrpc", "train")
    model = LinearModel(made, TextFeatures(made))
    model.fit(train)
    turned = [Example.unordered({"id": e.id, "label": e.label}, *e.sequences[1]) for e in train]
    one, two = (model.predict(made, each) for each in (train, turned))
    assert [p.prediction for p in one] == [p.prediction for p in two]


def test_hypothesis_only_solves_a_set_whose_hypotheses_give_the_label_away() -> None:
    made = task("accuracy")
    train, test = pairs(300, 0, tells=True), pairs(200, 1, tells=True)
    assert right(made, train, test, last_only=True) == 1.0


def test_hypothesis_only_is_at_chance_on_a_set_whose_hypotheses_say_nothing() -> None:
    made = task("accuracy")
    train, test = pairs(600, 2, tells=False), pairs(600, 3, tells=False)
    assert 0.44 < right(made, train, test, last_only=True) < 0.56


def test_with_last_only_nothing_given_is_seen() -> None:
    made, train = sample("race", "train")
    model = LinearModel(made, TextFeatures(made, last_only=True))
    model.fit(train)
    blind = [Example.choice({"id": e.id, "label": e.label}, "?", tuple(s[-1] for s in e.sequences),
                            cluster=e.cluster, part=e.part) for e in train]  # fmt: skip
    assert model.predict(made, train) == model.predict(made, blind)


def test_an_answer_is_found_by_its_words_in_the_article() -> None:
    draw = np.random.default_rng(0)
    words = [f"word{number}" for number in range(400)]
    examples = []
    for number in range(200):
        answers = tuple(" ".join(draw.choice(words, 3, replace=False)) for _ in range(4))
        label = int(draw.integers(4))
        row = {"id": str(number), "label": label}
        article = f"{' '.join(draw.choice(words, 20))} {answers[label]} and more"
        examples.append(Example.choice(row, "What is said?", answers, context=article))
    made = task("accuracy", kind="choose")
    assert right(made, examples[:120], examples[120:]) > 0.95
    assert right(made, examples[:120], examples[120:], last_only=True) < 0.45


def test_what_all_answers_share_has_no_column_of_its_own() -> None:
    made, train = sample("copa", "train")
    whole, blind = (
        LinearModel(made, TextFeatures(made)),
        LinearModel(made, TextFeatures(made, last_only=True)),
    )
    whole.fit(train)
    blind.fit(train)
    assert whole.facts == blind.facts


def test_scores_are_shares_in_the_order_of_answers_or_labels() -> None:
    for name in ("race", "snli"):
        made, train = sample(name, "train")
        model = LinearModel(made, TextFeatures(made))
        model.fit(train)
        for p in model.predict(made, train[:20]):
            assert sum(p.scores) == pytest.approx(1, abs=1e-5)
            best = p.scores.index(max(p.scores))
            assert p.prediction == (best if name == "race" else made.labels[best])


def test_fitting_again_gives_the_same_numbers() -> None:
    made, train = sample("scitail", "train")
    found = []
    for _ in range(2):
        model = LinearModel(made, TextFeatures(made))
        model.fit(train)
        found.append(model.predict(made, train))
    assert found[0] == found[1]


def test_one_label_in_training_is_the_answer_to_everything() -> None:
    examples = [e for e in pairs(40, 0, tells=True) if e.label == "no"]
    made = task("accuracy", labels=("no", "yes"))
    model = LinearModel(made, TextFeatures(made))
    model.fit(examples)
    assert {(p.prediction, p.scores) for p in model.predict(made, pairs(9, 1, tells=True))} == {
        ("no", (1.0, 0.0))
    }


def test_texts_without_a_word_can_be_judged() -> None:
    examples = [
        Example.single({"id": str(i), "label": ("no", "yes")[i % 2]}, "?!") for i in (0, 1, 2)
    ]
    made = task("accuracy")
    assert 0 < right(made, examples, examples) < 1
