"""Three steps of each optimiser against torch's in float64, and what is refused."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import optim

OURS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "rmsprop": lambda p: optim.RMSProp(p, lr=0.01, decay=0.9, eps=1e-6),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, eps=1e-6),
    "adam": lambda p: optim.Adam(p, lr=0.01, betas=(0.5, 0.9), eps=1e-6),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, betas=(0.5, 0.9), eps=1e-6, weight_decay=0.3),
    "adamw, defaults": lambda p: optim.AdamW(p),
}
THEIRS = {
    "sgd": lambda t, p: t.SGD(p, lr=0.1),
    "momentum": lambda t, p: t.SGD(p, lr=0.1, momentum=0.9),
    "rmsprop": lambda t, p: t.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-6),
    "adagrad": lambda t, p: t.Adagrad(p, lr=0.1, eps=1e-6),
    "adam": lambda t, p: t.Adam(p, lr=0.01, betas=(0.5, 0.9), eps=1e-6),
    "adamw": lambda t, p: t.AdamW(p, lr=0.01, betas=(0.5, 0.9), eps=1e-6, weight_decay=0.3),
    "adamw, defaults": lambda t, p: t.AdamW(p),
}
SHAPES = [(3, 4), (5,), (300, 400)]  # the last spans two blocks


def arrays(seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s) for s in SHAPES]


def parameters(seed=0):
    return [tg.tensor(a, dtype=float, requires_grad=True) for a in arrays(seed)]


@pytest.mark.parametrize("name", OURS)
def test_three_steps_equal_torch(name):
    torch = pytest.importorskip("torch")
    ours = parameters()
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays(0)]
    a, b = OURS[name](ours), THEIRS[name](torch.optim, theirs)
    for step in range(1, 4):
        gs = arrays(step)
        a.step([tg.tensor(g, dtype=float) for g in gs])
        for p, g in zip(theirs, gs, strict=True):
            p.grad = torch.tensor(g)
        b.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_adam_by_hand():
    """Algorithm 1 written out, for two steps of one number."""
    (p,) = params = [tg.tensor([1.0], dtype=float, requires_grad=True)]
    opt = optim.Adam(params, lr=0.1, betas=(0.9, 0.99), eps=1e-8)
    want, m, v = 1.0, 0.0, 0.0
    for t, g in ((1, 0.5), (2, -2.0)):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        want -= 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
        opt.step([tg.tensor([g], dtype=float)])
        assert p.item() == pytest.approx(want, rel=1e-12)


def test_adamw_without_decay_is_adam():
    ours, others = parameters(), parameters()
    for opt in (optim.AdamW(ours, lr=0.1, weight_decay=0), optim.Adam(others, lr=0.1)):
        opt.step([tg.tensor(g, dtype=float) for g in arrays(1)])
    for p, q in zip(ours, others, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_adamws_decay_is_apart_from_the_gradient():
    """With no gradient at all, weights shrink by 1 - lr · λ each step, whatever came before."""
    (p,) = params = [tg.tensor([2.0], dtype=float, requires_grad=True)]
    opt = optim.AdamW(params, lr=0.1, weight_decay=0.5)
    for step in (1, 2, 3):
        opt.step([tg.tensor([0.0], dtype=float)])
        assert p.item() == pytest.approx(2 * 0.95**step, rel=1e-12)


@pytest.mark.parametrize("name", OURS)
def test_state_round_trip(name):
    """Two steps, save, one step: as two steps, load into a new one, one step. Bit for bit."""
    first, second = parameters(), parameters()
    a = OURS[name](first)
    for step in (1, 2):
        a.step([tg.tensor(g, dtype=float) for g in arrays(step)])
    b = OURS[name](second)
    b.load_state_dict(a.state_dict())
    for p, q in zip(first, second, strict=True):
        q.data[...] = p.data
    for opt in (a, b):
        opt.step([tg.tensor(g, dtype=float) for g in arrays(3)])
    for p, q in zip(first, second, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_a_state_of_another_dtype_is_refused():
    """Cast, it would go on with other bits than it had."""
    opt = optim.Adam(parameters())
    before = opt.state_dict()
    state = {k: v.astype(np.float32) if v.ndim else v for k, v in before.items()}
    with pytest.raises(ValueError, match=r"Adam: wanted state .*float64.*, got .*float32"):
        opt.load_state_dict(state)
    for key, array in opt.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


def test_parameters_keep_their_own_arrays():
    params = parameters()
    before = [p.data for p in params]
    optim.Adam(params).step([tg.tensor(g, dtype=float) for g in arrays(1)])
    assert all(p.data is a for p, a in zip(params, before, strict=True))


def test_what_is_refused():
    params = parameters()
    opt = optim.SGD(params, lr=0.1)
    gs = [tg.tensor(g, dtype=float) for g in arrays(1)]
    before = [p.numpy().copy() for p in params]
    with pytest.raises(ValueError, match="wanted 3 gradients, one a parameter, got 2"):
        opt.step(gs[:2])
    with pytest.raises(
        ValueError, match=r"parameter 1: wanted a gradient \(5,\) float64 .* float32"
    ):
        opt.step([gs[0], tg.tensor(np.ones(5)), gs[2]])
    with pytest.raises(ValueError, match=r"parameter 2: .* got \(3, 4\)"):
        opt.step([gs[0], gs[1], gs[0]])
    with pytest.raises(ValueError, match=r"parameter 0 \(3, 4\) has no gradient: call backward"):
        opt.step()
    for p, b in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.numpy(), b, "a refused step moved something")
    with pytest.raises(ValueError, match="at least one parameter"):
        optim.SGD([], lr=0.1)
    with pytest.raises(ValueError, match="given twice"):
        optim.SGD([params[0], params[0]], lr=0.1)
    with pytest.raises(TypeError, match="requires_grad=True"):
        optim.SGD([tg.tensor([1.0])], lr=0.1)
    with pytest.raises(ValueError, match="lr >= 0, got -1"):
        optim.SGD(params, lr=-1)
    with pytest.raises(ValueError, match=r"0 <= beta1 < 1, got 1.0"):
        optim.Adam(params, betas=(1.0, 0.9))
    with pytest.raises(ValueError, match="AdamW: wanted 0 <= beta2 < 1, got 1"):
        optim.AdamW(params, betas=(0.9, 1))
    with pytest.raises(ValueError, match=r"AdamW: wanted weight_decay >= 0, got -0\.1"):
        optim.AdamW(params, weight_decay=-0.1)
    with pytest.raises(ValueError, match="wanted state"):
        optim.Adam(params).load_state_dict({"m": np.ones(3)})
    with pytest.raises(TypeError):
        optim.Adam(params, 0.1)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_on_the_cpu_is_the_formula(name):
    """What defines it and what a CPU runs (tuned, in place)."""
    opt = OURS[name](parameters())
    rng = np.random.default_rng(0)
    one = [rng.standard_normal(50) for _ in "pgm"] + [rng.random(50)]
    two = [a.copy() for a in one]
    for opt.t in (1, 2, 7):
        opt.update(*one)
        opt.update_cpu(*two)
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_what_a_step_must_not_write_into(name):
    """Compiled code goes by addresses: it would write beside an array, or into a file."""
    w = tg.tensor(np.ones(10), requires_grad=True)
    opt, before = OURS[name]([w]), w.data
    w.data = np.ones(20_000, np.float32)
    with pytest.raises(ValueError, match="its parameters have 20000 entries, its state"):
        opt.step([tg.tensor(np.ones(20_000))])
    w.data = before.copy()
    w.data.flags.writeable = False
    with pytest.raises(ValueError, match="parameters that can be written into"):
        opt.step([tg.tensor(np.ones(10))])
    w.data = before
    opt.step([tg.tensor(np.ones(10))])
    assert (w.numpy() < 1).all()


def test_a_state_with_gaps_in_memory():
    ws = [tg.tensor(np.ones(10), requires_grad=True) for _ in "ab"]
    one, two = (optim.Adam([w]) for w in ws)
    two.state = {name: np.zeros(20, np.float32)[::2] for name in two.state}
    for opt in (one, two):
        opt.step([tg.tensor(np.arange(10.0))])
    np.testing.assert_allclose(*(w.numpy() for w in ws), rtol=1e-6)


def test_lbfgs_finds_the_minimum_of_rosenbrock():
    x, y = (tg.tensor(v, dtype=float, requires_grad=True) for v in (-1.2, [[1.0]]))
    opt = optim.LBFGS([x, y], iterations=100)
    opt.minimise(lambda: tg.sum((1 - x) ** 2 + 100 * (y - x * x) ** 2))
    assert x.item() == pytest.approx(1, abs=1e-4) and y.item() == pytest.approx(1, abs=1e-4)


def test_lbfgs_stops_after_its_iterations():
    x = tg.tensor(-1.2 * np.ones(4), dtype=float, requires_grad=True)

    def rosenbrock():
        return tg.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    values = []
    for _ in range(3):
        optim.LBFGS([x], iterations=2).minimise(rosenbrock)
        values.append(rosenbrock().item())
    assert values[0] > values[1] > values[2] > 0.1


def test_graphs_recorded_before_a_search_are_stale():
    x = tg.tensor(np.ones(2), dtype=float, requires_grad=True)
    y = tg.sum(x**3)
    optim.LBFGS([x], iterations=1).minimise(lambda: tg.sum(x**2))
    with pytest.raises(RuntimeError, match="changed by"):
        tg.grad(y, [x])


def test_lbfgs_has_no_step():
    x = tg.tensor(1.0, requires_grad=True)
    with pytest.raises(TypeError, match=r"wanted minimise\(loss\), got step"):
        optim.LBFGS([x]).step([x])
    with pytest.raises(ValueError, match="iterations >= 1, got 0"):
        optim.LBFGS([x], iterations=0)
