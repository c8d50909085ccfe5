"""The conformance kit for plug-in authors: what a task, a model or a metric must be to be measured.

    from gpteval.testing import check_task

    def test_my_task_conforms() -> None:
        check_task("my_task")

pytest finds the same as fixtures (`check_task`, `check_model`, `check_metric`): no import is
needed. Each raises a `ConformanceError` with a line for every rule that is broken.
"""

from __future__ import annotations

from gpteval.testing.metrics import check_metric, metric_faults
from gpteval.testing.models import check_model, model_faults
from gpteval.testing.plugins import check_plugin, plugin_faults
from gpteval.testing.rules import ConformanceError
from gpteval.testing.tasks import check_task, task_faults

__all__ = [
    "ConformanceError",
    "check_metric",
    "check_model",
    "check_plugin",
    "check_task",
    "metric_faults",
    "model_faults",
    "plugin_faults",
    "task_faults",
]
