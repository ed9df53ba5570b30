"""Autoencoders. Rumelhart, Hinton & Williams 1986; Hinton & Salakhutdinov 2006.

An encoder f gives an image x its code h = f(x), a decoder g makes an image x̂ = g(h) of the code.
Both descend the squared error of x̂, summed over the pixels, a mean over the batch. They could learn
to copy; each kind makes that impossible in its own way, so that the code must hold what matters:

    undercomplete   ‖x - g(f(x))‖²                         the code has few numbers
    sparse          ‖x - g(h)‖² + λ Σⱼ |hⱼ|·‖wⱼ‖    "l1"   it may have many, but few far from 0
                    ‖x - g(h)‖² + λ Σⱼ KL(ρ ‖ ρ̂ⱼ)   "kl"   (Ng, CS294A notes, 2011)
    stochastic      ‖x - g(f(x) + σ·ε)‖²,  ε ~ N(0, I)     noise comes into the code
    denoising       ‖x - g(f(x̃))‖²,  x̃ ~ C(x̃|x)            or into the image (Vincent et al. 2008)

wⱼ, row j of the decoder's weight, is what unit j draws, so |hⱼ|·‖wⱼ‖ is the length of what it adds
to the image. Were |hⱼ| alone kept small, h would shrink and w grow. ρ̂ⱼ is the mean of hⱼ over the
batch, which is held to a small ρ; there h ends in a sigmoid. Where noise is added to h, it ends in
tanh: a code without bounds would outgrow the noise.

With affine maps alone (arch linear) an undercomplete one finds what PCA finds, the subspace of the
first d principal components (Baldi & Hornik 1989).

Images are (N, H, W, C) in [0, 1], h is (N, d). No prior tells which h are codes: to draw images,
`moments.py` fits a Gaussian to the codes that the decoder has been given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import grad
from ..core import Tensor, tensor
from ..device import Array
from ..errors import UsageError
from ..nn import Module, Sequential, dense, in_chunks
from ..nn.init import Rng
from ..ops import abs, log, mean, norm, relu, sigmoid, squared_error, sum, tanh, where
from ..optim import Adam, Optimizer
from . import config
from .config import COUNT, NOT_NEGATIVE, POSITIVE, Values, one_of, option, option_of
from .model import ImageNetwork, Inputs, Model, Panel, Setup
from .moments import Moments

KINDS = ("undercomplete", "sparse", "stochastic", "denoising")
PENALTIES = ("l1", "kl")
CORRUPTIONS = ("gaussian", "masking", "salt-and-pepper")
Activation = Callable[[Tensor], Tensor]


class Terms(NamedTuple):
    """The loss and the error in it, means over the batch, and the codes the decoder was given."""

    loss: Tensor
    reconstruction: Tensor
    h: Tensor


def reconstruction_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """‖x - x̂‖², the mean over the batch."""
    return mean(squared_error(x, x_hat))


def undercomplete(encoder: Module, decoder: Module, x: Tensor) -> Terms:
    """‖x - g(f(x))‖²."""
    h = encoder(x)
    error = reconstruction_error(x, decoder(h))
    return Terms(error, error, h)


def l1(h: Tensor, w: Tensor) -> Tensor:
    """Σⱼ |hⱼ|·‖wⱼ‖, the mean over the batch: h (N, d), w (d, pixels)."""
    return sum(abs(h) * norm(w, axis=1)) * (1 / len(h))


def kl(h: Tensor, rho: float) -> Tensor:
    """Σⱼ KL(ρ ‖ ρ̂ⱼ) = Σⱼ ρ log(ρ/ρ̂ⱼ) + (1 - ρ) log((1 - ρ)/(1 - ρ̂ⱼ)); h (N, d) in (0, 1).

    Infinite if a unit is 0, or 1, on all of the batch.
    """
    rho_hat = mean(h, axis=0)
    on, off = math.log(rho) - log(rho_hat), math.log(1 - rho) - log(1 - rho_hat)
    return sum(rho * on + (1 - rho) * off)


def sparse(
    encoder: Module, decoder: Sequential, x: Tensor, *, penalty: str, weight: float, rho: float
) -> Terms:
    """‖x - g(h)‖² + λ · penalty, h = f(x), for a decoder that begins with a Linear."""
    h = encoder(x)
    error = reconstruction_error(x, decoder(h))
    cost = l1(h, decoder[0].weight) if penalty == "l1" else kl(h, rho)
    return Terms(error + weight * cost, error, h)


def stochastic(encoder: Module, decoder: Module, x: Tensor, eps: Any, *, sigma: float) -> Terms:
    """‖x - g(f(x) + σ·ε)‖² with the noise ε (N, d)."""
    h = encoder(x) + sigma * eps
    error = reconstruction_error(x, decoder(h))
    return Terms(error, error, h)


def corrupt(x: Tensor, noise: Tensor, *, corruption: str, level: float) -> Tensor:
    """x̃ ~ C(x̃|x), as a function of noise of x's shape, N(0, I) or uniform on [0, 1):

    gaussian          x + level · noise
    masking           0 where noise < level, else x
    salt-and-pepper   0 where noise < level / 2, 1 where noise >= 1 - level / 2, else x

    Each pixel is corrupted on its own; Vincent et al. 2008 mask the same number in every image. The
    other two are of Vincent et al. 2010, Stacked denoising autoencoders.
    """
    if corruption == "gaussian":
        return x + level * noise
    if corruption == "masking":
        return where(noise < level, 0.0, x)
    return where(noise < level / 2, 0.0, where(noise >= 1 - level / 2, 1.0, x))


def denoising(
    encoder: Module, decoder: Module, x: Tensor, noise: Tensor, *, corruption: str, level: float
) -> Terms:
    """‖x - g(f(x̃))‖², x̃ of `corrupt`: the error of x̂ against x without the noise."""
    h = encoder(corrupt(x, noise, corruption=corruption, level=level))
    error = reconstruction_error(x, decoder(h))
    return Terms(error, error, h)


NETWORKS = {"mlp": (512, 256), "shallow": (), "linear": ()}  # the encoder's hidden layers


def networks(
    arch: str, shape: tuple[int, ...], d: int, last: Activation | None, rng: Rng
) -> tuple[Sequential, Sequential]:
    """(encoder, decoder), 784-512-256-d and d-256-512-784, ReLU; or 784-d and d-784 (shallow).

    last: of the encoder, in place of none, of the shallow one in place of ReLU. The decoder's is a
    sigmoid. linear: shallow without either, x̂ may lie outside [0, 1].

    Most pixels are dark. The first thing that is learned, before any image is told from another, is
    to draw them so, and codes under tanh would go to its ends for that, and stay there, as it has
    no gradient there. Behind such codes the decoder begins dark.
    """
    hidden = NETWORKS[arch]
    if arch == "linear":
        return dense(shape, d, activation=relu, rng=rng), dense(d, shape, activation=relu, rng=rng)
    last = relu if arch == "shallow" and last is None else last
    encoder = dense(shape, *hidden, d, activation=relu, last=last, rng=rng)
    decoder = dense(d, *reversed(hidden), shape, activation=relu, last=sigmoid, rng=rng)
    if last is tanh:
        decoder[-3].bias = tensor(np.full(math.prod(shape), DARK), requires_grad=True)
    return encoder, decoder


ARCHS = {"sparse": ("shallow",), "stochastic": ("mlp", "shallow")}  # the other kinds take all
LAST: dict[str, Activation] = {"l1": relu, "kl": sigmoid, "stochastic": tanh}
DARK = -2.0  # a logit: 0.12 between black 0 and white 1
RATE = Values(float, lambda p: 0 < p < 1, "a number > 0 and < 1")


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    kind: str = option("undercomplete", one_of(KINDS), "what keeps it from copying")
    arch: str = option_of(
        "kind",
        {"undercomplete": "mlp", "sparse": "shallow", "stochastic": "mlp", "denoising": "mlp"},
        one_of(NETWORKS),
        "the networks",
    )
    latent: int = option_of(
        "kind",
        {"undercomplete": 2, "sparse": 1024, "stochastic": 16, "denoising": 64},
        COUNT,
        "numbers of the code",
    )
    penalty: str = option_of("kind", {"sparse": "l1"}, one_of(PENALTIES), "what holds h near 0")
    weight: float = option_of("penalty", {"l1": 0.2, "kl": 0.5}, NOT_NEGATIVE, "its λ")
    rho: float = option_of("penalty", {"kl": 0.05}, RATE, "the mean ρ of each number of the code")
    sigma: float = option_of("kind", {"stochastic": 0.5}, NOT_NEGATIVE, "σ of the code's noise")
    corruption: str = option_of(
        "kind", {"denoising": "gaussian"}, one_of(CORRUPTIONS), "what is done to the images"
    )
    level: float = option_of(
        "corruption",
        {"gaussian": 0.5, "masking": 0.5, "salt-and-pepper": 0.3},
        NOT_NEGATIVE,
        "standard deviation of the noise, share of the pixels",
    )
    lr: float = option(1e-3, POSITIVE, "Adam's learning rate")

    def __post_init__(self) -> None:
        super().__post_init__()
        archs = ARCHS.get(self.kind, tuple(NETWORKS))
        if self.arch not in archs:
            wanted = f"{' or '.join(archs)} for {self.kind}"
            raise UsageError(f"autoencoder: arch: wanted {wanted}, got {self.arch!r}")
        if self.corruption in ("masking", "salt-and-pepper") and self.level > 1:
            wanted = "a share of the pixels, at most 1"
            raise UsageError(f"autoencoder: level: wanted {wanted}, got {self.level}")


@dataclass
class Autoencoder(Model):
    """Both networks, their optimiser, what is known of the codes; `update` is a step on a batch."""

    encoder: Sequential
    decoder: Sequential
    moments: Moments
    opt: Optimizer
    config: Config = Config()
    RANGE = (0.0, 1.0)

    @property
    def panels(self) -> tuple[Panel, ...]:
        names = ("loss", "reconstruction") if self.config.kind == "sparse" else ("reconstruction",)
        return (("squared error per image", names),)

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images, and noise: of stochastic (N, d), of denoising (N, H, W, C)."""
        if self.config.kind == "stochastic":
            return {"x": x, "noise": rng.standard_normal((len(x), self.config.latent))}
        if self.config.kind == "denoising":
            draw = rng.standard_normal if self.config.corruption == "gaussian" else rng.random
            return {"x": x, "noise": draw(x.shape)}
        return {"x": x}

    def update(self, x: Array, noise: Array | None = None) -> dict[str, Tensor]:
        """One step on images x (N, H, W, C) in [0, 1]."""
        terms = self.terms(x, noise)
        self.opt.step(grad(terms.loss, self.opt.params))
        self.moments.move(terms.h)
        return {"loss": terms.loss, "reconstruction": terms.reconstruction}

    def terms(self, x: Array, noise: Array | None = None) -> Terms:
        """The loss of its kind on images x with the noise that `draw` gave."""
        c, networks, x = self.config, (self.encoder, self.decoder), self.tensor(x)
        if c.kind == "sparse":
            return sparse(*networks, x, penalty=c.penalty, weight=c.weight, rho=c.rho)
        if c.kind == "stochastic":
            return stochastic(*networks, x, self.tensor(noise), sigma=c.sigma)
        if c.kind == "denoising":
            how: dict[str, Any] = {"corruption": c.corruption, "level": c.level}
            return denoising(*networks, x, self.tensor(noise), **how)
        return undercomplete(*networks, x)

    def encode(self, x: Any, *, chunk: int = 1000) -> np.ndarray[Any, Any]:
        """The codes f(x) of images x in [0, 1]: (N, d)."""
        return in_chunks(lambda part: self.encoder(self.tensor(part)), x, chunk)

    def decode(self, h: Any, *, chunk: int = 1000) -> np.ndarray[Any, Any]:
        """The images g(h) of codes h (N, d): (N, H, W, C)."""
        return in_chunks(lambda part: self.decoder(self.tensor(part)), h, chunk)

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """n images g(h) of h ~ N(m, C), the Gaussian that `moments` fits to the codes."""
        images, z = self.image_network().images, rng.standard_normal((n, self.config.latent))
        return np.clip(in_chunks(lambda part: images(self.tensor(part)), z, 1000), 0, 1)

    def image_network(self) -> ImageNetwork:
        network = Sequential(self.moments.layer(), *self.decoder)
        return ImageNetwork(network, self.config.latent)

    def to_z(self, codes: Any) -> np.ndarray[Any, Any]:
        return self.moments.whiten(codes)


def build(config: Config, setup: Setup, rng: Rng) -> Autoencoder:
    """An autoencoder ready to train."""
    last = LAST.get(config.penalty or config.kind)
    encoder, decoder = networks(config.arch, setup.shape, config.latent, last, rng)
    moments = Moments(config.latent)
    setup.place(encoder, decoder, moments)
    opt = Adam([*encoder.parameters(), *decoder.parameters()], lr=config.lr)
    return Autoencoder(encoder, decoder, moments, opt, config)
