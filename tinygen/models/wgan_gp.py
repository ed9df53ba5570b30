"""WGAN with a gradient penalty. Gulrajani et al. 2017, arXiv:1704.00028.

The game of `wgan.py`, with its critic D held 1-Lipschitz by a penalty in place of clipped weights.
An optimal D has a gradient of norm 1 on the lines along which the best transport moves generated
images into real ones (proposition 1); the penalty asks for it on lines between random pairs. So D
descends

    L = E[D(x̃)] - E[D(x)] + λ E[(‖∇_x̂ D(x̂)‖₂ - 1)²]                              (equation 3)
    x̂ = ε·x + (1 - ε)·x̃,  ε ~ U[0, 1],  x̃ = G(z)

with one ε a sample, and the norm taken over all of a sample's numbers, pixels and channels.
Algorithm 1 is WGAN's with this step for D, Adam (α = 10⁻⁴, β₁ = 0, β₂ = 0.9) for both players,
λ = 10, n_critic = 5, m = 64; `Config` has what draws better digits in five minutes. As K is 1 here,
or nearly, E[D(x)] - E[D(x̃)] estimates W(P_r, P_g) itself. Nearly, as a slope s gains s·W and costs
λ (s - 1)², and so settles at about 1 + W/2λ.

The rows of ∇ Σ D(x̂) are the samples' own gradients only if no sample's output depends on another:
batch norm in D is refused (section 4), layer norm is not. Where the gradient is exactly 0 the norm
has no derivative; `norm` is 0 there, with gradient 0, one of its subgradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..autodiff import grad
from ..core import Tensor, tensor
from ..errors import UsageError
from ..nn import BatchNorm, Module
from ..nn.init import Rng
from ..ops import mean, norm, reshape, sum
from ..optim import Adam
from . import config
from .config import COUNT, FRACTION, NOT_NEGATIVE, POSITIVE, one_of, option
from .model import Inputs, Setup
from .players import averaged, fake
from .wgan import NETWORKS, Wasserstein, gap


class Terms(NamedTuple):
    """L, the critic's estimate mean D(x) - mean D(x̃) of W(P_r, P_g), the penalty without λ."""

    loss: Tensor  # -W + λ · penalty
    W: Tensor
    penalty: Tensor


def interpolate(x: Tensor, x_fake: Tensor, eps: Tensor) -> Tensor:
    """x̂ = ε·x + (1 - ε)·x̃ for x and x̃ (N, ...) and ε (N,), as a leaf: D is differentiated at it."""
    if eps.shape != x.shape[:1] or x.shape != x_fake.shape:
        shapes = f"{x.shape}, {x_fake.shape} and {eps.shape}"
        raise ValueError(f"wgan_gp: wanted x and x̃ (N, ...) and ε (N,), got {shapes}")
    eps = reshape(eps, -1, *[1] * (x.ndim - 1))
    return tensor(eps * x + (1.0 - eps) * x_fake, dtype=x.dtype, requires_grad=True)


def penalty(D: Module, x_hat: Tensor) -> Tensor:
    """mean (‖∇_x̂ D(x̂)‖₂ - 1)² over the batch."""
    (g,) = grad(sum(D(x_hat, train=True)), [x_hat], create_graph=True)
    return mean((norm(g, axis=tuple(range(1, g.ndim))) - 1.0) ** 2)


def critic_loss(D: Module, x: Tensor, x_fake: Tensor, eps: Tensor, *, lam: float) -> Terms:
    """L, equation 3 on a batch, and its terms."""
    W = gap(D, x, x_fake)
    gp = penalty(D, interpolate(x, x_fake, eps))
    return Terms(lam * gp - W, W, gp)


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    arch: str = option("conv", one_of(NETWORKS), "the networks")
    lr: float = option(1e-3, POSITIVE, "Adam's learning rate; the paper's is 1e-4")
    n_critic: int = option(3, COUNT, "steps of D for each of G; the paper has 5")
    penalty: float = option(
        2.0, NOT_NEGATIVE, "λ, what a gradient costs whose norm is not 1; the paper has 10"
    )
    beta2: float = option(0.99, FRACTION, "Adam's β₂; the paper's is 0.9", before=0.9)
    ema: float = option(
        0.99, FRACTION, "decay of the average of G's weights, which draws; 0: G itself", before=0.0
    )


@dataclass
class WGANGP(Wasserstein):
    """D pays λ for gradients whose norm is not 1."""

    config: Config = Config()
    PANELS = (
        ("estimate of W(P_r, P_g)", ("W",)),
        ("mean (‖∇D(x̂)‖ - 1)²", ("penalty",)),
    )

    def __post_init__(self) -> None:
        refuse_batch_norm(self.D)

    def draw_critic(self, m: int, rng: Rng) -> Inputs:
        """Noise z_D (m, 100) and ε (m,)."""
        return {**super().draw_critic(m, rng), "eps": rng.random(m)}

    def update_critic(self, x: Tensor, z_D: Tensor, eps: Tensor) -> dict[str, Tensor]:
        terms = critic_loss(self.D, x, fake(self.G, z_D), eps, lam=self.config.penalty)
        self.opt_D.step(grad(terms.loss, self.opt_D.params))
        return {"loss_D": terms.loss, "W": terms.W, "penalty": terms.penalty}


def refuse_batch_norm(D: Module) -> None:
    """Raises UsageError if batch norm is anywhere in D."""
    if any(isinstance(m, BatchNorm) for m in D.modules()):
        raise UsageError(
            "wgan_gp: wanted a critic without batch norm, whose output for a sample depends on the "
            "others, so that no sample has a gradient of its own; layer norm may take its place"
        )


def build(config: Config, setup: Setup, rng: Rng) -> WGANGP:
    """A WGAN-GP ready to train, of `wgan.py`'s networks, with Adam for both players."""
    G, D = setup.place(*NETWORKS[config.arch](setup.shape, rng))
    opt_G, opt_D = (Adam(n.parameters(), lr=config.lr, betas=(0.0, config.beta2)) for n in (G, D))
    return WGANGP(G, D, opt_G, opt_D, config, average=averaged(G, config.ema))
