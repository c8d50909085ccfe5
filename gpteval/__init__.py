"""gpteval: how far does one pre-trained language model carry?

The public names. What a command line can do without, torch first of all, is imported on first use.
Before it is, its threads are told to wait without spinning.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gpteval.compute.processes import wait_passively
from gpteval.errors import CheckpointError, ConfigError, DataError, GptevalError, PluginError
from gpteval.hookspecs import hookimpl

if TYPE_CHECKING:
    from gpteval.api.compare import bless, check, compare, diff, show
    from gpteval.api.measure import (
        ablate,
        ablate_layers,
        ablate_pieces,
        curve,
        doctor,
        neuron,
        noise,
        plan,
        pretrain_model,
        run,
        score_baselines,
        score_probes,
        score_zeroshot,
    )
    from gpteval.api.offers import (
        list_metrics,
        list_models,
        list_plugins,
        list_tasks,
        preview_tasks,
        verify_data,
    )
    from gpteval.api.results import (
        leaderboard,
        load_results,
        matrix,
        merge_results,
        rescore,
        submit,
        verify_results,
    )
    from gpteval.columns import Columns, Question
    from gpteval.config import Compute, FinetuneConfig, PretrainConfig, Sharing, TrainingCompute
    from gpteval.encode.cache import cache_directory
    from gpteval.encode.tokenizer import BpeTokenizer
    from gpteval.files import replacing
    from gpteval.launch.engine import engine
    from gpteval.methods.settings import recipe
    from gpteval.metric import Metric
    from gpteval.model import Loaded, Model, ModelFamily, SentenceModel, Tokenizer
    from gpteval.pretrain.vectors import VectorsConfig, train_vectors
    from gpteval.records import Prediction, Result
    from gpteval.scaffold import new_package
    from gpteval.table import Table, read_table
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
    from gpteval.testing.plugins import plugin_faults
    from gpteval.train.answering import Answer, Finetuned, load_finetuned
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
    "Answer",
    "BpeTokenizer",
    "Candidate",
    "CheckpointError",
    "Columns",
    "Compute",
    "ConfigError",
    "DataError",
    "Example",
    "FinetuneConfig",
    "Finetuned",
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
    "SentenceModel",
    "Sharing",
    "Source",
    "Span",
    "Split",
    "Suite",
    "Table",
    "Task",
    "Tokenizer",
    "TrainingCompute",
    "Trees",
    "VectorsConfig",
    "ablate",
    "ablate_layers",
    "ablate_pieces",
    "bless",
    "cache_directory",
    "check",
    "compare",
    "curve",
    "diff",
    "doctor",
    "engine",
    "history",
    "hookimpl",
    "leaderboard",
    "list_metrics",
    "list_models",
    "list_plugins",
    "list_tasks",
    "load_finetuned",
    "load_model",
    "load_results",
    "load_weights",
    "matrix",
    "merge_results",
    "neuron",
    "new_package",
    "noise",
    "plan",
    "plugin_faults",
    "pretrain_model",
    "preview_tasks",
    "read_config",
    "read_json",
    "read_table",
    "read_tensors",
    "recipe",
    "replacing",
    "rescore",
    "run",
    "save_checkpoint",
    "score_baselines",
    "score_probes",
    "score_zeroshot",
    "show",
    "submit",
    "train_vectors",
    "verify_data",
    "verify_results",
    "weights_digest",
]

_LAZY = {
    "Answer": "gpteval.train.answering",
    "BpeTokenizer": "gpteval.encode.tokenizer",
    "Candidate": "gpteval.task",
    "Columns": "gpteval.columns",
    "Compute": "gpteval.config",
    "Example": "gpteval.task",
    "FinetuneConfig": "gpteval.config",
    "Finetuned": "gpteval.train.answering",
    "Loaded": "gpteval.model",
    "Metric": "gpteval.metric",
    "Model": "gpteval.model",
    "ModelFamily": "gpteval.model",
    "PaperScore": "gpteval.task",
    "Part": "gpteval.task",
    "Prediction": "gpteval.records",
    "PretrainConfig": "gpteval.config",
    "Prompt": "gpteval.task",
    "Question": "gpteval.columns",
    "Result": "gpteval.records",
    "Row": "gpteval.task",
    "SentenceModel": "gpteval.model",
    "Sharing": "gpteval.config",
    "Source": "gpteval.task",
    "Span": "gpteval.tree",
    "Split": "gpteval.task",
    "Suite": "gpteval.task",
    "Table": "gpteval.table",
    "Task": "gpteval.task",
    "Tokenizer": "gpteval.model",
    "TrainingCompute": "gpteval.config",
    "Trees": "gpteval.tree",
    "VectorsConfig": "gpteval.pretrain.vectors",
    "ablate": "gpteval.api.measure",
    "ablate_layers": "gpteval.api.measure",
    "ablate_pieces": "gpteval.api.measure",
    "bless": "gpteval.api.compare",
    "cache_directory": "gpteval.encode.cache",
    "check": "gpteval.api.compare",
    "compare": "gpteval.api.compare",
    "curve": "gpteval.api.measure",
    "diff": "gpteval.api.compare",
    "doctor": "gpteval.api.measure",
    "engine": "gpteval.launch.engine",
    "leaderboard": "gpteval.api.results",
    "list_metrics": "gpteval.api.offers",
    "list_models": "gpteval.api.offers",
    "list_plugins": "gpteval.api.offers",
    "list_tasks": "gpteval.api.offers",
    "load_finetuned": "gpteval.train.answering",
    "load_model": "gpteval.weights.load",
    "load_results": "gpteval.api.results",
    "load_weights": "gpteval.weights.checkpoint",
    "history": "gpteval.api.results",
    "matrix": "gpteval.api.results",
    "merge_results": "gpteval.api.results",
    "new_package": "gpteval.scaffold",
    "neuron": "gpteval.api.measure",
    "noise": "gpteval.api.measure",
    "plan": "gpteval.api.measure",
    "plugin_faults": "gpteval.testing.plugins",
    "pretrain_model": "gpteval.api.measure",
    "preview_tasks": "gpteval.api.offers",
    "read_config": "gpteval.weights.checkpoint",
    "read_json": "gpteval.weights.checkpoint",
    "read_table": "gpteval.table",
    "read_tensors": "gpteval.weights.checkpoint",
    "recipe": "gpteval.methods.settings",
    "replacing": "gpteval.files",
    "rescore": "gpteval.api.results",
    "run": "gpteval.api.measure",
    "save_checkpoint": "gpteval.weights.checkpoint",
    "score_baselines": "gpteval.api.measure",
    "score_probes": "gpteval.api.measure",
    "score_zeroshot": "gpteval.api.measure",
    "show": "gpteval.api.compare",
    "submit": "gpteval.api.results",
    "train_vectors": "gpteval.pretrain.vectors",
    "verify_data": "gpteval.api.offers",
    "verify_results": "gpteval.api.results",
    "weights_digest": "gpteval.weights.checkpoint",
}

wait_passively()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'gpteval' has no attribute {name!r}")
