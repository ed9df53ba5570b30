"""All that the next step depends on, in one safetensors file.

Parts (networks, optimisers) by name, the random generator, the order of this epoch's images and
the place in it. With it, N + M steps give the same bits as N steps, a kill, and M steps more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import FileError
from ..weights import load, load_metadata, save


class Part(Protocol):
    """A network or an optimiser: something with a state of named arrays."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass
class Position:
    """How far training has come."""

    epoch: int = 0  # finished epochs
    batch: int = 0  # finished batches of the epoch under way
    step: int = 0  # all finished batches
    seconds: float = 0.0  # of training, over all resumes
    order: np.ndarray[Any, Any] = field(default_factory=lambda: np.zeros(0, np.int64))


def save_checkpoint(
    path: Path, parts: Mapping[str, Part], rng: np.random.Generator, at: Position
) -> None:
    """Writes the file aside, then renames it."""
    arrays = {
        f"{name}/{key}": array
        for name, part in parts.items()
        for key, array in part.state_dict().items()
    }
    where = asdict(at)
    arrays["order"] = where.pop("order")
    meta = {"position": json.dumps(where), "rng": json.dumps(rng.bit_generator.state)}
    save(path, arrays, meta)


def load_checkpoint(path: Path, parts: Mapping[str, Part], rng: np.random.Generator) -> Position:
    """Fills parts and rng, returns the position. FileError if the file is not of these parts."""
    arrays = load(path)
    at = read_position(path)
    load_parts(path, arrays, parts)
    try:
        at.order = arrays["order"].astype(np.int64)
        rng.bit_generator.state = json.loads(load_metadata(path)["rng"])
    except (KeyError, ValueError, TypeError):
        raise FileError(f"{path}: wanted a checkpoint of a training run") from None
    return at


def read_position(path: Path) -> Position:
    """How far the run of this checkpoint has come; without the order of the images."""
    try:
        at = Position(**json.loads(load_metadata(path)["position"]))
    except (KeyError, ValueError, TypeError):
        raise FileError(f"{path}: wanted a checkpoint of a training run") from None
    if not all(isinstance(n, int) and n >= 0 for n in (at.epoch, at.batch, at.step)):
        raise FileError(f"{path}: wanted a checkpoint of a training run, got {at}")
    return at


def load_parts(path: Path, arrays: dict[str, Any], parts: Mapping[str, Part]) -> None:
    """Gives each part its arrays "name/key". FileError, naming file and part, if they differ."""
    for name, part in parts.items():
        mine = {
            k.removeprefix(f"{name}/"): v for k, v in arrays.items() if k.startswith(f"{name}/")
        }
        try:
            part.load_state_dict(mine)
        except ValueError as error:
            raise FileError(f"{path}: not of these networks: {name}: {error}") from None
