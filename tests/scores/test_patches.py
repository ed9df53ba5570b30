"""The distance of patches by level: known answers, and what must hold always."""

import numpy as np
import pytest
import scipy.ndimage

from tinygen import data
from tinygen.errors import UsageError
from tinygen.scores import sliced_wasserstein_by_level
from tinygen.scores.patches import levels, normalised, patches


def rng(seed=0):
    return np.random.default_rng(seed)


def distances(a, b, seed=0):
    return sliced_wasserstein_by_level(a, b, rng(seed), count=32, k=20)


@pytest.fixture(scope="module")
def digits():
    return data.load("strokes", "test").images[:400]


def test_a_set_is_at_0_from_itself(digits):
    assert distances(digits, digits) == {28: 0.0, 14: 0.0}


def test_two_sets_of_one_kind_are_near_and_others_far(digits):
    near = distances(digits[:200], digits[200:])
    noise = rng().integers(0, 256, digits[:200].shape, np.uint8)
    far = distances(digits[:200], noise)
    for level in (28, 14):
        assert 0 < near[level] < 0.06 < 5 * near[level] < far[level]


def test_a_blur_changes_the_finest_level_most(digits):
    blurred = scipy.ndimage.gaussian_filter(digits, (0, 0.6, 0.6, 0))
    found = distances(digits, blurred)
    assert found[28] > 2 * found[14] > 0


def test_places_do_not_matter_but_what_is_there(digits):
    """Moved images have other patches at the same places; turned ones have other patches."""
    moved, turned = np.roll(digits, 1, axis=2), digits.transpose(0, 2, 1, 3)[:, ::-1]
    assert 0 < distances(digits, moved)[28] < 0.5 * distances(digits, turned)[28]


def test_brightness_and_contrast_do_not_count():
    x = rng().integers(0, 100, (50, 16, 16, 3), np.uint8)
    lighter = 2 * x + np.array([10, 20, 40], np.uint8)
    assert distances(x, lighter)[16] < 1e-3


def test_a_finer_grain_shows_at_its_level_alone():
    """The same coarse squares, with other details."""
    coarse = rng(0).integers(50, 200, (100, 14, 14, 1), np.uint8)
    a, b = (np.repeat(np.repeat(coarse, 2, 1), 2, 2).astype(int) for _ in "ab")
    b[:, ::2, ::2] += 40
    b[:, 1::2, 1::2] -= 40
    found = distances(a.astype(np.uint8), b.astype(np.uint8))
    assert found[28] > 3 * found[14]


def test_patches_are_pieces_of_their_images():
    x = np.arange(2 * 9 * 8 * 3).reshape(2, 9, 8, 3)
    p = patches(x, rng(), count=50)
    assert p.shape == (100, 7, 7, 3)
    corners = {tuple(corner) for corner in np.argwhere(np.isin(x[..., 0], p[:, 0, 0, 0]))}
    assert corners == {(i, row, column) for i in (0, 1) for row in (0, 1, 2) for column in (0, 1)}
    for piece in p:
        i, row, column, _ = np.unravel_index(piece[0, 0, 0], x.shape)
        np.testing.assert_array_equal(piece, x[i, row : row + 7, column : column + 7])


def test_channels_are_normalised_each():
    p = rng().standard_normal((50, 7, 7, 2)) * [3.0, 0.1] + [5.0, -1.0]
    y = normalised(p)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, rtol=1e-12)
    flat = normalised(np.full((5, 7, 7, 1), 0.3))
    np.testing.assert_allclose(flat, 0, atol=1e-12)


@pytest.mark.parametrize(
    ("size", "wanted"), [((28, 28), 2), ((32, 32), 2), ((64, 64), 3), ((8, 30), 1), ((64, 30), 2)]
)
def test_levels_stop_where_patches_would_be_the_image(size, wanted):
    assert levels(*size) == wanted


def test_what_does_not_fit_is_named():
    x = np.zeros((2, 8, 8, 1), np.uint8)
    with pytest.raises(UsageError, match=r"wanted images of 7×7 or more, got 6×8"):
        distances(x[:, :6], x[:, :6])
    for y in (x[:1], x.astype(float), x[0]):
        with pytest.raises(UsageError, match=r"wanted uint8 images \(N, H, W, C\) of one shape"):
            distances(x, y)
