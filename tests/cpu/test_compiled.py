"""Loops: what they compute where it matters, and what happens where Numba is missing or fails."""

import os
import subprocess
import sys
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import tinygen as tg
from tinygen import optim
from tinygen.core import Tensor
from tinygen.cpu import activation, compiled, elementwise, normalise, threads
from tinygen.cpu import optim as cpu_optim
from tinygen.cpu.compiled import loop

ROOT = Path(__file__).parents[2]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def double(out, x):
    for i in range(out.size):
        out[i] = x[i] + x[i]


def doubled(f, n=5):
    """Whether the loop ran, and what then stands in out."""
    out = np.zeros(n, np.float32)
    return f(out, np.arange(n, dtype=np.float32)), out.tolist()


NOTHING, DONE = (False, [0] * 5), (True, [0, 2, 4, 6, 8])


@pytest.fixture
def numba(monkeypatch):
    monkeypatch.setattr(compiled, "why_not", None)
    monkeypatch.delenv("TINYGEN_COMPILED", raising=False)
    return pytest.importorskip("numba")


# --- what loops compute ---------------------------------------------------------------------------


OPTIMISERS = {
    "adam": lambda p: optim.Adam(p, betas=(0.5, 0.9)),
    "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "rmsprop": lambda p: optim.RMSProp(p, lr=0.1, eps=0),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1),
    "adamw": lambda p: optim.AdamW(p, weight_decay=0.3),
}


def steps(name, arrays, *times):
    """What the method makes of p and state along g, by its formula and as it steps on the CPU."""
    p = Tensor(arrays[0].copy(), requires_grad=True)
    opt, formula = OPTIMISERS[name]([p]), [a.copy() for a in arrays]
    for mine, given in zip(opt.state.values(), arrays[2:], strict=True):
        mine[...] = given
    for t in times:
        opt.t = t
        opt.update(*formula)
        opt.t = t - 1
        opt.step([Tensor(arrays[1])])
    return formula, [p.data, arrays[1], *opt.state.values()]


@DTYPES
@pytest.mark.parametrize("size", [0, 1, 7, 1000])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_step_is_the_formula(name, size, dtype, way):
    r, slots = np.random.default_rng(size), {"adam": 2, "adamw": 2}.get(name, 1)
    state = [*r.standard_normal((slots - 1, size)), r.random(size)]  # v is not negative
    arrays = [a.astype(dtype) for a in (*r.standard_normal((2, size)), *state)]
    for a, b in zip(*steps(name, arrays, 1, 2, 7), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4 if dtype == np.float32 else 1e-11)


@DTYPES
@pytest.mark.parametrize(
    "op, x, axes", [("batch_norm", (1000, 20), (20,)), ("layer_norm", (300, 2100), (2100,))]
)
def test_norms_of_long_rows_and_columns(op, x, axes, dtype, way):
    """Longer than the runs that sums are made of."""
    r, op = np.random.default_rng(0), getattr(tg, op)
    arrays = [r.standard_normal(s).astype(dtype) + 2 for s in (x, axes, axes)]
    xs = [Tensor(a, requires_grad=True) for a in arrays]
    y, c = op(*xs), r.standard_normal(x).astype(dtype)
    tolerance = (
        {"rtol": 1e-3, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-12}
    )
    np.testing.assert_allclose(y.numpy(), op.forward(*arrays), **tolerance)
    formula = tg.grad(y, xs, c, create_graph=True)
    for a, b in zip(tg.grad(y, xs, c), formula, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), **tolerance)


NUMBERS = [0.0, -0.0, 1.0, -2.0, np.nan, np.inf, -np.inf]
GRADIENTS = {  # loop and what is to come of it
    "leaky_relu": (lambda g, x: activation.leaky_relu(x, slope=0.2), lambda g, x: x * slope(x)),
    "leaky": (lambda g, x: activation.leaky_relu_grad(g, x, 0.2), lambda g, x: g * slope(x)),
    "relu": (lambda g, x: activation.leaky_relu_grad(g, x, 0.0), lambda g, x: g * (x > 0)),
    "tanh": (activation.tanh_grad, lambda g, y: g * (1 - y * y)),
    "sigmoid": (activation.sigmoid_grad, lambda g, y: g * y * (1 - y)),
}


def slope(x):
    return np.where(x > 0, x.dtype.type(1), x.dtype.type(0.2))


@DTYPES
@pytest.mark.parametrize("name", GRADIENTS)
def test_activations_pass_on_what_is_not_finite(name, dtype, way, monkeypatch):
    monkeypatch.setattr(elementwise, "SHORT", 0)
    g, x = np.array(list(product(NUMBERS, repeat=2)), dtype).T.copy()
    tuned, plain = GRADIENTS[name]
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(tuned(g, x), plain(g, x), rtol=1e-6)


@DTYPES
@pytest.mark.parametrize("cut", [slice(None), slice(None, None, 2), (slice(1, 3), slice(2))])
def test_averages(cut, dtype, way, monkeypatch):
    """Also of views that are not contiguous, which are left to NumPy."""
    monkeypatch.setattr(elementwise, "SHORT", 0)
    kept, now = np.random.default_rng(0).standard_normal((2, 9, 5)).astype(dtype)
    y = cpu_optim.average(kept[cut], now[cut], 0.1)
    np.testing.assert_allclose(y, 0.9 * kept[cut] + 0.1 * now[cut], rtol=1e-4, atol=1e-7)
    assert y.dtype == dtype


@DTYPES
@pytest.mark.parametrize("cut", [slice(None), slice(None, None, 2)])
def test_long_arrays_are_added(cut, dtype, way, monkeypatch):
    """On all cores; views with gaps, and what broadcasts, by NumPy."""
    a, b = np.random.default_rng(0).standard_normal((2, 500, 300)).astype(dtype)
    before = a.copy()
    y = elementwise.add(a[cut], b[cut])
    np.testing.assert_array_equal(y, a[cut] + b[cut])
    np.testing.assert_array_equal(a, before)
    np.testing.assert_array_equal(elementwise.add(a, b[0]), a + b[0])
    np.testing.assert_array_equal(elementwise.add(a, 2.0), a + 2)
    assert y.dtype == dtype and (elementwise._add_loop.parts or way == "numpy")


@DTYPES
def test_adam_passes_on_what_is_not_finite(dtype, way):
    """A loss that has diverged shows in the weights."""
    numbers = [0.0, 1.0, -2.0, np.nan, np.inf, -np.inf]
    p, g, m = np.array(list(product(numbers, repeat=3)), dtype).T.copy()
    with np.errstate(invalid="ignore"):
        one, two = steps("adam", [p, g, m, np.ones_like(p)], 3)
    for a, b in zip(two, one, strict=True):
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))
        np.testing.assert_allclose(a[np.isfinite(a)], b[np.isfinite(a)], rtol=1e-5)


@DTYPES
def test_batch_norm_shows_nan_and_inf(dtype, way):
    """In their channel, and in no other."""
    for bad in (np.nan, np.inf):
        x = np.random.default_rng(0).standard_normal((300, 20)).astype(dtype)
        x[200, 3] = bad
        with np.errstate(invalid="ignore"):
            mean, _, scale = normalise.statistics_and_scale(x, 1e-5)
            y = normalise.scale_and_shift(x, mean, scale, mean * 0 + 1, mean * 0)
            sums = normalise.gradient_sums(x, y, y[0] * 0, y[0] * 0 + 1)
        for a in (y, *sums):
            assert not np.isfinite(a[..., 3]).all() and np.isfinite(np.delete(a, 3, axis=-1)).all()


def test_a_mean_that_is_large_costs_no_digits(way):
    """E[x²] - mean² would give 0 or worse here."""
    x = np.random.default_rng(0).standard_normal((5000, 16)) + 10_000
    _, var = normalise.batch_statistics(x.astype(np.float32))
    np.testing.assert_allclose(var, x.var(axis=0), rtol=2e-3)


# --- Numba, there or not --------------------------------------------------------------------------


def test_a_loop_runs_and_is_kept(numba, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(compiled, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiled, "WORTH_SAYING", 1e-9)
    monkeypatch.setattr(compiled, "_spent", 0.0)
    first, again = loop(double), loop(double)
    assert doubled(first) == DONE and first.folder().startswith(str(tmp_path / "compiled"))
    said = "tinygen: compiling for this CPU, once; the next run has it\n"
    assert capsys.readouterr().err == said
    monkeypatch.setattr(compiled, "_spent", 0.0)
    assert doubled(again) == DONE and capsys.readouterr().err == "", "it compiled once more"
    assert numba.config.CACHE_DIR == "", "a setting of the user's"


def test_a_loop_takes_floats_in_its_arrays_dtype(numba):
    def third(out, a):
        out[0] = a / out.dtype.type(3)

    for dtype in (np.float32, np.float64):
        out = np.zeros(1, dtype)
        assert loop(third)(out, 0.1) and out[0] == dtype(0.1) / dtype(3)


def test_the_threads_may_meet_a_loop_first(numba, monkeypatch):
    monkeypatch.setattr(threads, "count", lambda: 3)
    fresh, out = loop(double), np.zeros(9, np.float32)
    x = np.arange(9, dtype=np.float32)
    assert threads.run(lambda lo, hi: fresh(out[lo:hi], x[lo:hi]), 9) == [True] * 3
    np.testing.assert_array_equal(out, 2 * x)


def test_without_a_folder_to_write_in_nothing_is_kept(numba, monkeypatch):
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])
    fresh = loop(double)
    assert doubled(fresh) == DONE and fresh.folder() is None


def test_a_full_disk_is_done_without(numba, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.Cache._save_overload", full)
    monkeypatch.setattr("numba.core.caching.Cache._load_overload", lambda *_: None)
    assert doubled(loop(double)) == DONE and compiled.why_not == ""


def test_what_does_not_compile_is_left_to_numpy_with_one_warning(numba, recwarn):
    def wrong(out, x):
        out[0] = x.no_such_thing

    warnings.simplefilter("always")
    assert doubled(loop(wrong)) == NOTHING
    (told,) = recwarn
    assert "goes on in NumPy" in str(told.message)
    assert "Numba fails: TypingError" in str(told.message)
    assert doubled(loop(double)) == doubled(loop(wrong)) == NOTHING and len(recwarn) == 1


def test_a_broken_numba_is_told_once(monkeypatch, recwarn):
    def broken(name):
        raise ImportError("Numba needs NumPy 2.4 or less. Got NumPy 9.")

    monkeypatch.setattr(compiled, "why_not", None)
    monkeypatch.delenv("TINYGEN_COMPILED", raising=False)
    monkeypatch.setattr(compiled, "import_module", broken)
    warnings.simplefilter("always")
    assert doubled(loop(double)) == doubled(loop(double)) == NOTHING
    (told,) = recwarn
    assert "Numba needs NumPy 2.4" in str(told.message)


def in_a_process(before, **env):
    """A DCGAN's step after some lines; then whether Numba is there, and the weights' bits."""
    code = f"""
import sys, numpy as np
{before}
import tinygen as tg
from tinygen.models import Setup, gan
assert "numba" not in sys.modules or sys.modules["numba"] is None
model = gan.build(gan.Config(), Setup((28, 28, 1)), np.random.default_rng(0))
x = np.random.default_rng(1).uniform(-1, 1, (8, 28, 28, 1)).astype(np.float32)
model.step(x, np.random.default_rng(2))
from tinygen.cpu import compiled
total = sum(p.data.sum() for p in model.G.parameters())
print("numba.core" in sys.modules, compiled.why_not, total)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split(" ", 1), done.stderr


def test_numba_comes_with_the_first_step_unless_it_is_switched_off():
    pytest.importorskip("numba")
    assert in_a_process("", TINYGEN_COMPILED="1")[0][0] == "True"
    (loaded, rest), errors = in_a_process("", TINYGEN_COMPILED="0")
    assert loaded == "False" and rest.startswith("TINYGEN_COMPILED=0 ") and not errors


def test_without_numba_all_works_and_nothing_is_said():
    (loaded, rest), errors = in_a_process("sys.modules['numba'] = None", TINYGEN_COMPILED="1")
    assert loaded == "False" and rest.startswith("Numba is not installed ") and not errors
    assert in_a_process("", TINYGEN_COMPILED="0")[0][1].split()[-1] == rest.split()[-1]
