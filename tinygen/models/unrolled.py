"""Unrolled GAN. Metz et al. 2016, arXiv:1611.02163.

G of `gan.py` answers D as it is, and runs to the one place that this D likes best; D finds it out,
and G runs on. Here G answers D as it will be when it has answered in turn, K of D's own steps
later, in which there is no such place:

    f(θ_G, θ_D) = E_x[log D(x; θ_D)] + E_z[log(1 - D(G(z; θ_G); θ_D))]             (equation 2)
    θ_D⁰ = θ_D,    θ_Dᵏ⁺¹ = θ_Dᵏ + η df(θ_G, θ_Dᵏ)/dθ_Dᵏ                         (equations 4, 5)
    f_K(θ_G, θ_D) = f(θ_G, θ_Dᴷ(θ_G, θ_D))                                         (equation 7)

G descends f_K, D ascends f = f_0. θ_Dᴷ depends on θ_G, as D learned from G's images, so

    df_K/dθ_G = ∂f/∂θ_G + ∂f/∂θ_Dᴷ · dθ_Dᴷ/dθ_G                                    (equation 10)

where the second term goes back through all K steps: derivatives of derivatives. The steps are those
of D's optimiser, gradient descent as in equation 5 or Adam (as in the paper's experiments), which
goes on from the means that it has. They are forgotten afterwards: D moves by its own step alone.

All of the K steps see the same batch x and z. With "non-saturating" G descends mean -log D at θ_Dᴷ.
For K = 0 both have the gradient of `gan.py`'s losses.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..autodiff import grad
from ..core import Tensor
from ..nn import Module, with_parameters
from ..ops import maximum, mean, reshape, sqrt
from ..optim import SGD, Adam, Optimizer
from .gan import log_1_minus_D, log_D, loss_of_G

TINY = 1e-30  # under Adam's root, which has no derivative at 0


def objective(D: Module, x: Tensor, x_hat: Tensor) -> Tensor:
    """f on images x and x̂ = G(z): mean log D(x) + mean log(1 - D(x̂)). D's statistics stay."""
    a, a_hat = D(x, train="frozen"), D(x_hat, train="frozen")
    return mean(log_D(a)) + mean(log_1_minus_D(a_hat))


def unroll(D: Module, opt: Optimizer, x: Tensor, x_hat: Tensor, *, K: int) -> Module:
    """D with θ_Dᴷ: after K steps of its optimiser, which are recorded. D and opt stay as they are.

    Raises TypeError for an optimiser other than SGD and Adam.
    """
    params, state = opt.params, list(_state(opt))
    for k in range(K):
        f = objective(with_parameters(D, params), x, x_hat)
        gs = grad(-f, params, create_graph=True)
        moved = [
            step(opt, opt.t + k, p, g, *own) for p, g, own in zip(params, gs, state, strict=True)
        ]
        params, state = [p for p, *_ in moved], [own for _, *own in moved]
    return with_parameters(D, params)


def step(opt: Optimizer, t: int, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
    """(p, *state) after the optimiser's step that follows t others: its formula, made of ops."""
    lr = opt.schedule(t)
    if type(opt) is SGD:
        u = opt.momentum * state[0] + g
        return p - lr * u, u
    if type(opt) is Adam:
        (m, v), (beta1, beta2) = state, opt.betas
        m = m + (1 - beta1) * (g - m)
        v = v + (1 - beta2) * (g * g - v)
        m_hat, v_hat = m / (1 - beta1 ** (t + 1)), v / (1 - beta2 ** (t + 1))
        return p - lr * m_hat / (sqrt(maximum(v_hat, TINY)) + opt.eps), m, v
    raise TypeError(f"unrolled: wanted SGD or Adam for D, got {type(opt).__name__}")


def _state(opt: Optimizer) -> Iterator[list[Tensor]]:
    """The optimiser's state of each parameter, as constants of its shape."""
    start = 0
    for p in opt.params:
        part = slice(start, start + p.size)
        yield [reshape(Tensor(flat[part].copy()), *p.shape) for flat in opt.state.values()]
        start += p.size


def unrolled_loss(
    D: Module, G: Module, opt: Optimizer, x: Tensor, z: Tensor, *, K: int, loss: str
) -> Tensor:
    """What G descends: f_K ("saturating"), or mean -log D(G(z)) at θ_Dᴷ. A scalar, in nats.

    opt: D's optimiser, made of D.parameters().
    """
    x_hat = G(z, train=True)
    D_K = unroll(D, opt, x, x_hat, K=K)
    if loss == "saturating":
        return objective(D_K, x, x_hat)
    return loss_of_G(D_K(x_hat, train="frozen"), loss=loss)
