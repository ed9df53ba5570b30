"""What the games of a generator G and another network D share: the two, their noise, samples.

Images are (N, H, W, C) in [-1, 1], as G ends in tanh; z is (N, 100).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor, no_grad
from ..nn import Module, in_chunks
from ..nn.init import Rng
from ..ops import concatenate
from ..optim import EMA, Adam, Optimizer
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


def averaged(G: Module, decay: float | None) -> EMA | None:
    """The average of G's weights; None for a decay of 0, or where there is no such option."""
    return EMA(G, decay) if decay else None


def drawing(G: Module, average: EMA | None) -> Module:
    """The network that draws samples: the average of G's weights if it is kept, else G."""
    return average.average if average else G


@dataclass
class Players(Model):
    """G, D and their optimisers.

    average: of G's weights over the last steps, which draws if it is kept: G itself goes on
    circling around a good place (Yazıcı et al. 2018, arXiv:1806.04498).
    """

    G: Module
    D: Module
    opt_G: Optimizer
    opt_D: Optimizer
    average: EMA | None = field(default=None, kw_only=True)

    @property
    def drawing(self) -> Module:
        """The network that draws samples."""
        return drawing(self.G, self.average)

    def descend(self, loss_G: Tensor) -> None:
        """G's step down its loss; the average of its weights follows."""
        self.opt_G.step(grad(loss_G, self.opt_G.params))
        if self.average:
            self.average.update(self.opt_G.t)

    def generate(self, z: Any, *, chunk: int = 256) -> np.ndarray[Any, Any]:
        """Images of noise z (N, 100), with the running statistics of batch norm."""
        return in_chunks(lambda part: self.drawing(self.tensor(part), train=False), z, chunk)

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        return self.generate(noise(n, rng))

    def image_network(self) -> ImageNetwork:
        return ImageNetwork(self.drawing, LATENT)
