"""Fully visible belief nets (Frey 1998): what the models share that write log p(x) down.

The product rule over the D pixels in some order, with nothing left out and nothing bounded:

    log p(x) = Σᵢ log p(xᵢ | x₍<ᵢ₎)

One network sees the whole image and gives all conditionals at once, by their logits l:

    p(xᵢ = 1 | x₍<ᵢ₎) = σ(lᵢ)           lᵢ must depend on no other pixels than those before i

So log p(x) takes one pass, and training is that of a classifier. Drawing takes D passes, one a
pixel, each of which sees the pixels drawn before: 784 for a digit, where a decoder or a generator
takes one. Pixels that are known may be given, and the others complete them.

Images are (N, H, W, C) of zeros and ones, drawn anew from the grey pixels at each use. All values
are in nats per image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor, no_grad
from ..device import Array, to_device
from ..errors import UsageError
from ..nn import Module, in_chunks
from ..nn.init import Rng
from ..ops import mean, sigmoid
from ..optim import EMA, Optimizer
from ..prob import bernoulli_log_density
from .model import ImageNetwork, Inputs, Model

CHUNK = 250  # images at a time, where nothing is learned


def log_p(net: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """log p(x) of each image, (N,): the sum of log p(xᵢ | x₍<ᵢ₎) over the pixels."""
    return bernoulli_log_density(x, net(x))


@dataclass
class Autoregressive(Model):
    """A network from images to logits, both (N, H, W, C), its optimiser, and the average of its
    weights, which measures and draws.

    A subclass gives the pixels' logits; it may know another order of the pixels, or several.
    """

    net: Module
    opt: Optimizer
    average: EMA
    shape: tuple[int, int, int]
    config: Any
    RANGE, BINARY = (0.0, 1.0), True
    PANELS = (("nats per image", ("NLL",)),)

    @property
    def averaged(self) -> Any:
        """The network with the average of the weights."""
        return self.average.average

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images."""
        return {"x": x}

    def update(self, x: Array) -> dict[str, Tensor]:
        """One step on images x (N, H, W, C) of zeros and ones: down NLL = mean -log p(x)."""
        return self.descend(-mean(log_p(self.net, self.tensor(x))))

    def descend(self, NLL: Tensor) -> dict[str, Tensor]:
        """One step of the weights, and of their average."""
        self.opt.step(grad(NLL, self.opt.params))
        self.average.update(self.opt.t)
        return {"NLL": NLL}

    def log_likelihood(self, x: Any) -> np.ndarray[Any, Any]:
        """log p(x) of each image, exactly: (N,) float64."""
        f = lambda part: log_p(self.averaged, self.tensor(part))
        return in_chunks(f, x, CHUNK).astype(np.float64)

    def order(self, which: int = 0) -> np.ndarray[Any, Any]:
        """The pixels' places in an image's flat array, from the first pixel to the last: (D,).

        which: of several orders.
        """
        return np.arange(np.prod(self.shape))

    def logits(self, x: Tensor, places: Array, which: int = 0) -> Iterator[Tensor]:
        """The logit (N,) of each pixel at these places, from the pixels before it in that order.

        x is read when a logit is asked for: the pixels before it are to be there by then.
        """
        raise NotImplementedError

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """n images, (n, H, W, C), drawn pixel by pixel."""
        return self.complete(np.zeros((n, *self.shape)), np.zeros(self.shape, bool), rng)

    def complete(self, x: Any, known: Any, rng: Rng, which: int = 0) -> np.ndarray[Any, Any]:
        """Images x (N, H, W, C) with those pixels drawn that are not known, (H, W, C), given the
        others. Raises UsageError unless the known ones are the first in the order."""
        known, places = np.ravel(known), self.order(which)
        first = int(known.sum())
        if known.shape != places.shape or not known[places[:first]].all():
            raise UsageError(
                f"complete: wanted {len(places)} pixels, the known ones first in the order; "
                f"got {len(known)}, and {first} that are known lie elsewhere"
            )
        flat = np.where(known, np.reshape(x, (len(x), -1)), 0).astype(np.float32)
        u = rng.random(flat.shape, dtype=np.float32)
        parts = [slice(i, i + CHUNK) for i in range(0, len(x), CHUNK)]
        with no_grad(), _bar(len(parts) * (len(places) - first)) as bar:
            for part in parts:
                self._fill(flat[part], u[part], places[first:], which, bar.update)
        return flat.reshape(-1, *self.shape)

    def _fill(self, x: Array, u: Array, places: Array, which: int, tick: Callable[[], Any]) -> None:
        """Draws the pixels of x (N, D) at these places, one after the other: 1 where u < σ(l)."""
        images = self.tensor(x.reshape(-1, *self.shape))
        flat, u = images.data.reshape(x.shape), to_device(u, images.device)
        for i, logit in zip(places, self.logits(images, places, which), strict=True):
            flat[:, i] = u[:, i] < sigmoid(logit).data
            tick()
        x[...] = images.numpy().reshape(x.shape)

    def image_network(self) -> ImageNetwork:
        raise UsageError("no single pass of a network draws the images, but one a pixel")


def _bar(passes: int) -> Any:
    """Counts passes of the network, on a terminal."""
    from tqdm.auto import tqdm

    return tqdm(total=passes, desc="drawing", unit="pass", leave=False, disable=None)
