"""How often a fresh token, drawn in one way or another, upsets the model that reads it.

Large activations at the first token of a text are how pre-trained transformers park attention that
has nothing to read (Xiao et al. 2024, arXiv 2309.17453; Sun et al. 2024, arXiv 2402.17762). A token
added for fine-tuning that sets them off at the end of a text, where the head reads, hides what the
text said. Three tokens are drawn as fine-tuning draws them, and put around sentences as it does.

Run: `python benchmarks/fresh_tokens.py --model hf:DIR`; a line for each way to draw.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from gpteval import load_model

TEXTS = ("The cat sat on the mat.", "She asked whether he would come before the end of the week.")
SINK = 5
"""Times the median of all draws from which on activations are called those of a first token."""


def largest(lm: torch.nn.Module, rows: Tensor) -> float:
    """Largest norm that the state of the last token of (T, D) embeddings has below the last."""
    states = lm.base_model(inputs_embeds=rows[None], output_hidden_states=True).hidden_states
    return max(float(state[0, -1].norm()) for state in states[:-1])


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True, help="hf:DIR")
    parser.add_argument("--draws", type=int, default=40)
    options = parser.parse_args()
    loaded = load_model(options.model)
    lm = loaded.model.lm
    own = lm.get_input_embeddings().weight
    middle, spread = own.mean(0), own.std(0)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "normal, 0.02": lambda drawn: 0.02 * drawn,
        "as the model's own": lambda drawn: middle + spread * drawn,
    }
    texts = [own[torch.tensor(ids)] for ids in loaded.tokenizer.encode(list(TEXTS))]  # (T, D)
    for name, way in ways.items():
        found = []
        for seed in range(options.draws):
            drawn = torch.randn(3, own.shape[1], generator=torch.Generator().manual_seed(seed))
            start, _, extract = way(drawn).split(1)  # (1, D) each
            norms = [largest(lm, torch.cat([start, text, extract])) for text in texts]
            found.append(sum(norms) / len(norms))
        above = sum(norm > SINK * median(found) for norm in found)
        print(f"{name}: median {median(found):,.0f}, {above} of {len(found)} a sink", flush=True)


if __name__ == "__main__":
    main()
