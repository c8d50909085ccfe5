"""GGUF files, converted once: to read one takes transformers half a minute, to read the copy one.

The copy lies in gpteval's cache directory, named by the file's SHA-256 and what converted it.
"""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from importlib.metadata import version
from pathlib import Path

from gpteval import cache_directory, replacing

logger = logging.getLogger(__name__)

LOCAL = {"trust_remote_code": False, "local_files_only": True}
"""How transformers reads anything here."""


def converted(file: Path) -> Path:
    """The directory of safetensors, configuration and tokenizer that a GGUF file is converted to.

    Raises:
        Exception: Whatever transformers' reader of GGUF raises.
    """
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    made = f"{digest[:32]}-{version('transformers')}-{version('gguf')}"
    directory = cache_directory() / "gguf" / made
    if not directory.is_dir():
        _convert(file, directory)
    return directory


def _convert(file: Path, directory: Path) -> None:
    """Write the copy beside its place and rename it: it is there whole or not at all."""
    import torch
    from safetensors.torch import save_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _tell(file)
    options = LOCAL | {"gguf_file": file.name}
    lm = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **options)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **options)
    # transformers calls such a model quantised and saves none; its weights are fp32 by now.
    lm.config.__dict__.pop("quantization_config", None)
    with replacing(directory) as partial:
        lm.config.save_pretrained(partial)
        save_model(lm, str(partial / "model.safetensors"), metadata={"format": "pt"})
        tokenizer.save_pretrained(partial)


@cache
def _tell(file: Path) -> None:
    logger.info("converting %s, once: half a minute for 135 M parameters", file)
