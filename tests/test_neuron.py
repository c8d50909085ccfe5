"""The unit that tells two labels apart: its values and tokens beside plain torch, its page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from test_features import MACHINE, alone
from test_huggingface import gpt2, llama, write

import gpteval
from gpteval import load_model
from gpteval.cli.neuron import command
from gpteval.encode.texts import encode_texts, surfaces
from gpteval.features.frozen import Frozen
from gpteval.methods.neuron import best_neuron
from gpteval.report.neuron import page, parts
from gpteval.report.plots import HEIGHT, TOP, histogram
from gpteval.results.store import ResultStore
from gpteval.studies.neuron import Portrait

TEXT = 'The captain\'s film was <b>good</b>; the sea was "bad" & slow.'


@pytest.fixture(scope="module")
def found(roomy_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Portrait:
    """The unit of a small model with random weights, and its page."""
    place = tmp_path_factory.mktemp("neuron")
    options = {"model": str(roomy_directory), "sample": True, "limit": 60}
    return gpteval.neuron("sst2", [TEXT], place / "p.html", results=place / "r", **options)


def test_the_unit_its_threshold_and_its_accuracy_are_the_probes(found: Portrait) -> None:
    assert found.single.config["column"] == found.unit < found.units == 32
    assert found.single.config["threshold"] == pytest.approx(found.threshold, abs=1e-6)
    right = [gold == found.labels[value > found.threshold] for gold, value in found.values]
    assert np.mean(right) == pytest.approx(found.single.scores["accuracy"])
    assert (found.single.recipe, found.full.recipe) == ("mean-2-neuron", "mean-2-l1")
    assert 0 <= found.full.config["units"] <= 32
    assert found.difference is not None
    apart = found.full.scores["accuracy"] - found.single.scores["accuracy"]
    assert found.difference.value == pytest.approx(apart)


def test_the_values_of_tokens_are_states_of_the_text_read_by_itself(
    found: Portrait, roomy_directory: Path
) -> None:
    loaded = load_model(str(roomy_directory))
    told = found.texts[0]
    ((read,),) = encode_texts([[("", TEXT)]], loaded.tokenizer, loaded.model.context)
    states = alone(loaded.model.eval(), list(read.tokens))[2][read.begin :, found.unit]
    np.testing.assert_allclose([value for _, value in told.tokens], states.numpy(), atol=1e-5)
    assert told.value == pytest.approx(states.mean().item(), abs=1e-5)
    assert told.answer == found.labels[told.value > found.threshold]


def test_the_texts_shown_are_the_ends_of_the_scored_split(found: Portrait) -> None:
    values = sorted(value for _, value in found.values)
    shown = [told.value for told in found.texts[1:]]
    np.testing.assert_allclose(shown, [*values[:3], *values[-3:]], atol=1e-5)
    assert all(told.gold in found.labels for told in found.texts[1:])
    assert found.texts[0].gold == ""


def test_of_the_last_state_a_text_has_the_value_of_its_last_token(
    roomy_directory: Path, tmp_path: Path
) -> None:
    options = {"model": str(roomy_directory), "sample": True, "limit": 20, "results": tmp_path}
    last = gpteval.neuron("sst2", [TEXT], state="last", layer="1", **options)
    assert last.layer == 1
    assert all(told.value == told.tokens[-1][1] for told in last.texts)
    ends = sorted(value for _, value in last.values)
    assert last.texts[1].value == pytest.approx(ends[0], abs=1e-5)


@pytest.mark.parametrize("make", [llama, gpt2], ids=lambda make: make.__name__)
def test_tokens_of_a_model_of_transformers_are_its_hidden_states(make, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = make().eval()
    loaded = load_model(f"hf:{write(tmp_path / 'lm', theirs)}")
    frozen = Frozen(loaded, MACHINE, "mean")
    pieces, states = frozen.tokens_of("The boy said it.", 1)
    ((read,),) = encode_texts([[("", "The boy said it.")]], loaded.tokenizer, loaded.model.context)
    with torch.no_grad():
        hidden = theirs(torch.tensor([read.tokens]), output_hidden_states=True).hidden_states
    np.testing.assert_allclose(states, hidden[1][0, read.begin :].numpy(), atol=1e-4)
    assert len(pieces) == len(states)
    options = {"model": loaded.reference, "layer": "1", "sample": True, "limit": 12}
    found = gpteval.neuron("sst2", ["The boy said it."], results=tmp_path / "r", **options)
    values = [value for _, value in found.texts[0].tokens]
    np.testing.assert_allclose(values, states[:, found.unit], atol=1e-5)


class Bytes:
    """A tokenizer of bytes: a letter beyond ASCII is several tokens."""

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode(errors="replace").strip()


def test_what_tokens_add_makes_the_text_and_a_letter_of_several_stands_with_the_last() -> None:
    text = "a naïve é"
    own = surfaces(Bytes(), list(text.encode()))  # type: ignore[arg-type]
    assert "".join(own) == text
    assert own[:6] == ["a", "", " n", "a", "", "ï"]
    assert own[-4:] == ["e", "", " ", "é"]


def test_a_histogram_counts_as_numpy_does_and_no_bin_is_on_both_sides() -> None:
    draw = np.random.default_rng(0)
    groups = [draw.normal(size=90).tolist(), draw.normal(1, size=70).tolist()]
    drawn = histogram(groups, 0.3)
    step = (max(map(max, groups)) - min(map(min, groups))) / round(2 * 160**0.5)
    first, last = (int(np.floor((end(map(end, groups)) - 0.3) / step)) for end in (min, max))
    edges = 0.3 + step * np.arange(first, last + 2)
    counts = [np.histogram(own, edges)[0] for own in groups]
    highest = max(map(max, counts))
    for own, shape in zip(counts, drawn.shapes, strict=True):
        points = [tuple(map(float, point.split(","))) for point in shape.split()]
        heights = [(TOP + HEIGHT - y) / (HEIGHT - 4) * highest for _, y in points[1:-1:2]]
        np.testing.assert_allclose(heights, own, atol=0.05)
        assert any(x == pytest.approx(drawn.cut, abs=0.06) for x, _ in points)


class Page(HTMLParser):
    """Elements in order, with their attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1][2].append(data)


def test_the_page_shows_every_token_as_text_in_the_colour_of_its_side(found: Portrait) -> None:
    text = page(found, "gpteval neuron --task '<i>'")
    read = Page(text)
    assert not {tag for tag, _, _ in read.found} & {"b", "i", "script", "img"}
    spans = [(a, "".join(t)) for tag, a, t in read.found if tag == "span" and "title" in a]
    tokens = [(told, token) for told in found.texts for token in told.tokens]
    assert len(spans) == len(tokens)
    for (attributes, shown), (_, (part, value)) in zip(spans, tokens, strict=True):
        assert shown.strip() == part.strip()
        assert attributes["class"] == ("c0" if value > found.threshold else "c1")
        assert attributes["title"] == f"{value:+.3f}"
    assert "https:" not in text
    assert f"{100 * found.single.scores['accuracy']:.1f}" in text
    assert f"{100 * found.full.scores['accuracy']:.1f}" in text


def test_the_further_from_the_threshold_the_stronger_the_colour(found: Portrait) -> None:
    own = [part for _, told in parts(found) for part in told]
    by_distance = sorted(own, key=lambda part: abs(part.value - found.threshold))
    strengths = [part.strength for part in by_distance]
    assert strengths == sorted(strengths)
    assert strengths[-1] == 1
    assert strengths[0] < 0.5


def test_the_command_prints_scores_and_texts_and_finished_probes_are_not_fitted_again(
    roomy_directory: Path, tmp_path: Path
) -> None:
    words = ["--task", "sst2", "--sample", "--limit", "20", "--model", str(roomy_directory)]
    words += ["--results", str(tmp_path), "--text", "a\x1b[2J film"]
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert "All units less the one" in done.stdout
    assert "\x1b" not in done.stdout
    before = (tmp_path / "records.jsonl").read_bytes()
    again = CliRunner().invoke(command, [*words, "--json"], catch_exceptions=False)
    (line,) = again.stdout.splitlines()
    value = json.loads(line)
    assert value["units"] == 32
    assert len(value["values"]) == 20
    assert (tmp_path / "records.jsonl").read_bytes() == before
    assert {r.mode for r in ResultStore(tmp_path).read()} == {"probe"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "mrpc"], "mrpc is of two texts"),
        (["--task", "snli"], "snli has not two labels"),
        (["--task", "sst2,cola"], "--task names 2 tasks"),
        (["--task", "sst2", "--layer", "all"], "--layer all: a unit is of one layer"),
        (["--task", "sst2", "--text", " "], "--text ' ': a text has no token"),
        (["--task", "sst2", "--output", "p.png"], "name a file ending in .html"),
    ],
)
def test_what_has_no_such_unit_is_told_in_a_line(
    options: list[str], said: str, roomy_directory: Path, tmp_path: Path
) -> None:
    words = [*options, "--sample", "--limit", "20", "--model", str(roomy_directory)]
    with pytest.raises(gpteval.ConfigError, match=said):
        CliRunner().invoke(command, [*words, "--results", str(tmp_path)], catch_exceptions=False)


def test_the_best_unit_is_told_by_the_label_above_its_threshold() -> None:
    columns = np.array([[0.0, 3.0], [1.0, 2.0], [0.5, 0.0], [0.2, 1.0]])
    assert best_neuron(columns, ["bad", "bad", "good", "good"]).sign == -1


def test_a_head_of_ones_own_is_refused(roomy_directory: Path) -> None:
    with pytest.raises(gpteval.ConfigError, match="a head of its own: leave out head"):
        gpteval.neuron("sst2", head="l1", sample=True, model=str(roomy_directory))
