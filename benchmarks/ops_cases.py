"""What `ops.py --device cuda` times: each kernel family, on arrays that no cache holds.

Cases of torch, where it has a GPU, work on the same memory and give results in our layouts.
"""

import importlib.util
import itertools
from functools import cache
from typing import Any, NamedTuple

import numpy as np

import tinygen as tg
from tinygen.optim import Adam

GB, GF = "GB/s", "GFLOP/s"
HOW = {"stride": 2, "padding": 1}
LAYERS = [((28, 28, 1), 64), ((14, 14, 64), 128), ((16, 16, 64), 128), ((8, 8, 128), 256)]
DENSE = [(784, 512), (512, 256), (100, 256), (6272, 256)]


class Case(NamedTuple):
    name: str
    shape: str
    run: Any
    work: float  # bytes or FLOPs
    unit: str
    twin: Any = None  # the same in torch
    compared: bool = True  # whether both return the same


rng = np.random.default_rng(0)


def random(*shape):
    return tg.tensor(rng.standard_normal(shape, dtype=np.float32), device="cuda")


def call(op, *args, **how):
    def f():
        with tg.no_grad():
            return op(*args, **how)

    return f


def gradients(op, twin, *args):
    """The fast gradients of all arguments, from a graph that is kept; and torch's.

    Two cotangents, of the first argument's shape, take turns: what a rule keeps for one does not
    serve the other. The graphs are made at the first call.
    """
    gs = [random(*args[0].shape) for _ in (1, 2)]

    @cache
    def graph():
        xs = [tg.tensor(a, requires_grad=True) for a in args]
        return op(*xs), xs, itertools.cycle(gs)

    @cache
    def twin_graph():
        us = [there(a).detach().requires_grad_() for a in args]
        return twin(*us), us, itertools.cycle([there(g) for g in gs])

    def ours():
        y, xs, turns = graph()
        return tg.grad(y, xs, next(turns), retain_graph=True)

    def theirs():
        y, us, turns = twin_graph()
        return torch().autograd.grad(y, us, next(turns), retain_graph=True)

    return ours, theirs


@cache
def torch():
    """The module, told to compute in exact float32, if it has a GPU; else None."""
    if importlib.util.find_spec("torch") is None:
        return None
    import peer_torch
    import torch as module

    if not module.cuda.is_available():
        return None
    peer_torch.exact_float32()
    return module


def there(t):
    """A Tensor as torch's, in the same memory."""
    return torch().from_dlpack(t.data) if torch() else None


def nchw(x):
    """Images (N, H, W, C) for torch: a view, in the order that it calls channels_last."""
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def moved(size):
    """Ops bound by memory: elementwise, sums, softmax. size: entries of an array."""
    x, y = (random(size // 1024, 1024) for _ in (1, 2))
    bias = random(1024)
    u, v, b = (there(t) for t in (x, y, bias))
    n, shape = 4 * x.size, f"{len(x)}×1024"
    F = torch().nn.functional if torch() else None
    yield Case("add", shape, call(tg.add, x, y), 3 * n, GB, lambda: u + v)
    yield Case("add bias", shape, call(tg.add, x, bias), 2 * n, GB, lambda: u + b)
    activations = {
        "tanh": (tg.tanh, lambda u: torch().tanh(u)),
        "leaky_relu": (lambda x: tg.leaky_relu(x, slope=0.2), lambda u: F.leaky_relu(u, 0.2)),
    }
    for name, (op, twin) in activations.items():
        yield Case(name, shape, call(op, x), 2 * n, GB, lambda twin=twin: twin(u))
        ours, theirs = gradients(op, twin, x)
        yield Case(f"{name}'", shape, ours, 3 * n, GB, theirs)
    for axis in (0, 1, None):
        name = {0: "sum of rows", 1: "sum of columns", None: "sum"}[axis]
        twin = (lambda: u.sum()) if axis is None else (lambda axis=axis: u.sum(axis))
        yield Case(name, shape, call(tg.sum, x, axis=axis), n, GB, twin)
    softmax = call(tg.softmax, x, axis=1)
    yield Case("softmax", shape, softmax, 2 * n, GB, lambda: u.softmax(1))


def norms(size):
    """Batch norm reads x twice (statistics, result); its gradient reads g and x twice. Layer norm
    can keep a sample in the block that has read it."""
    F = torch().nn.functional if torch() else None
    x, gamma, beta = random(max(2, size // (14 * 14 * 64)), 14, 14, 64), random(64), random(64)

    def batch(x, gamma, beta):
        return nhwc(F.batch_norm(nchw(x), None, None, gamma, beta, training=True))

    yield from _norm("batch_norm", tg.batch_norm, batch, (x, gamma, beta), (3, 5))
    shape = (7, 7, 128)
    x, gamma, beta = random(max(2, size // 6272), *shape), random(*shape), random(*shape)

    def layer(x, gamma, beta):
        return F.layer_norm(x, shape, gamma, beta)

    yield from _norm("layer_norm", tg.layer_norm, layer, (x, gamma, beta), (2, 3))


def _norm(name, op, twin, args, passes):
    n, shape = 4 * args[0].size, "×".join(map(str, args[0].shape))
    given = [there(a) for a in args]
    yield Case(name, shape, call(op, *args), passes[0] * n, GB, lambda: twin(*given))
    ours, theirs = gradients(op, twin, *args)
    yield Case(f"{name}'", shape, ours, passes[1] * n, GB, theirs)


def adam(size):
    """Reads p, g, m and v, writes p, m and v. 10 million parameters, or fewer if size is small."""
    n = min(10_000_000, size)
    p, g = tg.tensor(np.zeros(n), device="cuda", requires_grad=True), random(n)
    opt = Adam([p])
    twin = None
    if torch():
        q = torch().zeros_like(there(g)).requires_grad_()
        q.grad = there(g)
        twin = torch().optim.Adam([q], fused=True).step
    yield Case("Adam", f"{n:,}", lambda: opt.step([g]), 7 * 4 * n, GB, twin, compared=False)


def products(batch):
    """1024³ (4 × the batch), and the dense layers forward and as their gradients take them."""
    n = 4 * batch
    yield _product("matmul", random(n, n), random(n, n))
    for i, o in DENSE:
        x, w, g = random(batch, i), random(i, o), random(batch, o)
        yield _product("matmul", x, w)
        yield _product("matmul g·wᵀ", g, w.T)
        yield _product("matmul xᵀ·g", x.T, g)


def _product(name, a, b):
    (n, k), m = a.shape, b.shape[1]
    u, v = there(a), there(b)
    return Case(name, f"{n}×{k} @ {k}×{m}", call(tg.matmul, a, b), 2 * n * k * m, GF, lambda: u @ v)


def tf32(batch):
    """Products on tensor cores, by choice; torch's likewise. The share is of the exact product."""
    for n in (4 * batch, 16 * batch):
        case = _product("matmul tf32", random(n, n), random(n, n))
        yield case._replace(run=_chosen(case.run), twin=_allowed(case.twin))


def _chosen(run):
    def f():
        with tg.cuda.precision("tf32"):
            return run()

    return f


def _allowed(twin):
    def f():
        torch().backends.cuda.matmul.allow_tf32 = True
        try:
            return twin()
        finally:
            torch().backends.cuda.matmul.allow_tf32 = False

    return f


def convolutions(batch):
    """DCGAN's layers: kernel 4, stride 2, padding 1."""
    for (h, w, c), o in LAYERS:
        x, k, g = random(batch, h, w, c), random(4, 4, c, o), random(batch, h // 2, w // 2, o)
        work, shape = 2 * g.size * 16 * c, f"{batch}×{h}×{w}×{c} → {o}"
        twins = _conv_twins(*(there(t) for t in (x, k, g)))
        back = {
            "conv2d": {},
            "conv2d_input": {"shape": x.shape},
            "conv2d_weight": {"shape": k.shape},
        }
        given = {"conv2d": (x, k), "conv2d_input": (g, k), "conv2d_weight": (x, g)}
        for (name, how), twin in zip(back.items(), twins, strict=True):
            run = call(getattr(tg, name), *given[name], **how, **HOW)
            yield Case(name, shape, run, work, GF, twin)


def _conv_twins(x, k, g):
    if not torch():
        return None, None, None
    F, grad = torch().nn.functional, torch().nn.grad
    weight = k.permute(3, 2, 0, 1).contiguous(memory_format=torch().channels_last)
    x, g = nchw(x), nchw(g)
    return (
        lambda: nhwc(F.conv2d(x, weight, **HOW)),
        lambda: nhwc(F.conv_transpose2d(g, weight, **HOW)),
        lambda: grad.conv2d_weight(x, weight.shape, g, **HOW).permute(2, 3, 1, 0),
    )
