"""gpteval: how far does one pre-trained language model carry?

The public names. What a command line can do without, torch first of all, is imported on first use.
Before it is, its threads are told to wait without spinning.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gpteval.compute.processes import wait_passively
from gpteval.config import Compute, FinetuneConfig, PretrainConfig
from gpteval.errors import CheckpointError, ConfigError, DataError, GptevalError, PluginError
from gpteval.hookspecs import hookimpl
from gpteval.metric import Metric
from gpteval.model import Loaded, Model, ModelFamily, Tokenizer
from gpteval.task import (
    Candidate,
    Example,
    PaperScore,
    Part,
    Prompt,
    Row,
    Source,
    Split,
    Suite,
    Task,
)

if TYPE_CHECKING:
    from gpteval.columns import Columns, Question
    from gpteval.encode.cache import cache_directory
    from gpteval.encode.tokenizer import BpeTokenizer
    from gpteval.files import replacing
    from gpteval.methods.linear import score_baselines
    from gpteval.methods.run import run
    from gpteval.methods.settings import recipe
    from gpteval.methods.zeroshot import score_zeroshot
    from gpteval.records import Prediction, Result
    from gpteval.table import Table, read_table
    from gpteval.tree import Span, Trees
    from gpteval.weights.checkpoint import (
        load_weights,
        read_config,
        read_json,
        read_tensors,
        save_checkpoint,
        weights_digest,
    )
    from gpteval.weights.load import load_model

__all__ = [
    "BpeTokenizer",
    "Candidate",
    "CheckpointError",
    "Columns",
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
    "Question",
    "Result",
    "Row",
    "Source",
    "Span",
    "Split",
    "Suite",
    "Table",
    "Task",
    "Tokenizer",
    "Trees",
    "cache_directory",
    "hookimpl",
    "load_model",
    "load_weights",
    "read_config",
    "read_json",
    "read_table",
    "read_tensors",
    "recipe",
    "replacing",
    "run",
    "save_checkpoint",
    "score_baselines",
    "score_zeroshot",
    "weights_digest",
]

_LAZY = {
    "BpeTokenizer": "gpteval.encode.tokenizer",
    "cache_directory": "gpteval.encode.cache",
    "load_model": "gpteval.weights.load",
    "load_weights": "gpteval.weights.checkpoint",
    "Columns": "gpteval.columns",
    "Prediction": "gpteval.records",
    "Question": "gpteval.columns",
    "Result": "gpteval.records",
    "Span": "gpteval.tree",
    "Table": "gpteval.table",
    "Trees": "gpteval.tree",
    "read_table": "gpteval.table",
    "read_config": "gpteval.weights.checkpoint",
    "read_json": "gpteval.weights.checkpoint",
    "read_tensors": "gpteval.weights.checkpoint",
    "recipe": "gpteval.methods.settings",
    "run": "gpteval.methods.run",
    "save_checkpoint": "gpteval.weights.checkpoint",
    "replacing": "gpteval.files",
    "score_baselines": "gpteval.methods.linear",
    "score_zeroshot": "gpteval.methods.zeroshot",
    "weights_digest": "gpteval.weights.checkpoint",
}

wait_passively()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'gpteval' has no attribute {name!r}")
