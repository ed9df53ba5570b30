"""The pool: parts and order, errors, nesting, forks, BLAS's threads, bits that do not change."""

import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import tinygen as tg
from tinygen.cpu import linalg, threads
from tinygen.models import Setup, gan


@pytest.fixture
def three(monkeypatch):
    monkeypatch.setattr(threads, "count", lambda: 3)


def test_parts_cover_the_range_in_order(three):
    for n in range(20):
        parts = threads.run(lambda lo, hi: (lo, hi), n)
        assert len(parts) == max(1, min(3, n))
        assert [i for lo, hi in parts for i in range(lo, hi)] == list(range(n))
    assert len(threads.run(lambda lo, hi: 0, 20, least=9)) == 2


def test_parts_run_in_threads_of_their_own(three):
    barrier = threading.Barrier(3, timeout=10)  # passed only by all three at once
    threads_used = threads.run(lambda lo, hi: (barrier.wait(), threading.get_ident())[1], 3)
    assert len(set(threads_used)) == 3 and threads_used[0] == threading.get_ident()


def test_an_error_leaves_after_all_parts_are_done(three):
    done = []

    def work(lo, hi):
        if lo == bad:
            raise ZeroDivisionError(lo)
        done.append(lo)

    for bad in (0, 1, 2):
        done.clear()
        with pytest.raises(ZeroDivisionError, match=str(bad)):
            threads.run(work, 3)
        assert sorted(done) == sorted({0, 1, 2} - {bad})
    assert threads.run(lambda lo, hi: lo, 3) == [0, 1, 2]


def test_a_part_that_runs_parts_does_them_itself(three):
    inner = threads.run(lambda lo, hi: threads.run(lambda a, b: (a, b), 9), 3)
    assert inner == [[(0, 9)]] * 3


def test_numpy_error_state_reaches_the_threads(three):
    def work(lo, hi):
        return np.zeros(3) / np.zeros(3)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with np.errstate(all="ignore"):
            threads.run(work, 3)
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            threads.run(work, 3)


def test_blas_has_one_thread_inside_and_its_own_number_after(three):
    libraries = threads.blas_libraries()
    if not libraries:
        pytest.skip("NumPy's BLAS is none that threadpoolctl knows")
    before = [library.num_threads for library in libraries]
    inside = threads.run(lambda lo, hi: [x.num_threads for x in libraries], 3)
    assert all(n == 1 for part in inside for n in part)
    assert [library.num_threads for library in libraries] == before
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda lo, hi: 1 / 0, 3)
    assert [library.num_threads for library in libraries] == before


def test_scratch_is_each_thread_s_own(three):
    def work(lo, hi):
        a = threads.scratch("test", (5, 5), np.float32)
        assert threads.scratch("test", (3,), np.float32).base is (
            a.base if a.base is not None else a
        )
        return a.__array_interface__["data"][0]

    barrier = threading.Barrier(3, timeout=10)
    places = threads.run(lambda lo, hi: (barrier.wait(), work(lo, hi))[1], 3)
    assert len(set(places)) == 3


def run_python(code, **env):
    where = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONPATH": where, **env}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120
    )


@pytest.mark.parametrize("text", ["0", "-1", "two", "", "1.5"])
def test_a_wrong_number_of_threads_is_named(text):
    done = run_python("from tinygen.cpu.threads import count; count()", TINYGEN_THREADS=text)
    assert f"TINYGEN_THREADS: wanted a whole number >= 1, got {text!r}" in done.stderr


def test_the_number_of_threads_is_the_environment_s_or_the_process_s_cores():
    code = "from tinygen.cpu.threads import count; print(count())"
    assert run_python(code, TINYGEN_THREADS="5").stdout == "5\n"
    if hasattr(os, "sched_setaffinity"):
        pinned = f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {code}"
        assert run_python(pinned).stdout == "1\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_a_pool_of_its_own():
    code = (
        "import os, numpy as np, tinygen as tg\n"
        "x = tg.tensor(np.ones((600, 600)))\n"
        "tg.tanh(x)\n"
        "pid = os.fork()\n"
        "y = tg.tanh(x).numpy().sum()\n"
        "if not pid: os._exit(0 if y > 0 else 1)\n"
        "print(os.waitpid(pid, 0)[1])\n"
    )
    done = run_python(code, TINYGEN_THREADS="3")
    assert done.stdout == "0\n", done.stderr


def trained(count, monkeypatch):
    monkeypatch.setattr(threads, "count", lambda: count)
    model = gan.build(gan.Config(), Setup((28, 28, 1)), np.random.default_rng(0))
    x = np.random.default_rng(1).uniform(-1, 1, (32, 28, 28, 1)).astype(np.float32)
    rng = np.random.default_rng(2)
    losses = [model.step(x, rng)["loss_G"].item() for _ in range(3)]
    return losses, model.G.state_dict()


def test_runs_have_the_same_bits_at_one_number_of_threads(monkeypatch, way):
    alone = trained(1, monkeypatch)[0]
    for count in (1, 2, 5):
        one, two = trained(count, monkeypatch), trained(count, monkeypatch)
        assert one[0] == two[0]
        assert all(np.array_equal(a, two[1][k]) for k, a in one[1].items())
        np.testing.assert_allclose(one[0], alone, rtol=1e-3)  # Adam's steps magnify rounding


def test_results_are_never_reused():
    x = tg.tensor(np.random.default_rng(0).standard_normal((8, 14, 14, 16)))
    w = tg.tensor(np.random.default_rng(1).standard_normal((4, 4, 16, 8)))
    y = tg.conv2d(x, w, stride=2, padding=1)
    kept = y.numpy().copy()
    tg.conv2d(x * 2.0, w, stride=2, padding=1)
    tg.conv2d_input(y, w, shape=x.shape, stride=2, padding=1)
    np.testing.assert_array_equal(y.numpy(), kept)


def test_products_are_ours_from_the_first_convolution_on(monkeypatch):
    monkeypatch.setattr(threads, "_convolved", False)
    assert not threads.convolving()
    with threads.expecting(convolutions=True):
        assert threads.convolving()
    assert not threads.convolving()
    tg.conv2d(tg.tensor(np.ones((1, 4, 4, 1))), np.ones((2, 2, 1, 1)))
    assert threads.convolving()
    with threads.expecting(convolutions=False):
        assert not threads.convolving()


@pytest.mark.parametrize("convolutions", [True, False])
def test_where_a_product_is_computed(monkeypatch, convolutions):
    """Cut over our threads beside convolutions, in one piece for BLAS's without."""
    monkeypatch.setattr(threads, "count", lambda: 3)
    monkeypatch.setattr(linalg, "count", lambda: 3)
    parts, run = [], threads.run
    monkeypatch.setattr(linalg, "run", lambda work, n: parts.append(n) or run(work, n))
    a, b = np.ones((300, 200), np.float32), np.ones((200, 400), np.float32)
    with threads.expecting(convolutions):
        assert (linalg.matmul(a, b) == 200).all()
    assert parts == ([400] if convolutions else [])
