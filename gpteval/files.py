"""Files: JSON read as JSON, and digests of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """A JSON value.

    Raises:
        ValueError: Not JSON (`json.JSONDecodeError`, with the line), not UTF-8, nested too deeply,
            or with a number too long to read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, the same whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
