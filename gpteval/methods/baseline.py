"""Linear baselines that need no language model: TF-IDF, word vectors, WordNet's relations.

What each reads of an example, and everything it depends on. For reading tests the sliding window
stands beside them (`gpteval.methods.window`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval.errors import ConfigError
from gpteval.features.bags import SMOOTHING, BagFeatures
from gpteval.features.relations import RelationFeatures, Relations
from gpteval.features.tfidf import SETTINGS, TextFeatures
from gpteval.features.wordnet import read_wordnet, wordnet_digest
from gpteval.files import digest
from gpteval.methods.job import Job
from gpteval.methods.linear import Linear, Units, execute
from gpteval.methods.linear_model import HEAD, Features, LinearModel
from gpteval.methods.order import Engine
from gpteval.methods.outcome import Results
from gpteval.methods.settings import BaselineConfig, settled
from gpteval.methods.unit import SplitName, Unit
from gpteval.methods.window import Window
from gpteval.methods.word_vectors import VectorFile, named
from gpteval.naming import ALL
from gpteval.paths import user_path
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.task import Example, Task

if TYPE_CHECKING:
    from gpteval.data.rows import SplitRows

TFIDF = "tfidf"
VERSION = 1
"""Raised whenever the numbers of TF-IDF change; results depend on it."""
BAGS_VERSION = 1
"""Likewise of word vectors."""
WORDNET = "wordnet"
RELATIONS_VERSION = 1
"""Likewise of WordNet's relations."""
LACKS = "has no baseline"

Made = Callable[[Task, Iterable[Example], Progress], Features]
"""Features of a task, not fitted yet; they may look at which words there are in all examples."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A linear model over one kind of features.

    Attributes:
        name: Stands as its model in results.
        settings: All that its numbers depend on beside task and rows; JSON values, of which none
            is a path.
        version: Raised whenever the numbers change.
        features: What it reads.
        paired: Whether it reads how a text is related to one given before it, and nothing else.
    """

    name: str
    settings: Mapping[str, Any]
    version: int
    features: Made
    paired: bool = False

    @property
    def digest(self) -> str:
        """Of the method, whatever it is fitted on."""
        return digest({"name": self.name, "version": self.version, **self.settings})


def without_vectors(task: Task) -> Iterator[Baseline]:
    """TF-IDF, and the same blind to what is given where the task has such a one."""
    for name in filter(None, (TFIDF, task.blind)):
        made = partial(_tfidf, last_only=name != TFIDF)
        yield Baseline(name, {**SETTINGS, **HEAD}, VERSION, made)


def with_vectors(paths: Sequence[Path]) -> list[Baseline]:
    """The mean of the vectors of a text's words, and SIF's; of every file.

    Raises:
        ConfigError: A file can't be read, or is of no such kind.
    """
    return [
        Baseline(
            f"{kind}:{file.name}",
            {"vectors": file.content, "smoothing": smoothing, **HEAD},
            BAGS_VERSION,
            partial(_bags, file=file, smoothing=smoothing),
        )
        for file in [VectorFile.of(path) for path in paths]
        for kind, smoothing in (("vectors", None), ("sif", SMOOTHING))
    ]


def with_wordnet(directory: Path) -> Baseline:
    """The relations that WordNet knows between the words of two texts.

    Raises:
        ConfigError: The directory lacks one of its files.
    """
    with named("--wordnet"):
        content = wordnet_digest(directory)
    settings = {"wordnet": content, **HEAD}
    made = partial(_relations, directory=directory, content=content)
    return Baseline(WORDNET, settings, RELATIONS_VERSION, made, paired=True)


def score_baselines(
    tasks: str | Task | Iterable[str | Task] = ALL,
    *,
    progress: Progress | None = None,
    engine: Engine | None = None,
    **settings: Any,
) -> Results:
    """Fit and score the baselines of every task asked for.

    Args:
        tasks: Names or groups, as a list or joined by commas; "all": every task there is.
        progress: Told where the work stands, and which splits are not there.
        engine: Computes the units elsewhere, several at once; None: one after another, here.
        settings: Fields of `BaselineConfig`: data_dir, sample, limit, force, results, predict,
            vectors, wordnet.

    Returns:
        A result per task, baseline and split, earlier finished ones among them; `left_out` names
        the tasks of a group that have none.

    Raises:
        GptevalError: Anything the user can mend; what is finished is saved.
    """
    if strange := sorted({"model", "compute"} & settings.keys()):
        raise ConfigError(f"baselines have no {strange[0]}: leave it out")
    config = settled(BaselineConfig, tasks, settings)
    results = fit_baselines(config, progress or Silent(), engine=engine)
    registry().run_finished(results)
    return results


def fit_baselines(
    config: BaselineConfig,
    progress: Progress,
    *,
    required: bool = True,
    engine: Engine | None = None,
) -> Results:
    """Read, fit and score task by task, as `execute` does.

    Args:
        config: What to score.
        progress: Told where the work stands.
        required: Whether it is a fault that a task can have none: not beside other scores.
        engine: Who computes them; None: this process.
    """
    units = units_of(config)
    return execute(config, progress, units, lacks=LACKS, required=required, engine=engine)


def units_of(config: BaselineConfig) -> Units:
    """Makes the baselines of a job.

    Raises:
        ConfigError: A file or directory that the settings name can't be used.
    """
    further = with_vectors(config.vector_files)
    if config.wordnet is not None:
        further.append(with_wordnet(user_path(config.wordnet)))

    def units(job: Job, rows: Mapping[SplitName, SplitRows], limit: int | None) -> list[Unit]:
        baselines = (*without_vectors(job.task), *further)
        linear = [Fit(baseline, job, rows, limit) for baseline in baselines]
        window = Window(job.task, rows, limit)
        own: list[Unit] = [unit for unit in linear if unit.applies]
        return [*own, window] if window.applies and window.scored else own

    return units


class Fit(Linear):
    """One baseline, fitted on one training split: a unit."""

    def __init__(
        self,
        baseline: Baseline,
        job: Job,
        rows: Mapping[SplitName, SplitRows],
        limit: int | None,
    ) -> None:
        """`rows` as `execute` reads them with `limit`."""
        super().__init__(baseline.name, job, rows, limit)
        self.baseline, self.settings = baseline, baseline.settings

    @property
    def digest(self) -> str:
        """Of the baseline."""
        return self.baseline.digest

    @property
    def applies(self) -> bool:
        """Whether the task has what the baseline reads."""
        if not self.baseline.paired:
            return True
        examples = self._examples(self.job.task, "train")
        return any(e.context or len(texts) > 1 for e in examples for texts in e.sequences)

    def model(self, progress: Progress) -> LinearModel:
        """A linear model over what the baseline reads."""
        task = self.job.task
        splits = [(task, "train"), *self.scored]
        examples = [example for own, split in splits for example in self._examples(own, split)]
        return LinearModel(task, self.baseline.features(task, examples, progress))


def _tfidf(task: Task, _: Iterable[Example], __: Progress, *, last_only: bool) -> Features:
    return TextFeatures(task, last_only=last_only)


def _bags(
    task: Task,
    examples: Iterable[Example],
    progress: Progress,
    *,
    file: VectorFile,
    smoothing: float | None,
) -> Features:
    """Features of the vectors of a file.

    Raises:
        ConfigError: It is none, or has no word of the task.
    """
    return BagFeatures(task, file.of_task(task, examples, progress), smoothing=smoothing)


def _relations(
    task: Task, _: Iterable[Example], __: Progress, *, directory: Path, content: str
) -> RelationFeatures:
    """Features of a WordNet.

    Raises:
        ConfigError: It can't be read.
    """
    with named("--wordnet"):
        return RelationFeatures(task, _known(directory, content))


@lru_cache(maxsize=1)  # several tasks ask one WordNet, much of it twice
def _known(directory: Path, content: str) -> Relations:
    return Relations(read_wordnet(directory))
