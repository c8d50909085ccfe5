"""An unfinished training on disk: everything that decides its next step, in one file.

The file is written to a temporary name and renamed, so that a kill at any moment leaves the state
before or the state after, whole. Tensors as safetensors, the rest as JSON in its metadata, with one
checksum over both: a damaged state is refused, as it would end in other weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gpteval.compute.distributed import like, whole
from gpteval.errors import CheckpointError
from gpteval.files import parse_json, replacing, to_json, writing
from gpteval.train.optimiser import AdamW, moments
from gpteval.weights.tensors import UNREADABLE, load_tensors, save_tensors


class Cadence:
    """When an unfinished training is due to be saved; a save that is slow itself comes more rarely.

    Attributes:
        seconds: Least time between two saves.
    """

    def __init__(self, seconds: float) -> None:
        """The first is due `seconds` from now."""
        self.seconds = self._pause = seconds
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() - self._last >= self._pause

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Time a save; the next is due no sooner than twenty times as long after it."""
        began = time.monotonic()
        yield
        self._last = time.monotonic()
        self._pause = max(self.seconds, 20 * (self._last - began))


def save_state(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    best: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    *,
    write: bool = True,
) -> None:
    """Write the state of a training, in place of an earlier one.

    The file is the same for any number of processes, and any number can resume from it.

    Args:
        path: The file.
        model: Its weights.
        optimiser: Its moments and step counts.
        best: The weights kept so far, by name; may be empty.
        facts: JSON values: the update, counters, history.
        write: False in a process that only hands over its share of the tensors.

    Raises:
        ResultError: The disk is full or the directory unwritable.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for number, parameter in enumerate(_parameters(optimiser)):
        for name, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser.{number}.{name}"] = torch.as_tensor(value)
    tensors |= {f"random.{device}": state for device, state in _random_states().items()}
    copies = dict[str, Tensor]()
    for name, tensor in tensors.items():
        gathered = whole(tensor).detach()
        if write:  # clones: tied weights share memory, which safetensors refuses
            copies[name] = gathered.cpu().clone()
    if not write:
        return
    advice = "make room; what was saved before is there, and the same command resumes from it"
    with writing(f"the unfinished training {path}", advice), replacing(path) as partial:
        save_tensors(partial, copies, {"facts": to_json(facts)})


def read_facts(path: Path, *needed: str) -> dict[str, Any]:
    """The facts of a saved state alone, which must have the `needed` ones.

    Raises:
        CheckpointError: The file is no such state.
    """
    facts = _read(path)[1]
    for name in needed:
        if name not in facts:
            raise _no_state(path, LookupError(f"it does not say {name!r}"))
    return facts


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a saved state, as they were written."""
    try:
        tensors, metadata = load_tensors(path, sealed=True)
        facts: dict[str, Any] = parse_json(metadata["facts"])
    except UNREADABLE as error:
        raise _no_state(path, error) from error
    return tensors, facts


def load_state(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Put a saved state back into a model, its optimiser, and torch's random generators.

    Returns:
        The best weights so far, and the facts.

    Raises:
        CheckpointError: The file is no such state, or of another model.
    """
    tensors, facts = _read(path)
    try:
        best = _below("best.", tensors)
        for weights in (best, _below("model.", tensors)):
            if weights or weights is not best:
                own = model.state_dict()
                model.load_state_dict({n: like(t, own.get(n, t)) for n, t in weights.items()})
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below("optimiser.", tensors).items():
            number, _, moment = name.partition(".")
            state.setdefault(int(number), {})[moment] = tensor
        _check_moments(state, optimiser)
        _cut_moments(state, optimiser)
        _set_moments(state, optimiser)
        _set_random_states(_below("random.", tensors))
    except UNREADABLE as error:
        raise _no_state(path, error) from error
    return best, facts


def _no_state(path: Path, error: Exception) -> CheckpointError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return CheckpointError(
        f"{path} holds no unfinished training of this model ({first}): delete it to start over"
    )


def _check_moments(
    state: Mapping[int, Mapping[str, Tensor]], optimiser: torch.optim.Optimizer
) -> None:
    """Refuse moments that are not the optimiser's for its parameters, which torch would take.

    Raises:
        ValueError: The first that are not.
    """
    parameters = _parameters(optimiser)
    for number, own in state.items():
        expected = {
            name: shape for name, (shape, _) in moments(optimiser, parameters[number]).items()
        }
        if {name: moment.shape for name, moment in own.items()} != expected:
            raise ValueError(f"the moments of parameter {number} are not its own")


def _cut_moments(state: dict[int, dict[str, Tensor]], optimiser: torch.optim.Optimizer) -> None:
    """Keep this process's share of every moment, as of its parameter."""
    parameters = _parameters(optimiser)
    for number, own in state.items():
        for name, moment in own.items():
            if moment.ndim:
                own[name] = like(moment, parameters[number])


def _set_moments(state: dict[int, dict[str, Tensor]], optimiser: torch.optim.Optimizer) -> None:
    """Put moments in their places."""
    if isinstance(optimiser, AdamW):
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": state, "param_groups": groups})
        return
    parameters = _parameters(optimiser)
    optimiser.state.clear()
    for number, own in state.items():
        tensors = {name: moment.to(parameters[number].device) for name, moment in own.items()}
        optimiser.state[parameters[number]] = {**tensors, "step": int(own["step"])}


def _parameters(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    """All that it trains, in the order in which torch numbers them."""
    return [p for group in optimiser.param_groups for p in group["params"]]


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _random_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random_states(states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
