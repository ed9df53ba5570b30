"""The unrolled GAN: by hand, finite differences through D's steps, torch for every gradient."""

import copy

import numpy as np
import pytest
from by_hand import Affine, t

import tinygen as tg
from tinygen import nn
from tinygen.models import gan, unrolled
from tinygen.optim import SGD, Adam, AdamW, exponential

RNG = np.random.default_rng(0)
X, Z = RNG.standard_normal((6, 2)), RNG.standard_normal((6, 3))
OPTIMISERS = {
    "descent": lambda params: SGD(params, lr=0.3),
    "momentum": lambda params: SGD(params, lr=0.2, momentum=0.8),
    "adam": lambda params: Adam(params, lr=0.03, betas=(0.5, 0.9)),
}


def players(kind="adam", steps=2, activation=tg.tanh):
    """G, D and D's optimiser, which has taken some steps."""
    rng = np.random.default_rng(5)
    G = nn.dense(3, 4, 2, activation=activation, rng=rng).astype(np.float64)
    D = nn.dense(2, 5, 1, activation=activation, rng=rng).astype(np.float64)
    opt = OPTIMISERS[kind](D.parameters())
    for _ in range(steps):
        opt.step(tg.grad(-gan.value(D, G, t(X), t(Z)).V, opt.params))
    return G, D, opt


def loss(G, D, opt, K, kind):
    return unrolled.unrolled_loss(D, G, opt, t(X), t(Z), K=K, loss=kind)


def test_one_step_by_hand():
    """D(x) = σ(wx), G(z) = vz, one x and one z: w' = w + η df/dw, then f at w'."""
    x, z, v, w, eta = 1.5, -0.8, 0.6, 0.4, 0.5
    sigma = lambda a: 1 / (1 + np.exp(-a))
    df_dw = lambda w: x * sigma(-w * x) - v * z * sigma(w * v * z)
    w1 = w + eta * df_dw(w)
    f1 = np.log(sigma(w1 * x)) + np.log(sigma(-w1 * v * z))
    s = sigma(w * v * z)
    dw1_dv = eta * (-z * s - v * z * s * (1 - s) * w * z)
    df1_dv = -w1 * z * sigma(w1 * v * z) + df_dw(w1) * dw1_dv
    G, D = Affine([[v]]), Affine([[w]])
    opt = SGD(D.parameters(), lr=eta)
    f = unrolled.unrolled_loss(D, G, opt, t([[x]]), t([[z]]), K=1, loss="saturating")
    assert f.item() == pytest.approx(f1, rel=1e-12)
    assert tg.grad(f, [G.w])[0].item() == pytest.approx(df1_dv, rel=1e-12)


@pytest.mark.parametrize("kind", gan.LOSSES)
def test_no_steps_are_the_plain_gan(kind):
    G, D, opt = players()
    ours, plain = loss(G, D, opt, 0, kind), gan.generator_loss(D, G, t(Z), loss=kind)
    of_x = tg.mean(gan.log_D(D(t(X)))).item() if kind == "saturating" else 0.0
    assert ours.item() == pytest.approx(plain.item() + of_x, rel=1e-12)
    for g, wanted in zip(*(tg.grad(f, G.parameters()) for f in (ours, plain)), strict=True):
        np.testing.assert_allclose(g.numpy(), wanted.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind", gan.LOSSES)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("K", [0, 1, 3])
def test_gradients_are_finite_differences_through_all_steps(K, optimiser, kind):
    G, D, opt = players(optimiser)
    params, rng, h = G.parameters(), np.random.default_rng(K), 1e-5
    gs = tg.grad(loss(G, D, opt, K, kind), params)
    for _ in range(3):
        along = [rng.standard_normal(p.shape) for p in params]
        slope = sum((g.numpy() * u).sum() for g, u in zip(gs, along, strict=True))
        ends = []
        for side in (h, -2 * h, h):
            for p, u in zip(params, along, strict=True):
                p.data = p.data + side * u
            ends.append(loss(G, D, opt, K, kind).item())
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-9)


def test_the_steps_are_worth_a_gradient():
    """Without what flows back through D's steps, the gradient is another."""
    G, D, opt = players()
    whole = tg.grad(loss(G, D, opt, 3, "saturating"), G.parameters())
    x_hat = G(t(Z))
    D_K = unrolled.unroll(D, opt, t(X), x_hat.detach(), K=3)
    cut = tg.grad(unrolled.objective(D_K, t(X), x_hat), G.parameters())
    whole, cut = (np.concatenate([g.numpy().ravel() for g in gs]) for gs in (whole, cut))
    assert np.abs(whole - cut).max() > 0.05 * np.abs(whole).max()


@pytest.mark.parametrize("kind", gan.LOSSES)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_value_and_gradients_equal_torch(optimiser, kind):
    torch = pytest.importorskip("torch")
    G, D, opt = players(optimiser)
    own = lambda net: [torch.tensor(p.numpy(), requires_grad=True) for p in net.parameters()]
    t_G, params, x, z = own(G), own(D), torch.tensor(X), torch.tensor(Z)
    call = lambda w, x: torch.tanh(x @ w[0] + w[1]) @ w[2] + w[3]
    log = torch.nn.functional.logsigmoid
    f = lambda w, x_hat: log(call(w, x)).mean() + log(-call(w, x_hat)).mean()
    x_hat, state = call(t_G, z), {}
    for name, flat in opt.state.items():
        parts = torch.tensor(flat).split([p.numel() for p in params])
        state[name] = [part.view(p.shape) for part, p in zip(parts, params, strict=True)]
    for k in range(1, 4):
        gs = torch.autograd.grad(-f(params, x_hat), params, create_graph=True)
        if optimiser == "adam":
            (b1, b2), n = opt.betas, opt.t + k
            state["m"] = [b1 * m + (1 - b1) * g for m, g in zip(state["m"], gs, strict=True)]
            state["v"] = [b2 * v + (1 - b2) * g * g for v, g in zip(state["v"], gs, strict=True)]
            moves = [
                m / (1 - b1**n) / ((v / (1 - b2**n)).sqrt() + opt.eps)
                for m, v in zip(state["m"], state["v"], strict=True)
            ]
        else:
            state["u"] = moves = [opt.momentum * u + g for u, g in zip(state["u"], gs, strict=True)]
        params = [p - opt.lr * move for p, move in zip(params, moves, strict=True)]
    t_loss = f(params, x_hat) if kind == "saturating" else -log(call(params, x_hat)).mean()
    t_loss.backward()
    ours = loss(G, D, opt, 3, kind)
    assert ours.item() == pytest.approx(t_loss.item(), rel=1e-10)
    for g, wanted in zip(tg.grad(ours, G.parameters()), t_G, strict=True):
        np.testing.assert_allclose(g.numpy(), wanted.grad.numpy(), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_the_steps_are_those_of_the_optimiser_and_are_forgotten(optimiser):
    G, D, opt = players(optimiser)
    opt.lr = exponential(opt.lr, factor=0.7)
    twin_D, twin = copy.deepcopy((D, opt))
    ahead = unrolled.unroll(D, opt, t(X), G(t(Z)), K=3)
    np.testing.assert_equal(D.state_dict(), twin_D.state_dict())
    np.testing.assert_equal(opt.state_dict(), twin.state_dict())
    for _ in range(3):
        twin.step(tg.grad(-gan.value(twin_D, G, t(X), t(Z)).V, twin.params))
    np.testing.assert_allclose(ahead(t(X)).numpy(), twin_D(t(X)).numpy(), rtol=1e-6)
    moved = np.abs(ahead(t(X)).numpy() - D(t(X)).numpy()).max()
    assert moved > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_units_that_are_dead_have_a_derivative(dtype):
    """At Adam's first step v is 0, and so is the gradient of a ReLU that no sample opens."""
    G, D, opt = players("adam", steps=0, activation=tg.relu)
    D.layers[0].bias.data[:2] = -100.0
    G, D = G.astype(dtype), D.astype(dtype)
    opt = Adam(D.parameters(), lr=1e-2)
    x, z = (tg.tensor(a, dtype=dtype) for a in (X, Z))
    f = unrolled.unrolled_loss(D, G, opt, x, z, K=2, loss="saturating")
    gs = [g.numpy() for g in tg.grad(f, G.parameters())]
    assert all(np.isfinite(g).all() for g in gs) and any(g.any() for g in gs)


def test_other_optimisers_are_refused():
    G, D, _ = players()
    with pytest.raises(TypeError, match="unrolled: wanted SGD or Adam for D, got AdamW"):
        unrolled.unroll(D, AdamW(D.parameters()), t(X), G(t(Z)), K=1)
