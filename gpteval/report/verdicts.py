"""The verdicts of a check, for a terminal, a page, a program, and for what runs it in CI."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from gpteval.plugins import registry
from gpteval.report.comparison import (
    difference_values,
    found_size,
    interval,
    p_value,
    percent,
    signed,
)
from gpteval.report.table import Column, markdown_table, terminal_table
from gpteval.score.heuristics import title

if TYPE_CHECKING:
    from gpteval.studies.check import Verdict

COLOURS = {
    "REGRESSED": "bold red",
    "INCOMPARABLE": "bold yellow",
    "MISSING": "yellow",
    "UNDERPOWERED": "yellow",
    "IMPROVED": "green",
    "HELD": "green",
}
"""Every verdict, the worst first."""

ENDINGS = {0: "fine", 1: "regressed", 3: "cannot tell", 4: "not comparable"}
"""Exit code → what it means."""


class VerdictTable:
    """Verdicts, to print on a rich console of any width."""

    def __init__(self, verdicts: Sequence[Verdict], code: int) -> None:
        self.verdicts, self.code = verdicts, code

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """The table, the reasons, and what it comes to."""
        if self.verdicts:
            yield terminal_table(self.verdicts, _columns(self.verdicts), options.max_width)[0]
        for line in reasons(self.verdicts):
            yield Text(line, style="dim")
        yield Text(summary(self.verdicts, self.code), style="bold")


def markdown(verdicts: Sequence[Verdict], code: int) -> str:
    """A page, as for a job's summary or a pull request."""
    lines = [f"## {summary(verdicts, code)}", ""]
    if verdicts:
        lines += [*markdown_table(verdicts, _columns(verdicts)), ""]
    return "\n".join([*lines, *(f"- {line}" for line in reasons(verdicts))]).rstrip() + "\n"


def json_values(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """A value per verdict, scores as fractions."""
    return [
        {
            "task": verdict.task,
            "split": verdict.split,
            "entrant": verdict.entrant,
            "metric": verdict.metric,
            "verdict": verdict.word,
            "reason": verdict.reason,
            "blocking": verdict.blocking,
            "tolerance": verdict.tolerance,
            "seeds": list(verdict.runs),
            "adjusted": verdict.adjusted,
            **(difference_values(verdict.difference) if verdict.difference else {}),
            "detectable": verdict.detectable,
            "examples_needed": verdict.needed,
            "seeds_needed": verdict.seeds_needed,
        }
        for verdict in verdicts
    ]


def junit(verdicts: Sequence[Verdict], *, strict: bool) -> str:
    """JUnit's XML: a failure for each verdict that fails the check, the rest passed or skipped."""
    failed = [verdict for verdict in verdicts if fails(verdict, strict=strict)]
    open_ones = [v for v in verdicts if v.code and v not in failed]
    suite = ElementTree.Element(
        "testsuite",
        name="gpteval check",
        tests=str(len(verdicts)),
        failures=str(len(failed)),
        errors="0",
        skipped=str(len(open_ones)),
    )
    for verdict in verdicts:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"gpteval.{verdict.entrant}", name=_place(verdict)
        )
        if verdict in failed:
            found = ElementTree.SubElement(
                case, "failure", type=verdict.word, message=sentence(verdict)
            )
            found.text = sentence(verdict)
        elif verdict in open_ones:
            ElementTree.SubElement(case, "skipped", message=sentence(verdict))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def github(verdicts: Sequence[Verdict], *, strict: bool) -> str:
    """GitHub's workflow commands: an annotation for every verdict that is not fine."""
    lines = []
    for verdict in verdicts:
        if verdict.code:
            level = "error" if fails(verdict, strict=strict) else "warning"
        elif verdict.word == "IMPROVED":
            level = "notice"
        else:
            continue
        heading = _escaped(f"{verdict.word}: {_place(verdict)}", {":": "%3A", ",": "%2C"})
        lines.append(f"::{level} title={heading}::{_escaped(sentence(verdict))}")
    return "".join(f"{line}\n" for line in lines)


def fails(verdict: Verdict, *, strict: bool) -> bool:
    """Whether a verdict by itself fails the check."""
    from gpteval.studies.check import exit_code

    return exit_code([verdict], strict=strict) != 0


def summary(verdicts: Sequence[Verdict], code: int) -> str:
    """What it comes to, in one line."""
    counts = Counter[str](verdict.word for verdict in verdicts)
    told = ", ".join(f"{counts[word]} {word.lower()}" for word in COLOURS if counts[word])
    ending = ENDINGS[code]
    return f"{'PASS' if code == 0 else 'FAIL'} ({ending}): {told or 'nothing to check'}"


def sentence(verdict: Verdict) -> str:
    """A verdict in words."""
    words = [_place(verdict), verdict.word]
    if found := verdict.difference:
        words.append(
            f"{verdict.metric} {percent(found.first)} → {percent(found.second)}, "
            f"{signed(found.value)} {interval(found)}, tolerance {percent(verdict.tolerance)}"
        )
    reasons = [verdict.reason, _would_tell(verdict)]
    return ": ".join([*words, *filter(None, ["; ".join(filter(None, reasons))])])


def _would_tell(verdict: Verdict) -> str:
    if not verdict.needed:
        return ""
    seeds = f"{verdict.seeds_needed:,} seeds of each side and " if verdict.seeds_needed else ""
    return f"{seeds}{verdict.needed:,} examples would tell"


def reasons(verdicts: Sequence[Verdict]) -> list[str]:
    """Reason → where, each said once."""
    places: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.reason and verdict.word not in ("HELD", "IMPROVED"):
            places.setdefault(verdict.reason, []).append(_place(verdict))
    return [f"{', '.join(where)}: {reason}" for reason, where in places.items()]


def _place(verdict: Verdict) -> str:
    return f"{verdict.task} {verdict.split}"


def _escaped(text: str, more: Mapping[str, str] | None = None) -> str:
    for character, code in {"%": "%25", "\r": "%0D", "\n": "%0A", **(more or {})}.items():
        text = text.replace(character, code)
    return text


def _columns(verdicts: Sequence[Verdict]) -> list[Column[Verdict]]:
    titles = {name: entry.title for name, entry in registry().metrics().items()}
    columns: list[Column[Verdict]] = [
        Column("task", lambda v: v.task, style="bold"),
        Column("split", lambda v: v.split, 5),
        Column("entrant", lambda v: v.entrant, 4, shortest=12),
        Column("metric", lambda v: title(v.metric, titles), 3),
        Column("n", lambda v: f"{v.difference.n:,}" if v.difference else "", 6, justify="right"),
        Column("seeds", lambda v: "/".join(map(str, v.runs)) if v.difference else "", 6),
        Column("base", lambda v: percent(v.difference.first) if v.difference else "",
               justify="right"),
        Column("now", lambda v: percent(v.difference.second) if v.difference else "",
               justify="right"),
        Column("diff.", lambda v: signed(v.difference.value) if v.difference else "",
               justify="right"),
        Column("95 %", lambda v: interval(v.difference) if v.difference else "", 2,
               justify="right"),
        Column("p(adj)", lambda v: "" if v.adjusted is None else p_value(v.adjusted), 3,
               justify="right"),
        Column("MDE", lambda v: "" if v.detectable is None else found_size(v.detectable), 4,
               justify="right"),
        Column("n needed", lambda v: f"{v.needed:,}" if v.needed else
               "–" if v.word == "UNDERPOWERED" else "", 7, justify="right"),
        Column("seeds needed", lambda v: f"{v.seeds_needed:,}" if v.seeds_needed else "", 7,
               justify="right"),
        Column("tol.", lambda v: percent(v.tolerance) if v.difference else "", 5,
               justify="right"),
        Column("verdict", lambda v: v.word if v.blocking else f"{v.word} (advisory)",
               colour=lambda text: COLOURS[text.partition(" ")[0]]),
    ]  # fmt: skip
    return [column for column in columns if any(column.cell(v) for v in verdicts)]
