"""How often a 95 % interval holds the true score: examples drawn again and again, with fixed seeds.

The true score is that of the population that the examples are drawn from, known by formula.
Clusters differ: how often the answers of one are right is drawn from a beta distribution, the pairs
of one have a normal deviation in common; `icc` is the correlation within a cluster. Where intervals
are not given ("given" below 100), coverage is that of those that are.

Run: `python benchmarks/coverage.py`. Exit code 1 where coverage is outside 93 to 97 % with at least
100 examples and 30 clusters, or below 90 % with fewer, but for what so many draws can't tell. Where
fewer than 10 clusters have a mistake, on average, it may be above 97 %: the number of mistakes is
whole, and clusters whose correlation can't be seen count as one example each.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import betaln
from scipy.stats import binom

from gpteval import Prediction, Source, Task
from gpteval.score.metrics import metric
from gpteval.score.statistics import interval

SHARES = {2: (0.65, 0.35), 3: (0.5, 0.3, 0.2)}
"""Number of labels → how many of the examples have each."""
CORRELATIONS = ("pearson", "spearman")
CHANCE = 0.00135
"""That of three standard errors, which few intervals have no use for."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A population, and how much of it is seen.

    Attributes:
        metric: Its name.
        sizes: Examples of each cluster; all 1: no clusters.
        quality: Share of right answers, or correlation.
        icc: Correlation within a cluster.
        labels: How many there are; a wrong answer is any other of them.
    """

    metric: str
    sizes: tuple[int, ...]
    quality: float
    icc: float = 0.0
    labels: int = 2

    @property
    def names(self) -> tuple[str, ...]:
        """Of the labels."""
        return ("no", "yes", "maybe")[: self.labels]

    @property
    def clustered(self) -> bool:
        """Whether any two examples belong together."""
        return max(self.sizes) > 1

    @property
    def large(self) -> bool:
        """Whether coverage must be right, not only not too low."""
        return sum(self.sizes) >= 100 and len(self.sizes) >= 30

    @property
    def mistaken(self) -> float:
        """Clusters with a mistake, on average."""
        if self.metric in CORRELATIONS:
            return len(self.sizes)
        sizes = np.array(self.sizes)
        whole = math.log(self.quality) * sizes  # logarithm of all being right
        if self.icc:
            strength = 1 / self.icc - 1
            wrong = (1 - self.quality) * strength
            right = self.quality * strength
            whole = betaln(right + sizes, wrong) - betaln(right, wrong)
        return float((1 - np.exp(whole)).sum())

    @property
    def task(self) -> Task:
        """A task of that metric."""
        kind, labels = ("classify", self.names)
        if self.metric in CORRELATIONS:
            kind, labels = ("regress", ())
        source = Source("", {}, ())
        return Task("made", 1, kind, source, lambda row: None, (self.metric,), labels=labels)

    @property
    def true(self) -> float:
        """The population's score."""
        q = self.quality
        if self.metric in CORRELATIONS:
            return q if self.metric == "pearson" else 6 / math.pi * math.asin(q / 2)
        answers = np.full((self.labels, self.labels), (1 - q) / (self.labels - 1))
        np.fill_diagonal(answers, q)
        shares = answers * np.array(SHARES[self.labels])[:, None]
        return float(metric(self.metric).of_confusion(shares[None] * 10**9)[0])

    def draw(self, generator: np.random.Generator) -> list[Prediction]:
        """One split."""
        place = np.repeat(np.arange(len(self.sizes)), self.sizes)
        sides = (self._numbers if self.metric in CORRELATIONS else self._classes)(generator, place)
        names = [f"c{number}" if self.clustered else "" for number in place]
        labels, answers = (side.tolist() for side in sides)
        rows = zip(labels, answers, names, strict=True)
        return [Prediction("", label, answer, cluster=name) for label, answer, name in rows]

    def _classes(self, generator: np.random.Generator, place: np.ndarray) -> Sequence[np.ndarray]:
        right = np.full(len(self.sizes), self.quality)
        if self.icc:
            strength = 1 / self.icc - 1
            right = generator.beta(right * strength, (1 - right) * strength)
        gold = generator.choice(self.labels, len(place), p=SHARES[self.labels])
        wrong = generator.random(len(place)) >= right[place]
        other = generator.integers(1, self.labels, len(place))
        names = np.array(self.names)
        return names[gold], names[(gold + wrong * other) % self.labels]

    def _numbers(self, generator: np.random.Generator, place: np.ndarray) -> Sequence[np.ndarray]:
        covariance = [[1, self.quality], [self.quality, 1]]
        own = generator.multivariate_normal([0, 0], covariance, size=len(place))
        common = generator.multivariate_normal([0, 0], covariance, size=len(self.sizes))
        both = math.sqrt(1 - self.icc) * own + math.sqrt(self.icc) * common[place]
        return both.T


def settings() -> Iterator[Setting]:
    """Those of the table."""
    for n, right in product((10, 50, 100, 400), (0.5, 0.8, 0.95, 0.99)):
        yield Setting("accuracy", (1,) * n, right)
    for count, (icc, right) in product(
        (3, 5, 10, 19, 30, 100), ((0.0, 0.7), (0.2, 0.5), (0.5, 0.9))
    ):
        yield Setting("accuracy", (4,) * count, right, icc)
        yield Setting("accuracy", uneven(count), right, icc)
    for name, right, n in product(
        ("f1", "macro_f1", "matthews"), (0.6, 0.8, 0.95, 0.99), (10, 20, 50, 100, 400)
    ):
        yield Setting(name, (1,) * n, right)
    for right, n in product((0.6, 0.8, 0.95, 0.99), (20, 50, 100, 400)):
        yield Setting("macro_f1", (1,) * n, right, labels=3)
    for name, right, count in product(
        ("f1", "macro_f1", "matthews"), (0.8, 0.97), (5, 10, 30, 100)
    ):
        yield Setting(name, (4,) * count, right, 0.3)
        yield Setting(name, uneven(count), right, 0.3)
    for name, r, n in product(CORRELATIONS, (0.0, 0.5, 0.9), (10, 20, 50, 100, 400)):
        yield Setting(name, (1,) * n, r)
    for name, count in product(CORRELATIONS, (5, 10, 30, 100)):
        yield Setting(name, (4,) * count, 0.7, 0.3)


def uneven(count: int) -> tuple[int, ...]:
    """Sizes as a corpus has them: many small clusters, a few large ones."""
    return tuple(int(size) for size in np.geomspace(1, 20, count))


def coverage(setting: Setting, draws: int, find: Callable[..., object] = interval) -> Seen:
    """Draw splits and look whether their intervals hold the true score."""
    generator = np.random.default_rng(0)
    intervals = [find(setting.task, setting.draw(generator)) for _ in range(draws)]
    given = [bounds for bounds in intervals if bounds is not None]
    held = sum(low <= setting.true <= high for low, high in given)
    widths = [high - low for low, high in given]
    return Seen(len(given) / draws, held, len(given), float(np.median(widths)) if given else 0.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the intervals of one setting were worth.

    Attributes:
        given: Share of the splits that had one.
        held: How many of these held the true score, of `of`.
        width: Median.
    """

    given: float
    held: int
    of: int
    width: float

    @property
    def share(self) -> float:
        """Of the intervals that held the true score."""
        return self.held / self.of if self.of else 1.0

    def wrong(self, setting: Setting) -> bool:
        """Whether coverage is outside its limits, by more than chance brings in one of 700."""
        low = 0.93 if setting.large else 0.90
        high = 0.97 if setting.large and setting.mistaken >= 10 else 1.0
        below = binom.cdf(self.held, self.of, low)
        above = binom.sf(self.held - 1, self.of, high)
        return bool(min(below, above) < CHANCE)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000, help="Splits of each setting.")
    parser.add_argument("--metric", default="", help="Of this metric only.")
    options = parser.parse_args()
    wrong = 0
    print("metric     labels n      clusters sizes  icc  true   given %  coverage %  width")
    for setting in settings():
        if options.metric not in ("", setting.metric):
            continue
        seen = coverage(setting, options.draws)
        n, count = sum(setting.sizes), len(setting.sizes)
        sizes = f"{min(setting.sizes)}-{max(setting.sizes)}"
        mark = "  <" if seen.wrong(setting) else ""
        wrong += bool(mark)
        print(
            f"{setting.metric:10} {setting.labels:<6} {n:<6} "
            f"{count if setting.clustered else '-':<8} {sizes:6} "
            f"{setting.icc:<4} {setting.true:<6.3f} {100 * seen.given:<8.1f} "
            f"{100 * seen.share:<11.1f} {seen.width:.3f}{mark}",
            flush=True,
        )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
