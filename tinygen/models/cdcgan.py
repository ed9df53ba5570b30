"""Conditional DCGAN, and why its labels can be ignored.

The game is `cgan.py`'s, min_G max_D E_x[log D(x|y)] + E_z[log(1 - D(G(z|y)|y))], with DCGAN's
networks: G sees [z, y]; in D the label joins the features f(x) that the convolutions give, and one
matrix makes the logit of both,

    a(x, y) = w·[f(x), y] = w·f(x) + v_y,    D = σ(a)                                "additive"

No term holds both x and y. So ∂a/∂x = w·∂f/∂x is the same for every y: D tells G how to look more
real, by the factor 1 - D a little more or less, but never how to look more like the y it was asked
for. Labels are then heard by luck alone. Embedding y first, in D or in G, changes v_y but not that;
layers behind the join do, and so do

    projection   a(x, y) = w·f(x) + e_y·f(x)                (Miyato & Koyama 2018, equation 4)
    acgan        D names the class itself: `acgan.py`

`label_gradients` shows it. The variants differ in D's head (HEADS); one embeds y in G instead.

Images are (N, H, W, C) in [-1, 1], as G ends in tanh; z is (N, 100), y one-hot (N, classes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor, tensor
from ..nn import BatchNorm, Linear, Module, Sequential
from ..nn.init import Rng, normal
from ..nn.module import Train
from ..ops import concatenate, leaky_relu, sigmoid, sum
from . import config
from .cgan import CGAN
from .conditional import wants_labels
from .config import FRACTION, POSITIVE, one_of, option
from .dcgan import dcgan
from .gan import LOSSES
from .model import Setup
from .players import adams

FEATURES = 200  # of f(x), unless the variant says otherwise
BEGIN = normal(0.02)


class Head(Module):
    """D's last layers: the logit of features f (N, n) and one-hot labels y, (N, 1)."""

    def __call__(self, f: Tensor, y: Tensor | None = None, *, train: Train = None) -> Tensor:
        raise NotImplementedError


class Join(Head):
    """[f, y], or [f, embed(y)], through the layers behind it: (N, n) and (N, classes) -> (N, 1).

    norm: of the features, before the join.
    """

    def __init__(self, after: Module, embed: Module | None = None, norm: Module | None = None):
        self.after, self.embed, self.norm = after, embed, norm

    def __call__(self, f: Tensor, y: Tensor | None = None, *, train: Train = None) -> Tensor:
        assert y is not None
        f = self.norm(f, train=train) if self.norm else f
        y = self.embed(y, train=train) if self.embed else y
        return self.after(concatenate([f, y], axis=1), train=train)


class Projection(Head):
    """w·f + e_y·f, with a row e_y for each class: (N, n) and (N, classes) -> (N, 1)."""

    def __init__(self, n: int, classes: int, rng: Rng):
        self.linear = Linear(n, 1, rng=rng, init=BEGIN)
        self.rows = Linear(classes, n, rng=rng, init=BEGIN, bias=False)

    def __call__(self, f: Tensor, y: Tensor | None = None, *, train: Train = None) -> Tensor:
        assert y is not None
        return self.linear(f) + sum(self.rows(y) * f, axis=1, keepdims=True)


def _joined(n: int, classes: int, rng: Rng) -> Head:
    return Join(Linear(n + classes, 1, rng=rng, init=BEGIN))


def _normed(n: int, classes: int, rng: Rng) -> Head:
    return Join(Linear(n + classes, 1, rng=rng, init=BEGIN), norm=BatchNorm(n))


def _embedded(size: int, last: Callable[[Tensor], Tensor] | None = None) -> Callable[..., Head]:
    def head(n: int, classes: int, rng: Rng) -> Head:
        embed: list[Any] = [Linear(classes, size, rng=rng, init=BEGIN), *([last] if last else [])]
        return Join(Linear(n + size, 1, rng=rng, init=BEGIN), embed=Sequential(*embed))

    return head


def _deep(n: int, classes: int, rng: Rng) -> Head:
    leaky = partial(leaky_relu, slope=0.2)
    first = Linear(n + classes, 128, rng=rng, init=BEGIN)
    return Join(Sequential(first, leaky, Linear(128, 1, rng=rng, init=BEGIN)))


# variant -> (features, D's head). The sizes and embeddings are those of the report that first asked
# why the labels were ignored; it shipped "embed-D-200".
HEADS: dict[str, tuple[int, Callable[[int, int, Rng], Head]]] = {
    "features-100": (100, _joined),
    "features-200": (FEATURES, _joined),
    "features-400": (400, _joined),
    "batch-norm": (FEATURES, _normed),
    "embed-10": (FEATURES, _embedded(10, sigmoid)),
    "embed-D-200": (FEATURES, _embedded(200)),
    "embed-G-200": (FEATURES, _joined),
    "deep": (FEATURES, _deep),
    "projection": (FEATURES, Projection),
}
ADDITIVE = tuple(name for name in HEADS if name not in ("deep", "projection"))


class Judge(Module):
    """D: the logit a(x, y) of flat images beside one-hot labels, [x, y] (N, H·W·C + classes)."""

    def __init__(self, trunk: Module, head: Head, shape: tuple[int, ...]):
        self.trunk, self.head, self.shape = trunk, head, shape

    def __call__(self, xy: Tensor, *, train: Train = None) -> Tensor:
        size = int(np.prod(self.shape))
        x, y = xy[:, :size], xy[:, size:]
        return self.head(self.trunk(x.reshape(len(xy), *self.shape), train=train), y, train=train)


class Told(Module):
    """G behind an embedding of the label: [z, y] -> G([z, embed(y)])."""

    def __init__(self, embed: Module, G: Module, classes: int):
        self.embed, self.G, self.classes = embed, G, classes

    def __call__(self, zy: Tensor, *, train: Train = None) -> Tensor:
        z, y = zy[:, : -self.classes], zy[:, -self.classes :]
        return self.G(concatenate([z, self.embed(y)], axis=1), train=train)


def networks(variant: str, shape: tuple[int, ...], classes: int, rng: Rng) -> tuple[Module, Module]:
    """(G, D) of DCGAN's layers with the variant's head."""
    features, head = HEADS[variant]
    told = 200 if variant == "embed-G-200" else classes
    G, trunk = dcgan(shape, rng, told=told, outputs=features)
    leaky = partial(leaky_relu, slope=0.2)
    D = Judge(Sequential(trunk, leaky), head(features, classes, rng), tuple(shape))
    if variant == "embed-G-200":
        G = Told(Linear(classes, told, rng=rng, init=BEGIN), G, classes)
    return G, D


def label_gradients(D: Module, x: Any, classes: int) -> np.ndarray[Any, Any]:
    """∂a(x, y)/∂x of flat images x (N, p) for every y, batch norm by its running statistics:
    (classes, N, p). All equal, if D is additive."""
    gradients = []
    for k in range(classes):
        leaf = tensor(x, dtype=D.parameters()[0].dtype, requires_grad=True)
        y = tensor(np.tile(np.eye(classes)[k], (len(x), 1)), dtype=leaf.dtype)
        a = D(concatenate([leaf, y], axis=1), train=False)
        gradients.append(grad(sum(a), [leaf])[0].numpy())
    return np.stack(gradients)


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    variant: str = option("projection", one_of(HEADS), "how the label reaches D, or G")
    loss: str = option("non-saturating", one_of(LOSSES), "what G descends")
    lr: float = option(4e-4, POSITIVE, "Adam's learning rate")
    beta1: float = option(0.5, FRACTION, "Adam's β₁")


@dataclass
class CDCGAN(CGAN):
    """A CGAN of convolutional networks."""

    config: Any = Config()


def build(config: Config, setup: Setup, rng: Rng) -> CDCGAN:
    """A conditional DCGAN. UsageError without classes, or for a shape that it cannot make."""
    classes = wants_labels(setup, "cdcgan")
    G, D = setup.place(*networks(config.variant, setup.shape, classes, rng))
    opt_G, opt_D = adams(G, D, lr=config.lr, beta1=config.beta1)
    return CDCGAN(classes, G, D, opt_G, opt_D, config)
