"""What a worker keeps from unit to unit: the model, and the rows of the task it was last at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gpteval.config import Compute, Sharing, TrainingCompute
from gpteval.data.rows import origin
from gpteval.files import digest
from gpteval.methods.baseline import LACKS, units_of
from gpteval.methods.finetune import Finetune
from gpteval.methods.job import Job, JobData
from gpteval.methods.linear import completed, read_job
from gpteval.methods.order import Order
from gpteval.methods.outcome import Asked, Results
from gpteval.methods.run import data_of, unit
from gpteval.methods.session import Session
from gpteval.methods.settings import BaselineConfig, RunConfig, Subject, ZeroshotConfig
from gpteval.methods.unit import complete
from gpteval.methods.zeroshot import Zeroshot
from gpteval.plugins import registry
from gpteval.progress import Progress
from gpteval.results.unit_store import UnitStore
from gpteval.weights.transfer import Transfer

SHARED = ("compute", "data_dir", "sample", "limit")
"""Settings that a session is made of."""


class Bench:
    """Computes the units that a worker is sent; a model is loaded once for all of them."""

    def __init__(self) -> None:
        """Nothing is loaded before the first unit."""
        self._session: tuple[str, Session] | None = None
        self._data: tuple[str, JobData] | None = None

    def complete(self, order: Order, progress: Progress) -> Results:
        """The results of one unit: those in the store, else those it makes now.

        Raises:
            GptevalError: Why there are none.
        """
        by_mode = {
            "finetune": self._finetune,
            "zeroshot": self._zeroshot,
            "baseline": self._baseline,
        }
        return by_mode[order.mode](order, progress)

    def _finetune(self, order: Order, progress: Progress) -> Results:
        config, details = _config(RunConfig, order.config), order.details
        session, data = self._session_of(order, config), self._job_data(order, config)
        layers, seed = Transfer(details["layers"]), details["seed"]
        own: Finetune = unit(config, session, details["several"], data, layers, seed)
        store = UnitStore(config.results_directory)
        return Results(complete(own, store, progress, again=config.force))

    def _job_data(self, order: Order, config: RunConfig) -> JobData:
        """The rows of a task, kept for its other seeds."""
        named = {"task": order.details["task"], "scored": order.details["scored"]}
        name = digest({"config": order.config, **named})
        if self._data is None or self._data[0] != name:
            session = self._session_of(order, config)
            if self._data is not None:
                session.forget(self._data[1].rows)
            loaded = session.model(config.model_reference)
            self._data = name, data_of(_job(order.details), config, session, loaded)
        return self._data[1]

    def _zeroshot(self, order: Order, progress: Progress) -> Results:
        config = _config(ZeroshotConfig, order.config)
        session = self._session_of(order, config)
        loaded = session.model(config.model_reference)
        unit = Zeroshot(registry().tasks()[order.details["task"]], loaded, config, session)
        results = complete(unit, UnitStore(config.results_directory), progress, again=config.force)
        session.forget((unit.task.name, split) for split in unit.rows)
        return Results(results)

    def _baseline(self, order: Order, progress: Progress) -> Results:
        config, job = _config(BaselineConfig, order.config), _job(order.details)
        names = config.tasks if order.details["required"] else ()
        asked = Asked(names, progress, skip_missing=config.skip_missing, lacks=LACKS)
        rows = read_job(job, origin(config.data_dir, config.sample), config.limit, asked)
        fitted = units_of(config)(job, rows, config.limit) if rows else ()
        results = completed(job, fitted, config, UnitStore(config.results_directory), asked)
        return asked.results(results)

    def _session_of(self, order: Order, config: Subject) -> Session:
        """The session of a command's settings, kept until one comes with others."""
        name = digest({setting: order.config[setting] for setting in SHARED})
        if self._session is None or self._session[0] != name:
            self._session, self._data = None, None
            self._session = name, Session(config)
        return self._session[1]


def _config(kind: type[Any], sent: Mapping[str, Any]) -> Any:
    """The settings that `sent_config` made a JSON value of."""
    compute = next(
        own(**sent["compute"])
        for own in (Compute, TrainingCompute, Sharing)
        if sent["compute"].keys() <= {f.name for f in fields(own)}
    )
    lists = {name: tuple(value) for name, value in sent.items() if isinstance(value, list)}
    return kind(**{**sent, **lists, "compute": compute})


def _job(details: Mapping[str, Any]) -> Job:
    """The job that an order names."""
    known = registry().tasks()
    return Job(known[details["task"]], tuple((known[t], split) for t, split in details["scored"]))
