"""The conformance kit: the built-ins are held to it, and every rule is broken once."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gpteval import Example, Metric, ModelFamily, Prompt, Row, Table, Task
from gpteval.plugins import registry
from gpteval.testing import (
    ConformanceError,
    check_metric,
    check_model,
    check_task,
    metric_faults,
    model_faults,
    task_faults,
)

ROOT = Path(__file__).parent.parent
LABELS = {"macro_f1": ("a", "b", "c"), "accuracy": ("a", "b", "c")}


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    """What one test registers is unknown to the next."""
    yield
    registry.cache_clear()


@pytest.mark.parametrize("name", registry().tasks())
def test_a_built_in_task_conforms(name: str) -> None:
    check_task(name)


@pytest.mark.parametrize("name", registry().metrics())
def test_a_built_in_metric_conforms(name: str) -> None:
    check_metric(name, labels=LABELS.get(name, ("no", "yes")))


@pytest.mark.parametrize("name", [n for n, f in registry().models().items() if f.presets])
def test_a_built_in_model_family_conforms(name: str) -> None:
    check_model(name)


def test_the_bundled_model_conforms() -> None:
    check_model("gpt", "mini")


def test_the_fixtures_of_pytest_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"gpteval": "gpteval.testing.plugin"}


def table(path: Path, **changes: Any) -> Task:
    """A sound task of 40 rows, each label with words of its own."""
    words = ["red green blue", "one two three"]
    rows = [f"{words[n % 2]} {n},{'ab'[n % 2]}" for n in range(40)]
    (path / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    task = Table("colours", "text", labels=("a", "b"), files={"train": "rows.csv"}, held_out=8)
    return replace(task.task(path), **changes)


def test_a_sound_task_conforms(tmp_path: Path) -> None:
    check_task(table(tmp_path))


def blank(row: Row) -> Example:
    return Example.pair(row, row["text"], " ")


def fickle(row: Row, calls: list[int] = []) -> Example:  # noqa: B006
    calls.append(1)
    return Example.single(row, f"{row['text']} {len(calls)}")


def online(row: Row) -> Example:
    import socket

    socket.create_connection(("example.org", 80))
    return Example.single(row, row["text"])


def lone(row: Row) -> Prompt:
    return Prompt.choice(row, row["text"], ("yes",))


def same(row: Row) -> Prompt:
    return Prompt.choice(row, row["text"], ("yes", "yes"))


def unlabelled(row: Row) -> Prompt:
    return replace(Prompt.choice(row, row["text"], ("no", "yes")), label=None)


TASK_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "metrics": ({"metrics": ()}, "no metrics"),
    "unknown metric": ({"metrics": ("acuracy",)}, "did you mean 'accuracy'"),
    "no rows": (
        {"source": replace(registry().tasks()["rte"].source, sample="")},
        "no rows to check with",
    ),
    "raises": ({"example": lambda row: row["txt"]}, "KeyError"),
    "one id": ({"example": lambda row: Example("1", (("x",),), "a")}, "of the id '1'"),
    "label": ({"example": lambda row: Example(row["id"], (("x",),), "c")}, "expected one of a, b"),
    "blank": ({"example": blank}, "empty segment"),
    "fickle": ({"example": fickle}, "made twice are not the same"),
    "online": ({"example": online}, "asks the network for"),
    "surrogate": (
        {"example": lambda row: Example(row["id"], ((row["text"],),), row["label"], part="\ud800")},
        "can_be_recorded",
    ),
    "one candidate": ({"prompt": lone}, "has 1 candidates, and 2 are due"),
    "alike": ({"prompt": same}, "the same candidate twice"),
    "no gold": ({"prompt": unlabelled}, "has not its example's id and label"),
    "unlearnable": (
        {"example": lambda row: Example.single(row, "always the same")},
        "has not learned 32 of its rows",
    ),
}


@pytest.mark.parametrize("fault", TASK_FAULTS)
def test_a_broken_rule_of_tasks_is_one_line(fault: str, tmp_path: Path) -> None:
    changes, said = TASK_FAULTS[fault]
    faults = task_faults(table(tmp_path, **changes), learn=fault == "unlearnable")
    assert any(said in line for line in faults), faults
    with pytest.raises(ConformanceError, match="task 'colours': "):
        check_task(table(tmp_path, **changes), learn=fault == "unlearnable")


def test_a_label_that_is_a_number_or_on_no_row_is_told(tmp_path: Path) -> None:
    task = table(tmp_path, labels=("a", "b", "7"))
    assert {line.split(" is ")[1][:8] for line in task_faults(task, learn=False)} == {
        "a number", "on no ro",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import scipy", "importing it imports scipy"),
        ("", "another process makes other examples of the same rows"),
    ],
)
def test_what_shows_in_another_process_only_is_found(text: str, said: str, tmp_path: Path) -> None:
    module = tmp_path / "mine.py"
    table(tmp_path)
    module.write_text(
        f"{text}\nimport dataclasses\nfrom gpteval import Example, Table, hookimpl\n"
        "def example(row):\n"
        "    return Example.single(row, ' '.join({*row['text'].split()}))\n"
        "task = Table('colours', 'text', labels=('a', 'b'), files={'dev': 'rows.csv'})\n"
        f"task = dataclasses.replace(task.task({str(tmp_path)!r}), example=example)\n"
        "@hookimpl\ndef gpteval_register_tasks(): return [task]\n"
    )
    registry().add_file(module)
    with pytest.raises(ConformanceError, match=said):
        check_task("colours", learn=False)


METRIC_FAULTS: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "bounds": (lambda a, b, c: 3.0, {}, "gives 3.0 for random answers, outside 0.0 to 1.0"),
    "nan": (lambda a, b, c: float("nan"), {}, "gives nan"),
    "raises": (lambda a, b, c: 1 / 0, {}, "ZeroDivisionError"),
    "best": (lambda a, b, c: 0.5, {}, "where every answer is right: upper is 1.0"),
    "lower is better": (
        lambda a, b, c: sum(x != y for x, y in zip(a, b, strict=True)) / len(a),
        {},
        "gives 0.0 where every answer is right",
    ),
    "one answer": (
        lambda a, b, c: float("nan") if len(set(b)) == 1 else float(list(a) == list(b)),
        {},
        "where one answer is given to every example",
    ),
    "order": (
        lambda a, b, c: sum(n for n in range(60) if a[n] == b[n]) / 1770,
        {},
        "from the last to the",
    ),
    "changes": (lambda a, b, c: b.sort() or 1.0, {}, "changes the labels"),
    "confusion": (
        lambda a, b, c: sum(x == y for x, y in zip(a, b, strict=True)) / len(a),
        {"of_confusion": lambda confusion: confusion[:, 0, 0] / 60},
        "of_confusion gives",
    ),
    "proportion": (
        lambda a, b, c: (sum(x == y for x, y in zip(a, b, strict=True)) / len(a)) ** 2,
        {"proportion": True},
        "says proportion",
    ),
    "weights": (
        lambda a, b, c: float(list(a) == list(b)),
        {"weighted": lambda a, b, w: w.sum(-1) / 60},
        "weighted gives",
    ),
}


@pytest.mark.parametrize("fault", METRIC_FAULTS)
def test_a_broken_rule_of_metrics_is_one_line(fault: str) -> None:
    function, fields, said = METRIC_FAULTS[fault]
    faults = metric_faults(Metric("mine", function, **fields))
    assert any(said in line for line in faults), faults


class Faulty(torch.nn.Module):
    """A sum of embeddings of all tokens before, with a fault."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.vocab_size, self.fault = config["vocab_size"], config["fault"]
        self.width, self.context, self.dropout = 16, 64, 0.0
        self.embedding = torch.nn.Parameter(torch.randn(self.vocab_size, 16))
        self.unused = torch.nn.Parameter(torch.ones(2, 2))

    def hidden(self, trees: Any) -> torch.Tensor:
        states = self.embedding[trees.tokens]
        total = []
        for place, parent in enumerate(trees.parents.tolist()):
            before = place - 1 if self.fault == "prefix" else parent
            total.append(states[place] + (0.5 * total[before] if before >= 0 else 0))
        hidden = torch.stack(total)
        if self.fault == "batch":
            hidden = hidden + len(trees.tokens)
        if self.fault == "causal":
            hidden = hidden + states.sum(0)
        if self.fault == "dropout":
            hidden = torch.nn.functional.dropout(hidden, self.dropout)
        return hidden if self.fault == "gradient" else hidden + 0 * self.unused.sum()

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden @ self.embedding.T + (0 if self.fault == "gradient" else self.unused.sum())

    def add_tokens(self, count: int) -> int:
        first = self.vocab_size
        self.vocab_size += count if self.fault != "tokens" else 0
        more = torch.cat([self.embedding.detach(), torch.randn(count, 16)])
        self.embedding = torch.nn.Parameter(more)
        return first

    def config(self) -> dict[str, Any]:
        return {"vocab_size": self.vocab_size, "fault": self.fault}


def family(fault: str) -> ModelFamily:
    def load(reference: str) -> Any:
        raise OSError("lost")

    return ModelFamily("faulty", "", load, build=Faulty, presets={"small": {"fault": fault}})


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("prefix", "share a computed beginning"),
        ("batch", "are computed in one batch"),
        ("causal", "no causal language model"),
        ("dropout", "with dropout set and evaluation mode on"),
        ("gradient", "no gradient reaches 'unused'"),
        ("tokens", "add_tokens(3) of"),
        ("", "comes_back_as_it_was_saved"),
    ],
)
def test_a_broken_rule_of_models_is_one_line(fault: str, said: str) -> None:
    faults = model_faults(family(fault))
    if not fault:
        said = "unknown model"  # nobody registered the family, so that nothing can load it
    assert any(said in line for line in faults), faults


def test_a_model_of_transformers_conforms(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from gpteval import BpeTokenizer

    torch.manual_seed(0)
    tokenizer = BpeTokenizer.train(["the sea and the ship " * 9], merges=20)
    shape = {"n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 2, "bos_token_id": 0}
    config = transformers.GPT2Config(vocab_size=tokenizer.vocab_size + 3, **shape)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save(tmp_path)
    check_model("huggingface", f"hf:{tmp_path}")
