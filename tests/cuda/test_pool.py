"""Pooling and resizing of images that take several blocks of threads."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygen as tg
from tinygen.cuda import resample

IMAGES = (3, 17, 14, 5)
OPS = {
    "max_pool": lambda x: tg.max_pool(x, 3, stride=2, padding=1),
    "max_pool, windows that overlap": lambda x: tg.max_pool(x, (4, 3), stride=1),
    "avg_pool": lambda x: tg.avg_pool(x, 3, stride=2, padding=1),
    "avg_pool, of pixels on the image": lambda x: tg.avg_pool(
        x, (4, 3), stride=1, padding=(2, 1), count_include_pad=False
    ),
    "avg_pool, pixels left out": lambda x: tg.avg_pool(x, 2, stride=4),
    "resize, nearest": lambda x: tg.resize(x, (40, 9)),
    "resize, bilinear": lambda x: tg.resize(x, (40, 9), mode="bilinear"),
    "resize, to one": lambda x: tg.resize(x, 1, mode="bilinear"),
}


@pytest.mark.parametrize("name", OPS)
def test_values_and_gradients_are_the_cpus(name):
    images = np.random.default_rng(0).standard_normal(IMAGES)
    results = []
    for device in ("cuda", "cpu"):
        x = tg.tensor(images, device=device, requires_grad=True)
        y = OPS[name](x)
        c = tg.tensor(np.random.default_rng(1).standard_normal(y.shape), device=device)
        results.append([y, *tg.grad(y, [x], c)])
    for on_cuda, on_cpu in zip(*results, strict=True):
        assert_allclose(on_cuda.numpy(), on_cpu.numpy(), rtol=1e-4, atol=1e-5)


def test_the_first_of_equal_numbers_gets_the_gradient():
    numbers = np.random.default_rng(0).integers(0, 2, (2, 6, 6, 3))
    gs = []
    for device in ("cuda", "cpu"):
        x = tg.tensor(numbers, device=device, requires_grad=True)
        gs.append(tg.grad(tg.max_pool(x, 3, stride=1).sum(), [x])[0].numpy())
    np.testing.assert_array_equal(*gs)


def test_nan_and_infinities_are_the_cpus():
    x = np.zeros((1, 3, 6, 1))
    x[0, 1, 1], x[0, 1, 4], x[0, :, 0] = np.nan, np.inf, -np.inf
    for f in (
        lambda x: tg.max_pool(x, 2, stride=1, padding=1),
        lambda x: tg.resize(x, (3, 11), mode="bilinear"),
    ):
        on_cuda, on_cpu = (f(tg.tensor(x, device=d)).numpy() for d in ("cuda", "cpu"))
        np.testing.assert_array_equal(on_cuda, on_cpu)


def test_images_too_large_for_whole_numbers_are_refused():
    with pytest.raises(ValueError, match="wanted images of at most 32,000 pixels a side, got"):
        resample._check_sizes((40_000, 1), (40_000, 1))
