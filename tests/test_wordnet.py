"""WordNet's words and KIM's relations, beside cases worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fabricated import task
from sklearn.preprocessing import StandardScaler

import gpteval
from gpteval import ConfigError, DataError, Example
from gpteval.features.relations import Relation, RelationFeatures, Relations
from gpteval.features.wordnet import read_wordnet

LICENCE = "  1 This software and database is being provided to you, the LICENSEE, by  \n"
ANIMALS = [f"step{n}" for n in range(9)]
"""A chain of nine words, each the kind of the next."""


def synset(place: int, kind: str, words: list[str], *pointers: str) -> str:
    """A line as wndb(5WN) has it: the number of words in hexadecimal, of pointers in decimal."""
    named = " ".join(f"{word} 0" for word in words)
    joined = " ".join([f"{len(pointers):03d}", *pointers])
    return f'{place:08d} 05 {kind} {len(words):02x} {named} {joined} | a gloss; "dog | cat"  \n'


def to(symbol: str, place: int, kind: str = "n", between: str = "0000") -> str:
    return f"{symbol} {place:08d} {kind} {between}"


NOUNS = [
    synset(1, "n", ["carnivore"]),
    synset(2, "n", ["canid", "canine"], to("@", 1)),
    synset(3, "n", ["dog", "domestic_dog", "Canis_familiaris"], to("@", 2)),
    synset(4, "n", ["wolf"], to("@", 2)),
    synset(5, "n", ["man", "adult_male"], to("!", 6, between="0101")),
    synset(6, "n", ["woman"], to("!", 5, between="0101")),
    synset(7, "n", ["Rex"], to("@i", 3)),
    synset(8, "n", ["hound"], to("@", 3), to("@", 2)),
    *(synset(20 + n, "n", [word], to("@", 21 + n)) for n, word in enumerate(ANIMALS)),
    synset(29, "n", ["top"]),
]
FILES = {
    "data.noun": LICENCE + "".join(NOUNS),
    "data.verb": LICENCE + synset(1, "v", ["wear", "put_on"]) + synset(2, "v", ["dog", "chase"]),
    "data.adj": LICENCE
    + synset(1, "a", ["wet"], to("!", 2, "a", "0101"))
    + synset(2, "a", ["dry", "arid(p)"], to("!", 1, "a", "0101"))
    + synset(3, "s", ["moist"], to("&", 1, "a")),
    "data.adv": LICENCE,
    "noun.exc": "mice mouse\nwolves wolf\n",
    "verb.exc": "wore wear\n",
    "adj.exc": "",
    "adv.exc": "",
}


def write_wordnet(directory: Path) -> Path:
    directory.mkdir()
    for name, content in FILES.items():
        (directory / name).write_text(content, encoding="utf-8")
    return directory


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_wordnet(tmp_path / "wordnet")


@pytest.fixture
def relations(directory: Path) -> Relations:
    return Relations(read_wordnet(directory))


BY_HAND = {
    # the paper's own examples: dog and wolf beside canid and carnivore, dog beside wolf
    ("dog", "canid"): Relation(hypernymy=0.875),
    ("wolf", "canid"): Relation(hypernymy=0.875),
    ("dog", "carnivore"): Relation(hypernymy=0.75),
    ("canid", "dog"): Relation(hyponymy=0.875),
    ("dog", "wolf"): Relation(co_hyponyms=1.0),
    ("canid", "canine"): Relation(synonymy=1.0),
    ("dog", "dog"): Relation(synonymy=1.0),
    ("dogs", "dog"): Relation(synonymy=1.0),
    ("wolves", "wolf"): Relation(synonymy=1.0),
    ("wolves", "dogs"): Relation(co_hyponyms=1.0),
    ("man", "woman"): Relation(antonymy=1.0),
    ("men", "woman"): Relation(antonymy=1.0),
    ("arid", "wet"): Relation(),  # the first words of both synsets are opposed, not these
    ("dry", "wet"): Relation(antonymy=1.0),
    ("moist", "dry"): Relation(),  # like one that is opposed
    ("rex", "dog"): Relation(),  # an instance, no kind
    ("dog", "chase"): Relation(synonymy=1.0),
    ("hound", "canid"): Relation(hypernymy=0.875),  # by the shorter way
    ("hound", "dog"): Relation(hypernymy=0.875, co_hyponyms=1.0),
    ("step0", "step7"): Relation(hypernymy=0.125),
    ("step0", "step8"): Relation(),
    ("step7", "step0"): Relation(hyponymy=0.125),
    ("cat", "dog"): Relation(),
    ("xyz", "xyz"): Relation(),
}


@pytest.mark.parametrize("words", BY_HAND, ids="-".join)
def test_two_words_are_related_as_worked_out_by_hand(
    words: tuple[str, str], relations: Relations
) -> None:
    assert relations.between(*words) == BY_HAND[words]


def test_a_word_is_a_form_of_those_that_morphys_rules_give(directory: Path) -> None:
    wordnet = read_wordnet(directory)
    expected = {
        "dogs": {"dog"},
        "wolves": {"wolf"},
        "men": {"man"},
        "women": {"woman"},
        "wears": {"wear"},
        "wearing": {"wear"},
        "wore": {"wear"},
        "wetter": set(),  # morphy's rules double no letter; adj.exc does
        "wettest": set(),
        "dryer": {"dry"},
        "mice": set(),  # mouse is not in this WordNet
        "domestic_dog": set(),
        "dress": set(),
    }
    assert {word: wordnet.lemmas(word) for word in expected} == expected


def test_a_pair_is_its_aligned_relations_summed_and_largest_and_three_shares(
    relations: Relations,
) -> None:
    made = task("accuracy")
    texts = [("A dog sleeps", "A wolf sleeps here"), ("The men wore it", "Women wear it"), ("", "")]
    pairs = [Example.pair({"id": str(i), "label": "no"}, *t) for i, t in enumerate(texts)]
    expected = np.array(
        [
            # wolf and here are new, dog is left: wolf is its co-hyponym, here nothing
            [0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 2 / 4, 2 / 3, 1 / 4],
            # women is new, the and men are left: an antonym; wear is a form of wore
            [0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 2 / 3, 2 / 4, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0],
        ]
    )
    features = RelationFeatures(made, relations)
    scaled = StandardScaler().fit_transform(expected) / 13**0.5
    assert np.allclose(features.fit(pairs), scaled)
    assert np.allclose(features.columns(pairs[1:]), scaled[1:])


def test_hypernyms_and_hyponyms_have_a_direction(relations: Relations) -> None:
    features = RelationFeatures(task("accuracy"), relations)
    up, down = (
        Example.pair({"id": "1", "label": "no"}, *texts)
        for texts in (("a dog", "a canid"), ("a canid", "a dog"))
    )
    columns = features._columns([up, down], lambda count: None)
    assert columns[:, :2].tolist() == [[0.875, 0], [0, 0.875]]


DAMAGED = {
    "no file": ("data.verb", None, r"data\.verb is not there: name the directory of WordNet's"),
    "prose": ("data.noun", "It was a day.\n", r"data\.noun:1: no synset of WordNet's: name"),
    "cut": ("data.noun", NOUNS[0] + NOUNS[2][:70], r"data\.noun:2: no synset"),
    "not UTF-8": ("data.adv", b"00000001 02 r 01 na\xefve 0 000 |\n", r"data\.adv:1: byte 0xef"),
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_a_damaged_wordnet_ends_in_one_line(fault: str, directory: Path, tmp_path: Path) -> None:
    name, content, expected = DAMAGED[fault]
    path = directory / name
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=expected):
        read_wordnet(directory)
    options = {"sample": True, "results": tmp_path / "r", "wordnet": directory}
    with pytest.raises(ConfigError, match=f"^--wordnet .*{expected}"):
        gpteval.score_baselines("rte", **options)


def test_tasks_of_two_texts_have_a_baseline_of_wordnet_and_others_none(
    directory: Path, tmp_path: Path
) -> None:
    options = {"sample": True, "results": tmp_path / "r", "wordnet": directory}
    found = gpteval.score_baselines("breaking_nli,cola,stsb,copa", **options)
    assert {r.task for r in found if r.model == "wordnet"} == {"breaking_nli", "stsb", "copa"}
    assert {r.task for r in found if r.model == "tfidf"} == {"breaking_nli", "cola", "stsb", "copa"}
    assert all((tmp_path / "r" / r.predictions).is_file() for r in found)
    before = [r for r in found if r.model == "wordnet"]
    assert gpteval.score_baselines("breaking_nli,cola,stsb,copa", **options) == found
    (directory / "noun.exc").write_text("feet foot\n")
    after = gpteval.score_baselines("stsb", **options)
    assert not {r.key for r in after if r.model == "wordnet"} & {r.key for r in before}
