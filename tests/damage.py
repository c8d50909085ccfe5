"""Damaging files: what the fuzz tests have in common.

GPTEVAL_FUZZ multiplies the number of inputs: `GPTEVAL_FUZZ=14 pytest tests/test_fuzz_written.py`
makes some 2,000 of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gpteval.errors import GptevalError

TIMES = int(os.environ.get("GPTEVAL_FUZZ", "1"))


def inputs(count: int) -> settings:
    """So many inputs, the same ones each time."""
    return settings(
        max_examples=count * TIMES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


SPLICES = (
    b"", b"\t", b"\n", b"\r", b'"', b"\0", b"\xff", b"\xef\xbb\xbf", b"{", b"}", b"[", b"]", b",",
    b"null", b"-1", b"0", b"1e999", b"NaN", b'"\\ud800"', b"<p>", b"&x;", b"9999999999",
    b"\xc2\x85",
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid file with a few bytes lost, changed or put in, most often near its beginning."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 3))):
        near = st.integers(0, min(len(content), 2500))
        start = draw(near | st.integers(0, len(content)))
        lost = draw(st.integers(0, 8))
        content[start : start + lost] = draw(st.sampled_from(SPLICES) | st.binary(max_size=4))
    return bytes(content)


@st.composite
def flipped(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid file of the same length with a few bits turned, wherever they are."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        content[place : place + 1] = bytes(
            b ^ draw(st.integers(1, 255)) for b in content[place : place + 1]
        )
    return bytes(content)


def files(valid: bytes) -> st.SearchStrategy[bytes]:
    return damaged(valid) | flipped(valid) | st.binary(max_size=80)


def answers(action: Callable[[], object]) -> None:
    """It works, or says in one line why not."""
    try:
        action()
    except GptevalError as error:
        assert len(str(error).splitlines()) == 1
        str(error).encode()
