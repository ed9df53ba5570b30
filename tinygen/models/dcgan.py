"""Deep convolutional GAN: the networks of Radford et al. 2015, arXiv:1511.06434.

The objective is `gan.py`'s. What the paper gives is an architecture that trains: strided
convolutions in place of pooling, both ways, batch norm in both networks except at G's output and
D's input, ReLU in G with tanh at its end, leaky ReLU in D (section 3), of slope 0.2, weights drawn
from N(0, 0.02²), Adam with β₁ = 0.5 (section 4). Kernels are 4×4, which stride 2 divides evenly.

A 28×28 image is only two halvings from 7×7. Between z and the 7×7 grid the paper has one matrix;
with that alone the strokes are sharp but do not make up digits. So we keep one dense hidden layer
at that end of both networks, as InfoGAN's for MNIST do (Chen et al. 2016, appendix C.1):

    G   z (100) -> 512 -> 7×7×64 -> 14×14×32 -> 28×28×1
    D   28×28×1 -> 14×14×32 -> 7×7×64 -> 256 -> logit
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import UsageError
from ..nn import BatchNorm, Conv2d, ConvTranspose2d, LayerNorm, Linear, Module, Reshape, Sequential
from ..nn.init import Rng, normal
from ..ops import leaky_relu, relu, tanh
from .players import LATENT

# what normalises numbers of a sample's shape, channels last
NORMS: dict[str, Callable[..., Module]] = {
    "batch": lambda *shape: BatchNorm(shape[-1]),
    "layer": LayerNorm,
}


def dcgan(
    shape: tuple[int, ...],
    rng: Rng,
    *,
    width: int = 32,
    norm: str = "batch",
    told: int = 0,
    outputs: int = 1,
) -> tuple[Module, Module]:
    """(G, D) for images of `shape` (H, W, C), H and W divisible by 4; D gives logits (N, outputs).

    width: channels at half resolution; a quarter has twice as many.
    norm: D's, "batch" as in the paper, or "layer" where an image must not see the others.
    told: numbers that G takes behind those of z, a class or a code.
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
    D = Sequential(
        *(Conv2d(c, width, **conv), leaky),
        *(Conv2d(width, wide, bias=False, **conv), NORMS[norm](h, w, wide), leaky),
        Reshape(h * w * wide),
        *(Linear(h * w * wide, 256, bias=False, **dense), NORMS[norm](256), leaky),
        Linear(256, outputs, **dense),
    )
    return G, D
