"""Units as JSON values: what a command sends to workers, and what comes back from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from gpteval.errors import ConfigError
from gpteval.methods.settings import Subject
from gpteval.methods.unit import Unit, finished
from gpteval.plugins import SESSION, registry
from gpteval.records import Mode, Result
from gpteval.task import Task

if TYPE_CHECKING:
    from gpteval.methods.outcome import Asked
    from gpteval.progress import Progress
    from gpteval.results.store import ResultStore


@dataclass(frozen=True, slots=True)
class Order:
    """A unit that somebody else is to compute.

    Attributes:
        name: What people are told: "rte", "rte seed 1".
        mode: By which method.
        config: The settings of the whole command, as `sent_config` gives them.
        details: Which unit of the command it is; the method knows.
        size: How long it takes, beside others.
    """

    name: str
    mode: Mode
    config: Mapping[str, Any]
    details: Mapping[str, Any]
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an order.

    Attributes:
        results: Key, task and split of every result; the results are in the store.
        failed: Why there are none; "" where there are.
        left_out, skipped: As of `gpteval.methods.outcome.Results`.
        said: Lines for the user.
        new: Whether anything had to be done.
        seconds: That the worker was at it.
    """

    results: tuple[tuple[str, str, str], ...] = ()
    failed: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    new: bool = False
    seconds: float = 0.0


class Engine(Protocol):
    """What computes orders, elsewhere and several at once."""

    @property
    def here(self) -> bool:
        """Whether it computes on this machine, so that this process knows every key."""

    def complete(
        self, orders: Sequence[Order], progress: Progress, *, earlier: int
    ) -> list[Outcome]:
        """What came of the orders, one for each; `earlier` others were finished before."""


class Sent(NamedTuple):
    """An order, and its unit where this process has made it."""

    order: Order
    unit: Unit | None


class Shape(NamedTuple):
    """What decides how long a unit takes; a baseline has the device and no parameters."""

    mode: Mode
    task: str
    device: str
    parameters: int
    origin: str
    limit: int
    epochs: float

    @classmethod
    def of(cls, result: Result) -> Shape:
        """The shape of the unit that a result is of."""
        parameters = 0 if result.mode == "baseline" else result.parameters
        epochs = result.config.get("epochs", 0)
        data = result.data
        return cls(
            result.mode, result.task, result.device, parameters, data.origin, data.limit, epochs
        )


def sent_config(config: Subject) -> dict[str, Any]:
    """Settings as a JSON value."""
    return {name: _plain(value) for name, value in asdict(config).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def refuse_unsendable(config: Subject, tasks: Iterable[Task]) -> None:
    """Refuse what workers could not make of JSON, or would make something else of.

    Raises:
        ConfigError: A task that was given as a value, or one GPU by its number.
    """
    owners = registry().owners()
    if own := [task.name for task in tasks if owners[task.name].name == SESSION]:
        raise ConfigError(
            f"task {own[0]!r} was given as a value, which no worker has: write it to a file "
            "(see --task-file) or a package"
        )
    if ":" in config.compute.device:
        raise ConfigError(
            f"--device {config.compute.device} and --launch exclude each other: workers take the "
            "GPUs in turn with --device cuda"
        )


def expected(results: Iterable[Result], units: Sequence[tuple[Shape, float]]) -> list[float]:
    """How long units take, in any one measure.

    Args:
        results: Earlier ones: one of the same shape took as long; the latest counts.
        units: The shape of each, and how much there is to read; what was never measured takes as
            much longer as there is more.
    """
    took = {Shape.of(result): sum(result.seconds.values()) for result in results}
    known = [(took[shape], work) for shape, work in units if shape in took]
    read = sum(work for _, work in known)
    rate = sum(seconds for seconds, _ in known) / read if read else 1.0
    return [took.get(shape, rate * work) for shape, work in units]


def carried(
    sent: Sequence[Sent],
    engine: Engine,
    store: ResultStore,
    asked: Asked,
    *,
    again: bool = False,
) -> list[Result]:
    """The results of units that an engine completes, in the order of the units.

    What this process finds finished is not sent; a unit that fails is left out alone.

    Args:
        sent: The units.
        engine: Who computes them.
        store: Where the results are.
        asked: Told what is left out.
        again: Compute what is finished too.
    """
    known: dict[int, list[Result]] = {}
    for number, (_, unit) in enumerate(sent):
        if unit is not None and not again and (earlier := finished(unit, store)) and unit.kept:
            known[number] = earlier
    orders = [order for number, (order, _) in enumerate(sent) if number not in known]
    outcomes = engine.complete(orders, asked.progress, earlier=len(known)) if orders else []
    told = iter(zip(orders, outcomes, strict=True))
    results: list[Result] = []
    for number in range(len(sent)):
        if number in known:
            results += known[number]
            continue
        order, outcome = next(told)
        asked.take(order.name, outcome.failed, outcome.left_out, outcome.skipped)
        for key, task, split in outcome.results:
            results += [r for r in store.finished(key) if (r.task, r.split) == (task, split)]
    return results


def sized(
    sent: Sequence[Sent], shapes: Sequence[tuple[Shape, float]], store: ResultStore
) -> list[Sent]:
    """The same, each order with how long it will take."""
    sizes = expected(store.read_all(), shapes)
    return [
        Sent(replace(order, size=size), unit)
        for (order, unit), size in zip(sent, sizes, strict=True)
    ]
