"""Models of transformers whose layers look back no further than a window, read as token trees."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, GPTNeoConfig, GPTNeoForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from gpteval.encode.batch import Encoded, pack
from gpteval.tree import fold
from gpteval_models.huggingface import TOLERANCE, HuggingFaceModel
from gpteval_models.output import find_output
from gpteval_models.rows import reading
from gpteval_models.windows import WIDTHS

WIDTH = 24
"""Tokens of the windows: more than are tried at loading, fewer than the longest texts here."""

WHOLE = {
    "spans": """afmoe beam cohere2 cohere2_moe cwm dots1 exaone4 exaone_moe gemma3_text gemma3n_text
        gemma4_text gemma4_unified_text kolibri1 ministral ministral3 mistral mixtral
        modernbert-decoder olmo3 phi3 qwen2 qwen3 qwen3_moe smollm3 starcoder2""",
    "masked": "flint gemma2 gpt_oss granite_swa granitemoe_swa mimo_v2_flash vaultgemma",
}
"""Families whose trees are read whole, however long, by the way in which they are."""
WITHIN = "doge moshi phimoe qwen2_moe"
"""Families that don't tell their attention of its window: a longer tree is read as rows."""
ROWS = "deepseek_v4 gpt_neo inkling2_text inkling_text lfm3 minimax"
"""Families with layers of other kinds, or with windows in the row instead of along a path."""
NO_WINDOW = "laguna mellum"
"""Families that name a width and, where nothing else is said, give no layer a window."""
UNTRIED = {
    "cohere_compass_text": "no small shape without its own table of rotary settings",
    "dots3_note_text": "layers that index what they attend to",
    "llama4_text": "what it is made of is not found: refused at loading",
    "nemotron_h": "layers that hand on a state: read as rows, and slow to try",
    "recurrent_gemma": "its configuration names no context: refused at loading",
    "zaya": "no small shape under its own rules",
}

FAMILIES = [
    *((name, way, 0) for way, names in WHOLE.items() for name in names.split()),
    *((name, "spans", WIDTH) for name in WITHIN.split()),
    *((name, "unfolded", None) for name in ROWS.split()),
    *((name, "spans", 0) for name in NO_WINDOW.split()),
]
"""Family, the way in which its trees are read, and the longest tree that is; None: unasked."""

SIZES = {
    "vocab_size": 100, "vocab_size_per_layer_input": 100, "hidden_size": 32, "num_hidden_layers": 4,
    "num_layers": 4, "num_attention_heads": 4, "num_heads": 4, "num_key_value_heads": 2,
    "head_dim": 8, "intermediate_size": 48, "max_position_embeddings": 128, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2, "hidden_size_per_layer_input": 8,
    # of layers: which have a window
    "use_sliding_window": True, "max_window_layers": 2,
    "attention_types": [[["global", "local"], 2]],
    "global_head_dim": 8, "num_global_key_value_heads": 2, "num_kv_shared_layers": 0,
    "swa_head_dim": 8, "swa_num_attention_heads": 4, "swa_num_key_value_heads": 2,
    "swa_v_head_dim": 8,
    # of experts
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 16, "n_group": 1, "topk_group": 1, "n_shared_experts": 1,
    "num_shared_experts": 1, "first_k_dense_replace": 1,
    # of low ranks
    "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "kv_lora_rank": 8, "q_lora_rank": 8,
    "v_head_dim": 8, "laurel_rank": 4, "altup_num_inputs": 2,
}  # fmt: skip


def tiny(family: str, width: int = WIDTH) -> Any:
    """A small random model of a family, with windows where the family has them."""
    if family not in CONFIG_MAPPING:
        pytest.skip(f"the installed transformers has no {family}")
    kind = CONFIG_MAPPING[family]
    known = {*inspect.signature(kind.__init__).parameters, *kind.attribute_map}
    settings = {name: own for name, own in SIZES.items() if name in known}
    settings |= {name: width for name in WIDTHS if hasattr(kind(), name)}
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(kind(**settings), dtype=torch.float32).eval()


def loaded(lm: Any) -> HuggingFaceModel:
    """As a model is when it was loaded."""
    model = HuggingFaceModel(lm, "here")
    find_output(model, TOLERANCE)
    model.reading = reading(model, TOLERANCE)
    return model


def texts(longest: int) -> Iterator[list[list[int]]]:
    """Groups of texts with a common beginning: texts to classify, and choices between answers."""
    draw = torch.Generator().manual_seed(longest)

    def ids(length: int) -> list[int]:
        return torch.randint(3, 100, (length,), generator=draw).tolist()

    for length in (longest, longest - 3, 5):
        yield [ids(length)]
    shared = ids(longest // 2)
    branch = shared + ids(longest // 4)
    rest = longest - len(branch)
    yield [branch + ids(rest), branch + ids(rest - 1), shared + ids(3), branch + ids(2)]
    yield [shared + ids(4), shared + ids(2)]


def compare(model: HuggingFaceModel, lm: Any, longest: int) -> None:
    """Scores over trees against transformers' own of each text, up to 1e-4."""
    groups = list(texts(longest))
    trees = [fold(group, 4) for group in groups]
    batch = pack([Encoded(str(i), tree, (), i) for i, tree in enumerate(trees)], 0)
    scores = model.logits(model.hidden(batch.trees))
    begin = 0
    for group, tree in zip(groups, trees, strict=True):
        for text, end in zip(group, tree.ends, strict=True):
            expected = lm(torch.tensor([text]), use_cache=False).logits[0]
            ours = scores[[begin + place for place in tree.path(end)]]
            torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)
        begin += len(tree.tokens)


@torch.no_grad()
@pytest.mark.parametrize(("family", "way", "limit"), FAMILIES)
def test_trees_are_read_as_transformers_reads_each_text(
    family: str, way: str, limit: int | None
) -> None:
    lm = tiny(family)
    model = loaded(copy.deepcopy(lm))
    assert model.reading == way
    assert limit in (model.limit, None)
    for longest in (WIDTH - 4, WIDTH, WIDTH + 1, 60):
        compare(model, lm, longest)


def test_every_family_with_a_window_is_tried() -> None:
    kinds = {name: CONFIG_MAPPING[name] for name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES}
    named = {family for family, _, _ in FAMILIES} | UNTRIED.keys()
    for name, kind in kinds.items():
        text_alone = not getattr(kind, "sub_configs", None)
        if text_alone and any(hasattr(kind(), width) for width in WIDTHS):
            assert name in named


@pytest.mark.parametrize("family", ["mistral", "gemma3_text", "gemma2", "gpt_oss"])
def test_trees_beyond_windows_have_the_gradients_of_their_texts(family: str) -> None:
    lm = tiny(family)
    model = loaded(copy.deepcopy(lm))
    groups = list(texts(60))
    trees = [fold(group, 4) for group in groups]
    batch = pack([Encoded(str(i), tree, (), i) for i, tree in enumerate(trees)], 0)
    model.logits(model.hidden(batch.trees)[batch.ends]).logsumexp(-1).sum().backward()
    for text in (text for group in groups for text in group):
        lm(torch.tensor([text]), use_cache=False).logits[0, -1].logsumexp(-1).backward()
    pairs = zip(model.lm.named_parameters(), lm.named_parameters(), strict=True)
    for (name, ours), (_, theirs) in pairs:
        if theirs.grad is None:
            assert ours.grad is None, name
        else:
            torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_a_tree_wider_than_a_window_of_the_row_is_read_as_rows() -> None:
    """GPT-Neo counts its window in the row: a short path may be long there."""
    layers = {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]}
    shape = {"vocab_size": 100, "hidden_size": 32, "max_position_embeddings": 128, **layers}
    torch.manual_seed(0)
    lm = GPTNeoForCausalLM(GPTNeoConfig(**shape, window_size=60, bos_token_id=1, eos_token_id=2))
    for weight in lm.parameters():
        weight.mul_(5)  # that attention matters
    model = loaded(copy.deepcopy(lm.eval()))
    assert (model.reading, model.limit) == ("masked", 60)
    for longest in (30, 50, 60, 61):
        compare(model, lm, longest)
