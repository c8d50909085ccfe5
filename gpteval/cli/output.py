"""The one way out of everything a command prints: results to stdout, words about them to stderr.

What a terminal can't encode is replaced. A reader who has read enough (`| head`) ends a command
quietly; where stdout can't be written, one line says so.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from gpteval.text import REPLACED, json_lines, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

READ_ENOUGH = 128 + 13
"""Exit code of a command whose reader has gone, as of one that SIGPIPE ended."""

RETRYING = ("thrown while requesting", "Retrying in")
"""What the hub's client logs every time it tries again."""


class StreamError(Exception):
    """stdout or stderr does not take what is printed; no OSError, for click ends those itself."""

    def __init__(self, error: OSError) -> None:
        """`error`: the operating system's."""
        super().__init__(error.strerror)
        self.errno = error.errno


class _Raw(io.RawIOBase):
    """The end of a stream, whoever writes to it; what fails here is told from other failures."""

    def __init__(self, raw: Any, *, needed: bool) -> None:
        """`needed`: whether work that can't write here has to end. A full log ends no training."""
        self._raw, self._needed = raw, needed

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        descriptor: int = self._raw.fileno()
        return descriptor

    def isatty(self) -> bool:
        terminal: bool = self._raw.isatty()
        return terminal

    def write(self, data: Any, /) -> int:
        try:
            written: int = self._raw.write(data)
        except OSError as error:
            if self._needed or error.errno == errno.EPIPE:
                raise StreamError(error) from error
            return memoryview(data).nbytes
        return written


class _Help(click.HelpFormatter):
    """Help in what stdout can encode: click itself writes UTF-8 where it is ASCII."""

    def getvalue(self) -> str:
        encoding = sys.stdout.encoding or "utf-8"
        return super().getvalue().encode(encoding, REPLACED).decode(encoding)


class _Line(logging.Formatter):
    """A warning in one line."""

    def format(self, record: logging.LogRecord) -> str:
        return f"gpteval: {printable(record.getMessage())}"


class _Retries(logging.Filter):
    """The hub's client tells of every try in two lines, twice: one line says it all."""

    told = False

    def filter(self, record: logging.LogRecord) -> bool:
        if not any(words in record.getMessage() for words in RETRYING):
            return True
        if not self.told:
            tell("the hub does not answer: trying again")
        self.told = True
        return False


_reserved: list[Any] = []
"""The stream that results go to while a command runs; empty where that is `sys.stdout`."""


def stdout() -> Any:
    """The stream that results go to."""
    return _reserved[-1] if _reserved else sys.stdout


def reserving(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command's function, during which stdout is for results alone.

    What anybody else prints meanwhile (a plug-in's task or model, a library) goes to stderr.
    """

    @wraps(function)
    def command(*arguments: Any, **named: Any) -> Any:
        _reserved.append(sys.stdout)
        try:
            with redirect_stdout(sys.stderr):
                return function(*arguments, **named)
        finally:
            _reserved.pop()

    return command


def prepare() -> None:
    """Make stdout and stderr take every text; warnings of any library become a line each."""
    for name in ("stdout", "stderr"):
        setattr(sys, name, _stream(getattr(sys, name), needed=name == "stdout"))
    click.Context.formatter_class = _Help
    handler = logging.StreamHandler()
    handler.setFormatter(_Line())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("huggingface_hub.utils._http").addFilter(_Retries())


def _stream(given: Any, *, needed: bool) -> Any:
    """The same stream with our end; one that was closed takes everything and shows nothing.

    Its number stays taken: what is opened next would get it, and then what others print.
    """
    if given is None:
        return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if not isinstance(given, io.TextIOWrapper):
        return given
    raw = _Raw(getattr(given.buffer, "raw", given.buffer), needed=needed)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=given.encoding,
        errors=REPLACED,
        line_buffering=given.line_buffering,
    )


def ended_by(error: StreamError) -> int:
    """The exit code where stdout takes no more; from here on nothing is printed to it."""
    sys.stdout = _stream(None, needed=True)
    if error.errno == errno.EPIPE:
        return READ_ENOUGH
    tell(f"stdout can't be written: {error}")
    return 1


def tell(line: object) -> None:
    """A line of gpteval's own on stderr, to find among others'."""
    log(f"gpteval: {line}")


def log(line: object) -> None:
    """A line on stderr."""
    sys.stderr.write(f"{printable(line)}\n")
    sys.stderr.flush()


def show(*results: RenderableType) -> None:
    """Texts and tables on stdout, as wide as the terminal; never wrapped where there is none."""
    console = console_of_stdout()
    with console.capture() as page:
        for result in results:
            console.print(result, highlight=False, markup=False, emoji=False)
    write(page.get())


def console_of_stdout() -> Console:
    """A console as wide as the terminal; unlimited where there is none."""
    from rich.console import Console

    from gpteval.report.table import UNLIMITED

    return Console(width=None if stdout().isatty() else UNLIMITED, file=stdout())


def show_json(*values: Any) -> None:
    """JSON values on stdout, a line each."""
    write(json_lines(values))


def write(text: str) -> None:
    """A text on stdout as it is."""
    stdout().write(text)
    stdout().flush()
