"""The kit as a pytest plug-in: fixtures, known wherever gpteval is installed.

Nothing else is imported before a test asks for one.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def check_task() -> Callable[..., None]:
    """`gpteval.testing.check_task`."""
    from gpteval.testing.tasks import check_task

    return check_task


@pytest.fixture
def check_model() -> Callable[..., None]:
    """`gpteval.testing.check_model`."""
    from gpteval.testing.models import check_model

    return check_model


@pytest.fixture
def check_metric() -> Callable[..., None]:
    """`gpteval.testing.check_metric`."""
    from gpteval.testing.metrics import check_metric

    return check_metric
