"""pad and one-sided clip: what the catalogue does not reach."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygen as tg

x = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("widths", [0, 2, (1, 2), ((1, 2),), ((1, 0), (0, 3)), ((1,), (2,))])
@pytest.mark.parametrize("how", [{}, {"value": 7}, {"mode": "reflect"}])
def test_widths_are_given_as_numpys(widths, how):
    numpys = {"constant_values": how["value"]} if "value" in how else how
    assert_array_equal(tg.pad(tg.tensor(x), widths, **how).numpy(), np.pad(x, widths, **numpys))


def test_reflection_is_torchs():
    torch = pytest.importorskip("torch")
    images = np.random.default_rng(0).standard_normal((2, 4, 5, 3))
    ours = tg.pad(tg.tensor(images, dtype=float), ((0, 0), (1, 3), (2, 4), (0, 0)), mode="reflect")
    nchw = torch.from_numpy(images).permute(0, 3, 1, 2)
    theirs = torch.nn.functional.pad(nchw, (2, 4, 1, 3), mode="reflect").permute(0, 2, 3, 1)
    assert_array_equal(ours.numpy(), theirs.numpy())


def test_clip_at_one_end():
    t = tg.tensor([-2.0, 0.5, 3.0], requires_grad=True)
    assert_array_equal(t.clip(0).numpy(), [0, 0.5, 3])
    assert_array_equal(t.clip(high=1).numpy(), [-2, 0.5, 1])
    assert_array_equal(tg.grad(t.clip(0).sum(), [t])[0].numpy(), [0, 1, 1])
    assert_array_equal(tg.grad(t.clip(high=1).sum(), [t])[0].numpy(), [1, 1, 0])
