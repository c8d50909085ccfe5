"""Fetches files of a model from the Hugging Face hub, or says in one line why it can't."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gpteval import CheckpointError


def snapshot(repository: str, files: Sequence[str]) -> Path:
    """The directory of a model's files, fetched or from the hub's cache.

    Args:
        repository: Its id on the hub.
        files: Names or patterns of what is needed.

    Raises:
        CheckpointError: No such model, or the hub can't be reached and the cache lacks it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=list(files)))
    except HFValidationError as error:
        raise CheckpointError(f"{repository!r} is no model id of the hub") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"can't get {repository} from the hub ({reason}): name a local directory instead"
        ) from error
