"""LoRA: what learns, that it is peft's, and that a model that was kept answers as it did."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import gpteval
from gpteval import ConfigError, FinetuneConfig, Loaded
from gpteval.cli.main import main
from gpteval.encode.batch import Encoded, pack, pack_trees
from gpteval.train.adapter import add_adapter, merge_adapter, targets
from gpteval.train.finetune import Finetuning
from gpteval.train.head import TaskModel
from gpteval.tree import fold

peft = pytest.importorskip("peft")
LORA = FinetuneConfig(adapter="lora", lora_rank=4, batch_size=2, epochs=1, warmup=0.0)
ROWS = [Encoded(str(n), fold([[5, 6, 7 + n, 8]]), (1.0, 0.0), n) for n in range(4)]
TASK = gpteval.Task(
    "toy", 1, "classify", gpteval.Source("", {}, ("text",)), lambda row: None, ("accuracy",),
    ("a", "b"),
)  # fmt: skip


def adapted(loaded: Loaded, config: FinetuneConfig = LORA) -> TaskModel:
    torch.manual_seed(0)
    model = TaskModel(deepcopy(loaded.model), TASK, 0.0)
    add_adapter(model.model, config)
    return model


def test_adapters_and_the_head_alone_learn(tiny: Loaded) -> None:
    model = adapted(tiny)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    Finetuning(model, LORA, 0).fit(ROWS, None)
    changed = {n for n, tensor in model.state_dict().items() if not torch.equal(tensor, before[n])}
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert changed == learning
    assert all(".lora_" in name or name.startswith("linear.") for name in learning)
    assert len(learning) == 2 * 2 * 4 + 2  # A and B of four layers in two blocks; the head


def test_an_adapter_that_has_learnt_nothing_changes_no_answer(tiny: Loaded) -> None:
    batch = pack(ROWS, 2)
    torch.manual_seed(0)
    plain = TaskModel(deepcopy(tiny.model), TASK, 0.0).eval()
    assert torch.equal(adapted(tiny).eval()(batch), plain(batch))


def test_merged_it_answers_the_same_and_is_an_ordinary_model(tiny: Loaded) -> None:
    model, batch = adapted(tiny), pack(ROWS, 2)
    names = set(tiny.model.state_dict())
    Finetuning(model, LORA, 0).fit(ROWS, None)
    before = model.eval()(batch)
    merge_adapter(model.model)
    assert set(model.model.state_dict()) == names
    torch.testing.assert_close(model(batch), before, atol=1e-5, rtol=0)


def llama() -> object:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=90, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
        )
    )  # fmt: skip


def test_states_and_gradients_are_those_of_peft_on_a_plain_transformers_model() -> None:
    plain = llama()
    from gpteval_models.huggingface import TOLERANCE, HuggingFaceModel
    from gpteval_models.rows import reading

    ours = HuggingFaceModel(deepcopy(plain), "")
    ours.reading = reading(ours, TOLERANCE)
    add_adapter(ours, LORA)
    settings = peft.LoraConfig(r=4, lora_alpha=4, target_modules="all-linear")
    theirs = peft.get_peft_model(plain, settings)
    pairs = dict(theirs.named_parameters())
    for name, own in ours.named_parameters():
        other = pairs[f"base_model.model.{name.removeprefix('lm.')}"]
        assert own.requires_grad == other.requires_grad
        if own.requires_grad:
            own.data.normal_(std=0.1)  # B begins as zeros, and A alike in neither
            other.data.copy_(own.data)
    row = [3, 1, 4, 1, 5, 9, 2, 6]
    scores = ours.logits(ours.hidden(pack_trees([fold([row])])))
    expected = theirs(torch.tensor([row])).logits[0]
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)
    for each in (scores, expected):
        each.logsumexp(-1).sum().backward()
    for name, own in ours.named_parameters():
        other = pairs[f"base_model.model.{name.removeprefix('lm.')}"]
        assert (own.grad is None) == (other.grad is None)
        if own.grad is not None:
            torch.testing.assert_close(own.grad, other.grad, atol=1e-5, rtol=1e-5)


def test_targets_are_named_by_the_ends_of_their_names(tiny: Loaded) -> None:
    assert targets(tiny.model, "qkv") == [f"0.blocks.{n}.attention.qkv" for n in (0, 1)]
    assert targets(tiny.model, "blocks.1.up, down") == [
        "0.blocks.0.down", "0.blocks.1.up", "0.blocks.1.down",
    ]  # fmt: skip
    assert len(targets(tiny.model, "")) == 8


def test_a_model_without_linear_layers_is_refused() -> None:
    empty = SimpleNamespace(named_modules=lambda: [("", torch.nn.LSTM(2, 2))], vocab_size=9)
    with pytest.raises(ConfigError, match="needs a model with linear layers"):
        targets(empty, "")


def run(model: str, place: Path, **more: object) -> list[gpteval.Result]:
    changes = {"adapter": "lora", "lora_rank": 4, "epochs": 1, "lr": 0.02, "warmup": 0.0}
    return gpteval.run(
        "wnli", model=model, sample=True, limit=24, results=place, changes=changes | more.pop(
            "changes", {}), **more,
    )  # fmt: skip


def test_what_was_kept_answers_as_the_run_did(roomy_directory: Path, tmp_path: Path) -> None:
    kept, results = tmp_path / "kept", tmp_path / "results"
    result = next(
        r for r in run(str(roomy_directory), results, save_model=kept) if r.split == "dev"
    )
    lines = (results / result.predictions).read_text().splitlines()
    predicted = [json.loads(line) for line in lines]
    from gpteval.data.rows import load_split, origin
    from gpteval.plugins import registry

    rows = load_split(registry().tasks()["wnli"], "dev", origin(None, True), 24).rows
    columns = registry().tasks()["wnli"].source.columns
    given = [{name: row[name] for name in columns if name in row} for row in rows]
    answers = gpteval.load_finetuned(kept).predict(given)
    assert [a.prediction for a in answers] == [p["prediction"] for p in predicted]
    for answer, one in zip(answers, predicted, strict=True):
        assert list(answer.probabilities.values()) == pytest.approx(one["scores"], abs=1e-5)


def test_rank_and_targets_are_on_record_and_in_the_key(
    tiny_directory: Path, tmp_path: Path
) -> None:
    (first, *_) = run(str(tiny_directory), tmp_path)
    wanted = {"adapter": "lora", "lora_rank": 4, "lora_targets": ""}
    assert {name: first.config[name] for name in wanted} == wanted
    assert {"adapter", "lora_rank"} <= first.changed.keys()  # what the leaderboard marks
    keys = {first.key}
    for change in ({"lora_rank": 2}, {"lora_targets": "qkv"}):
        keys.add(run(str(tiny_directory), tmp_path, changes=change)[0].key)
    assert len(keys) == 3


def test_a_recipe_without_an_adapter_is_keyed_and_recorded_as_before() -> None:
    assert not {"adapter", "lora_rank", "lora_targets"} & FinetuneConfig().settings.keys()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--lora-rank 4", "--lora-rank and --lora-targets are for --adapter lora: give it"),
        ("--adapter lora --unfreeze gradual", "--adapter lora freezes all layers"),
        ("--adapter lora --layer-divisor 2", "--adapter lora freezes all layers"),
        ("--adapter lora --lora-targets up,dwn", "unknown layer in --lora-targets 'dwn'"),
        ("--adapter lora --lora-rank 0", "--lora-rank is at least 1, not 0"),
    ],
)
def test_what_no_adapter_can_be_made_of_is_told_in_one_line(
    words: str, said: str, tiny_directory: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    where = f"--tasks wnli --sample --model {tiny_directory} --results {tmp_path} --limit 8"
    monkeypatch.setattr("sys.argv", f"gpteval run {where} {words}".split())
    with pytest.raises(SystemExit) as ended:
        main()
    line = capsys.readouterr().err.splitlines()[-1]
    assert (ended.value.code, said in line) == (2, True), line


def test_without_peft_an_adapter_is_refused_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gpteval.config.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"--adapter lora needs peft: pip install 'gpteval\[lora"):
        FinetuneConfig(adapter="lora")
