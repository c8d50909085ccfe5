"""The leaderboard: the standings as a table for a terminal, for a Markdown page, or as JSON values.

On a terminal, what all rows share is said once above the table, and the least important columns
give way where it is narrow; Markdown has them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from gpteval.plugins import registry
from gpteval.records import Mode, Result
from gpteval.report import matrix_table
from gpteval.report.footnotes import LEGEND, footnotes
from gpteval.report.matrix import Matrix
from gpteval.report.standings import HALVES, Row, base_split
from gpteval.report.table import (
    Column,
    generated,
    latex_table,
    markdown_table,
    terminal_table,
)
from gpteval.results.entrants import differing, short_name
from gpteval.score.heuristics import title
from gpteval.text import markdown as escaped
from gpteval.text import printable
from gpteval.weights.transfer import Transfer

EXPLAINED = (
    "Scores in percent, the median where there are several seeds. *95 %*: interval over the "
    "examples, clusters taken together; –: they support none. *best before*: the best result "
    "before GPT-1. *majority*: the best constant answer by that metric on the training labels. "
    "*untrained*: a model of the same shape with random weights. *window*: the sliding window "
    "of Richardson et al. 2013 alone, without the distance that they subtract. "
    "*tfidf*: TF-IDF with logistic (or ridge) regression, trained on the training split. "
    "*hypothesis-only*, *ending-only*: the same, without premise or story. *vectors*, *sif*: the "
    "mean of word vectors of that file, plain or as Arora et al. 2017 weight it, and *wordnet*: "
    "KIM's relations of two texts' words, under the same models. *mean-4*, *last-mix*: a "
    "linear probe of the frozen model's mean or last states after so many layers, or of their mix."
)
"""What stands above the tables, in Markdown."""


class Leaderboard:
    """The standings, to print on a rich console of any width."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """What all rows share, the table in as many columns as fit, the footnotes."""
        common = _common_marks(self.rows)
        columns, shared = _split_columns(self.rows, _columns(self.rows, common))
        if common:
            shared.append(f"all rows: {', '.join(common)}")
        # With a line above the means of suites and above the zero-shot scores.
        table, left_out = terminal_table(self.rows, columns, options.max_width, _ends)
        yield Text(printable(" · ".join(shared)), style="bold")
        yield table
        yield Text()
        yield _notes_grid(self.rows, left_out)


def markdown(rows: Sequence[Row], command: str, matrix: Matrix | None = None) -> str:
    """A page: the matrix, where there is something to compare, then every score, folded.

    Zero-shot scores and baselines have a table of their own.
    """
    lines, every = ["# Leaderboard", "", generated(command), ""], [EXPLAINED, "", tables(rows)]
    if matrix and min(len(matrix.names), len(matrix.lines)) > 1:
        folded = ["<details><summary>Every score</summary>", "", *every, "</details>", ""]
        return "\n".join([*lines, matrix_table.markdown(matrix), *folded])
    return "\n".join([*lines, *every])


def latex(rows: Sequence[Row]) -> str:
    """All columns and rows for a LaTeX document."""
    columns = [c for c in _columns(rows, ()) if any(c.cell(row) for row in rows)]
    notes = [f"{name}: {text}" for name, text in footnotes(rows)]
    return latex_table(rows, columns, notes)


def tables(rows: Sequence[Row]) -> str:
    """The tables in Markdown, and what their marks mean."""
    lines = [line for modes in HALVES for line in _section(rows, modes)]
    lines += [f"- **{escaped(name)}**: {escaped(text)}" for name, text in footnotes(rows)]
    return "\n".join(lines).rstrip() + "\n"


def _section(rows: Iterable[Row], modes: Collection[Mode]) -> list[str]:
    """The Markdown table of some modes' rows; nothing where there are none."""
    own = [row for row in rows if row.result.mode in modes]
    if not own:
        return []
    columns = [c for c in _columns(own, ()) if any(c.cell(row) for row in own)]
    heading = ["## Zero-shot, probes and baselines", ""] if "zeroshot" in modes else []
    return [*heading, *markdown_table(own, columns), ""]


def page_columns(rows: Sequence[Row]) -> list[Column[Row]]:
    """All columns that say something; the task stands in every line, for they may be sorted."""
    task, *others = _columns(rows, ())
    task = replace(task, cell=lambda row: row.task)
    return [task, *(c for c in others if any(c.cell(row) for row in rows))]


def json_rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The standings as JSON values, scores in percent and not rounded."""
    return [
        {
            "task": row.task,
            "metric": row.metric,
            "split": row.split,
            "n": row.n,
            "score": row.score,
            "seeds": len(row.scores),
            "lowest": min(row.scores),
            "highest": max(row.scores),
            "interval": row.interval,
            "majority": row.majority,
            "baselines": {name: _baseline(row, name) for name in row.result.baselines},
            "paper": row.paper and row.paper.score,
            "paper_split": row.paper and row.paper.split,
            "paper_source": row.paper and row.paper.source,
            "difference": row.difference,
            "best_before": row.paper and row.paper.best_before,
            "model": row.result.model,
            "model_digest": row.result.model_digest,
            "transfer": Transfer.of(row.result.config).label,
            "recipe": row.result.recipe,
            "mode": row.result.mode,
            "marks": {mark.name: mark.detail for mark in row.marks},
        }
        for row in rows
    ]


def _columns(rows: Sequence[Row], common: Collection[str]) -> list[Column[Row]]:
    """All columns; the first to give way have the highest number."""
    titles = {name: entry.title for name, entry in registry().metrics().items()}
    named = _model_names(rows)
    return [
        Column("task", lambda row: row.task if row.headline else "", 3, 8, style="bold"),
        Column("metric", lambda row: _metric(row, titles), 4, 13),
        Column("model", lambda row: labelled(named[row.result.model_digest], row.result), 5, 10),
        Column("recipe", _recipe, 9, 8),
        Column("ours", lambda row: f"{row.score:.1f}", justify="right", style="bold"),
        Column("95 %", _interval, 1, justify="right"),
        Column("GPT-1", _paper, 6, justify="right"),
        Column("diff.", _difference, 7, justify="right", colour=_tint),
        Column("best before", _before, 15, justify="right"),
        Column("majority", lambda row: _number(row.majority), 2, justify="right"),
        Column("untrained", lambda row: _beside(row, "untrained"), 10, justify="right"),
        Column("window", lambda row: _beside(row, "sliding_window"), 14, justify="right"),
        Column("random", lambda row: _beside(row, "random"), 16, justify="right"),
        Column("split", lambda row: base_split(row.split), 11),
        Column("seeds", _seeds, 12),
        Column("n", lambda row: str(row.n or ""), 13, justify="right"),
        Column(
            "marks", lambda row: ", ".join(m.name for m in row.marks if m.name not in common), 8
        ),
    ]


def _split_columns(
    rows: Sequence[Row], columns: Iterable[Column[Row]]
) -> tuple[list[Column[Row]], list[str]]:
    """The columns that say something row by row, and what is the same in all rows."""
    kept, shared = [], []
    phrases = {"model": "{}", "recipe": "recipe {}", "split": "{} split", "seeds": "{} seed"}
    for column in columns:
        values = {column.cell(row) for row in rows}
        if column.heading in phrases and len(values) == 1:
            shared.append(phrases[column.heading].format(*values))
        elif values != {""}:
            kept.append(column)
    return kept, shared


def _common_marks(rows: Sequence[Row]) -> list[str]:
    return [name for name in LEGEND if all(name in {m.name for m in row.marks} for row in rows)]


def _model_names(rows: Iterable[Row]) -> dict[str, str]:
    """Digest → what to call a model: the last part of a path, told apart by digest if need be."""
    names: dict[str, str] = {}
    for row in rows:
        names[row.result.model_digest] = short_name(row.result.model)
    taken = Counter(names.values())
    return {d: n if taken[n] == 1 else f"{n} {d[:6]}" for d, n in names.items()}


def labelled(name: str, result: Result) -> str:
    """A model's name, and what was kept of its pre-training where that is not everything."""
    label = Transfer.of(result.config).label
    return f"{name}, {label}" if label else name


def _metric(row: Row, titles: dict[str, str]) -> str:
    name, _, part = row.metric.partition("/")
    part = part or row.split.partition("_")[2]
    return f"· {part}" if part else title(name, titles)


def _recipe(row: Row) -> str:
    """Its name, and the settings that are not the named recipe's."""
    own = differing(row.result.recipe, row.result.config)
    return " ".join([row.result.recipe, *(f"{k}={v}" for k, v in own.items())])


def _before(row: Row) -> str:
    return _number(row.paper.best_before if row.paper else None)


def _baseline(row: Row, name: str) -> float | None:
    """A baseline's score by the row's metric, in percent."""
    score = row.result.baselines.get(name, {}).get(row.metric)
    return None if score is None else 100 * score


def _beside(row: Row, name: str) -> str:
    """A baseline that stands beside zero-shot scores only."""
    return _number(_baseline(row, name) if row.result.mode == "zeroshot" else None)


def _interval(row: Row) -> str:
    if row.interval:
        return f"{row.interval[0]:.1f}–{row.interval[1]:.1f}"
    return "–" if row.headline and not row.suite else ""


def _paper(row: Row) -> str:
    if not row.paper:
        return ""
    split = "" if row.paper.split == row.split else f" ({base_split(row.paper.split)})"
    return f"{f'{row.paper.score:.2f}'.removesuffix('0')}{split}"


def _difference(row: Row) -> str:
    return "" if row.difference is None else f"{row.difference:+.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _seeds(row: Row) -> str:
    count = len(row.scores)
    return f"{count} ({min(row.scores):.1f}–{max(row.scores):.1f})" if count > 1 else "1"


def _ends(row: Row, following: Row) -> bool:
    mean = following.suite and not row.suite
    tuned = row.result.mode == "finetune" != following.result.mode
    return mean or tuned


def _tint(difference: str) -> str:
    if not difference:
        return ""
    return "red" if difference.startswith("-") else "green"


def _notes_grid(rows: Sequence[Row], left_out: Sequence[str]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(style="dim")
    for name, text in footnotes(rows):
        grid.add_row(Text(printable(name)), Text(printable(text)))
    if "split" in left_out:
        grid.add_row("split", Text(printable(_splits(rows))))
    if left_out:
        whole = "`gpteval leaderboard --format markdown` shows all"
        grid.add_row("…", Text(f"no room for {', '.join(left_out)}: {whole}"))
    return grid


def _splits(rows: Iterable[Row]) -> str:
    """Which tasks were scored on which split, for where its column has no room."""
    tasks_of: dict[str, dict[str, None]] = {}
    for row in rows:
        tasks_of.setdefault(base_split(row.split), {})[row.task] = None
    return "; ".join(f"{split}: {', '.join(tasks)}" for split, tasks in tasks_of.items())
