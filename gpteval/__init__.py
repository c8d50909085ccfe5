"""gpteval: how far does one pre-trained language model carry?

The public names. Everything that needs torch is imported on first use, so that `import gpteval` is
cheap enough for a command line.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gpteval.config import RECIPES, Compute, FinetuneConfig, PretrainConfig, recipe
from gpteval.errors import CheckpointError, ConfigError, DataError, GptevalError, PluginError
from gpteval.hookspecs import hookimpl
from gpteval.model import Loaded, Model, ModelFamily, Tokenizer
from gpteval.task import Candidate, Example, PaperScore, Part, Prompt, Row, Source, Split, Task

if TYPE_CHECKING:
    from gpteval.baselines import score_baselines
    from gpteval.checkpoint import (
        load_weights,
        read_config,
        read_json,
        read_tensors,
        save_checkpoint,
        weights_digest,
    )
    from gpteval.encode.batch import Batch
    from gpteval.encode.cache import cache_directory
    from gpteval.encode.tokenizer import BpeTokenizer
    from gpteval.encode.tree import Span
    from gpteval.load import load_model
    from gpteval.records import Prediction, Result
    from gpteval.score.metrics import Metric
    from gpteval.suite import run
    from gpteval.zeroshot import score_zeroshot

__all__ = [
    "RECIPES",
    "Batch",
    "BpeTokenizer",
    "Candidate",
    "CheckpointError",
    "Compute",
    "ConfigError",
    "DataError",
    "Example",
    "FinetuneConfig",
    "GptevalError",
    "Loaded",
    "Metric",
    "Model",
    "ModelFamily",
    "PaperScore",
    "Part",
    "PluginError",
    "Prediction",
    "PretrainConfig",
    "Prompt",
    "Result",
    "Row",
    "Source",
    "Span",
    "Split",
    "Task",
    "Tokenizer",
    "cache_directory",
    "hookimpl",
    "load_model",
    "load_weights",
    "read_config",
    "read_json",
    "read_tensors",
    "recipe",
    "run",
    "save_checkpoint",
    "score_baselines",
    "score_zeroshot",
    "weights_digest",
]

_LAZY = {
    "Batch": "gpteval.encode.batch",
    "BpeTokenizer": "gpteval.encode.tokenizer",
    "Metric": "gpteval.score.metrics",
    "Prediction": "gpteval.records",
    "Result": "gpteval.records",
    "Span": "gpteval.encode.tree",
    "cache_directory": "gpteval.encode.cache",
    "load_model": "gpteval.load",
    "load_weights": "gpteval.checkpoint",
    "read_config": "gpteval.checkpoint",
    "read_json": "gpteval.checkpoint",
    "read_tensors": "gpteval.checkpoint",
    "run": "gpteval.suite",
    "save_checkpoint": "gpteval.checkpoint",
    "score_baselines": "gpteval.baselines",
    "score_zeroshot": "gpteval.zeroshot",
    "weights_digest": "gpteval.checkpoint",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'gpteval' has no attribute {name!r}")
