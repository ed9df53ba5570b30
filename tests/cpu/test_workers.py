"""Workers: parts that are done once each, BLAS's work among them, sleep, forks, and the end."""

import ctypes
import os
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import tinygen as tg
from tinygen.cpu import compiled, pointwise, threads, workers
from tinygen.cpu.pointwise import address
from tinygen.cpu.pointwise import pointwise as made


@pytest.fixture
def there():
    """Workers; there are none without Numba, on other systems, or beside another BLAS."""
    if not workers.available():
        pytest.skip(f"no workers: {workers.why_not}")


@pytest.fixture
def numba():
    pytest.importorskip("numba")


@made
def count(seen, step, numbers):
    for i in range(seen.size):
        seen[i] = seen[i] + step[i] * numbers[1] + numbers[0]


# --- parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("way", ["workers", "pool", "alone"])
@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6), parts=st.integers(1, 9))
def test_each_entry_is_done_once(sizes, parts, way, dtype):
    pytest.importorskip("numba")
    rows = [[np.arange(n, dtype=dtype), np.ones(n, dtype)] for n in sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "count", lambda: parts)
        patch.setattr(threads, "_expected", way == "pool")
        patch.setattr(workers, "SHARE", 1)
        patch.setattr(threads, "BLOCK_ENTRIES", 1)
        if way == "alone":
            patch.setattr(workers, "why_not", "")
            patch.setattr(workers, "available", lambda: False)
        table = [address(a) for row in rows for a in row]
        assert count.rows(np.dtype(dtype), sizes, table, 0.5, 2.0)
    for n, (seen, step) in zip(sizes, rows, strict=True):
        np.testing.assert_array_equal(seen, np.arange(n) + 2.5)
        np.testing.assert_array_equal(step, 1)


def test_parts_are_done_at_once(there):
    """A part that waits for the others would wait for ever if they were done in turn."""
    barrier, seen = threading.Barrier(3, timeout=20), []

    @pointwise._C
    def meet(i, table, parts):
        barrier.wait()
        seen.append((i, table, parts))

    at = ctypes.cast(meet, ctypes.c_void_p).value
    workers._native.run(workers.words, at, 64, 8, 3, 7, 10)
    assert sorted(seen) == [(10, 64, 7), (11, 72, 7), (12, 80, 7)]


# --- BLAS -----------------------------------------------------------------------------------------


def products():
    """Of shapes and dtypes that OpenBLAS cuts in several ways."""
    r = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        a, b = (r.standard_normal(s).astype(dtype) for s in ((300, 400), (400, 500)))
        yield from (a @ b, b.T @ a.T, a.T @ a, a @ b[:, 0], b[0] @ b.T)


def test_products_have_the_bits_that_blas_gives_them(there):
    here = list(products())
    for set_callback in workers._setters:
        set_callback(None)
    try:
        alone = list(products())
    finally:
        for set_callback in workers._setters:
            set_callback(workers._native.blas.address)
    for a, b in zip(here, alone, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_product_of_more_parts_than_there_are_workers(there):
    r = np.random.default_rng(0)
    x = r.standard_normal((700, 700))
    before = int(workers.words[workers._native.WORKERS])
    with threadpool_limits(before + 3, user_api="blas"):
        np.testing.assert_allclose(x @ x, np.einsum("ij,jk", x, x), atol=1e-10)
    assert workers.words[workers._native.WORKERS] > before


def test_workers_that_sleep_wake_up(there):
    a = np.ones((400, 400))
    state = workers._native.state(0)
    for _ in range(3):
        deadline = time.monotonic() + 20
        while workers.words[state] != workers._native.ASLEEP:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert ((a @ a) == 400).all()


def test_several_threads_compute_at_once(there, monkeypatch):
    """Products and loops of one caller do not meet those of another."""
    monkeypatch.setattr(threads, "_expected", False)
    monkeypatch.setattr(workers, "SHARE", 1)
    wrong = []

    def work(k):
        a, seen, step = np.full((200, 300), float(k)), np.zeros(999), np.ones(999)
        at = [address(seen), address(step)]
        for i in range(150):
            if not ((a @ a.T) == 300 * k * k).all():
                wrong.append(("product", k, i))
            count.rows(seen.dtype, [999], at, 1.0, 1.0)
        if not (seen == 300).all():
            wrong.append(("loop", k))

    callers = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in callers:
        t.start()
    for t in callers:
        t.join(60)
    assert not wrong and not any(t.is_alive() for t in callers)


def test_a_system_is_solved_beside_products(there):
    """LU uses BLAS's own threads, products ours: neither may lose the other's work."""
    code = """
from tinygen.cpu import workers
assert workers.available()
r, done = np.random.default_rng(0), []
A, B = r.standard_normal((400, 400)), np.ones((300, 300))
X = r.standard_normal((400, 4))
C = np.einsum("ij,jk", A, X)
def products():
    while not done:
        assert ((B @ B) == 300).all()
t = threading.Thread(target=products)
t.start()
for _ in range(30):
    assert np.abs(np.linalg.solve(A, C) - X).max() < 1e-6
done.append(1)
t.join()
print("done")
"""
    assert python(code) == ["done"]


# --- whole processes ------------------------------------------------------------------------------

TRAIN = """
import os, sys, threading
import numpy as np
import tinygen as tg
from tinygen.cpu import threads, workers
from tinygen.optim import Adam
threads.count = lambda: 2
def train(steps):
    r = np.random.default_rng(0)
    w = tg.tensor(r.standard_normal((300, 400)), dtype=np.float32, requires_grad=True)
    opt, x = Adam([w]), r.standard_normal((200, 300)).astype(np.float32)
    for _ in range(steps):
        opt.step(tg.grad(tg.mean(tg.square(x @ w)), [w]))
    return w.numpy()
"""


def python(code, **env):
    done = subprocess.run(
        [sys.executable, "-c", TRAIN + code], capture_output=True, text=True, timeout=120,
        env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_forked_child_computes_and_ends(there):
    code = """
first = train(5)
pid = os.fork()
if pid == 0:
    assert workers.why_not is None
    same = (train(5) == first).all() and workers.why_not == ""
    os._exit(0 if same else 3)
assert os.waitpid(pid, 0)[1] == 0 and (train(5) == first).all()
print("done")
"""
    assert python(code) == ["done"]


def test_the_program_ends_while_workers_spin_or_sleep(there):
    assert python("train(3); print(workers.why_not == '')") == ["True"]
    assert python("train(3); import time; time.sleep(0.3); print('slept')") == ["slept"]


def test_products_while_the_program_ends(there):
    code = """
import atexit
atexit.register(lambda: print((np.ones((400, 400)) @ np.ones((400, 400)) == 400).all()))
train(3)
"""
    assert python(code) == ["True"]


def test_what_is_compiled_is_kept(there, tmp_path):
    code = """
train(1)
from tinygen.cpu import optim
native, part = workers._native, optim.adam_loop.parts[np.dtype("f4")]
lazy = [sum(f.stats.cache_hits.values()) for f in (native.serve, native.run)]
print(part.made.cache_hits, native.blas.cache_hits, *lazy)
"""
    folder = {"XDG_CACHE_HOME": str(tmp_path)}
    assert python(code, **folder) == ["0"] * 4 and python(code, **folder) == ["1"] * 4


def test_a_loop_that_was_edited_is_compiled_again(there, tmp_path):
    """Numba's cache does not look into what kept code calls."""
    text = """
import numpy as np
from tinygen.cpu.pointwise import address, pointwise

@pointwise
def loop(out, x, numbers):
    for i in range(out.size):
        out[i] = np.{}(x[i])
"""
    code = """
import edited
out, x = np.zeros(3, "f4"), np.ones(3, "f4")
edited.loop.rows(out.dtype, [3], [edited.address(a) for a in (out, x)])
print(*out)
"""
    places = {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for name, result in (("square", "1.0"), ("negative", "-1.0")):
        (tmp_path / "edited.py").write_text(text.format(name))
        assert python(code, **places) == [result] * 3


def test_a_step_has_the_same_bits_without_workers(there):
    code = "print(hash(train(20).tobytes()))"
    alone = "workers.available = lambda: False; " + code
    assert python(code, PYTHONHASHSEED="0") == python(alone, PYTHONHASHSEED="0")


# --- where there are none -------------------------------------------------------------------------


@pytest.fixture
def unknown(monkeypatch):
    """As before workers are looked for, without those that there are."""
    monkeypatch.setattr(workers, "why_not", None)
    monkeypatch.setattr(workers, "_setters", [])
    monkeypatch.setattr(workers, "_more", lambda n: None)
    monkeypatch.setattr(workers, "_load", lambda: None)
    monkeypatch.setattr(threads, "count", lambda: 2)
    monkeypatch.setattr(sys, "platform", "linux")
    return monkeypatch


@pytest.mark.parametrize(
    "module, name, value, why",
    [
        (threads, "count", lambda: 1, "one thread"),
        (sys, "platform", "darwin", "only for 64-bit Linux"),
        (compiled, "why_not", compiled.OFF, compiled.OFF),
        (
            workers,
            "_find_setters",
            lambda: [],
            "NumPy's BLAS has no way to share its threads' work",
        ),
    ],
)
def test_why_there_are_none(module, name, value, why, unknown, numba):
    unknown.setattr(module, name, value)
    assert not workers.available() and workers.why_not == why


def test_what_fails_is_told_once(unknown, numba):
    def fails():
        raise OSError("no semaphores")

    unknown.setattr(workers, "_find_setters", lambda: [(lambda callback: None, 64, 2)])
    unknown.setattr(workers, "_load", fails)
    with pytest.warns(RuntimeWarning, match="goes on on fewer cores.*OSError: no semaphores"):
        assert not workers.available()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not workers.available()
        w = tg.tensor(np.ones(9), requires_grad=True)
        tg.optim.Adam([w]).step([tg.tensor(np.ones(9))])
    assert (w.numpy() < 1).all()
