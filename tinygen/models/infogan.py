"""Information maximising GAN. Chen et al. 2016, arXiv:1606.03657.

G takes noise z and a code c that nobody labels: one of ten categories and two numbers,

    c = (k, u),  k ~ Cat(10, 1/10),  u ~ U[-1, 1]²

and is to make images from which c can be read, so that c comes to mean what varies most clearly:
the digit, the slant, the width. What can be read is the mutual information of c and G(z, c), which
has a bound that a network Q can raise,

    I(c; G(z, c)) ≥ L_I(G, Q) = E_c,z[log Q(c | G(z, c))] + H(c)                     (equation 5)

    min_G,Q max_D  V(D, G) - λ L_I(G, Q)                                             (equation 6)

with V of `gan.py`. Q shares D's layers but the last (section 5), which so learn with both steps:

    D and Q ascend   V + λ L_I
    G descends       mean[-log D(G(z, c))] - λ L_I                          "non-saturating"

For the category Q is a softmax, H = log 10 nats and so L_I <= log 10. For u it is a Gaussian whose
mean and variance depend on the image, H = 2 log 2; being a density's, these nats have no limit, and
have a λ of their own.

Ours differs from the paper in three things, by which the categories come to be the digits in a few
epochs.

* In G's first layer a one-hot category is one weight beside the hundred of z, hardly heard. These
  weights begin LOUD times as large: so G draws something else for each category before anybody
  asks for it.
* λ counts only when G draws digits, for the category after --wait steps, for u after --wait-u.
  Asked at once, or with a large λ, G gives a category to each kind of blot, and splits the digits
  among them for good.
* Until u counts, D and Q see all images, real and generated ones, through T, which slants,
  stretches and moves them at random (`warp.py`): so a category cannot be what T changes, a slanted
  1, say. That is left for u.

Images are (N, H, W, C) in [-1, 1], as G ends in tanh; z is (N, 100), c (N, 12): one-hot k, then u.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import grad
from ..core import Tensor, no_grad
from ..device import Array
from ..errors import UsageError
from ..nn import Module, in_chunks
from ..nn.init import Rng
from ..ops import log_softmax, mean, sigmoid, sum
from ..optim import Optimizer
from ..prob import gaussian_log_density
from . import config
from .config import FRACTION, NATURAL, NOT_NEGATIVE, POSITIVE, option
from .dcgan import dcgan
from .gan import log_1_minus_D, log_D
from .model import ImageNetwork, Inputs, Model, Setup
from .players import LATENT, adams, given
from .players import noise as noise
from .warp import draw_warps, warped

CATEGORIES, NUMBERS = 10, 2  # of the code: values of k, entries of u
SIZE = CATEGORIES + NUMBERS
EACH = 10  # columns of the grid of codes
LOUD = 6.0


class Answers(NamedTuple):
    """What the shared network says of images: D's logit a (N, 1); Q's logits of k (N, 10); mean
    and log-variance of its Gaussian of u, (N, 2) each."""

    a: Tensor
    k: Tensor
    mu: Tensor
    log_var: Tensor


def answers(out: Tensor) -> Answers:
    """The network's output (N, 1 + 10 + 2 + 2), taken apart."""
    last = 1 + CATEGORIES + NUMBERS
    return Answers(
        out[:, :1], out[:, 1 : 1 + CATEGORIES], out[:, 1 + CATEGORIES : last], out[:, last:]
    )


class Information(NamedTuple):
    """L_I on a batch, in nats: of the category, and of the numbers."""

    k: Tensor
    u: Tensor


def information(said: Answers, c: Tensor) -> Information:
    """Equation 5's L_I for both parts of the code c (N, 12): E[log Q(c|x)] + H(c)."""
    log_Q_k = sum(c[:, :CATEGORIES] * log_softmax(said.k), axis=1)
    log_Q_u = gaussian_log_density(c[:, CATEGORIES:], said.mu, said.log_var)
    return Information(
        mean(log_Q_k) + math.log(CATEGORIES), mean(log_Q_u) + NUMBERS * math.log(2.0)
    )


class Values(NamedTuple):
    """V(D, G) and L_I on a batch, in nats, and the means of D on real and generated images."""

    V: Tensor
    L_I: Information
    D_x: Tensor
    D_Gz: Tensor


View = Callable[[Tensor], Tensor]  # T, through which D sees images


def as_they_are(x: Tensor) -> Tensor:
    """T that changes nothing, the paper's."""
    return x


def values(D: Module, G: Module, x: Tensor, z: Tensor, c: Tensor, T: View = as_they_are) -> Values:
    """V and L_I as functions of D and Q: G(z, c) is a constant here."""
    with no_grad():
        x, x_hat = T(x), T(G(given(z, c), train="frozen"))
    a, said = answers(D(x, train=True)).a, answers(D(x_hat, train=True))
    V = mean(log_D(a)) + mean(log_1_minus_D(said.a))
    L_I = information(said, c)
    with no_grad():
        return Values(V, L_I, mean(sigmoid(a)), mean(sigmoid(said.a)))


def generator_terms(
    D: Module, G: Module, z: Tensor, c: Tensor, T: View = as_they_are
) -> tuple[Tensor, Information]:
    """(mean -log D(T(G(z, c))), L_I) as functions of G."""
    said = answers(D(T(G(given(z, c), train=True)), train="frozen"))
    return -mean(log_D(said.a)), information(said, c)


def draw_codes(n: int, rng: Rng) -> np.ndarray[Any, Any]:
    """Codes c, (n, 12): a category one-hot, then two numbers."""
    k = rng.integers(CATEGORIES, size=n)
    return codes(k, rng.uniform(-1, 1, (n, NUMBERS)))


def codes(k: Any, u: Any) -> np.ndarray[Any, Any]:
    """Codes of categories k (n,) and numbers u (n, 2): (n, 12)."""
    return np.concatenate([np.eye(CATEGORIES)[np.asarray(k)], np.asarray(u, float)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    lr: float = option(8e-4, POSITIVE, "Adam's learning rate")
    beta1: float = option(0.5, FRACTION, "Adam's β₁")
    lam: float = option(0.2, NOT_NEGATIVE, "λ, the weight of the category's information")
    lam_u: float = option(0.1, NOT_NEGATIVE, "λ of the information of the two numbers")
    wait: int = option(400, NATURAL, "steps before the category's λ counts", before=0)
    wait_u: int = option(3900, NATURAL, "steps before that of the two numbers counts", before=0)
    warp: float = option(
        1.0,
        NOT_NEGATIVE,
        "how much D's images are warped until --wait-u; 0: not at all",
        before=0.0,
    )


@dataclass
class InfoGAN(Model):
    """G, D (with Q in it) and their optimisers; `update` is one step of each."""

    G: Module
    D: Module
    opt_G: Optimizer
    opt_D: Optimizer
    config: Config = Config()
    PANELS = (
        ("loss (nats)", ("loss_D", "loss_G")),
        ("probability", ("D_x", "D_Gz")),
        ("information about the category (nats)", ("L_I", "H")),
        ("information about the numbers (nats)", ("L_I_u",)),
    )

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images; for D's step and for G's noise (N, 100), codes (N, 12), warps (N, 5)."""
        n = len(x)
        first = {"z_D": noise(n, rng), "c_D": draw_codes(n, rng), "warp_D": draw_warps(n, rng)}
        then = {"z_G": noise(n, rng), "c_G": draw_codes(n, rng), "warp_G": draw_warps(n, rng)}
        return {"x": x, **first, **then}

    def update(
        self, x: Array, z_D: Array, c_D: Array, warp_D: Array, z_G: Array, c_G: Array, warp_G: Array
    ) -> dict[str, Tensor]:
        """D's and Q's step on images x (N, H, W, C), then G's."""
        x, z_D, c_D, z_G, c_G = (self.tensor(a) for a in (x, z_D, c_D, z_G, c_G))
        V, L_I, D_x, D_Gz = values(self.D, self.G, x, z_D, c_D, self.view(warp_D))
        loss_D = -(V + self.weighted(L_I))
        self.opt_D.step(grad(loss_D, self.opt_D.params))
        of_D, L_I = generator_terms(self.D, self.G, z_G, c_G, self.view(warp_G))
        loss_G = of_D - self.weighted(L_I)
        self.opt_G.step(grad(loss_G, self.opt_G.params))
        H = self.tensor(math.log(CATEGORIES))
        terms = {"loss_D": loss_D, "loss_G": loss_G, "D_x": D_x, "D_Gz": D_Gz}
        return {**terms, "L_I": L_I.k, "H": H, "L_I_u": L_I.u}

    def weighted(self, L_I: Information) -> Tensor:
        """λ L_I, each part by its own λ, which is 0 at first."""
        c, t = self.config, self.opt_G.t
        lam, lam_u = c.lam * (t >= c.wait), c.lam_u * (t >= c.wait_u)
        return lam * L_I.k + lam_u * L_I.u

    def view(self, how: Array) -> View:
        """T in this step, by the warps (N, 5) that were drawn for it."""
        c = self.config
        if not c.warp or self.opt_G.t >= c.wait_u:
            return as_they_are
        return partial(warped, how=how, strength=c.warp)

    def generate(self, z: Any, c: Any) -> np.ndarray[Any, Any]:
        """Images G(z, c) of noise z (N, 100) and codes c (N, 12), by the running statistics."""
        both = np.concatenate([z, c], axis=1)
        return in_chunks(lambda part: self.G(self.tensor(part), train=False), both, 256)

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """n images of noise and codes drawn at random."""
        return self.generate(noise(n, rng), draw_codes(n, rng))

    def image_network(self) -> ImageNetwork:
        return ImageNetwork(self.G, LATENT, CATEGORIES, NUMBERS)

    def grid(self, rng: Rng) -> tuple[np.ndarray[Any, Any], int | None]:
        """A row of images for each category, all rows from the same noise, u = 0."""
        z = np.tile(noise(EACH, rng), (CATEGORIES, 1))
        k = np.repeat(np.arange(CATEGORIES), EACH)
        return self.generate(z, codes(k, np.zeros((len(k), NUMBERS)))), EACH

    def sweep(self, i: int, rng: Rng, *, reach: float = 2.0) -> np.ndarray[Any, Any]:
        """Images (10 · 10, H, W, C): a row for each category, along it u[i] from -reach to reach,
        all else as it is. The paper's figure 2 has reach 2, twice as far as G has seen."""
        if i not in range(NUMBERS):
            raise UsageError(f"infogan: wanted the number 0 or 1 of the code, got {i}")
        z = np.tile(noise(1, rng), (CATEGORIES * EACH, 1))
        u = np.zeros((CATEGORIES * EACH, NUMBERS))
        u[:, i] = np.tile(np.linspace(-reach, reach, EACH), CATEGORIES)
        return self.generate(z, codes(np.repeat(np.arange(CATEGORIES), EACH), u))


def build(config: Config, setup: Setup, rng: Rng) -> InfoGAN:
    """An InfoGAN of DCGAN's networks. Raises UsageError for a shape that they cannot make."""
    outputs = 1 + CATEGORIES + 2 * NUMBERS
    G, D = dcgan(setup.shape, rng, told=SIZE, outputs=outputs)
    G[0].weight.data[LATENT : LATENT + CATEGORIES] *= LOUD  # the rows of the one-hot category
    G, D = setup.place(G, D)
    opt_G, opt_D = adams(G, D, lr=config.lr, beta1=config.beta1)
    return InfoGAN(G, D, opt_G, opt_D, config)
