r"""Any value made fit for where it is shown: a terminal, an error's line, Markdown, a spreadsheet.

Names come from strangers: from records, rows, file names and plug-ins. A terminal obeys control
characters (`\x1b[2J` clears it), Markdown and HTML obey brackets, a spreadsheet obeys `=`.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

VALUE = 80
"""Most characters of a value that an error quotes."""

LINE = 1000
"""Most characters of an error."""

REPLACED = "gpteval.replaced"
"""Error handler of a stream: what its encoding lacks becomes what is in `PLAIN`, else `?`."""

PLAIN = {
    **dict.fromkeys("–—−‑", "-"),
    "▲": ">",
    "▼": "<",
    "≤": "<=",
    **{sign: str(number) for number, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}
"""What stands for a sign where it can't be encoded, so that a table keeps its sense."""

QUOTED = re.compile(r"""(?<![\w\\])(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")|\d{81,}""", re.DOTALL)
"""A value as `repr` shows it, not the apostrophe of a word; or a number of many digits."""

MARKUP = re.compile(r"[\\`*|~\[\]]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown reads as markup; an underscore within a word is none."""

LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "\\textquotedbl{}",
    "'": "\\textquotesingle{}",
    "`": "\\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "▲": "$\\uparrow$",
    "▼": "$\\downarrow$",
    "≤": "$\\leq$",
    "±": "$\\pm$",
    "×": "$\\times$",
    "λ": "$\\lambda$",
    "·": "$\\cdot$",
    "†": "\\dag{}",
    "…": "\\ldots{}",
    "–": "\\textendash{}",
    **{sign: f"\\textsuperscript{{{number}}}" for number, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}
"""What LaTeX reads otherwise than as itself, and the signs of our tables in plain TeX's. No
ligatures are made of what follows each other: two dashes stay two, a question mark and a grave
accent too. Quotation marks need the encoding T1, letters beyond Latin-1 LuaLaTeX or XeLaTeX."""


def printable(value: object) -> str:
    r"""One line without control characters: they are shown as Python writes them, `\x1b`."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def cut(text: str, most: int) -> str:
    """A text of at most so many characters: its middle is left out."""
    if len(text) <= most:
        return text
    tail = most // 3
    return f"{text[: most - tail - 1]}…{text[-tail:]}"


def one_line(value: object) -> str:
    """The line of an error, whatever it quotes: every quoted value cut, and then the whole."""
    return cut(QUOTED.sub(lambda value: cut(value[0], VALUE), printable(value)), LINE)


def markdown(value: object) -> str:
    """A text that means itself in a Markdown page, in a cell of a table too."""
    import html

    return MARKUP.sub(r"\\\g<0>", html.escape(printable(value), quote=False))


def latex(value: object) -> str:
    """A text that means itself in a LaTeX document."""
    text = "".join(LATEX.get(character, character) for character in printable(value))
    return re.sub("-(?=-)", "-{}", text)


def spreadsheet(value: object) -> str | int | float:
    """A cell of a CSV file: numbers as they are, no text taken for a formula."""
    if value is None or isinstance(value, int | float):
        return "" if value is None else value
    text = printable(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def duration(seconds: float) -> str:
    """A time as people say it: 4.1 s, 12 min, 1 h 20 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """A dash for a dash, so that an interval stays one; a question mark for what has none."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(c, "?") for c in missing), error.end


codecs.register_error(REPLACED, _replaced)


def json_lines(values: Iterable[Any]) -> str:
    """Strict JSON in ASCII, a line for every value: no encoding lacks it, no terminal obeys it.

    A number that is not finite, which JSON has no word for, is null.
    """
    return "".join(json.dumps(_finite(value), allow_nan=False) + "\n" for value in values)


def _finite(value: Any) -> Any:
    """A value with None in place of every number that is infinite or NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
