"""What is measured, on what, by which recipe: the settings of a run, of a scoring, of a study."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from gpteval.config import (
    ALL,
    MODEL,
    NOTHING,
    RECIPE,
    RESULTS,
    SAMPLE_MODEL,
    SAMPLE_RECIPE,
    SAMPLE_RESULTS,
    SEEDS,
    Compute,
    FinetuneConfig,
    check,
    option,
    splits,
    task_names,
)
from gpteval.errors import ConfigError, UnknownNameError, refuse_unknown
from gpteval.paths import PathLike, user_path, user_paths, user_reference
from gpteval.plugins import registry
from gpteval.task import Task

LAYERS = re.compile(rf"\s*({ALL}|({NOTHING}|\d+)(\.\.({ALL}|\d+))?)\s*")


def recipe(name: str, changes: Mapping[str, Any] | None = None) -> FinetuneConfig:
    """A named recipe with some settings changed.

    Raises:
        UnknownNameError: No such recipe, or no such setting.
    """
    known = [f.name for f in fields(FinetuneConfig)]
    refuse_unknown("setting", changes or {}, known)
    return replace(registry().recipe(name), **(changes or {}))


def results_directory(results: PathLike | None, *, sample: bool) -> Path:
    """Where records go: the directory given, else the one of samples or of data."""
    return user_path(results or (SAMPLE_RESULTS if sample else RESULTS))


Settings = TypeVar("Settings", bound="Subject")


def settled(
    kind: type[Settings], tasks: str | Task | Iterable[str | Task], settings: Mapping[str, Any]
) -> Settings:
    """The settings that a caller gave by name.

    Raises:
        UnknownNameError: There is no setting of a name.
        ConfigError: One can't be used.
    """
    known = [entry.name for entry in fields(kind)]
    for name in settings:
        if name not in known:
            own = name in [entry.name for entry in fields(FinetuneConfig)]
            hint = f"(of the recipe: give changes={{{name!r}: …}})" if own else ""
            raise UnknownNameError("setting", name, known, hint)
    seeds = settings.get("seeds")
    listed = {"seeds": tuple(seeds)} if isinstance(seeds, list | range) else {}
    given = list(tasks) if isinstance(tasks, Iterable) and not isinstance(tasks, str) else tasks
    names = task_names(given)
    for task in [given] if isinstance(given, Task) else given:
        if isinstance(task, Task):
            registry().adopt(task)
    return kind(tasks=names, **{**settings, **listed})


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, on what, and where the results go.

    Attributes:
        tasks: Task names, package/names and groups.
        model: Model reference; None for `mini` on samples and `openai-gpt` elsewhere.
        data_dir: Directory of official files, or several, of which the first that has a split
            wins; None for `GPTEVAL_DATA`, else the hub.
        sample: Use the bundled samples instead.
        limit: Most rows of every split; None for all.
        skip_missing: Leave out a task whose rows are not there, though it was named by itself.
        force: Measure what is finished or begun again, from its start; the new results take the
            place of the earlier.
        results: Where records and predictions go; None for `runs` on samples, else `results`.
        compute: Device and precision.
    """

    tasks: tuple[str, ...]
    model: str | None = None
    data_dir: PathLike | Sequence[PathLike] | None = None
    sample: bool = False
    limit: int | None = None
    skip_missing: bool = False
    force: bool = False
    results: PathLike | None = None
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        """Refuse what no run can use."""
        check(self)
        if "" in (self.model, self.results):
            raise ConfigError("--model and --results are not empty: leave out what has no value")
        if self.sample and self.data_dir:
            raise ConfigError("--sample and --data-dir exclude each other: choose one")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit is at least 1, not {self.limit}")
        if not self.tasks:
            raise ConfigError("no task named: give names or groups, joined by commas")

    @property
    def model_reference(self) -> str:
        """The model to load."""
        return user_reference(self.model or (SAMPLE_MODEL if self.sample else MODEL))

    @property
    def results_directory(self) -> Path:
        """Where records go."""
        return results_directory(self.results, sample=self.sample)


@dataclass(frozen=True, slots=True)
class ZeroshotConfig(Subject):
    """Everything a zero-shot scoring depends on, beside the code.

    Attributes:
        untrained: Score a model of the same shape with random weights too, as a baseline.
    """

    untrained: bool = True


@dataclass(frozen=True, slots=True)
class Trained(Subject):
    """What learns from the training split of a task before it answers the others.

    Attributes:
        predict: Answer the splits whose labels are private too, for `gpteval submit`.
    """

    predict: bool = False

    def __post_init__(self) -> None:
        """Refuse what no run can use."""
        Subject.__post_init__(self)
        if self.predict and self.sample:
            raise ConfigError(
                "--predict is for sets whose labels are private, and the samples have all of "
                "theirs: leave out --predict or --sample"
            )


@dataclass(frozen=True, slots=True)
class BaselineConfig(Trained):
    """Everything baselines depend on, beside the code.

    Attributes:
        vectors: Files of word vectors, each for two baselines of its own: one or several.
        wordnet: Directory of WordNet's database files, for one more on tasks of two texts.
    """

    vectors: PathLike | Sequence[PathLike] = ()
    wordnet: PathLike | None = None

    @property
    def vector_files(self) -> tuple[Path, ...]:
        """The files of word vectors."""
        return user_paths(self.vectors)


@dataclass(frozen=True, slots=True)
class ProbeConfig(Trained):
    """Everything a probe depends on, beside the code.

    Attributes:
        state: What is read of a text: "mean" over its tokens, of its "last" one, or of an added
            token behind the whole example ("extract").
        layer: "last", "all" (a probe for each), "mix" (ELMo's), or a number: states after so many
            layers, 0 before the first.
        head: "linear"; of two labels also "l1" (an L1 penalty) or "neuron" (the best single unit).
        vectors: File of word vectors, whose mean over a text's words stands beside its state.
    """

    state: str = option("mean", "", choices=("mean", "last", "extract"))
    layer: str = "last"
    head: str = option("linear", "", choices=("linear", "l1", "neuron"))
    vectors: PathLike | None = None

    def __post_init__(self) -> None:
        """Refuse what no probe can use."""
        Trained.__post_init__(self)
        if self.layer not in ("last", "mix", ALL) and not self.layer.isdecimal():
            raise ConfigError(f"--layer is last, all, mix or a number, not {self.layer!r:.40}")
        if self.layer == "mix" and self.head != "linear":
            raise ConfigError(f"--head {self.head} is of one layer: leave out --layer mix")


@dataclass(frozen=True, slots=True)
class RunConfig(Trained):
    """Everything a run depends on, beside the code.

    Attributes:
        recipe: Named recipe; None for `sample` on samples and `paper` elsewhere.
        changes: Settings of the recipe to change.
        seeds: One run each.
        save_seconds: Time between two saves of an unfinished training, from which a killed run
            resumes.
        transfer_layers: How much of the pre-trained model to keep (paper §5): "all"; a number of
            layers beside the embeddings, the rest with fresh weights; "none" of it. Several
            ("0..4", "none,0,2") are one run each.
        save_model: Directory that the fine-tuned model is kept in, for `load_finetuned`; of several
            fine-tunings each has one below it. None: none is kept.
        run_file: What the file of `gpteval run FILE` says, for the record.
    """

    recipe: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    save_seconds: float = option(60.0, "Time between two saves.", least=0, most=10**9)
    transfer_layers: str = ALL
    save_model: PathLike | None = None
    run_file: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no run can use."""
        Trained.__post_init__(self)
        if not self.seeds:
            raise ConfigError("at least one seed is needed")
        if wrong := [seed for seed in self.seeds if not 0 <= seed < SEEDS]:
            raise ConfigError(f"--seed is at least 0 and below {SEEDS}, not {wrong[0]}")
        if not all(map(LAYERS.fullmatch, self.transfer_layers.split(","))):
            raise ConfigError(
                "--transfer-layers is all, none, a number of layers, or several (0..4 or 0,2,4), "
                f"not {self.transfer_layers!r}"
            )
        config = self.config  # so that a wrong setting is found before anything is loaded
        if splits(self.compute) and config.optimizer != "adamw":
            raise ConfigError(
                f"--optimizer {config.optimizer} keeps moments of whole weights and --shard splits "
                "them: leave out one of them"
            )

    @property
    def recipe_name(self) -> str:
        """The recipe to start from."""
        return self.recipe or (SAMPLE_RECIPE if self.sample else RECIPE)

    @property
    def config(self) -> FinetuneConfig:
        """The recipe with its changes."""
        return recipe(self.recipe_name, self.changes)
