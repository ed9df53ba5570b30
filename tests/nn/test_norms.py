"""Group, pixel and spectral norm and the equalised rate against torch's and their formulas;
derivatives of their own."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn
from tinygen.models.wgan_gp import critic_loss, penalty, refuse_batch_norm


def rng(seed=3):
    return np.random.default_rng(seed)


def channels_first(x):
    return np.moveaxis(x, -1, 1)


@pytest.mark.parametrize("shape", [(2, 4, 5, 6), (3, 6), (2, 5, 6), (1, 1, 1, 6), (0, 2, 2, 6)])
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm_equals_torch(groups, shape):
    torch = pytest.importorskip("torch")
    layer, theirs = nn.GroupNorm(groups, 6).astype(float), torch.nn.GroupNorm(groups, 6).double()
    if groups == 6 and shape[1:-1] in ((), (1, 1)):
        with pytest.raises(ValueError, match="2 or more numbers a group, got 1"):
            layer(tg.tensor(np.ones(shape), dtype=float))
        return
    for i, (p, q) in enumerate(zip(layer.parameters(), theirs.parameters(), strict=True)):
        p.data += 0.3 * rng(i).standard_normal(6)
        q.data = torch.from_numpy(p.numpy().copy())
    x = rng().standard_normal(shape) * 3 + 2
    ours_x = tg.tensor(x, dtype=float, requires_grad=True)
    their_x = torch.tensor(channels_first(x), requires_grad=True)
    y, z = layer(ours_x), theirs(their_x)
    np.testing.assert_allclose(
        channels_first(y.numpy()), z.detach().numpy(), rtol=1e-10, atol=1e-11
    )
    c = rng(9).standard_normal(y.shape)
    z.backward(torch.from_numpy(channels_first(c).copy()))
    gx, *gs = tg.grad(y, [ours_x, *layer.parameters()], c)
    want = [their_x.grad.numpy(), *(p.grad.numpy() for p in theirs.parameters())]
    for g, w in zip([channels_first(gx.numpy()), *(g.numpy() for g in gs)], want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-10)


@given(st.sampled_from([1, 2, 4]), st.floats(-5, 5), st.floats(0.1, 9))
def test_group_norm_takes_away_what_a_group_has_in_common(groups, shift, scale):
    """Numbers of a group moved and stretched together come out as before; the others, too."""
    layer, x = nn.GroupNorm(groups, 4, eps=0.0).astype(float), rng().standard_normal((2, 3, 4))
    moved, first = x.copy(), 4 // groups
    moved[1, :, :first] = scale * x[1, :, :first] + shift
    ours, wanted = (layer(tg.tensor(a, dtype=float)).numpy() for a in (moved, x))
    np.testing.assert_allclose(ours, wanted, rtol=1e-7, atol=1e-9)


def test_what_group_norm_refuses():
    for groups in (0, 4, -1):
        with pytest.raises(ValueError, match=f"divide the channels, got {groups} of 6"):
            nn.GroupNorm(groups, 6)
    layer = nn.GroupNorm(2, 6)
    for shape in ((2, 3), (6,), ()):
        with pytest.raises(ValueError, match=r"GroupNorm: wanted x \(N, ..., 6\), got \("):
            layer(tg.tensor(np.ones(shape)))
    with pytest.raises(TypeError):
        nn.GroupNorm(2, 6, 1e-3)


def test_group_norm_has_gradients_of_two_orders():
    def f(x, gamma, beta):
        layer = nn.GroupNorm(2, 4)
        layer.gamma, layer.beta = gamma, beta
        return layer(x)

    shapes = ((2, 2, 2, 4), (4,), (4,))
    tg.gradcheck(f, [rng(i).standard_normal(s) for i, s in enumerate(shapes)], order=2)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_pixel_norm_by_its_formula(shape):
    x = rng().standard_normal(shape)
    y = nn.pixel_norm(tg.tensor(x, dtype=float), eps=1e-3).numpy()
    np.testing.assert_allclose(y, x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-3), rtol=1e-12)


def test_pixel_norm_is_bounded_at_zero_and_differentiable():
    tiny = 1e-4 * rng().standard_normal((5, 3))  # squares of about the paper's ε
    wanted = tiny / np.sqrt((tiny**2).mean(-1, keepdims=True) + 1e-8)
    y = nn.pixel_norm(tg.tensor(tiny, dtype=float)).numpy()
    np.testing.assert_allclose(y, wanted, rtol=1e-12)
    assert not nn.pixel_norm(tg.tensor(np.zeros((2, 3)))).numpy().any()
    tg.gradcheck(nn.pixel_norm, [rng().standard_normal((2, 2, 3))], order=3)


@pytest.mark.parametrize("gain", [2.0, 1.0])
def test_the_equalised_rate_scales_by_the_fan_in(gain):
    x = rng().standard_normal((2, 5, 6, 3))
    conv = nn.Conv2d(3, 4, (3, 2), rng=rng(), init=nn.init.normal(1.0)).astype(float)
    flat = nn.Linear(3, 4, rng=rng(), init=nn.init.normal(1.0)).astype(float)
    for layer, fan_in in ((conv, 3 * 2 * 3), (flat, 3)):
        layer.bias.data += 0.5
        got = nn.EqualisedRate(layer, gain=gain)(tg.tensor(x, dtype=float)).numpy()
        scaled = copy.deepcopy(layer)
        scaled.weight.data *= np.sqrt(gain / fan_in)
        wanted = scaled(tg.tensor(x, dtype=float)).numpy()
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


def test_under_the_equalised_rate_adam_moves_all_layers_by_one_relative_step():
    """Of N(0, 1) weights a step of lr is lr of their spread, whatever the fan-in."""
    layers = [nn.Linear(i, 5, rng=rng(), init=nn.init.normal(1.0)) for i in (4, 400)]
    for layer in layers:
        before = layer.weight.numpy().copy()
        y = nn.EqualisedRate(layer)(tg.tensor(rng(1).standard_normal((3, len(before)))))
        tg.optim.Adam([layer.weight], lr=0.01).step(tg.grad((y**2).sum(), [layer.weight]))
        moved_by = np.abs(layer.weight.numpy() - before)
        np.testing.assert_allclose(moved_by, 0.01, rtol=1e-2)
    with pytest.raises(TypeError, match="EqualisedRate: wanted a Linear or Conv2d, got a Reshape"):
        nn.EqualisedRate(nn.Reshape(-1))


SPECTRAL = {
    "linear": (lambda: nn.Linear(5, 4, rng=rng()), lambda t: t.Linear(5, 4), (3, 5)),
    "one output": (lambda: nn.Linear(5, 1, rng=rng()), lambda t: t.Linear(5, 1), (3, 5)),
    "conv": (
        lambda: nn.Conv2d(2, 3, (3, 2), stride=2, padding=1, rng=rng()),
        lambda t: t.Conv2d(2, 3, (3, 2), stride=2, padding=1),
        (2, 5, 6, 2),
    ),
}


def moved(array, *, to_torch):
    """A weight (or v, in the shape of one row of it) between our layout and torch's."""
    if array.ndim == 2:
        return array.T
    return array.transpose(3, 2, 0, 1) if to_torch else array.transpose(2, 3, 1, 0)


@pytest.mark.parametrize("name", SPECTRAL)
def test_spectral_norm_equals_torch(name):
    torch = pytest.importorskip("torch")
    make, make_torch, shape = SPECTRAL[name]
    layer = nn.SpectralNorm(make().astype(float), rng=rng(1))
    theirs = torch.nn.utils.spectral_norm(make_torch(torch.nn).double())
    weight = layer.layer.weight
    rows = (*weight.shape[:-1], 1)  # what v multiplies

    def v_of(ours):
        return moved(ours.reshape(rows), to_torch=True).reshape(-1)

    layer.u.data = rng(2).standard_normal(layer.u.shape)  # far from what it would come to
    layer.v.data = rng(4).standard_normal(layer.v.shape)
    theirs.load_state_dict(
        {
            "weight_orig": torch.from_numpy(moved(weight.numpy(), to_torch=True).copy()),
            "bias": torch.from_numpy(layer.layer.bias.numpy().copy()),
            "weight_u": torch.from_numpy(layer.u.numpy().copy()),
            "weight_v": torch.from_numpy(v_of(layer.v.numpy()).copy()),
        }
    )
    for train in (False, True, True, "frozen", False):
        before = layer.u.numpy().copy()
        x = rng().standard_normal(shape)
        ours_x = tg.tensor(x, dtype=float, requires_grad=True)
        their_x = torch.tensor(channels_first(x) if x.ndim == 4 else x, requires_grad=True)
        theirs.train(train is True)
        y, z = layer(ours_x, train=train), theirs(their_x)
        back = (lambda a: np.moveaxis(a, 1, -1)) if x.ndim == 4 else (lambda a: a)
        np.testing.assert_allclose(y.numpy(), back(z.detach().numpy()), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.u.numpy(), theirs.weight_u.numpy(), rtol=1e-10)
        np.testing.assert_allclose(v_of(layer.v.numpy()), theirs.weight_v.numpy(), rtol=1e-10)
        assert (train is True) != np.array_equal(layer.u.numpy(), before) or len(before) == 1
        c = rng(9).standard_normal(y.shape)
        z.backward(torch.from_numpy((channels_first(c) if x.ndim == 4 else c).copy()))
        gx, gw, gb = tg.grad(y, [ours_x, weight, layer.layer.bias], c)
        wanted = moved(theirs.weight_orig.grad.numpy(), to_torch=False)
        np.testing.assert_allclose(gx.numpy(), back(their_x.grad.numpy()), rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(gw.numpy(), wanted, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(gb.numpy(), theirs.bias.grad.numpy(), rtol=1e-9, atol=1e-11)
        theirs.zero_grad()


def test_spectral_norms_weight_has_a_largest_singular_value_of_1():
    layer = nn.SpectralNorm(nn.Linear(7, 7, bias=False, rng=rng()), rng=rng(1)).astype(float)
    for _ in range(300):
        layer(tg.tensor(np.eye(7), dtype=float), train=True)
    weight = layer(tg.tensor(np.eye(7), dtype=float), train=False).numpy()
    assert np.linalg.svd(weight, compute_uv=False)[0] == pytest.approx(1, abs=1e-9)
    y = nn.SpectralNorm(nn.Linear(7, 7, bias=False, rng=rng()), rng=rng(1))(
        tg.tensor(np.eye(7)), train=False
    )
    assert 1 <= np.linalg.svd(y.numpy(), compute_uv=False)[0] < 1.1, "made before any step"


@pytest.mark.parametrize("name", SPECTRAL)
def test_spectral_norm_has_gradients_of_two_orders(name):
    make, _, shape = SPECTRAL[name]
    layer = nn.SpectralNorm(make(), rng=rng(1))

    def f(x, weight, bias):
        layer.layer.weight, layer.layer.bias = weight, bias
        return tg.tanh(layer(x, train="frozen"))

    weight, bias = (p.numpy() for p in make().parameters())
    tg.gradcheck(f, [rng(5).standard_normal(shape), weight, bias], order=2)


def test_a_graph_keeps_the_u_and_v_that_it_was_recorded_with():
    """D sees real and fake images before its gradient is taken."""
    layer = nn.SpectralNorm(nn.Linear(3, 2, rng=rng()), rng=rng(1))
    x = tg.tensor(rng().standard_normal((4, 3)))
    weight = layer.layer.weight
    (alone,) = tg.grad(layer(x, train="frozen").sum(), [weight])
    y = layer(x, train="frozen").sum()
    layer.layer.weight = tg.tensor(rng(8).standard_normal((3, 2)), requires_grad=True)
    layer(x, train=True)
    for t in (layer.u, layer.v):
        t.data[...] = 7
        t.increment_version()
    np.testing.assert_array_equal(tg.grad(y, [weight])[0].numpy(), alone.numpy())


def test_spectral_norms_names_and_what_it_refuses():
    layer = nn.SpectralNorm(nn.Conv2d(2, 3, 4, rng=rng()), rng=rng(1))
    assert list(layer.named_parameters()) == ["layer.weight", "layer.bias"]
    assert set(layer.state_dict()) == {"layer.weight", "layer.bias", "u", "v"}
    with pytest.raises(ValueError, match='SpectralNorm: wanted train=True, False or "frozen"'):
        layer(tg.tensor(np.ones((1, 4, 4, 2))))
    with pytest.raises(TypeError, match="wanted a Linear or Conv2d, got a BatchNorm"):
        nn.SpectralNorm(nn.BatchNorm(3), rng=rng())
    zeros = nn.Linear(3, 2, rng=rng(), init=lambda shape, *_: np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=r"weights that are not all 0, got \(3, 2\) zeros"):
        nn.SpectralNorm(zeros, rng=rng())
    wide = nn.SpectralNorm(nn.Linear(2, 3, rng=rng()).astype(float), rng=rng())
    assert {t.dtype for _, t in wide._named()} == {np.dtype(float)}


STEP = 1e-4  # of differences


def test_the_penalty_on_gradients_goes_through_both():
    """WGAN-GP's penalty is a function of D's gradient: its own gradient against differences."""
    r = rng(4)
    D = nn.Sequential(
        nn.SpectralNorm(nn.Conv2d(1, 4, 3, stride=2, padding=1, rng=r), rng=r),
        *(nn.GroupNorm(2, 4), tg.tanh, nn.Reshape(-1)),
        nn.SpectralNorm(nn.Linear(4 * 2 * 2, 1, rng=r), rng=r),
    ).astype(float)
    x = tg.tensor(r.standard_normal((3, 4, 4, 1)), dtype=float, requires_grad=True)
    params = D.parameters()

    def value():
        return penalty(lambda x, train: D(x, train="frozen"), x)

    gs = tg.grad(value(), params, allow_unused=True)
    directions = [r.standard_normal(p.shape) for p in params]
    values = {}
    for t in (-2, -1, 0, 1, 2):
        for p, d in zip(params, directions, strict=True):
            p.data += STEP * (t if t == -2 else 1) * d
        values[t] = value().item()
    quotient = (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * STEP)
    ours = sum(float((g.numpy() * d).sum()) for g, d in zip(gs, directions, strict=True))
    assert abs(quotient) > 1e-3 and ours == pytest.approx(quotient, rel=1e-6)

    refuse_batch_norm(D)
    loss = critic_loss(D, x, -1.0 * x, tg.tensor(np.full(3, 0.5), dtype=float), lam=10.0).loss
    gs = tg.grad(loss, params, allow_unused=True)  # D, and so u, ran three times
    assert all(np.isfinite(g.numpy()).all() for g in gs) and gs[0].numpy().any()
