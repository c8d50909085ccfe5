"""What decides a number is in its key: change any one input and it changes, change none and not."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from gpteval import Compute, FinetuneConfig, Loaded, load_model
from gpteval.compute.device import Machine, resolve
from gpteval.compute.distributed import World
from gpteval.config import LORA
from gpteval.data.rows import Origin, load_split
from gpteval.features.frozen import Frozen
from gpteval.methods import identity
from gpteval.methods.baseline import Fit, without_vectors
from gpteval.methods.finetune import Finetune
from gpteval.methods.job import Job, JobData
from gpteval.methods.probe import Probe
from gpteval.methods.reading import Features
from gpteval.methods.session import Session
from gpteval.methods.settings import RunConfig, ZeroshotConfig
from gpteval.methods.word_vectors import VectorFile
from gpteval.methods.zeroshot import Zeroshot
from gpteval.plugins import registry
from gpteval.results import provenance
from gpteval.task import Example, Prompt, Row, Task
from gpteval.weights.transfer import Transfer

ALL = {"finetune", "zeroshot", "probe", "baseline"}
MODEL = {"finetune", "zeroshot", "probe"}
SST2 = registry().select(["sst2"])[0]
LIMIT = 12

OTHER: dict[str, Any] = {
    "name": "other",
    "version": 99,
    "kind": "regress",
    "metrics": ("macro_f1",),
    "labels": ("positive", "negative"),
    "scale": (0, 9),
    "label_map": {"a": "b"},
    "rule": "threshold",
    "branches": "apart",
    "schedule": "slanted",
    "unfreeze": "gradual",
    "pooling": "concat",
    "layer_divisor": 2.6,
    "adapter": "lora",
    "optimizer": "adamw-8bit",
    "lora_rank": 4,
    "lora_targets": "c_attn",
}
"""Another value, where it isn't a number."""


def keys(
    loaded: Loaded,
    task: Task = SST2,
    *,
    changes: dict[str, Any] | None = None,
    machine: dict[str, Any] | None = None,
    world: World | None = None,
    seed: int = 0,
    transfer: Transfer | None = None,
    untrained: bool = True,
    baseline: str = "tfidf",
    probe: dict[str, Any] | None = None,
    edit: Callable[[Row], Row] = lambda row: row,
) -> dict[str, str]:
    """The key by every method, of inputs that one argument changes."""
    asked = {"state": "mean", "layers": (1,), "head": "linear", "vectors": None, **(probe or {})}
    rows = {}
    for split in ("train", "dev", "test"):
        own = load_split(SST2, split, Origin("sample"), LIMIT)
        rows[task.name, split] = replace(own, rows=tuple(edit(row) for row in own.rows))
    run = RunConfig(tasks=("sst2",), sample=True, changes=changes or {})
    session = Session(run)
    session.machine = replace(session.machine, **(machine or {}))
    session.world = world or World()
    session._rows = dict(rows)
    job = Job(task, ((task, "dev"), (task, "test")))
    data = JobData(job, rows, loaded, LIMIT)
    zeroshot = ZeroshotConfig(tasks=("sst2",), sample=True, untrained=untrained)
    blind = replace(task, blind="hypothesis-only")
    units = (
        Finetune(data, run, seed, session, transfer or Transfer()),
        Zeroshot(task, loaded, zeroshot, session),
        probed(asked, loaded, session.machine, job, rows),
        Fit(next(b for b in without_vectors(blind) if b.name == baseline), job, rows, LIMIT),
    )
    return {unit.mode: unit.key(task) for unit in units}


def probed(
    asked: dict[str, Any], loaded: Loaded, machine: Machine, job: Job, rows: dict[Any, Any]
) -> Probe:
    """A probe; a state that adds tokens to the model is given one of its own."""
    own = replace(loaded, model=deepcopy(loaded.model))
    file = asked["vectors"] and VectorFile(Path("own.vec"), asked["vectors"])
    frozen = Frozen(own, resolve(Compute("cpu")), asked["state"])
    frozen.machine = machine  # which need not be here
    features = Features(frozen, asked["layers"], job, rows, file)
    return Probe(asked["layers"], asked["head"], job, features, LIMIT)


@pytest.fixture
def tiny(tiny_directory: Path) -> Loaded:
    return load_model(str(tiny_directory))


def moved(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {mode for mode in before if before[mode] != after[mode]}


def test_nothing_changed_is_the_same_key(tiny: Loaded, tiny_directory: Path) -> None:
    assert keys(tiny) == keys(load_model(f"{tiny_directory}/"))


def test_every_field_of_a_task_defines_a_score_or_is_seen_or_only_shown() -> None:
    named = (*identity.DEFINES, *identity.SEEN, *identity.SHOWN)
    assert sorted(named) == sorted(field.name for field in fields(Task))


@pytest.mark.parametrize("name", identity.DEFINES)
def test_what_defines_a_task_is_in_every_key(tiny: Loaded, name: str) -> None:
    def edit(row: Row) -> Row:
        return row | {"label": None}  # that every kind takes

    changed = keys(tiny, replace(SST2, **{name: OTHER[name]}), edit=edit)
    assert moved(keys(tiny, edit=edit), changed) == ALL


@pytest.mark.parametrize("name", identity.SHOWN)
def test_what_is_only_shown_is_in_no_key(tiny: Loaded, name: str) -> None:
    empty = type(getattr(SST2, name))()
    assert getattr(SST2, name) != empty
    assert not moved(keys(tiny), keys(tiny, replace(SST2, **{name: empty})))


@pytest.mark.parametrize("field", [field.name for field in fields(FinetuneConfig)])
def test_every_setting_of_the_recipe_is_in_a_fine_tunings_key(tiny: Loaded, field: str) -> None:
    value = OTHER.get(field) or getattr(FinetuneConfig(), field) / 2
    whole = field in ("batch_size", "epochs", "lr_width", "lm_epochs")
    base = {"adapter": "lora"} if field in LORA else {}
    changes = {**base, field: 1 + int(value) if whole else value}
    assert moved(keys(tiny, changes=base), keys(tiny, changes=changes)) == {"finetune"}


def longer(row: Row) -> Example:
    return Example.single(row, row["sentence"] + " !")


def asks_otherwise(row: Row) -> Prompt:
    assert SST2.prompt
    return replace(SST2.prompt(row), neutral="well")


OWN: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a text": ({"edit": lambda row: row | {"sentence": row["sentence"] + "!"}}, ALL),
    "a label": ({"edit": lambda row: row | {"label": "negative"}}, ALL),
    "the example function": (
        {"task": replace(SST2, example=longer)},
        {"finetune", "probe", "baseline"},
    ),
    "the prompt function": ({"task": replace(SST2, prompt=asks_otherwise)}, {"zeroshot"}),
    "precision": ({"machine": {"precision": "bf16"}}, MODEL),
    "device": ({"machine": {"device": torch.device("cuda")}}, MODEL),
    "processes": ({"world": World(0, 2)}, {"finetune"}),
    "seed": ({"seed": 1}, {"finetune"}),
    "layers": ({"transfer": Transfer(1)}, {"finetune"}),
    "untrained": ({"untrained": False}, {"zeroshot"}),
    "baseline": ({"baseline": "hypothesis-only"}, {"baseline"}),
    "state": ({"probe": {"state": "last"}}, {"probe"}),
    "an added token's state": ({"probe": {"state": "extract"}}, {"probe"}),
    "layer": ({"probe": {"layers": (2,)}}, {"probe"}),
    "mixed layers": ({"probe": {"layers": (0, 1, 2)}}, {"probe"}),
    "head": ({"probe": {"head": "l1"}}, {"probe"}),
    "one unit": ({"probe": {"head": "neuron"}}, {"probe"}),
    "word vectors": ({"probe": {"vectors": "a digest"}}, {"probe"}),
}


@pytest.mark.parametrize("what", OWN)
def test_each_other_input_is_in_the_keys_of_what_depends_on_it(tiny: Loaded, what: str) -> None:
    changed, depending = OWN[what]
    assert moved(keys(tiny), keys(tiny, **changed)) == depending


def test_other_vectors_of_one_name_are_another_probes(tiny: Loaded) -> None:
    first, second = (keys(tiny, probe={"vectors": content}) for content in ("one", "other"))
    assert moved(first, second) == {"probe"}


@pytest.mark.parametrize("module", ["gpteval.methods.probe", "gpteval.features.states"])
def test_the_version_of_what_a_probe_computes_is_in_its_key(
    tiny: Loaded, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys(tiny)
    monkeypatch.setattr(f"{module}.VERSION", 99)
    assert moved(before, keys(tiny)) == {"probe"}


@pytest.mark.parametrize("what", ["release", "numbers", "metric", "family"])
def test_the_codes_version_is_in_the_key(
    tiny: Loaded, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys(tiny)
    if what == "release":
        newer = {**provenance.versions(), "gpteval": "99.0"}
        monkeypatch.setattr(provenance, "versions", lambda: newer)
    elif what == "numbers":
        monkeypatch.setattr(identity, "NUMBERS", 99)
    else:
        hook = {"metric": "gpteval_register_metrics", "family": "gpteval_register_models"}[what]
        monkeypatch.setattr(
            type(registry()), "package_of", lambda self, h, name: "other 2.0" * (h == hook)
        )
    assert moved(before, keys(tiny)) == (MODEL if what == "family" else ALL)


def edit_config(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_text())
    config["model"]["heads"] *= 2
    (directory / "config.json").write_text(json.dumps(config))


def edit_weights(directory: Path) -> None:
    weights = load_file(directory / "model.safetensors")
    first = next(iter(weights))
    save_file(weights | {first: weights[first] + 0.001}, directory / "model.safetensors")


def edit_tokenizer(directory: Path) -> None:
    content = json.loads((directory / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:-1]
    (directory / "tokenizer.json").write_text(json.dumps(content))


@pytest.mark.parametrize("edit", [edit_config, edit_weights, edit_tokenizer])
def test_every_file_of_a_model_is_in_its_keys(
    tiny: Loaded, tiny_directory: Path, tmp_path: Path, edit: Callable[[Path], None]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in tiny_directory.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    edit(other)
    assert moved(keys(tiny), keys(load_model(str(other)))) == MODEL
