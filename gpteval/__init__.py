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
from gpteval.task import Example, PaperScore, Part, Row, Source, Split, Task

if TYPE_CHECKING:
    from gpteval.encode.batch import Batch
    from gpteval.records import Prediction, Result
    from gpteval.run import run

__all__ = [
    "RECIPES",
    "Batch",
    "CheckpointError",
    "Compute",
    "ConfigError",
    "DataError",
    "Example",
    "FinetuneConfig",
    "GptevalError",
    "Loaded",
    "Model",
    "ModelFamily",
    "PaperScore",
    "Part",
    "PluginError",
    "Prediction",
    "PretrainConfig",
    "Result",
    "Row",
    "Source",
    "Split",
    "Task",
    "Tokenizer",
    "hookimpl",
    "recipe",
    "run",
]

_LAZY = {
    "Batch": "gpteval.encode.batch",
    "Prediction": "gpteval.records",
    "Result": "gpteval.records",
    "run": "gpteval.run",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'gpteval' has no attribute {name!r}")
