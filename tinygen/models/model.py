"""What every model has, whatever its paper: networks, optimisers, and a step in two halves.

    inputs = model.draw(x, labels, rng)    every random number of a step, by name: arrays
    numbers = model.update(**inputs)       the step: a function of these and of the model's state

So all randomness is an argument: a test gives the noise it wants, a benchmark gives the same to
every framework, and no generator is read inside a step. `step` does both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..core import Tensor, tensor
from ..device import Array
from ..nn import Module
from ..nn.init import Rng
from ..ops import sigmoid
from ..optim import EMA, Optimizer

GRID = 64  # samples in the grid of an epoch
Inputs = dict[str, Array]
Part = Module | Optimizer | EMA  # of a model, with a state
Panel = tuple[str, tuple[str, ...]]  # of the curves: the axis's label, names of numbers


@dataclass(frozen=True)
class Setup:
    """What a model is built for: the images, and where and how precisely it computes.

    shape (H, W, C) and classes are the data's; device is "cpu" or "cuda"; dtype float32 or float64.
    """

    shape: tuple[int, int, int]
    classes: int = 0
    device: str = "cpu"
    dtype: Any = np.float32

    def place(self, *networks: Module) -> tuple[Module, ...]:
        """The networks there, before their optimisers are made."""
        return tuple(network.astype(self.dtype).to(self.device) for network in networks)


@dataclass(frozen=True)
class ImageNetwork:
    """The network that draws a model's images, and what it takes.

    network: (N, latent + categories + numbers) -> (N, H, W, C), by the running statistics of batch
    norm: of z, a one-hot category, numbers in [-1, 1].
    logits: whether a sigmoid follows.
    extent: z is N(0, I), or of another prior; either way few of its entries are farther from 0.
    """

    network: Module
    latent: int
    categories: int = 0
    numbers: int = 0
    logits: bool = False
    extent: float = 3.0

    def images(self, x: Tensor) -> Tensor:
        """The images in the model's range of x (N, latent + categories + numbers)."""
        y = self.network(x, train=False)
        return sigmoid(y) if self.logits else y


@dataclass
class Model:
    """Networks and optimisers are its fields. A subclass writes `draw`, `update` and `sample`."""

    RANGE: ClassVar[tuple[float, float]] = (-1.0, 1.0)  # of the images' pixels
    BINARY: ClassVar[bool] = False  # whether they are drawn as zeros and ones from grey pixels
    PANELS: ClassVar[tuple[Panel, ...]] = ()  # of its curves: numbers that `update` gives

    @property
    def panels(self) -> tuple[Panel, ...]:
        """What its curves show."""
        return self.PANELS

    @property
    def batches(self) -> int:
        """How many batches one step takes."""
        return 1

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """What `update` takes, for images x (N, H, W, C) in RANGE and labels (N,) or None."""
        raise NotImplementedError

    def update(self, *args: Any, **inputs: Any) -> dict[str, Tensor]:
        """One step of all players on what `draw` gave: losses and other scalars worth a curve."""
        raise NotImplementedError

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """n images in RANGE, (n, H, W, C)."""
        raise NotImplementedError

    def image_network(self) -> ImageNetwork:
        """What turns noise into images in RANGE. Raises UsageError if no one network does."""
        raise NotImplementedError

    def to_z(self, codes: Any) -> np.ndarray[Any, Any]:
        """Where codes (N, d), as `encode` gives them, lie among the z of `image_network`."""
        return np.asarray(codes)

    def grid(self, rng: Rng) -> tuple[np.ndarray[Any, Any], int | None]:
        """The images of an epoch's grid, and its columns; None: as many as rows."""
        return self.sample(GRID, rng), None

    def step(self, x: Array, rng: Rng, labels: Any = None) -> dict[str, Tensor]:
        """`draw`, then `update`."""
        return self.update(**self.draw(x, labels, rng))

    def networks(self) -> dict[str, Module]:
        """The networks by name."""
        return {name: part for name, part in self.parts().items() if isinstance(part, Module)}

    @property
    def convolves(self) -> bool:
        """Whether a network has convolutions, by which threads are used: see `cpu/threads.py`."""
        return any(p.ndim == 4 for net in self.networks().values() for p in net.parameters())

    def weights(self) -> dict[str, Part]:
        """What drawing needs of a checkpoint: all but the optimisers."""
        return {name: p for name, p in self.parts().items() if not isinstance(p, Optimizer)}

    def parts(self) -> dict[str, Part]:
        """What a checkpoint holds, by name: networks, optimisers and averages of weights."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {n: part for n, part in values.items() if isinstance(part, Part)}

    def tensor(self, array: Any) -> Tensor:
        """The array where the networks are, and of their dtype."""
        return tensor(array, dtype=self._like.dtype, device=self._like.device)

    @cached_property
    def _like(self) -> Tensor:
        """A parameter of the networks."""
        return next(iter(self.networks().values())).parameters()[0]
