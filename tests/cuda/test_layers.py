"""Layers and tools made of ops, on the device: the CPU's numbers, gradients and random masks."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, optim

LABELS = np.array([[2, 0, 1], [3, 3, 0]])


def rng(seed=0):
    return np.random.default_rng(seed)


LAYERS = {
    "embedding": (lambda: nn.Embedding(4, 3, rng=rng()), LABELS),
    "dropout": (lambda: nn.Dropout(0.4, rng=rng()), (5, 7)),
    "group norm": (lambda: nn.GroupNorm(2, 6), (2, 3, 2, 6)),
    "pixel norm": (lambda: nn.Sequential(nn.pixel_norm), (2, 3, 4)),
    "equalised rate": (lambda: nn.EqualisedRate(nn.Linear(5, 4, rng=rng())), (3, 5)),
    "spectral norm": (lambda: nn.SpectralNorm(nn.Linear(5, 4, rng=rng()), rng=rng()), (3, 5)),
    "spectral norm, conv": (
        lambda: nn.SpectralNorm(nn.Conv2d(4, 8, 3, rng=rng()), rng=rng()),
        (2, 5, 5, 4),
    ),
}


@pytest.mark.parametrize("train", [True, "frozen", False])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_has_the_cpus_numbers(name, train):
    make, given = LAYERS[name]
    rows = {}
    for device in ("cpu", "cuda"):
        layer = make().astype(float).to(device)
        x, inputs = given, layer.parameters()
        if isinstance(given, tuple):
            numbers = rng(1).standard_normal(given)
            x = tg.tensor(numbers, dtype=float, device=device, requires_grad=True)
            inputs = [x, *inputs]
        for _ in range(2):
            y = layer(x, train=train)
        c = tg.tensor(rng(2).standard_normal(y.shape), dtype=float, device=device)
        first = tg.grad(y, inputs, c, retain_graph=True)
        loss = sum(
            (tg.tanh(g) ** 2).sum() for g in tg.grad((y**2).sum(), inputs, create_graph=True)
        )
        second = tg.grad(loss, inputs, allow_unused=True)
        state = layer.state_dict().values()
        rows[device] = [t.numpy() for t in (y, *first, *second, *map(tg.tensor, state))]
    for ours, wanted in zip(rows["cuda"], rows["cpu"], strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-6, atol=1e-9)


def test_indices_may_be_on_the_device_and_are_checked(cupy):
    layer = nn.Embedding(4, 3, rng=rng()).to("cuda")
    on_host, on_device = layer(LABELS), layer(cupy.asarray(LABELS))
    np.testing.assert_array_equal(on_host.numpy(), on_device.numpy())
    with pytest.raises(IndexError, match=r"wanted integers in \[0, 4\), got 1 to 4"):
        layer(cupy.asarray(LABELS + np.array([0, 1, 1])))


@pytest.mark.parametrize("limit", [0.1, 1e3])
def test_clipped_gradients_are_the_cpus_without_waiting(cupy, gpu, limit):
    rows = []
    for device in ("cpu", "cuda"):
        gs = [
            tg.tensor(rng(i).standard_normal(s), dtype=float, device=device)
            for i, s in enumerate([(3, 4), (5,)])
        ]
        before = 0 if gpu else cupy.syncs
        clipped, norm = optim.clip_by_norm(gs, limit)
        by_value = optim.clip_by_value(gs, limit)
        assert gpu or cupy.syncs == before
        rows.append([t.numpy() for t in (*clipped, norm, *by_value)])
    for ours, wanted in zip(*rows, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-12)


def test_an_average_of_weights_is_the_cpus(cupy):
    rows = []
    for device in ("cpu", "cuda"):
        layers = nn.Linear(3, 2, bias=False, rng=rng()), nn.BatchNorm(2)
        net = nn.Sequential(*layers).astype(float).to(device)
        ema, opt = optim.EMA(net, 0.7), optim.AdamW(net.parameters(), lr=optim.cosine(0.1, steps=9))
        x = tg.tensor(rng(1).standard_normal((5, 3)), dtype=float, device=device)
        for _ in range(3):
            opt.step(tg.grad((net(x, train=True) ** 3).sum(), opt.params))
            ema.update()
        rows.append([tg.Tensor(a).numpy() for a in ema.state_dict().values()])
    for ours, wanted in zip(*rows, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-9, atol=1e-12)
