"""What `grad` promises: which paths run, what is used up, what raises, and flat memory."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

import tinygen as tg
from tinygen.core import Node, Tensor


def leaf(*values: float) -> Tensor:
    return tg.tensor(values, dtype=float, requires_grad=True)


def test_a_gradient_by_hand():
    x = leaf(0.5, -1.0)
    (g,) = tg.grad(tg.sum(tg.tanh(x) ** 2), [x])
    t = np.tanh([0.5, -1.0])
    np.testing.assert_allclose(g.numpy(), 2 * t * (1 - t**2), rtol=1e-14)


def test_third_derivative_by_hand():
    x = leaf(2.0)
    y = (x**4).sum()
    for wanted in (32.0, 48.0, 48.0, 24.0):
        (g,) = tg.grad(y, [x], create_graph=True)
        assert g.item() == wanted
        y = g.sum()


def test_power_at_zero_has_all_derivatives():
    x = leaf(0.0)
    y = (x**2).sum()
    (g,) = tg.grad(y, [x], create_graph=True)
    (h,) = tg.grad(g.sum(), [x], create_graph=True)
    assert (g.item(), h.item()) == (0.0, 2.0)


def test_norm_at_zero_has_gradient_zero():
    x = tg.tensor(np.zeros((2, 3)), requires_grad=True)
    (g,) = tg.grad(tg.sum(tg.norm(x, axis=1)), [x], create_graph=True)
    np.testing.assert_array_equal(g.numpy(), np.zeros((2, 3)))
    (g,) = tg.grad(tg.sum(tg.norm(x, axis=1, eps=1e-12)), [x])
    np.testing.assert_array_equal(g.numpy(), np.zeros((2, 3)))


def test_ties_share_the_gradient():
    a, b = leaf(1.0), leaf(1.0)
    assert [g.item() for g in tg.grad(tg.maximum(a, b).sum(), [a, b])] == [0.5, 0.5]
    (g,) = tg.grad(tg.max(x := leaf(2.0, 2.0, 1.0)), [x])
    np.testing.assert_array_equal(g.numpy(), [0.5, 0.5, 0])


def test_diamonds_and_repeated_arguments():
    x = leaf(3.0)
    y = x * x
    z = y * x + y + y
    assert tg.grad(z.sum(), [x])[0].item() == 3 * 9 + 4 * 3


def test_cotangent_and_its_errors():
    x = leaf(1.0, 2.0)
    y = x * x
    (g,) = tg.grad(y, [x], [1.0, 10.0], retain_graph=True)
    np.testing.assert_array_equal(g.numpy(), [2, 40])
    with pytest.raises(ValueError, match=r"scalar output or a cotangent, got an output \(2,\)"):
        tg.grad(y, [x])
    with pytest.raises(ValueError, match=r"like the output, \(2,\) float64, got \(3,\)"):
        tg.grad(y, [x], np.ones(3))


def test_a_recorded_cotangent_can_be_differentiated():
    x, c = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (g,) = tg.grad(x, [x], c, create_graph=True)  # the identity: g is c itself
    assert tg.grad(g.sum(), [c])[0].numpy().tolist() == [1, 1]


def test_intermediate_and_output_can_be_inputs():
    x = leaf(2.0)
    h = x * x
    y = (h * x).sum()
    gh, gx, gy = tg.grad(y, [h, x, y])
    assert (gh.item(), gx.item(), gy.item()) == (2.0, 12.0, 1.0)


def test_only_paths_to_the_inputs_run():
    ran = []

    @tg.primitive
    def spy(x):
        return x * 1

    spy.vjp(x=lambda g, y, x: ran.append(x) or g)
    a, b = leaf(1.0), leaf(2.0)
    y = (spy(a) * spy(b)).sum()
    tg.grad(y, [a])
    assert [x is a for x in ran] == [True]


def test_only_the_asked_argument_is_differentiated():
    @tg.primitive
    def half_known(a, b):
        return a * b

    half_known.vjp(a=lambda g, y, a, b: g * b)
    a, b = leaf(1.0), leaf(2.0)
    assert tg.grad(half_known(a, b).sum(), [a])[0].item() == 2.0
    with pytest.raises(TypeError, match="half_known has no derivative with respect to b"):
        tg.grad(half_known(a, b).sum(), [b])


def test_a_graph_is_used_up_and_says_so():
    x = leaf(1.0)
    y = tg.tanh(x).sum()
    tg.grad(y, [x])
    with pytest.raises(RuntimeError, match=r"behind sum \(\) was used up by an earlier grad"):
        tg.grad(y, [x])
    y = tg.tanh(x).sum()
    tg.grad(y, [x], retain_graph=True)
    tg.grad(y, [x])


def test_create_graph_keeps_the_graph_unless_told_otherwise():
    x = leaf(1.0)
    y = tg.tanh(x).sum()
    tg.grad(y, [x], create_graph=True)
    tg.grad(y, [x], create_graph=True, retain_graph=False)
    with pytest.raises(RuntimeError, match="used up"):
        tg.grad(y, [x])


def test_paths_that_did_not_run_are_not_used_up():
    a, b = leaf(1.0), leaf(2.0)
    h = tg.tanh(a)
    y, z = (h * b).sum(), (h * h).sum()
    tg.grad(y, [b])  # does not pass tanh
    tg.grad(z, [a])


def test_what_was_not_recorded_raises():
    x, c = leaf(1.0), tg.tensor([1.0], dtype=float)
    with pytest.raises(ValueError, match=r"input 1 \(1,\) was not recorded"):
        tg.grad((x * c).sum(), [x, c])
    with tg.no_grad():
        y = (x * c).sum()
    with pytest.raises(ValueError, match=r"output \(\) was not recorded"):
        tg.grad(y, [x])
    with pytest.raises(TypeError, match="wanted a list of inputs, got one Tensor"):
        tg.grad((x * c).sum(), x)
    with pytest.raises(TypeError, match="output: wanted a Tensor, got float"):
        tg.grad(1.0, [x])


def test_what_was_not_reached_raises_or_is_zero():
    x, other = leaf(1.0), leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"does not depend on input 1 \(2,\)"):
        tg.grad((x * x).sum(), [x, other])
    _, zero = tg.grad((x * x).sum(), [x, other], allow_unused=True)
    np.testing.assert_array_equal(zero.numpy(), [0, 0])


def test_no_grad_is_a_context_a_decorator_and_per_thread():
    import threading

    x = leaf(1.0)

    @tg.no_grad()
    def f():
        return x * x

    assert not f().requires_grad
    seen = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * x).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True] and (x * x).requires_grad


def test_no_grad_can_be_used_again_and_inside_itself():
    x, g = leaf(1.0), tg.no_grad()
    for _ in range(2):
        with g:
            with g:
                assert not (x * x).requires_grad
            assert not (x * x).requires_grad
        assert (x * x).requires_grad
    with pytest.raises(KeyError), g:
        raise KeyError
    assert (x * x).requires_grad


@pytest.mark.parametrize("decorate", [tg.no_grad, tg.no_grad()], ids=["bare", "called"])
def test_no_grad_decorates_functions_and_methods(decorate):
    x = leaf(1.0)

    @decorate
    def f(a, *, n=1):
        """Doc."""
        return f(a, n=n - 1) if n else a * a

    class Net:
        @decorate
        def __call__(self, a):
            return a * a

    assert not f(x, n=3).requires_grad and not Net()(x).requires_grad
    assert (f.__name__, f.__doc__) == ("f", "Doc.")
    with pytest.raises(TypeError):
        f("a", n=2)
    assert (x * x).requires_grad


@pytest.mark.parametrize("decorate", [tg.no_grad, tg.no_grad()], ids=["bare", "called"])
def test_a_decorated_generator_leaves_its_caller_alone(decorate):
    x, closed = leaf(1.0), []

    @decorate
    def squares(n):
        try:
            for _ in range(n):
                got = yield x * x
                if got:
                    yield got
        except KeyError:
            yield x + x
        finally:
            closed.append((x * x).requires_grad)
        return "end"

    for y in squares(2):
        assert not y.requires_grad and (x * x).requires_grad
    g = squares(3)
    assert not next(g).requires_grad and g.send("sent") == "sent"
    assert not next(g).requires_grad and not g.throw(KeyError()).requires_grad
    with pytest.raises(StopIteration) as end:
        next(g)
    assert end.value.value == "end"
    g = squares(3)
    next(g)
    g.close()
    assert closed == [False] * 3 and (x * x).requires_grad


def test_interleaved_generators_leave_recording_on():
    """A `with no_grad()` inside a generator reaches its caller until it ends, as in PyTorch."""
    x = leaf(1.0)

    def frozen():
        with tg.no_grad():
            yield x * x

    one, two = frozen(), frozen()
    assert not next(one).requires_grad and not next(two).requires_grad
    for g in (one, two):  # in the order they began, not the reverse
        with pytest.raises(StopIteration):
            next(g)
    assert (x * x).requires_grad


def test_no_grad_refuses_what_it_cannot_decorate():
    with pytest.raises(TypeError, match="no_grad: wanted a function to decorate, got bool"):
        tg.no_grad(True)
    with pytest.raises(TypeError, match="no_grad: wanted a function, got an async one"):

        @tg.no_grad
        async def f():
            pass


def test_a_stale_graph_is_refused():
    w = tg.tensor([1.0], requires_grad=True)
    loss, again = (w * w).sum(), (w * 3.0).sum()
    tg.optim.SGD([w], lr=0.1).step(tg.grad(loss, [w]))
    with pytest.raises(RuntimeError, match="argument of mul was changed by an optimiser step"):
        tg.grad(again, [w])


def test_a_rule_of_the_wrong_shape_is_caught():
    @tg.primitive
    def bad(x):
        return x.sum(axis=0)

    bad.vjp(x=lambda g, y, x: g)
    x = tg.tensor(np.ones((3, 2)), dtype=float, requires_grad=True)
    with pytest.raises(ValueError, match=r"bad's rule for x gave \(2,\) float64, wanted \(3, 2\)"):
        tg.grad(bad(x).sum(), [x])


def test_gradients_are_read_only_and_inputs_untouched():
    x = leaf(1.0, 2.0)
    c = tg.tensor([1.0, 1.0], dtype=float)
    (g,) = tg.grad(x + 0.0, [x], c)  # may alias the cotangent
    with pytest.raises(ValueError, match="read-only"):
        g.data[0] = 5
    c.data[0] = 3  # the caller's own array stays writable


def test_sums_of_gradients_do_not_write_into_shared_arrays():
    x = leaf(1.0)
    c = tg.tensor([2.0], dtype=float)
    y = (x + 0.0) + (x + 0.0) + (x + 0.0)  # each add passes the cotangent on as it is
    (g,) = tg.grad(y, [x], c)
    assert (g.item(), c.item()) == (6.0, 2.0)


def test_backward_accumulates_into_leaves():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x * w).sum().backward()
    (x * w).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [6, 8])
    np.testing.assert_array_equal(w.grad.numpy(), [2, 4])
    opt = tg.optim.SGD([w], lr=1.0)
    opt.step()
    np.testing.assert_array_equal(w.numpy(), [1, 0])
    opt.zero_grad()
    assert w.grad is None and x.grad is not None


def test_a_deep_chain_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = y + 1.0
    assert tg.grad(y.sum(), [x])[0].item() == 1.0
    del y


def test_nothing_keeps_a_graph_alive():
    gc.disable()
    try:
        x = leaf(1.0)
        y = tg.tanh(x)
        z = (y * y).sum()
        (g,) = tg.grad(z, [x], create_graph=True)
        tg.grad(g.sum(), [x])
        gone = [weakref.ref(t) for t in (y, z, g)]
        del y, z, g
        assert [r() for r in gone] == [None] * 3
    finally:
        gc.enable()


def test_memory_is_flat_over_1000_double_backward_steps():
    """A gradient penalty, the cycle collector off: neither live Tensors nor RSS may grow."""
    rng = np.random.default_rng(0)
    W = [tg.tensor(rng.standard_normal(s) * 0.1, requires_grad=True) for s in ((64, 64), (64, 1))]
    opt = tg.optim.Adam(W, lr=1e-3)

    def step():
        x = tg.tensor(rng.standard_normal((64, 64)), requires_grad=True)
        h = tg.leaky_relu(x @ W[0], slope=0.2)
        (g,) = tg.grad(tg.sum(tg.tanh(h) @ W[1]), [x], create_graph=True)
        opt.step(tg.grad(tg.mean((tg.norm(g, axis=1, eps=1e-12) - 1.0) ** 2), W))

    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            step()
        live, rss = _live(), _rss()
        for _ in range(1000):
            step()
        assert _live() == live
        assert _rss() - rss < 2_000  # kilobytes
    finally:
        gc.enable()


def _live() -> int:
    return sum(issubclass(type(o), (Tensor, Node)) for o in gc.get_objects())


def _rss() -> int:
    """Resident kilobytes of this process; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    return next(int(s.split()[1]) for s in status.read_text().splitlines() if "VmRSS" in s)
