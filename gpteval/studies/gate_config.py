"""The settings of a check, from pyproject.toml or gpteval.toml and from options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from gpteval.config import check
from gpteval.errors import ConfigError, refuse_unknown
from gpteval.files import read_toml
from gpteval.studies.check import CheckConfig, Tolerance
from gpteval.typed import fits

PLACES: Mapping[str, tuple[str, ...]] = {
    "gpteval.toml": ("check",),
    "pyproject.toml": ("tool", "gpteval", "check"),
}
"""Files that are looked for, and the table within them."""

ALLOWED = ("version", "data", "recipe", "code")
"""Differences that can be accepted, where the examples are the same all the same."""

LISTS = ("tasks", "advisory", "allow")
"""Settings that are several names: a list, or a text with commas."""

METRICS = "metrics"
"""The table of tolerances that metrics have of their own."""


def settings(directory: Path, given: Mapping[str, Any]) -> CheckConfig:
    """The settings of a check.

    Args:
        directory: Where gpteval.toml or pyproject.toml may stand; the first that has the table.
        given: Field → value of the options that were given: these win.

    Raises:
        ConfigError: A file that is no TOML, or a setting that can't be used.
        UnknownNameError: A setting that does not exist.
    """
    table: dict[str, Any] = {}
    for name, path in PLACES.items():
        if found := _table(directory / name, path):
            table = found
            break
    known = [entry.name for entry in fields(CheckConfig) if entry.name != "tolerances"]
    refuse_unknown("setting of a check", table, [*known, METRICS])
    own = {name: _tolerance(name, row) for name, row in dict(table.pop(METRICS, {})).items()}
    lists = {name: _names(table[name]) for name in LISTS if name in table}
    config = CheckConfig(**{**table, **lists, **given}, tolerances=own)
    _checked(config)
    return config


def _table(file: Path, path: tuple[str, ...]) -> dict[str, Any]:
    if not file.is_file():
        return {}
    table: Any = read_toml(file)
    for name in path:
        table = table.get(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{file.name}: {'.'.join(path)} is a table, not {table!r:.40}")
    return dict(table)


def _names(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return tuple(value) if isinstance(value, list) else value


def _tolerance(name: str, row: Any) -> Tolerance:
    known = [entry.name for entry in fields(Tolerance)]
    if not isinstance(row, dict):
        raise ConfigError(f"{METRICS}.{name} is a table of {' and '.join(known)}, not {row!r:.40}")
    refuse_unknown(f"setting of {METRICS}.{name}", row, known)
    for key, value in row.items():
        if not fits(value, float) or not value >= 0:
            where = f"{METRICS}.{name}.{key}"
            raise ConfigError(f"{where} is a number of at least 0, not {value!r:.40}")
    return Tolerance(**{key: float(value) for key, value in row.items()})


def _checked(config: CheckConfig) -> None:
    check(config)
    refuse_unknown("difference to allow", config.allow, ALLOWED)
