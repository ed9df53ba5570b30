"""Clipped gradients: within the limit, along the same direction, untouched below it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import optim

SHAPES = [(3, 4), (), (5,), (0, 2)]


def gradients(seed=0, scale=1.0, dtype=float):
    rng = np.random.default_rng(seed)
    return [tg.tensor(scale * rng.standard_normal(s), dtype=dtype) for s in SHAPES]


def norm_of(gs):
    return np.sqrt(sum((g.numpy().astype(float) ** 2).sum() for g in gs))


@given(st.integers(0, 99), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_clip_by_norm_scales_to_the_limit(seed, scale, limit):
    gs = gradients(seed, scale)
    clipped, norm = optim.clip_by_norm(gs, limit)
    assert norm.shape == () and norm.item() == pytest.approx(norm_of(gs), rel=1e-12)
    assert norm_of(clipped) == pytest.approx(min(norm_of(gs), limit), rel=1e-12)
    for c, g in zip(clipped, gs, strict=True):
        factor = min(1.0, limit / norm_of(gs))
        np.testing.assert_allclose(c.numpy(), g.numpy() * factor, rtol=1e-12)
        if norm_of(gs) < limit:
            np.testing.assert_array_equal(c.numpy(), g.numpy())


@pytest.mark.parametrize("limit", [0.1, 1e6])
def test_clip_by_norm_equals_torch(limit):
    """Torch's adds 1e-6 to the norm that it divides by."""
    torch = pytest.importorskip("torch")
    theirs = [torch.zeros(s, dtype=torch.float64, requires_grad=True) for s in SHAPES]
    for p, g in zip(theirs, gradients(), strict=True):
        p.grad = torch.from_numpy(g.numpy().copy())
    total = torch.nn.utils.clip_grad_norm_(theirs, limit)
    clipped, norm = optim.clip_by_norm(gradients(), limit)
    assert norm.item() == pytest.approx(total.item(), rel=1e-12)
    for c, p in zip(clipped, theirs, strict=True):
        np.testing.assert_allclose(c.numpy(), p.grad.numpy(), rtol=1e-5)


@given(st.integers(0, 99), st.floats(1e-3, 10))
def test_clip_by_value(seed, limit):
    gs = gradients(seed)
    for c, g in zip(optim.clip_by_value(gs, limit), gs, strict=True):
        np.testing.assert_array_equal(c.numpy(), np.clip(g.numpy(), -limit, limit))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_takes_clipped_gradients(dtype):
    params = [tg.tensor(np.zeros(s), dtype=dtype, requires_grad=True) for s in SHAPES]
    opt = optim.SGD(params, lr=1.0)
    for clipped in (
        optim.clip_by_norm(gradients(0, 9, dtype), 0.5)[0],
        optim.clip_by_value(gradients(0, 9, dtype), 0.5),
    ):
        opt.step(clipped)
    assert {p.dtype for p in params} == {np.dtype(dtype)}


def test_zeros_and_what_is_not_finite():
    clipped, norm = optim.clip_by_norm([tg.tensor(np.zeros(3))], 1.0)
    assert norm.item() == 0 and not clipped[0].numpy().any()
    for bad in (np.inf, np.nan):
        with np.errstate(invalid="ignore"):
            clipped, norm = optim.clip_by_norm([tg.tensor([bad, 1.0])], 1.0)
        assert not np.isfinite(norm.item()) and np.isnan(clipped[0].numpy()).any()
    with np.errstate(over="ignore"):
        clipped, norm = optim.clip_by_norm([tg.tensor([1e20, 1.0])], 1.0)
    assert norm.item() == np.inf and not clipped[0].numpy().any()


def test_clipping_is_recorded_where_its_gradients_are():
    """So that a loss may hold a clipped gradient."""
    w = tg.tensor([3.0, 4.0], dtype=float, requires_grad=True)
    (g,) = tg.grad((w**2).sum(), [w], create_graph=True)
    (clipped,), _ = optim.clip_by_norm([g], 1.0)
    np.testing.assert_allclose(clipped.numpy(), [0.6, 0.8])
    (second,) = tg.grad(clipped[0], [w])
    np.testing.assert_allclose(second.numpy(), [0.128, -0.096])  # ∂(w₁/‖w‖) = (w₂², -w₁w₂)/‖w‖³


@pytest.mark.parametrize("clip", [optim.clip_by_norm, optim.clip_by_value])
def test_what_is_refused(clip):
    g = tg.tensor([1.0])
    for limit in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"{clip.__name__}: wanted limit > 0, got"):
            clip([g], limit)
    with pytest.raises(ValueError, match="wanted a list of gradients, got none"):
        clip([], 1.0)
    with pytest.raises(ValueError, match="wanted a list of gradients, got one Tensor"):
        clip(g, 1.0)
    with pytest.raises(TypeError, match="gradient 1: wanted a Tensor, got NoneType"):
        clip([g, None], 1.0)
