"""What a worker has to know before its first unit: where the command was given, and how."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gpteval.plugins import registry

PREFIXES = ("GPTEVAL_", "HF_", "TOKENIZERS_")
"""Variables of the environment that a worker on any machine has as the command has them."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The circumstances of a command.

    Attributes:
        directory: Where it was given: relative paths begin there.
        variables: Of its environment.
        files: Plug-ins and tasks that are one file each.
    """

    directory: str
    variables: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    @classmethod
    def of_this_process(cls, **variables: str) -> Setup:
        """Those of this process, and further variables."""
        own = {name: text for name, text in os.environ.items() if name.startswith(PREFIXES)}
        files = tuple(plugin.module for plugin in registry().plugins if plugin.digest)
        return cls(str(Path.cwd()), own | variables, files)
