"""Damaged files of every kind: a result, or an error of one line; whole result lines are kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from damage import answers, files, inputs
from fabricated import result
from hypothesis import example, given
from hypothesis import strategies as st
from official import RTE, read, task, write

from gpteval import Example, Loaded, Source, Split, Task, load_model
from gpteval.config import FinetuneConfig
from gpteval.encode.batch import pack
from gpteval.encode.examples import Specials, encode_examples
from gpteval.errors import CheckpointError
from gpteval.methods.job import Job, JobData
from gpteval.report.costs import costs, json_rows
from gpteval.report.leaderboard import markdown
from gpteval.report.standings import standings
from gpteval.results.store import ResultStore
from gpteval.train.finetune import Finetuning, Saving
from gpteval.train.head import TaskModel
from gpteval.weights.tensors import load_tensors, save_tensors

bounded = inputs(60)

DEEP = b"[" * 100_000
LONG = b"1" * 5000


def read_and_encode(name: str, split: str, root: Path, loaded: Loaded) -> None:
    job = Job(task(name), ((task(name), split),))
    data = JobData(job, {(name, split): read(name, split, root)}, loaded, None)
    assert data.encoded(Specials.after(loaded.model.vocab_size))


@pytest.fixture(scope="session")
def loaded(tiny_directory: Path) -> Loaded:
    return load_model(str(tiny_directory))


PAIR = {"gold_label": "neutral", "sentence1": "a b", "sentence2": "b", "pairID": "p1"}
HEAD = (
    "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,"
    "RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2,AnswerRightEnding\n"
)
COPA = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<copa-corpus version="1.0">\n'
    '<item id="501" asks-for="cause" most-plausible-alternative="1"><p>It fell.</p>'
    "<a1>It was cut.</a1><a2>It was late.</a2></item></copa-corpus>"
)
ARTICLE = {"article": "a", "questions": ["q"], "options": [["a", "b", "c", "d"]], "answers": ["A"]}


@bounded
@given(files((RTE + '1\tA "b\tc d\tnot_entailment\n').encode()))
def test_tsv(loaded: Loaded, content: bytes) -> None:
    with TemporaryDirectory() as root:
        write(Path(root), "glue/RTE/dev.tsv", content)
        answers(lambda: read_and_encode("rte", "dev", Path(root), loaded))


@bounded
@given(files((json.dumps(PAIR) + "\n" + json.dumps(PAIR | {"pairID": "p2"}) + "\n").encode()))
@example(DEEP)
@example(LONG)
@example(json.dumps(PAIR | {"sentence1": "\ud800"}).encode())
@example(json.dumps(PAIR | {"pairID": "\ud800"}).encode())
@example(json.dumps(PAIR | {"gold_label": "\ud800\n"}).encode())
def test_jsonl(loaded: Loaded, content: bytes) -> None:
    with TemporaryDirectory() as root:
        write(Path(root), "snli_1.0/snli_1.0_test.jsonl", content)
        answers(lambda: read_and_encode("snli", "test", Path(root), loaded))


@bounded
@given(files((HEAD + 'i,"a, b",b,c,d,e,f,1\nj,a,b,c,d,e,"f ""g""",2\n').encode()))
@example(HEAD.encode() + b'i,"' + b"a" * 200_000 + b'",b,c,d,e,f,1\n')
def test_csv(loaded: Loaded, content: bytes) -> None:
    with TemporaryDirectory() as root:
        write(Path(root), "rocstories/cloze_test_test__spring2016.csv", content)
        answers(lambda: read_and_encode("rocstories", "test", Path(root), loaded))


@bounded
@given(files(COPA.encode()))
@example(COPA.replace("UTF-8", "utf-7").encode())
@example(COPA.replace("UTF-8", "nonesuch").encode())
@example(COPA.replace("UTF-8", "big5").encode())
@example(COPA.replace("<p>", "<p>" * 10_000).encode())
def test_xml(loaded: Loaded, content: bytes) -> None:
    with TemporaryDirectory() as root:
        write(Path(root), "copa/copa-test.xml", content)
        answers(lambda: read_and_encode("copa", "test", Path(root), loaded))


@bounded
@given(files(json.dumps(ARTICLE).encode()))
@example(DEEP)
@example(LONG)
@example(json.dumps(ARTICLE | {"options": 5}).encode())
@example(json.dumps(ARTICLE | {"options": [[]]}).encode())
@example(json.dumps(ARTICLE | {"article": {"a": [1]}}).encode())
@example(json.dumps(ARTICLE | {"answers": [["A"]]}).encode())
def test_race(loaded: Loaded, content: bytes) -> None:
    with TemporaryDirectory() as root:
        write(Path(root), "RACE/test/high/1.txt", content)
        answers(lambda: read_and_encode("race", "test", Path(root), loaded))


RECORDS = b"".join(
    json.dumps(asdict(result(name, config={"lr": 1.0}, cost={"tokens": 5}))).encode() + b"\n"
    for name in ("rte", "cola")
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def show(store: ResultStore) -> None:
    found = store.read()
    markdown(standings(found, all_splits=True), "made by")
    json_rows(costs(found))


@bounded
@given(files(RECORDS))
@example(DEEP + b"\n")
@example(LONG + b"\n")
def test_records(content: bytes) -> None:
    with TemporaryDirectory() as root:
        store = ResultStore(root)
        write(Path(root), "records.jsonl", content)
        answers(lambda: show(store))


@bounded
@given(st.sampled_from(sorted(asdict(result()))), JSON)
@example("baselines", {})
@example("scores", {})
@example("model", "\ud800\n")
def test_a_record_with_a_wrong_value(field: str, value: object) -> None:
    with TemporaryDirectory() as root:
        row = asdict(result("rte", history=({"loss": 1.0},))) | {field: value}
        write(Path(root), "records.jsonl", json.dumps(row) + "\n")
        answers(lambda: show(ResultStore(root)))


@bounded
@given(files(RECORDS))
@example(RECORDS + DEEP)
@example(RECORDS[:-1])
def test_appending_keeps_every_line(content: bytes) -> None:
    with TemporaryDirectory() as root:
        store = ResultStore(root)
        write(Path(root), "records.jsonl", content)
        store.append([result("race")])
        *kept, last = store.records.read_bytes().splitlines(keepends=True)
        _, _, torn = content.rpartition(b"\n")
        aside = Path(root, "records.torn.jsonl")
        saved = aside.read_bytes() if aside.exists() else b""
        assert json.loads(last)["task"] == "race"
        assert b"".join(kept).startswith(content[: len(content) - len(torn)])
        assert b"".join(kept).endswith(torn + b"\n" if torn and not saved else b"")
        assert not saved or saved == torn + b"\n"


@bounded
@given(files(b'{"id": "1", "label": 0, "prediction": 0, "scores": [0.5, 1]}\n' * 2))
@example(b'{"id": "1", "label": 0, "prediction": 0, "scores": 5}\n')
@example(b'{"id": [1], "label": {}, "prediction": 0}\n')
def test_predictions(content: bytes) -> None:
    with TemporaryDirectory() as root:
        write(Path(root), "p.jsonl", content)
        answers(lambda: ResultStore(root).read_predictions(result(predictions="p.jsonl")))


TOY = Task("toy", 1, "classify", Source("", {"dev": Split(1, ())}, ()), dict, (), ("a",))


def use(directory: Path) -> None:
    """Load a checkpoint and read a sentence with it."""
    loaded = load_model(str(directory))
    model = TaskModel(loaded.model, TOY, 0.0).eval()
    rows = [Example("1", (("the captain of the sea \u00e9",),), "a")]
    encoded = encode_examples(rows, TOY, loaded.tokenizer, model.specials, loaded.model.context)
    with torch.inference_mode():
        model(pack(encoded, 1))


def with_file(directory: Path, name: str, content: bytes) -> None:
    """The checkpoint with one of its files replaced."""
    with TemporaryDirectory() as root:
        copy = Path(shutil.copytree(directory, Path(root, "copy")))
        (copy / name).write_bytes(content)
        answers(lambda: use(copy))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@bounded
@given(data=st.data())
def test_a_damaged_checkpoint(tiny_directory: Path, name: str, data: st.DataObject) -> None:
    with_file(tiny_directory, name, data.draw(files((tiny_directory / name).read_bytes())))


@pytest.mark.parametrize("content", [DEEP, LONG, b'{"family": ["gpt"]}', b'{"family": "gpt"}'])
def test_a_configuration_of_another_form(tiny_directory: Path, content: bytes) -> None:
    with_file(tiny_directory, "config.json", content)


@bounded
@given(
    st.sampled_from(["vocab_size", "context", "width", "layers", "heads", "dropout", "other"]), JSON
)
@example("layers", 10**9)
@example("vocab_size", 10**12)
@example("heads", 0)
@example("heads", -1)
@example("dropout", "a")
@example("width", True)
def test_a_shape_that_is_none(tiny_directory: Path, field: str, value: object) -> None:
    config = json.loads((tiny_directory / "config.json").read_text())
    config["model"][field] = value
    with_file(tiny_directory, "config.json", json.dumps(config).encode())


def toy_training(tiny_directory: Path, path: Path) -> TaskModel:
    """Two epochs of a training that is saved at `path`, or resumes from what is there."""
    loaded = load_model(str(tiny_directory))
    torch.manual_seed(0)
    model = TaskModel(loaded.model, TOY, 0.0)
    rows = [Example(str(i), (("the captain",),), "a") for i in range(2)]
    encoded = encode_examples(rows, TOY, loaded.tokenizer, model.specials, 64)
    saving = Saving(path, 0.0)
    config = FinetuneConfig(batch_size=2, epochs=2)
    Finetuning(model, config, 0, saving=saving).fit(encoded, lambda: 0.5)
    return model


@pytest.fixture(scope="session")
def state(tiny_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "s.safetensors"
    toy_training(tiny_directory, path)
    return path


def resume(tiny_directory: Path, content: bytes) -> None:
    with TemporaryDirectory() as root:
        path = Path(root, "s.safetensors")
        path.write_bytes(content)
        answers(lambda: toy_training(tiny_directory, path))


@bounded
@given(data=st.data())
def test_a_damaged_unfinished_training(
    tiny_directory: Path, state: Path, data: st.DataObject
) -> None:
    resume(tiny_directory, data.draw(files(state.read_bytes())))


def drop_best(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["best.linear.weight"]


def drop_moment(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["optimiser.0.exp_avg"]


def misshape_moment(tensors: dict[str, torch.Tensor]) -> None:
    tensors["optimiser.0.exp_avg"] = torch.ones(3)


def drop_randomness(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["random.cpu"]


def cut_randomness(tensors: dict[str, torch.Tensor]) -> None:
    tensors["random.cpu"] = tensors["random.cpu"][:100]


@pytest.mark.parametrize(
    "damage", [drop_best, drop_moment, misshape_moment, drop_randomness, cut_randomness]
)
def test_a_state_that_lacks_something_is_refused(
    tiny_directory: Path, state: Path, tmp_path: Path, damage
) -> None:
    tensors, facts = load_tensors(state, sealed=True)
    damage(tensors)
    save_tensors(tmp_path / "s", tensors, facts)
    with pytest.raises(CheckpointError, match="delete it to start over"):
        toy_training(tiny_directory, tmp_path / "s")


@pytest.mark.parametrize(
    "facts", ["{}", "[]", '{"done": {"updates": "1"}, "best": 1}', '{"done": {}, "best": null}']
)
def test_facts_that_are_none_are_refused(
    tiny_directory: Path, state: Path, tmp_path: Path, facts: str
) -> None:
    save_tensors(tmp_path / "s", load_tensors(state, sealed=True)[0], {"facts": facts})
    with pytest.raises(CheckpointError, match="delete it to start over"):
        toy_training(tiny_directory, tmp_path / "s")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"unk_token":"<unk>"', '"unk_token":"<unx>"'), "no readable tokenizer"),
        (('"vocab":{"<unk>":0', '"vocab":{"<unk>":99999'), "ids are not 0 to"),
    ],
)
def test_a_tokenizer_that_would_fail_later_is_refused(
    tiny_directory: Path, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    copy = Path(shutil.copytree(tiny_directory, tmp_path / "copy"))
    text = (copy / "tokenizer.json").read_text()
    assert change[0] in text
    (copy / "tokenizer.json").write_text(text.replace(*change))
    with pytest.raises(CheckpointError, match=said):
        load_model(str(copy))
