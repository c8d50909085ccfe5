"""Any causal language model of transformers, on token trees."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    CohereConfig,
    CohereForCausalLM,
    FalconConfig,
    FalconForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    XLMConfig,
    XLMWithLMHeadModel,
)

from gpteval import GptevalError, load_model
from gpteval.encode.batch import Batch, Encoded, pack
from gpteval.tree import fold
from gpteval_models.huggingface import HuggingFaceModel
from gpteval_models.rows import TREE_TOKENS, groups, leaf_paths, tree_mask, whole_trees

VOCABULARY = ["<|endoftext|>", "<s>", "the", "cat", "sat", "on", "mat", "a", "dog", "ran"]


SIZES = {
    "vocab_size": 10,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}


def llama() -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            **SIZES,
            tie_word_embeddings=False,
        )
    )


def gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=10, n_positions=64, n_embd=32, n_layer=2, n_head=4)
    )


def mistral() -> PreTrainedModel:
    """Its attention reaches back 20 tokens, fewer than the texts here have."""
    return MistralForCausalLM(
        MistralConfig(
            **SIZES,
            head_dim=8,
            sliding_window=20,
        )
    )


def falcon() -> PreTrainedModel:
    """Its positions are distances in the row (ALiBi)."""
    return FalconForCausalLM(
        FalconConfig(
            vocab_size=10,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            alibi=True,
            max_position_embeddings=64,
            bos_token_id=1,
            eos_token_id=1,
        )
    )


def write(directory: Path, model: PreTrainedModel, *, bos_first: bool = False) -> Path:
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(VOCABULARY)}, "a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if bos_first:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    model.save_pretrained(directory)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>").save_pretrained(directory)
    return directory


@pytest.fixture(params=[llama, gpt2, mistral, falcon])
def any_directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return write(tmp_path / "model", request.param())


@pytest.fixture(params=[llama, gpt2])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return write(tmp_path / "model", request.param())


@pytest.fixture
def sequences() -> list[list[int]]:
    torch.manual_seed(1)
    shared, branch = torch.randint(10, (12,)).tolist(), torch.randint(10, (9,)).tolist()
    asked = shared + branch
    ends = [[*shared, 1, 2, 3], shared + [4] * 7, shared, [*asked, 5, 6], [*asked, 7, 8, 9]]
    return [*ends, torch.randint(10, (5,)).tolist()]


def batch_of(*groups: list[list[int]]) -> Batch:
    return pack([Encoded(str(i), fold(g, 4), (), i) for i, g in enumerate(groups)], 0)


def message(reference: object) -> str:
    with pytest.raises(GptevalError) as caught:
        load_model(f"hf:{reference}")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_tree_has_the_logits_of_its_sequences(
    any_directory: Path, sequences: list[list[int]]
) -> None:
    model = load_model(f"hf:{any_directory}").model
    tree = fold(sequences, 4)
    hidden = model.hidden(pack([Encoded("", tree, (), 0)], 0).trees)
    for sequence, end in zip(sequences, tree.ends, strict=True):
        expected = model.lm(torch.tensor([sequence])).logits[0]
        logits = model.logits(hidden[tree.path(end)])
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_a_tree_has_the_gradients_of_its_sequences(
    any_directory: Path, sequences: list[list[int]]
) -> None:
    model = load_model(f"hf:{any_directory}").model
    batch = batch_of(sequences)
    folded = model.logits(model.hidden(batch.trees)[batch.ends]).logsumexp(-1).sum()
    apart = sum(model.lm(torch.tensor([s])).logits[0, -1].logsumexp(-1) for s in sequences)
    parameters = list(model.parameters())
    pairs = zip(*(torch.autograd.grad(x, parameters) for x in (folded, apart)), strict=True)
    for ours, reference in pairs:
        torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "trees"),
    [(llama, "spans"), (gpt2, "spans"), (mistral, "spans"), (falcon, "unfolded")],
)
def test_trees_are_read_whole_where_the_model_takes_them(
    make: Callable[[], PreTrainedModel], trees: str, tmp_path: Path
) -> None:
    assert load_model(f"hf:{write(tmp_path / 'model', make())}").details["trees"] == trees


def longrope() -> PreTrainedModel:
    factors = {"short_factor": [1.0] * 4, "long_factor": [4.0, 6.0, 8.0, 9.0], "factor": 4.0}
    rotary = {"rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": 16}
    return LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=rotary | factors))


def test_a_sequence_is_read_as_if_it_were_alone_where_length_turns_the_positions(
    tmp_path: Path,
) -> None:
    """Rows up to 16 tokens have other frequencies than longer ones, in whatever batch they are."""
    model = load_model(f"hf:{write(tmp_path / 'model', longrope())}").model
    rows = [torch.randint(10, (length,)).tolist() for length in (40, 6, 16, 17)]
    states = model.hidden(batch_of(*([row] for row in rows)).trees)
    alone = [model.lm.base_model(torch.tensor([row])).last_hidden_state[0] for row in rows]
    torch.testing.assert_close(states, torch.cat(alone), atol=1e-5, rtol=1e-4)
    short = model.lm.base_model(torch.tensor([rows[0][:6]])).last_hidden_state[0]
    assert (short - alone[0][:6]).abs().max() > 1e-3  # or there would be nothing to keep apart


def test_all_ways_to_read_trees_give_the_same(directory: Path, sequences: list[list[int]]) -> None:
    model = load_model(f"hf:{directory}").model
    batch = batch_of(sequences, [[5, 6]], sequences[::-1])
    expected = model.unfolded(batch.trees.tokens, batch.trees.spans)
    for read in (model.spans, model.masked):
        states = read(batch.trees.tokens, batch.trees.positions, batch.trees.spans)
        torch.testing.assert_close(states, expected, atol=1e-5, rtol=0)


def test_attention_over_spans_drops_out_as_the_model_is_told(tmp_path: Path) -> None:
    """Attention is the only place where a llama drops anything."""
    model = load_model(f"hf:{write(tmp_path / 'model', llama())}").model
    batch = batch_of([[2, 3, 4, 5]])
    expected = model.hidden(batch.trees)
    torch.testing.assert_close(model.train().hidden(batch.trees), expected)
    model.dropout = 0.5
    assert (model.hidden(batch.trees) - expected).abs().max() > 0.01
    torch.testing.assert_close(model.eval().hidden(batch.trees), expected)


def test_a_model_with_attention_of_its_own_kind_reads_under_a_mask(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beyond(*_: object, **options: object) -> None:
        raise ValueError("this attention has no softcap")

    monkeypatch.setattr("gpteval_models.attention.attend", beyond)
    loaded = load_model(f"hf:{directory}")
    assert loaded.details["trees"] == "masked"
    assert loaded.model.lm.config._attn_implementation == "sdpa"


def test_a_mask_shows_every_token_its_path(sequences: list[list[int]]) -> None:
    tree = fold(sequences, 4)
    mask = tree_mask(tree.spans)
    for token, sees in enumerate(mask == 0):
        assert torch.where(sees)[0].tolist() == sorted(tree.path(token))
    assert set(mask.unique().tolist()) == {0.0, -math.inf}


def test_trees_stand_side_by_side_up_to_a_bound() -> None:
    spans = batch_of(
        [[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]], [[1] * 9], [[2] * 3], [[3] * 7]
    ).trees.spans
    sizes = [[s.stop - s.start for s in trees] for trees in whole_trees(spans, 8)]
    assert sizes == [[4, 1, 1], [9], [3], [7]]
    assert [len(trees) for trees in whole_trees(spans, 10)] == [3, 1, 2]


def test_a_model_that_names_no_context_is_one_line(tmp_path: Path) -> None:
    bloom = BloomForCausalLM(BloomConfig(vocab_size=10, hidden_size=32, n_layer=1, n_head=4))
    text = message(write(tmp_path / "model", bloom))
    assert 'this bloom model does not say how many tokens it reads: add "max_pos' in text


def test_a_directory_loads_without_any_prefix_too(directory: Path) -> None:
    plain, prefixed = load_model(str(directory)), load_model(f"hf:{directory}")
    assert plain.digest == prefixed.digest
    assert (plain.family, plain.details["unused_tensors"]) == ("huggingface", 0)


def test_added_tokens_leave_the_others_as_they_were(directory: Path) -> None:
    model, batch = load_model(f"hf:{directory}").model, batch_of([[2, 3, 4, 5]])
    before = model.logits(model.hidden(batch.trees))
    assert model.add_tokens(3) == 10
    torch.testing.assert_close(model.logits(model.hidden(batch.trees))[:, :10], before)
    assert model.lm.get_input_embeddings().weight[10:].std() > 0
    assert model.vocab_size == model.logits(torch.zeros(32)).numel() == 13


def test_added_tokens_are_spread_as_the_models_own(tmp_path: Path) -> None:
    """Place by place: at GPT-1's scale one may be taken for the first token of a text."""
    torch.manual_seed(0)
    model = load_model(f"hf:{write(tmp_path / 'model', llama())}").model
    own = model.lm.get_input_embeddings().weight
    with torch.no_grad():
        own.mul_(torch.linspace(1, 9, own.shape[1])).add_(torch.linspace(-2, 2, own.shape[1]))
    middle, spread = own.mean(0), own.std(0)
    first = model.add_tokens(4000)
    fresh = model.lm.get_input_embeddings().weight[first:]
    torch.testing.assert_close(fresh.mean(0), middle, atol=0.05, rtol=0)
    torch.testing.assert_close(fresh.std(0), spread, atol=0, rtol=0.1)


def test_dropout_can_be_set(tmp_path: Path) -> None:
    model = load_model(f"hf:{write(tmp_path / 'model', gpt2())}").model
    batch = batch_of([[2, 3, 4, 5]])
    expected = model.hidden(batch.trees)
    assert model.dropout == pytest.approx(0.1)
    model.dropout = 0.0
    torch.testing.assert_close(model.train().hidden(batch.trees), expected)
    model.dropout = 0.5
    assert (model.hidden(batch.trees) - expected).abs().max() > 0.01


def test_rows_are_cut_under_the_token_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpteval_models.rows.ROW_TOKENS", 12)
    rows = [torch.arange(n) for n in (2, 3, 4, 5, 6, 20)]
    assert [len(g) for g in groups(rows)] == [3, 2, 1]


def test_only_leaves_become_rows(sequences: list[list[int]]) -> None:
    tree = fold(sequences, 4)
    leaves = [tree.path(end) for end in tree.ends if end not in tree.parents]
    assert sorted(p.tolist() for p in leaf_paths(tree.spans)) == sorted(leaves)


def test_few_tokens_a_call_change_nothing(
    any_directory: Path, sequences: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = load_model(f"hf:{any_directory}").model, batch_of(sequences, [[5, 6]])
    expected = model.hidden(batch.trees)
    monkeypatch.setitem(TREE_TOKENS, "cpu", 1)
    monkeypatch.setattr("gpteval_models.rows.ROW_TOKENS", 1)
    torch.testing.assert_close(model.hidden(batch.trees), expected, atol=1e-5, rtol=0)


def test_a_document_starts_with_endoftext_unless_the_tokenizer_begins_otherwise(
    tmp_path: Path,
) -> None:
    plain = load_model(f"hf:{write(tmp_path / 'plain', gpt2())}").tokenizer
    begun = load_model(f"hf:{write(tmp_path / 'begun', gpt2(), bos_first=True)}").tokenizer
    assert (plain.start, begun.start) == (0, 1)
    assert plain.encode(["the cat sat"]) == begun.encode(["the cat sat"]) == [[2, 3, 4]]
    assert begun.decode([2, 3]) == "the cat"


def gemma2() -> PreTrainedModel:
    """Caps its scores and those of its attention; every second layer sees 40 tokens."""
    config = Gemma2Config(**SIZES, head_dim=8, sliding_window=40, final_logit_softcapping=0.1)
    return Gemma2ForCausalLM(config)


def granite() -> PreTrainedModel:
    return GraniteForCausalLM(GraniteConfig(**SIZES, logits_scaling=8.0))


def cohere() -> PreTrainedModel:
    return CohereForCausalLM(CohereConfig(**SIZES, logit_scale=0.0625))


@pytest.mark.parametrize("make", [gemma2, granite, cohere])
def test_a_model_that_scales_or_caps_its_scores_is_read_by_its_own_way_to_them(
    tmp_path: Path, make: Callable[[], PreTrainedModel]
) -> None:
    torch.manual_seed(0)
    model = load_model(f"hf:{write(tmp_path / 'model', make())}").model
    assert not model.plain
    first = model.add_tokens(2)
    rows = [torch.randint(first + 2, (length,)).tolist() for length in (50, 38, 3)]
    trees = batch_of(*([row] for row in rows)).trees
    ours = model.logits(model.hidden(trees))
    theirs = torch.cat([model.lm(torch.tensor([row])).logits[0] for row in rows])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    plain = model.lm.get_output_embeddings()(model.hidden(trees))
    assert (plain - ours).abs().max() > 1e-2  # or there would be nothing to scale or cap
    ours.logsumexp(-1).sum().backward()
    got = model.lm.get_output_embeddings().weight.grad.clone()
    model.zero_grad()
    theirs = torch.cat([model.lm(torch.tensor([row])).logits[0] for row in rows])
    theirs.logsumexp(-1).sum().backward()
    expected = model.lm.get_output_embeddings().weight.grad
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_a_model_whose_scores_need_more_than_its_last_states_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write(tmp_path / "model", llama())
    forward = LlamaForCausalLM.forward

    def drifting(lm: PreTrainedModel, input_ids: torch.Tensor | None = None, **more: Any) -> Any:
        output = forward(lm, input_ids, **more)
        output.logits += float(input_ids is not None)
        return output

    monkeypatch.setattr(LlamaForCausalLM, "forward", drifting)
    assert "scores are not made of its last hidden states alone" in message(directory)


def xlm(both_ways: bool) -> PreTrainedModel:
    """AutoModelForCausalLM reads it too; its configuration says `causal`, False where unsaid."""
    shape = {"vocab_size": 10, "emb_dim": 32, "n_layers": 2, "n_heads": 4}
    return XLMWithLMHeadModel(XLMConfig(**shape, max_position_embeddings=64, causal=not both_ways))


def gemma3(both_ways: bool, window: int = 40) -> PreTrainedModel:
    """Layers with a window, and without one."""
    config = Gemma3TextConfig(
        **SIZES,
        head_dim=8,
        sliding_window=window,
        layer_types=["sliding_attention", "full_attention"],
        use_bidirectional_attention=both_ways,
    )
    return Gemma3ForCausalLM(config)


LOOKING = [xlm, gemma3, partial(gemma3, window=2)]


@pytest.mark.parametrize("make", LOOKING)
def test_a_model_of_transformers_that_looks_ahead_is_refused(
    tmp_path: Path, make: Callable[..., PreTrainedModel]
) -> None:
    torch.manual_seed(0)
    directory = write(tmp_path / "model", make(both_ways=True))
    assert "is no causal language model: what it makes of a text changes" in message(directory)


@pytest.mark.parametrize("make", LOOKING)
def test_the_same_shape_that_looks_back_alone_is_read_with_its_own_scores(
    tmp_path: Path, make: Callable[..., PreTrainedModel]
) -> None:
    torch.manual_seed(0)
    lm = make(both_ways=False).eval()
    model = load_model(f"hf:{write(tmp_path / 'model', lm)}").model
    row = torch.randint(3, 10, (1, 30))
    ours = model.logits(model.hidden(batch_of(row.tolist()).trees))
    torch.testing.assert_close(ours, lm(row).logits[0], atol=1e-5, rtol=1e-4)


def test_a_missing_tensor_is_never_filled_at_random(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_text())
    config |= {"num_hidden_layers": 3, "n_layer": 3}
    (directory / "config.json").write_text(json.dumps(config))
    assert "tensors of its model (" in message(directory)


def test_tensors_that_the_model_does_not_use_are_counted(directory: Path) -> None:
    tensors = load_file(directory / "model.safetensors")
    tensors["classifier.weight"] = torch.zeros(2, 32)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    assert load_model(f"hf:{directory}").details["unused_tensors"] == 1


def test_pickled_weights_are_refused(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    assert "has no safetensors and no GGUF file; pickles are never read" in message(directory)


def test_code_of_a_model_is_never_run(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_text())
    names = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Own"}
    config |= {"model_type": "own", "auto_map": names}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "own.py").write_text("raise SystemExit('ran')")
    assert "can't load" in message(directory)


def test_a_path_that_is_not_there_is_no_hub_id(tmp_path: Path) -> None:
    assert message(tmp_path / "nowhere").startswith("no such directory")


def test_an_unreachable_hub_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert "can't get owner/model from the hub" in message("owner/model")


def test_a_name_that_no_hub_has_is_refused() -> None:
    assert "is no model id of the hub" in message("not a name")


def test_one_of_several_gguf_files_has_to_be_named(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    assert "has 2 GGUF files: name one (a.gguf" in message(tmp_path)


def test_a_broken_gguf_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"no model")
    assert "can't load" in message(tmp_path / "a.gguf")


def test_a_missing_extra_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "pip install 'gpteval[hf]'" in message(directory)


def test_the_adapter_is_a_module_with_the_sizes_of_its_model() -> None:
    model = HuggingFaceModel(llama(), "here")
    assert (model.width, model.vocab_size, model.context) == (32, 10, 64)
    assert model.config() == {"source": "here"}
