"""Every primitive: values, derivatives to the stated order, fast rules; by the rows of cases.py."""

import numpy as np
import pytest
from cases import CASES
from hypothesis import given
from hypothesis import strategies as st
from layouts import laid_out, layouts

import tinygen as tg
from tinygen.core import Tensor
from tinygen.primitives import Primitive

OURS = {n: p for n, p in Primitive.registry.items() if p.forward.__module__.startswith("tinygen.")}
every_case = pytest.mark.parametrize("name", CASES)


def test_the_catalogue_has_every_primitive():
    assert OURS.keys() <= CASES.keys(), f"no row for {sorted(OURS.keys() - CASES.keys())}"
    wrong = [n for n in OURS if CASES[n].op is not OURS[n]]
    assert not wrong, f"rows that test something else than the op they name: {wrong}"


def test_every_argument_has_a_rule():
    for name, op in OURS.items():
        wanted = {op.star} if op.star else set(op.args)
        assert op.rules.keys() == wanted, name


@every_case
@given(data=st.data())
def test_values(name, data):
    case = CASES[name]
    arrays, params = data.draw(case.calls)
    layout = data.draw(layouts)
    wanted = case.reference(*arrays, **params)
    for dtype, rtol in ((np.float64, 1e-11), (np.float32, 1e-4)):
        given_ = [laid_out(a.astype(dtype), *layout) for a in arrays]
        kept = [a.copy() for a in given_]
        y = case.op(*(Tensor(a) for a in given_), **params)
        assert y.dtype == dtype
        assert y.shape == np.shape(wanted)
        scale = 1 + np.max(np.abs(wanted), initial=0)
        np.testing.assert_allclose(y.numpy(), wanted, rtol=rtol, atol=rtol * scale)
        for a, before in zip(given_, kept, strict=True):
            np.testing.assert_array_equal(a, before, "the op wrote into its argument")


@every_case
@given(data=st.data())
def test_derivatives(name, data):
    case = CASES[name]
    arrays, params = data.draw(case.calls)
    turned = data.draw(st.booleans())  # feed transposed views, as a model does with weights

    def f(*xs):
        return case.op(*(x.T for x in xs) if turned else xs, **params)

    inputs = [a.T for a in arrays] if turned else arrays
    tg.gradcheck(
        f,
        inputs,
        order=case.order,
        directions=1,
        rtol=case.rtol,
        seed=data.draw(st.integers(0, 99)),
    )


@pytest.mark.parametrize("name", [n for n, p in OURS.items() if p.fast_rules])
@given(data=st.data())
def test_fast_rules_equal_the_formulas(name, data):
    case = CASES[name]
    arrays, params = data.draw(case.calls)
    layout = data.draw(layouts)
    xs = [Tensor(laid_out(a, *layout), requires_grad=True) for a in arrays]
    y = case.op(*xs, **params)
    c = Tensor(laid_out(np.random.default_rng(0).standard_normal(y.shape), *layout))
    formula = tg.grad(y, xs, c, create_graph=True, allow_unused=True)
    fast = tg.grad(y, xs, c, allow_unused=True)
    for a, b in zip(fast, formula, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", [n for n, p in OURS.items() if p.keeps])
@given(data=st.data())
def test_every_forward_keeps_the_same_for_the_fast_rules(name, data):
    op, (arrays, params) = OURS[name], data.draw(CASES[name].calls)
    plain, tuned = {}, {}
    op.forward(*arrays, saved=plain, **params)
    (op.tuned or op.forward)(*arrays, saved=tuned, **{**op.defaults, **params})
    assert plain.keys() == tuned.keys()
    for key, value in plain.items():
        np.testing.assert_allclose(tuned[key], value, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", [n for n, p in OURS.items() if p.keeps])
@given(data=st.data())
def test_a_cotangent_may_be_written_anew_between_two_gradients(name, data):
    r = np.random.default_rng(0)
    arrays, params = data.draw(CASES[name].calls)
    xs = [tg.tensor(a, dtype=float, requires_grad=True) for a in arrays]
    y = CASES[name].op(*xs, **params)
    c = Tensor(r.standard_normal(y.shape))
    tg.grad(y, xs, c, retain_graph=True)
    c.data[...] = r.standard_normal(y.shape)
    again = tg.grad(y, xs, c, retain_graph=True)
    for a, b in zip(again, tg.grad(y, xs, c.data.copy()), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.torch])
@given(data=st.data())
def test_torch_agrees(name, data):
    """F₀ … F_k as gradcheck builds them, in both libraries: values and all gradients."""
    torch = pytest.importorskip("torch")
    case = CASES[name]
    arrays, params = data.draw(case.calls)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    ours = [tg.tensor(a, dtype=float, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
    y, z = case.op(*ours, **params), case.torch(torch, *theirs, **params)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-12, atol=1e-12)
    c = rng.standard_normal(y.shape)
    y, z = (y * c).sum(), (z * torch.from_numpy(np.asarray(c))).sum()
    for _ in range(case.order):
        if not y.requires_grad or not z.requires_grad:
            break  # constant from here on
        gs = tg.grad(y, ours, create_graph=True, allow_unused=True)
        hs = torch.autograd.grad(z, theirs, create_graph=True, allow_unused=True)
        hs = [torch.zeros_like(x) if h is None else h for h, x in zip(hs, theirs, strict=True)]
        for g, h in zip(gs, hs, strict=True):
            scale = 1 + np.abs(g.numpy()).max(initial=0)
            np.testing.assert_allclose(g.numpy(), h.detach().numpy(), rtol=1e-9, atol=1e-11 * scale)
        vs = [rng.standard_normal(a.shape) for a in arrays]
        y = sum(((g * v).sum() for g, v in zip(gs, vs, strict=True)), tg.tensor(0.0, dtype=float))
        z = sum((h * torch.from_numpy(np.asarray(v))).sum() for h, v in zip(hs, vs, strict=True))
