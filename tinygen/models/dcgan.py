"""Deep convolutional GAN: the networks of Radford et al. 2015, arXiv:1511.06434.

The objective is `gan.py`'s. What the paper gives is an architecture that trains: strided
convolutions in place of pooling, both ways, batch norm in both networks except at G's output and
D's input, ReLU in G with tanh at its end, leaky ReLU in D (section 3), of slope 0.2, weights drawn
from N(0, 0.02²), Adam with β₁ = 0.5 (section 4). Kernels are 4×4, which stride 2 divides evenly.
D can have another norm than batch norm: see NORMS.

A 28×28 image is only two halvings from 7×7. Between z and the 7×7 grid the paper has one matrix;
with that alone the strokes are sharp but do not make up digits. So we keep one dense hidden layer
at that end of both networks, as InfoGAN's for MNIST do (Chen et al. 2016, appendix C.1):

    G   z (100) -> 512 -> 7×7×64 -> 14×14×32 -> 28×28×1
    D   28×28×1 -> 14×14×32 -> 7×7×64 -> 256 -> logit

`deep` is the paper's own (figure 1), for sides of 16, 32, 64 …, from 4×4 on without a hidden layer:

    G   z (100) -> 4×4×256 -> 8×8×128 -> 16×16×64 -> 32×32×3
    D   32×32×3 -> 16×16×64 -> 8×8×128 -> 4×4×256 -> logit
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

from ..errors import UsageError
from ..nn import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    LayerNorm,
    Linear,
    Module,
    Reshape,
    Sequential,
    SpectralNorm,
)
from ..nn.init import Rng, normal
from ..ops import leaky_relu, relu, tanh
from .players import LATENT

SMALLEST = 4  # the side of `deep`'s first grid

# D's norm. "batch": of a layer's output, as in the paper. "layer": the same where an image must not
# see the others. "spectral": of the weights, in all layers, where D must not become steep.
NORMS = ("batch", "layer", "spectral")


def normed(layer: Linear | Conv2d, norm: str, rng: Rng, *shape: int) -> list[Module]:
    """The layer with its norm. shape: of a sample's output, channels last; () if only the weights
    are to be normalised."""
    if norm == "spectral":
        return [SpectralNorm(layer, rng=rng)]
    if not shape:
        return [layer]
    return [layer, LayerNorm(*shape) if norm == "layer" else BatchNorm(shape[-1])]


def dcgan(
    shape: tuple[int, ...],
    rng: Rng,
    *,
    width: int = 32,
    norm: str = "batch",
    told: int = 0,
    outputs: int = 1,
    features: int = 256,
    head: bool = True,
) -> tuple[Sequential, Sequential]:
    """(G, D) for images of `shape` (H, W, C), H and W divisible by 4; D gives logits (N, outputs).

    width: channels at half resolution; a quarter has twice as many.
    norm: D's, one of NORMS.
    told: numbers that G takes behind those of z, a class or a code.
    features: units of D's hidden layer; with head=False D ends there, (N, features).
    """
    h, w, c = shape
    if h % 4 or w % 4:
        raise UsageError(f"dcgan: wanted a height and width divisible by 4, got {h}×{w}")
    h, w, wide = h // 4, w // 4, 2 * width
    dense: dict[str, Any] = {"init": normal(0.02), "rng": rng}
    conv: dict[str, Any] = {"kernel": 4, "stride": 2, "padding": 1, **dense}
    leaky = partial(leaky_relu, slope=0.2)
    G = Sequential(
        *(Linear(LATENT + told, 512, bias=False, **dense), BatchNorm(512), relu),
        Linear(512, h * w * wide, bias=False, **dense),
        Reshape(h, w, wide),
        *(BatchNorm(wide), relu),
        *(ConvTranspose2d(wide, width, bias=False, **conv), BatchNorm(width), relu),
        *(ConvTranspose2d(width, c, **conv), tanh),
    )
    last = normed(Linear(features, outputs, **dense), norm, rng) if head else []
    middle: dict[str, Any] = {"bias": norm == "spectral"}  # batch and layer norm subtract the mean
    D = Sequential(
        *normed(Conv2d(c, width, **conv), norm, rng),
        leaky,
        *normed(Conv2d(width, wide, **conv, **middle), norm, rng, h, w, wide),
        leaky,
        Reshape(h * w * wide),
        *normed(Linear(h * w * wide, features, **dense, **middle), norm, rng, features),
        leaky,
        *last,
    )
    return G, D


def deep(shape: tuple[int, ...], rng: Rng, *, width: int = 64) -> tuple[Sequential, Sequential]:
    """(G, D) for images of `shape` (H, W, C), H = W = 8, 16, 32 …; D gives logits (N, 1).

    width: channels at half resolution, twice as many at each halving.
    """
    h, w, c = shape
    halvings = (h // SMALLEST).bit_length() - 1
    if h != w or h < 2 * SMALLEST or h != SMALLEST * 2**halvings:
        raise UsageError(f"dcgan: deep: wanted sides of 8, 16, 32, 64 …, got {h}×{w}")
    conv: dict[str, Any] = {"kernel": 4, "stride": 2, "padding": 1, "init": normal(0.02)}
    channels = [c, *(width * 2**i for i in range(halvings))]  # from the image inwards
    leaky, first = partial(leaky_relu, slope=0.2), channels[-1] * SMALLEST**2
    up: list[Any] = [
        Linear(LATENT, first, rng=rng, init=normal(0.02), bias=False),
        Reshape(SMALLEST, SMALLEST, channels[-1]),
    ]
    for i, o in pairwise(reversed(channels[1:])):
        up += [BatchNorm(i), relu, ConvTranspose2d(i, o, rng=rng, bias=False, **conv)]
    up += [BatchNorm(width), relu, ConvTranspose2d(width, c, rng=rng, **conv), tanh]
    down: list[Any] = [Conv2d(c, width, rng=rng, **conv), leaky]
    for i, o in pairwise(channels[1:]):
        down += [Conv2d(i, o, rng=rng, bias=False, **conv), BatchNorm(o), leaky]
    logit = Linear(first, 1, rng=rng, init=normal(0.02))
    return Sequential(*up), Sequential(*down, Reshape(first), logit)
