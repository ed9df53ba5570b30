"""WGAN-GP's penalty: closed forms, torch in float64, finite differences, and what must hold."""

import gc
import tracemalloc

import numpy as np
import pytest
from by_hand import Spy, t
from hypothesis import given
from hypothesis import strategies as st
from twins import nchw, same_gradients, twins

import tinygen as tg
from tinygen import nn
from tinygen.errors import UsageError
from tinygen.models import Setup, wgan, wgan_gp
from tinygen.models.dcgan import dcgan

X, FAKE = (np.random.default_rng(i).uniform(-1, 1, (5, 28, 28, 1)) for i in (0, 1))
EPS = np.random.default_rng(2).random(5)
ARRAYS = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)


def build(model=wgan_gp, **options):
    return model.build(model.Config(**options), Setup((28, 28, 1)), np.random.default_rng(0))


class Linear(nn.Module):
    """w·x over all of a sample's numbers: the gradient is w everywhere."""

    def __init__(self, w, dtype=float):
        self.w = tg.tensor(w, dtype=dtype, requires_grad=True)

    def __call__(self, x, *, train=None):
        return tg.reshape(x, len(x), -1) @ tg.reshape(self.w, -1, 1)


class Bowl(nn.Module):
    """½a‖x‖²: the gradient is a·x, so that the penalty knows where x̂ is."""

    def __init__(self, a):
        self.a = tg.tensor(a, dtype=float, requires_grad=True)

    def __call__(self, x, *, train=None):
        return 0.5 * self.a * tg.sum(x * x, axis=tuple(range(1, x.ndim)))


def penalty(D, x=X, x_fake=FAKE, eps=EPS):
    return wgan_gp.penalty(D, wgan_gp.interpolate(t(x), t(x_fake), t(eps)))


# --- by hand --------------------------------------------------------------------------------------


@given(st.integers(0, 10**6), st.floats(0.01, 10))
def test_a_linear_critic_pays_by_its_norm_alone(seed, size):
    """(‖w‖ - 1)², whatever x, x̃ and ε; the gradient is 2 (‖w‖ - 1) w/‖w‖."""
    r = np.random.default_rng(seed)
    x, x_fake, w = r.standard_normal((3, 4)), r.standard_normal((3, 4)), r.standard_normal(4)
    w *= size / np.linalg.norm(w)
    D = Linear(w)
    gp = penalty(D, x, x_fake, r.random(3))
    assert gp.item() == pytest.approx((size - 1) ** 2, rel=1e-9, abs=1e-15)
    want = 2 * (size - 1) * w / size
    np.testing.assert_allclose(tg.grad(gp, [D.w])[0].numpy(), want, rtol=1e-9, atol=1e-14)


def test_the_norm_is_over_all_pixels_and_channels():
    w = np.full((4, 6, 3), 0.5)  # ‖w‖ = ½√72
    x, x_fake = np.random.default_rng(0).random((2, 2, 4, 6, 3))
    gp = penalty(Linear(w), x, x_fake, np.array([0.2, 0.9])).item()
    assert gp == pytest.approx((0.5 * 72**0.5 - 1) ** 2, rel=1e-12)


def test_x_hat_lies_where_epsilon_says():
    """At D = ½a‖x‖² the gradient is a·x̂: the penalty is mean (a‖x̂‖ - 1)²."""
    x_hat = EPS[:, None, None, None] * X + (1 - EPS)[:, None, None, None] * FAKE
    norms = np.sqrt((x_hat**2).sum((1, 2, 3)))
    D = Bowl(0.3)
    gp = penalty(D)
    assert gp.item() == pytest.approx(((0.3 * norms - 1) ** 2).mean(), rel=1e-12)
    slope = (2 * (0.3 * norms - 1) * norms).mean()
    assert tg.grad(gp, [D.a])[0].item() == pytest.approx(slope, rel=1e-12)


def test_the_ends_of_the_line():
    ends = wgan_gp.interpolate(t(X), t(FAKE), t([1.0, 0.0, 1.0, 0.0, 1.0])).numpy()
    np.testing.assert_array_equal(ends[::2], X[::2])
    np.testing.assert_array_equal(ends[1::2], FAKE[1::2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-10])
def test_a_critic_without_gradient_pays_1_and_stays_finite(size, dtype):
    D = Linear(np.full(6, size), dtype)
    x = tg.tensor(np.ones((2, 6)), dtype=dtype)
    gp = wgan_gp.penalty(D, wgan_gp.interpolate(x, x, tg.tensor([0.3, 0.6], dtype=dtype)))
    assert gp.item() == pytest.approx(1.0, abs=1e-6)
    (g,) = tg.grad(gp, [D.w])
    assert np.isfinite(g.numpy()).all() and np.abs(g.numpy()).max() < 1
    assert size or not g.numpy().any()


def test_the_terms_add_up():
    w = np.zeros((28, 28, 1))
    w[0, 0] = 3.0
    terms = wgan_gp.critic_loss(Linear(w), t(X), t(FAKE), t(EPS), lam=2.5)
    W = 3 * (X[:, 0, 0, 0].mean() - FAKE[:, 0, 0, 0].mean())
    assert terms.W.item() == pytest.approx(W, rel=1e-12)
    assert terms.penalty.item() == pytest.approx(4.0, rel=1e-12)
    assert terms.loss.item() == pytest.approx(2.5 * 4 - W, rel=1e-12)


def test_the_best_linear_critic_is_a_little_steeper_than_1():
    """Of points a distance d apart: max s·d - λ(s - 1)² is at the slope s = 1 + d/2λ."""
    x, x_fake = np.array([[1.0, 2.0]]), np.array([[4.0, -2.0]])  # d = 5
    D = Linear((1 + 5 / 20) * np.array([-3.0, 4.0]) / 5)
    terms = wgan_gp.critic_loss(D, t(x), t(x_fake), t([0.3]), lam=10.0)
    assert terms.W.item() == pytest.approx(1.25 * 5, rel=1e-12)
    np.testing.assert_allclose(tg.grad(terms.loss, [D.w])[0].numpy(), 0, atol=1e-12)


# --- against torch and finite differences ---------------------------------------------------------


@pytest.mark.parametrize("arch", wgan.NETWORKS)
def test_value_and_gradients_equal_torch(arch):
    torch = pytest.importorskip("torch")
    (_, D), (_, TD) = twins(torch, arch)
    terms = wgan_gp.critic_loss(D, t(X), t(FAKE), t(EPS), lam=10.0)

    x, x_fake = nchw(torch, X), nchw(torch, FAKE)
    eps = torch.from_numpy(EPS).view(-1, 1, 1, 1)
    x_hat = (eps * x + (1 - eps) * x_fake).requires_grad_()
    (g,) = torch.autograd.grad(TD(x_hat).sum(), x_hat, create_graph=True)
    gp = ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()
    W = TD(x).mean() - TD(x_fake).mean()
    loss = -W + 10 * gp
    loss.backward()
    for name, value in (("loss", loss), ("W", W), ("penalty", gp)):
        assert getattr(terms, name).item() == pytest.approx(value.item(), rel=1e-9), name
    same_gradients(D, tg.grad(terms.loss, D.parameters()), TD)


def test_the_penaltys_gradient_equals_finite_differences():
    def value(w, gamma, v):
        D = lambda x, train: tg.layer_norm(tg.tanh(x @ w), gamma, gamma * 0.0) @ v
        return wgan_gp.penalty(D, wgan_gp.interpolate(x, x_fake, eps))

    r = np.random.default_rng(0)
    x, x_fake, eps = t(r.standard_normal((3, 4))), t(r.standard_normal((3, 4))), t(r.random(3))
    tg.gradcheck(value, [r.standard_normal(s) for s in ((4, 5), 5, (5, 1))])


# --- what must hold always ------------------------------------------------------------------------


@given(st.permutations(range(5)))
def test_the_order_of_the_samples_does_not_matter(order):
    D = dcgan((28, 28, 1), np.random.default_rng(3), width=2, norm="layer")[1].astype(np.float64)
    order = list(order)
    one, two = penalty(D), penalty(D, X[order], FAKE[order], EPS[order])
    assert one.item() == pytest.approx(two.item(), rel=1e-10)


def test_a_step_draws_one_epsilon_a_sample():
    model = build(n_critic=2)
    model.D = Spy(model.D)
    x = np.random.default_rng(0).uniform(-1, 1, (8, 28, 28, 1)).astype(np.float32)
    model.step(x, np.random.default_rng(1))
    drawn = []
    for real, fake, between in (model.D.shown[:3], model.D.shown[3:6]):
        ratio = (between - fake) / (real - fake)
        eps = np.median(ratio, axis=(1, 2, 3), keepdims=True)
        np.testing.assert_allclose(between, eps * real + (1 - eps) * fake, atol=1e-5)
        drawn += list(eps.ravel())
    assert len(set(drawn)) == 8 and min(drawn) >= 0 and max(drawn) <= 1


@pytest.mark.parametrize("k", [1, 3])
def test_k_steps_of_D_then_one_of_G(k):
    model = build(n_critic=k, penalty=7.0)
    before = [model.G.state_dict(), model.D.state_dict()]
    out = model.step(np.concatenate([X, FAKE])[: 2 * k], np.random.default_rng(1))
    assert (model.opt_D.t, model.opt_G.t) == (k, 1)
    assert set(out) == {"loss_D", "W", "penalty", "loss_G"}
    assert out["loss_D"].item() == pytest.approx(
        7 * out["penalty"].item() - out["W"].item(), abs=1e-4
    )
    for net, old in zip((model.G, model.D), before, strict=True):
        assert all(np.any(v != old[k]) for k, v in net.state_dict().items() if "weight" in k)


def critic_step(model):
    """A step of D on X, always with the same noise."""
    inputs = model.draw_critic(len(X), np.random.default_rng(1))
    return model.update_critic(tg.tensor(X), **{k: tg.tensor(v) for k, v in inputs.items()})


@pytest.mark.parametrize("module", [wgan, wgan_gp])
def test_each_player_descends_its_loss(module):
    model = build(module, arch="mlp", n_critic=5)
    steps = [critic_step(model) for _ in range(2)]
    assert steps[1]["loss_D"].item() < steps[0]["loss_D"].item()
    model.update_critic = lambda x, **noise: {}  # leaves D as it is
    steps = [model.step(X, np.random.default_rng(1)) for _ in range(2)]
    assert steps[1]["loss_G"].item() < steps[0]["loss_G"].item()


def test_the_penalty_pulls_a_steep_critic_down():
    model = build()
    model.D.layers[-1].weight.data *= 10
    paid = [critic_step(model)["penalty"].item() for _ in range(3)]
    assert paid[0] > 10 and paid[2] < paid[1] < paid[0]


@pytest.mark.parametrize("arch", wgan.NETWORKS)
def test_memory_stays_flat_without_the_garbage_collector(arch):
    """Graphs of graphs hold no cycles: all is freed when the last name goes."""
    networks = wgan.NETWORKS[arch]((4, 4, 1), np.random.default_rng(0))
    opts = [tg.optim.Adam(n.parameters()) for n in networks]
    model, rng = (
        wgan_gp.WGANGP(*networks, *opts, wgan_gp.Config(n_critic=2)),
        np.random.default_rng(0),
    )
    held = []
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(4):
            for _ in range(3):
                model.step(np.zeros((4, 4, 4, 1), np.float32), rng)
            tensors = sum(type(o) is tg.Tensor for o in gc.get_objects())
            arrays = tracemalloc.take_snapshot().filter_traces([ARRAYS])
            held.append((tensors, sum(trace.size for trace in arrays.traces)))
    finally:
        tracemalloc.stop()
        gc.enable()
    assert len(set(held)) == 1, held


# --- mistakes -------------------------------------------------------------------------------------


def test_batch_norm_in_the_critic_is_refused():
    G, D = dcgan((28, 28, 1), np.random.default_rng(0), width=2)
    opts = [tg.optim.Adam(n.parameters()) for n in (G, D)]
    for critic in (D, nn.Sequential(nn.Sequential(*D.layers[:6]))):
        with pytest.raises(UsageError, match=r"without batch norm, whose output .* on the others"):
            wgan_gp.WGANGP(G, critic, *opts)
    hidden = nn.Module()
    hidden.parts = {"norms": (nn.BatchNorm(2),)}
    with pytest.raises(UsageError, match="without batch norm"):
        wgan_gp.refuse_batch_norm(hidden)
    wgan_gp.refuse_batch_norm(dcgan((28, 28, 1), np.random.default_rng(0), norm="layer")[1])


def test_epsilon_of_another_shape_is_refused():
    for eps in (np.ones(4), np.ones((5, 1)), np.ones(X.shape)):
        with pytest.raises(ValueError, match=r"ε \(N,\), got \(5, 28, 28, 1\)"):
            wgan_gp.interpolate(t(X), t(FAKE), t(eps))


def test_bad_configurations_are_named():
    for options, words in [
        ({"penalty": -1.0}, "wgan_gp: penalty: wanted a number >= 0, got -1.0"),
        ({"penalty": float("nan")}, "wgan_gp: penalty: wanted a number >= 0, got nan"),
        ({"n_critic": 0}, "wgan_gp: n_critic: wanted a whole number >= 1, got 0"),
        ({"arch": "resnet"}, "wgan_gp: arch: wanted mlp or conv, got 'resnet'"),
        ({"clip": 0.1}, "unexpected keyword argument 'clip'"),
    ]:
        with pytest.raises((UsageError, TypeError), match=words):
            build(**options)


def test_the_penalty_takes_the_networks_of_the_clipped_and_the_papers_adam():
    clipped, penalised = build(wgan), build(arch="mlp", lr=1e-4, beta2=0.9)
    for opt in (penalised.opt_D, penalised.opt_G):
        assert (type(opt), opt.lr, opt.betas) == (tg.optim.Adam, 1e-4, (0.0, 0.9))
    images = [m.sample(2, np.random.default_rng(0)) for m in (clipped, penalised)]
    np.testing.assert_array_equal(*images)
