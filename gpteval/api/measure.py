"""Models measured: fine-tuned, by likelihood, beside baselines, and in the studies over them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gpteval.api.shown import Results, shown
from gpteval.config import (
    CURVE_RESULTS,
    EXAMINED_ROWS,
    PretrainConfig,
    Sharing,
    task_names,
)
from gpteval.errors import ConfigError
from gpteval.methods import baseline, outcome, probe, zeroshot
from gpteval.methods import run as running
from gpteval.methods.settings import ProbeConfig, RunConfig, Subject, ZeroshotConfig, settled
from gpteval.naming import ALL
from gpteval.paths import PathLike, user_path
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.task import Task
from gpteval.upkeep import Reading, Upkeep

if TYPE_CHECKING:
    from gpteval.pretrain.pretrain import Pretrained
    from gpteval.report.layers import Point as Kept
    from gpteval.results.baseline import Noise
    from gpteval.studies.ablate import Piece
    from gpteval.studies.curve import Point
    from gpteval.studies.doctor import Change
    from gpteval.studies.neuron import Portrait
    from gpteval.studies.plan import Planned

Tasks = str | Task | Iterable[str | Task]
"""Names, groups and patterns, as a list or joined by commas, or tasks themselves."""

run = shown(running.run)
score_zeroshot = shown(zeroshot.score_zeroshot)
score_baselines = shown(baseline.score_baselines)
score_probes = shown(probe.score_probes)


def plan(
    tasks: Tasks,
    *,
    budget: str | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> list[Planned]:
    """Tell what a run will take, without making it.

    Args:
        tasks: Names, groups and patterns.
        budget: A time, as "2h" or "1h30m": what it pays for is marked, the shortest tasks first.
        progress: Told what is being timed.
        settings: Fields of `RunConfig`, as `run` takes them.

    Returns:
        A line per fine-tuning, in the order of the run: task, seed, label, finished, fits; updates,
        tokens, predicted, evaluated_tokens, train_flops, evaluate_flops; seconds, of which
        read_seconds, train_seconds and evaluate_seconds; peak_memory_bytes, state_bytes,
        model_bytes and predictions_bytes. Of one that is finished all figures are 0.

    Raises:
        GptevalError: As `run`, before the first task begins; ConfigError: a budget that is no time.
    """
    from gpteval.studies.plan import plan as planned

    return planned(settled(RunConfig, tasks, settings), progress or Silent(), budget)[0]


def ablate(
    tasks: Tasks, *, lstm: str | None = None, progress: Progress | None = None, **settings: Any
) -> dict[str, Results]:
    """Fine-tune as it is, without pre-training, and without the auxiliary loss (table 5).

    Args:
        tasks: Names, groups and patterns; the paper's are the group "ablations".
        lstm: Reference of a pre-trained LSTM, for a row of its own; None for none.
        progress: Told where the runs stand.
        settings: Fields of `RunConfig`, as `run` takes them.

    Returns:
        The results of each row of the table, by its name.

    Raises:
        GptevalError: Anything the user can mend, before the first run where possible.
    """
    from gpteval.studies import ablate as study

    names = settled(RunConfig, tasks, {}).tasks
    table = study.ablate(names, lstm=lstm, progress=progress, **settings)
    return {name: Results.of(results) for name, results in table.items()}


def ablate_pieces(
    tasks: Tasks, *, progress: Progress | None = None, **settings: Any
) -> list[Piece]:
    """Fine-tune by a recipe, and with each of its settings as the paper's: what is each worth?

    Args:
        tasks: Names, groups and patterns.
        progress: Told where the runs stand.
        settings: Fields of `RunConfig`, as `run` takes them; `recipe` or `changes` among them.

    Returns:
        For every piece and task the whole recipe against it without the piece, on the same
        examples; first against the paper's.

    Raises:
        ConfigError: The recipe is the paper's.
        GptevalError: Anything else the user can mend, before the first run where possible.
    """
    from gpteval.studies import ablate as study

    names = settled(RunConfig, tasks, {}).tasks
    return study.ablate_pieces(names, progress=progress, **settings)[1]


def ablate_layers(tasks: Tasks, *, progress: Progress | None = None, **settings: Any) -> list[Kept]:
    """Fine-tune with nothing, the embeddings, one layer … all of them transferred (figure 2, left).

    Args:
        tasks: Names, groups and patterns; the paper's are the group "layers".
        progress: Told where the runs stand.
        settings: Fields of `RunConfig`, as `run` takes them.

    Returns:
        The points of the curves.
    """
    from gpteval.report.layers import points
    from gpteval.studies import ablate as study

    names = settled(RunConfig, tasks, {}).tasks
    return points(*study.ablate_layers(names, progress=progress, **settings))


def noise(
    tasks: Tasks,
    *,
    seeds: Sequence[int] = range(5),
    baseline: PathLike | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> dict[str, Noise]:
    """Fine-tune with several seeds: how much does every score move with them?

    Args:
        tasks: Names, groups and patterns.
        seeds: At least two.
        baseline: Baseline file that it is kept in, for `check`; `bless` makes it.
        progress: Told where the runs stand.
        settings: Fields of `RunConfig`, as `run` takes them.

    Returns:
        "task/split/metric" → the noise.

    Raises:
        ConfigError: Fewer than two seeds.
        GptevalError: Anything else the user can mend, before the first run where possible.
    """
    found, _ = seed_noise(tasks, seeds=seeds, baseline=baseline, progress=progress, **settings)
    return found


def seed_noise(
    tasks: Tasks,
    *,
    seeds: Sequence[int],
    baseline: PathLike | None,
    progress: Progress | None,
    **settings: Any,
) -> tuple[dict[str, Noise], outcome.Results]:
    """What `noise` gives, and the results that it comes of."""
    from gpteval.results.baseline import read_baseline, write_baseline
    from gpteval.results.pairing import measurements
    from gpteval.results.store import ResultStore
    from gpteval.studies.noise import noise as measured

    config = settled(RunConfig, tasks, {**settings, "seeds": seeds})
    if len(seeds) < 2:
        raise ConfigError(f"--seeds {len(seeds)}: noise is between runs, give at least 2, better 5")
    before = read_baseline(user_path(baseline)) if baseline else None
    results = running.run(tasks, seeds=seeds, progress=progress, **settings)
    found = measured(measurements(ResultStore(config.results_directory), results))
    if baseline and before and results:  # of several processes the first has the results
        write_baseline(user_path(baseline), replace(before, noise={**before.noise, **found}))
    return found, results


def curve(
    directories: PathLike | Iterable[PathLike],
    tasks: Tasks = ALL,
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> list[Point]:
    """Score every checkpoint of a pre-training by likelihood (figure 2, right), one after another.

    Args:
        directories: Outputs of `pretrain_model` with snapshots, or directories of checkpoints.
        tasks: Names, groups and patterns; those that nothing can be normalised by are left out.
        progress: Told where it stands.
        settings: Fields of `ZeroshotConfig`, as `score_zeroshot` takes them; results go to "curve"
            by default.
    """
    from gpteval.paths import user_paths
    from gpteval.studies.curve import points

    config = settled(ZeroshotConfig, tasks, {"results": CURVE_RESULTS, **settings})
    scored, _ = points(user_paths(directories), config, progress or Silent())
    return scored


def neuron(
    task: str | Task,
    texts: Iterable[str] = (),
    output: PathLike | None = None,
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> Portrait:
    """Find the unit of a frozen model that tells a task's labels apart best (Radford et al. 2017).

    Args:
        task: One of two labels and one text.
        texts: What to read token by token, beside texts of the task.
        output: File of the page with scores, histogram and coloured texts; None for none.
        progress: Told where it stands.
        settings: Fields of `ProbeConfig`, as `score_probes` takes them; one layer, no head.

    Returns:
        The unit, its result beside that of all units, its values by label, the texts.

    Raises:
        ConfigError: A task, layer or state that has no such unit, or a text without a token.
        GptevalError: Anything else the user can mend.
    """
    return draw_neuron(task, tuple(texts), output, progress, settings)[0]


def draw_neuron(
    task: str | Task,
    texts: Sequence[str],
    output: PathLike | None,
    progress: Progress | None,
    settings: Mapping[str, Any],
) -> tuple[Portrait, outcome.Results]:
    """What `neuron` gives, and the results that it comes of."""
    from gpteval.files import write_whole, writing
    from gpteval.report.neuron import page
    from gpteval.studies.neuron import portrait

    path = None if output is None else user_path(output)
    if path is not None and path.suffix.lower() != ".html":
        raise ConfigError(f"--output {path}: name a file ending in .html")
    config = settled(ProbeConfig, task, settings)
    found, results = portrait(config, texts, progress or Silent())
    registry().run_finished(results)
    if path is not None:
        with writing(path):
            write_whole(path, page(found, _asked(found, config, texts)))
    return found, results


def _asked(found: Portrait, config: ProbeConfig, texts: Sequence[str]) -> str:
    """The command that makes a page again, wherever its rows are."""
    words = ["gpteval", "neuron", "--task", found.task, "--model", found.single.model]
    words += ["--state", found.state] + ["--layer", str(found.layer)] * (found.layer >= 0)
    words += ["--sample"] if config.sample else ["--data-dir", "DATA"]
    words += ["--limit", str(config.limit)] if config.limit else []
    return shlex.join([*words, *(word for text in texts for word in ("--text", text))])


def doctor(
    tasks: Tasks = ALL, *, progress: Progress | None = None, **settings: Any
) -> Iterator[Change]:
    """Find out whether a model's log-probabilities depend on how they are computed.

    Args:
        tasks: Names, groups and patterns; those without prompts are left out.
        progress: Told where it stands.
        settings: Fields of `Subject`, as `score_zeroshot` takes them; 100 rows of a split by
            default.

    Returns:
        What every arrangement changes of each task, as it is known; `sound` where it is rounding.
    """
    from gpteval.studies.doctor import examined

    told = progress or Silent()
    ready, _ = examined(settled(Subject, tasks, {"limit": EXAMINED_ROWS, **settings}), told)
    return (change for one in ready for change in one.changes(told))


def pretrain_model(
    corpus: Sequence[PathLike],
    output: PathLike,
    config: PretrainConfig,
    *,
    reading: Reading | None = None,
    compute: Sharing | None = None,
    upkeep: Upkeep | None = None,
    watch: str | Iterable[str] = (),
    progress: Progress | None = None,
) -> Pretrained:
    """Train a language model on a corpus; `output`/model is then a model's reference.

    Args:
        corpus: Files of text, JSONL or parquet, directories of them, hub data sets.
        output: Directory that is written; what is unfinished there is resumed.
        config: The recipe.
        reading: How the corpus is read.
        compute: Device and precision.
        upkeep: What is saved along the way.
        watch: Tasks asked by likelihood wherever the held-out loss is measured.
        progress: Told where it stands.

    Raises:
        GptevalError: Anything the user can mend, before training begins where possible.
    """
    from gpteval.compute.processes import rank
    from gpteval.pretrain.pretrain import pretrain
    from gpteval.studies.monitor import read_monitors

    names, monitors, told = task_names(watch), None, progress or Silent()
    if names and not rank():
        monitors = read_monitors(names, (reading or Reading()).data_dir, told).encoded
    return pretrain(
        corpus,
        output,
        config,
        reading=reading,
        compute=compute,
        upkeep=upkeep,
        monitors=monitors,
        progress=progress,
    )
