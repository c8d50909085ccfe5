"""Rules and what comes of them: a line for each that is broken."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from gpteval.errors import GptevalError
from gpteval.loading import reason

Subject = TypeVar("Subject")
Rule = Callable[[Subject], str]
"""What is wrong with a subject, in a line; "" where nothing is."""


class ConformanceError(AssertionError):
    """What is offered breaks rules of the kit: a line for each."""


def broken(subject: Subject, rules: Iterable[Rule[Subject]]) -> list[str]:
    """A line for every rule that a subject breaks; what a rule raises is its line.

    A rule that holds what others need (the rows, the model) comes first, and ends the list where it
    is broken.
    """
    faults: list[str] = []
    for number, rule in enumerate(rules):
        try:
            fault = rule(subject)
        except GptevalError as error:
            fault = str(error)
        except Exception as error:  # a stranger's code may raise anything
            fault = f"{rule.__name__}: {reason(error)}"
        if fault:
            faults.append(fault)
            if not number:
                break
    return faults


def insist(what: str, faults: list[str]) -> None:
    """Raise where a rule is broken.

    Raises:
        ConformanceError: With all lines.
    """
    if faults:
        raise ConformanceError("\n".join(f"{what}: {fault}" for fault in faults))


@contextmanager
def no_network() -> Iterator[None]:
    """Within it, whoever asks for another machine gets an error that says so."""

    def refuse(*address: Any, **_: Any) -> NoReturn:
        raise ConnectionError(f"asks the network for {address[-1]!r:.60}: examples come from rows")

    connect, find = socket.socket.connect, socket.getaddrinfo
    socket.socket.connect, socket.getaddrinfo = refuse, refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        socket.socket.connect, socket.getaddrinfo = connect, find  # type: ignore[method-assign]
