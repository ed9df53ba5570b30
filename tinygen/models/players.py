"""What the games of a generator G and another network D share: the two, their noise, samples.

Images are (N, H, W, C) in [-1, 1], as G ends in tanh; z is (N, 100).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import Tensor, no_grad
from ..nn import Module, in_chunks
from ..nn.init import Rng
from ..ops import concatenate
from ..optim import Adam, Optimizer
from .model import ImageNetwork, Model

LATENT = 100  # dimensions of z


def noise(n: int, rng: Rng) -> np.ndarray[Any, Any]:
    """z ~ N(0, I), (n, 100)."""
    return rng.standard_normal((n, LATENT))


def fake(G: Module, z: Tensor) -> Tensor:
    """x̃ = G(z), a constant while D learns; G's running statistics stay."""
    with no_grad():
        return G(z, train="frozen")


def given(x: Tensor, y: Tensor | None) -> Tensor:
    """What a network sees that is told y: [x, y], both (N, ...) flat; x itself without."""
    return x if y is None else concatenate([x, y], axis=1)


def adams(*networks: Module, lr: float, beta1: float, beta2: float = 0.999) -> tuple[Adam, ...]:
    """An Adam for each network."""
    return tuple(Adam(n.parameters(), lr=lr, betas=(beta1, beta2)) for n in networks)


@dataclass
class Players(Model):
    """G, D and their optimisers."""

    G: Module
    D: Module
    opt_G: Optimizer
    opt_D: Optimizer

    @property
    def drawing(self) -> Module:
        """The network that draws samples: G, or the average of its weights where one is kept."""
        return self.G

    def generate(self, z: Any, *, chunk: int = 256) -> np.ndarray[Any, Any]:
        """Images of noise z (N, 100), with the running statistics of batch norm."""
        return in_chunks(lambda part: self.drawing(self.tensor(part), train=False), z, chunk)

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        return self.generate(noise(n, rng))

    def image_network(self) -> ImageNetwork:
        return ImageNetwork(self.drawing, LATENT)
