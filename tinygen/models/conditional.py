"""What models of p(x|y) share: they draw the class that is asked for.

Labels y are integers (N,) from 0 to classes - 1; networks see them as one-hot vectors (N, classes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import Tensor
from ..device import Array
from ..errors import UsageError
from ..nn import Module, in_chunks
from ..nn.init import Rng
from ..ops import one_hot
from ..optim import Optimizer
from .model import ImageNetwork, Inputs, Model, Setup
from .players import LATENT, given, noise

EACH = 10  # columns of the grid of classes


@dataclass
class Conditional(Model):
    """A subclass has `classes`, and writes `latent` and `generate`."""

    classes: int

    def latent(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """n draws of what the images depend on beside their class: (n, d)."""
        raise NotImplementedError

    def generate(self, z: Any, labels: Any) -> np.ndarray[Any, Any]:
        """Images of noise z (n, d) and classes (n,), in RANGE: (n, H, W, C)."""
        raise NotImplementedError

    def sample(self, n: int, rng: Rng, labels: Any = None) -> np.ndarray[Any, Any]:
        """n images in RANGE: of these classes (n,), or of classes drawn with equal chances."""
        labels = rng.integers(self.classes, size=n) if labels is None else self.checked(labels, n)
        return self.generate(self.latent(n, rng), labels)

    def grid(self, rng: Rng) -> tuple[np.ndarray[Any, Any], int | None]:
        """A row of images for each class, all rows from the same noise."""
        z = np.tile(self.latent(EACH, rng), (self.classes, 1))
        return self.generate(z, np.repeat(np.arange(self.classes), EACH)), EACH

    def checked(self, labels: Any, n: int) -> np.ndarray[Any, Any]:
        """The labels. Raises UsageError unless there are n, and all of a class."""
        name = type(self).__name__.lower()
        if labels is None or np.shape(labels) != (n,):
            got = "none" if labels is None else np.shape(labels)
            raise UsageError(f"{name}: wanted {n} labels, got {got}")
        labels = np.asarray(labels)
        if n and not 0 <= labels.min() <= labels.max() < self.classes:
            raise UsageError(
                f"{name}: wanted labels from 0 to {self.classes - 1}, "
                f"got {labels.min()} to {labels.max()}"
            )
        return labels

    def one_hot(self, labels: Any) -> Tensor:
        """(N, classes), where the networks are."""
        return self.tensor(one_hot(np.asarray(labels), self.classes))


@dataclass
class ConditionalPlayers(Conditional):
    """A game of G, which sees [z, y], and D, one step of each on a batch."""

    G: Module
    D: Module
    opt_G: Optimizer
    opt_D: Optimizer

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images and their labels; noise (N, 100) for D's step and for G's."""
        n = len(x)
        return {"x": x, "y": self.checked(labels, n), "z_D": noise(n, rng), "z_G": noise(n, rng)}

    def latent(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        return noise(n, rng)

    def generate(self, z: Any, labels: Any) -> np.ndarray[Any, Any]:
        """Images of noise z (N, 100) and classes (N,), by batch norm's running statistics."""

        def images(chosen: Any) -> Tensor:
            y = self.one_hot(np.asarray(labels)[chosen])
            return self.G(given(self.tensor(np.asarray(z)[chosen]), y), train=False)

        return in_chunks(images, np.arange(len(z)), 256)

    def image_network(self) -> ImageNetwork:
        return ImageNetwork(self.G, LATENT, categories=self.classes)


def wants_labels(setup: Setup, model: str) -> int:
    """The number of classes. Raises UsageError if there are none to tell apart."""
    if setup.classes < 2:
        raise UsageError(f"{model}: wanted images of two classes or more, got {setup.classes}")
    return setup.classes
