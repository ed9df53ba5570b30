"""Optimisers and image batches on the device: the CPU's numbers, in one launch and no waiting."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import data, optim
from tinygen.cuda.launch import source
from tinygen.device import to_device

HOW = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "rmsprop": lambda p: optim.RMSProp(p, lr=0.01, decay=0.9, eps=1e-6),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, eps=1e-6),
    "adam": lambda p: optim.Adam(p, lr=0.01, betas=(0.7, 0.9), eps=1e-6),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, betas=(0.7, 0.9), eps=1e-6, weight_decay=0.3),
}
# One number, two parts, none, a size that leaves what follows it at an odd place.
SHAPES = [(1,), (45, 100), (0, 3), (2, 3), (), (8, 4)]
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}


def tensors(seed, device, dtype=np.float64, **options):
    rng = np.random.default_rng(seed)
    return [
        tg.tensor(rng.standard_normal(s), dtype=dtype, device=device, **options) for s in SHAPES
    ]


def parameters(device, dtype=np.float64):
    return tensors(0, device, dtype, requires_grad=True)


def host(array):
    return to_device(array, "cpu")


def same(first, second, rtol):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(host(a), host(b), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", HOW)
def test_three_steps_are_the_cpus(name, dtype):
    params = {device: parameters(device, dtype) for device in ("cpu", "cuda")}
    opts = {device: HOW[name](p) for device, p in params.items()}
    tg.cuda.kernels_used(reset=True)
    for step in (1, 2, 3):
        for device, opt in opts.items():
            opt.step(tensors(step, device, dtype))
        p, q = ([t.data for t in params[device]] for device in ("cpu", "cuda"))
        same(p, q, TOLERANCE[dtype])
        same(*(opt.state.values() for opt in opts.values()), TOLERANCE[dtype])
    (used,) = tg.cuda.kernels_used().items()
    assert used[0].startswith("optim/") and used[1] == 3  # one launch a step


@pytest.mark.parametrize("name", HOW)
def test_the_kernel_is_the_formula(name):
    """`update`, which defines the optimiser, on the device's own arrays."""
    params, again = parameters("cuda"), parameters("cuda")
    opt, formula = HOW[name](params), HOW[name](again)
    for step in (1, 2, 3):
        gs = tensors(step, "cuda")
        opt.step(gs)
        formula.t = step
        optim.Optimizer.step_cuda(formula, [g.data for g in gs])
    same([p.data for p in params], [p.data for p in again], 1e-12)
    same(opt.state.values(), formula.state.values(), 1e-12)


def test_gradients_may_be_views_and_move_from_step_to_step():
    rng = np.random.default_rng(0)
    w, gs = rng.standard_normal((5, 7)), [rng.standard_normal((7, 5)) for _ in range(3)]
    moved = []
    for device in ("cpu", "cuda"):
        (p,) = params = [tg.tensor(w, dtype=float, device=device, requires_grad=True)]
        opt = optim.Adam(params)
        for g in gs:
            opt.step([tg.tensor(g, dtype=float, device=device).T])
        moved.append(p.numpy())
    np.testing.assert_allclose(*moved, rtol=1e-12)


def test_the_tables_are_kept_while_nothing_moves():
    opt, gs = optim.Adam(parameters("cuda")), tensors(1, "cuda")
    opt.step(gs)
    parts, pointers = opt._together.parts, opt._together.pointers
    opt.step(gs)
    assert opt._together.parts is parts and opt._together.pointers is pointers
    opt.step([g * 2.0 for g in gs])
    assert opt._together.parts is parts and opt._together.pointers is not pointers


def test_a_step_does_not_wait_for_the_device(cupy, gpu):
    if gpu:
        pytest.skip("the stand-in counts what the host reads")
    opt, gs = optim.Adam(parameters("cuda")), tensors(1, "cuda")
    before = cupy.syncs
    opt.step(gs)
    opt.step(gs)
    assert cupy.syncs == before


@pytest.mark.parametrize("first", ["cpu", "cuda"])
def test_a_state_moves_between_devices(first):
    second = "cuda" if first == "cpu" else "cpu"
    params = {device: parameters(device) for device in (first, second)}
    opts = {device: optim.Adam(p) for device, p in params.items()}
    opts[first].step(tensors(1, first))
    opts[second].load_state_dict(opts[first].state_dict())
    for p, q in zip(params[first], params[second], strict=True):
        q.data[...] = p.to(second).data
    for device, opt in opts.items():
        opt.step(tensors(2, device))
    same(*([p.data for p in ps] for ps in params.values()), 1e-12)


def test_mixed_devices_are_refused():
    mine, other = parameters("cuda"), parameters("cpu")
    with pytest.raises(tg.DeviceError, match="Adam: wanted parameters of one device, got cpu and"):
        optim.Adam([mine[0], other[1]])
    with pytest.raises(TypeError, match="one dtype, got float32 and float64"):
        optim.Adam([mine[0], parameters("cuda", np.float32)[1]])
    with pytest.raises(ValueError, match=r"wanted a gradient \(1,\) float64 on cuda, .* on cpu"):
        optim.Adam(mine).step(tensors(1, "cpu"))
    net = tg.nn.Linear(2, 3, rng=np.random.default_rng(0))
    opt = optim.Adam(net.parameters())
    net.to("cuda")
    gs = [tg.tensor(np.ones(p.shape), device="cuda") for p in opt.params]
    with pytest.raises(tg.DeviceError, match="on cuda, its state on cpu: move a network first"):
        opt.step(gs)


def pictures(count, *shape):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), np.uint8)
    return data.Dataset(images, np.zeros(count, np.int64), ("all",), "noise")


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 3, 3), (28, 28, 1)])
@pytest.mark.parametrize("low_high", [(-1.0, 1.0), (0.0, 1.0), (-0.3, 7.1)])
def test_batches_have_the_cpus_bits(shape, low_high):
    dataset, chosen = pictures(9, *shape), np.array([8, 0, 3, 3, 1])
    wanted = data.scale(dataset.images[chosen], *low_high)
    assert dataset.batch(chosen, *low_high).tobytes() == wanted.tobytes()
    batch = dataset.batch(chosen, *low_high, device="cuda")
    assert batch.shape == wanted.shape and host(batch).tobytes() == wanted.tobytes()
    assert tg.cuda.kernels_used() == {"data/batch": 1}
    assert dataset.batch(chosen[:0], *low_high, device="cuda").shape == (0, *shape)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batches_of_images_that_are_not_there_are_refused(device):
    with pytest.raises(IndexError, match="from 0 to 8, found 0 to 9"):
        pictures(9, 8, 8, 1).batch([0, 9], 0, 1, device)
    with pytest.raises(IndexError, match="found -1 to 3"):
        pictures(9, 8, 8, 1).batch([-1, 3], 0, 1, device)
    for wrong in ([1.5], [True] * 9, [[0, 1], [2, 3]], 2):
        with pytest.raises(IndexError, match=r"wanted integer indices \(n,\), found"):
            pictures(9, 8, 8, 1).batch(wrong, 0, 1, device)


def test_images_are_uploaded_once(cupy, monkeypatch):
    dataset, sent = pictures(9, 8, 8, 1), []
    dataset.batch([0], 0, 1, "cuda")
    asarray = cupy.asarray
    monkeypatch.setattr(cupy, "asarray", lambda a, *_: sent.append(a.nbytes) or asarray(a))
    dataset.batch([1, 2], 0, 1, "cuda")
    assert sent == [8]  # the indices


@pytest.mark.parametrize(
    ("stem", "line", "broken"),
    [
        ("data", "    __syncthreads();\n", ""),
        ("optim", "4 * fours + threadIdx.x", "4 * fours + threadIdx.x - 1"),
        ("optim", "n / 4 : 0", "n / 4 + 1 : 0"),
        ("optim", "wide && aligned(state[a] + place)", "wide"),
        ("resample", "pixel / w * 4 * w", "pixel / w * 2 * w"),
        ("resample", "pixel % w * 2)", "pixel % w * 2 + 1)"),
    ],
)
def test_a_broken_kernel_is_noticed(stem, line, broken, gpu, monkeypatch):
    if gpu:
        pytest.skip("the stand-in finds races and what lies out of bounds")
    text = source(stem)
    assert text.count(line) >= 1
    monkeypatch.setattr(tg.cuda.launch, "source", lambda _: text.replace(line, broken))
    monkeypatch.setattr(tg.cuda.launch, "_kernel", tg.cuda.launch._kernel.__wrapped__)
    monkeypatch.setattr(tg.cuda.launch, "_module", tg.cuda.launch._module.__wrapped__)
    images = tg.tensor(np.random.default_rng(0).random((2, 4, 6, 3)), device="cuda")
    with pytest.raises((RuntimeError, AssertionError)):
        if stem == "data":
            pictures(9, 8, 8, 1).batch([0, 5], 0, 1, "cuda")
        elif stem == "optim":
            optim.Adam(parameters("cuda")).step(tensors(1, "cuda"))
        else:
            up, down = tg.upsample2(images), tg.avg_pool2(images)
            np.testing.assert_array_equal(tg.avg_pool2(up).numpy(), images.numpy())
            assert np.isfinite(down.numpy()).all()
