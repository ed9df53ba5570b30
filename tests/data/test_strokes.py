"""The built-in digits: their form, their look as numbers, and that they can be told apart."""

import numpy as np
import pytest

from tinygen.data import strokes

DRAWN = strokes.draw(2000, seed=3)


def ink(images):
    return images[..., 0].astype(np.float64) / 255.0


def test_images_and_labels_have_the_form_of_mnist():
    images, labels = DRAWN
    assert images.shape == (2000, 28, 28, 1)
    assert images.dtype == np.uint8
    assert labels.shape == (2000,)
    assert labels.dtype == np.int64
    assert "".join(strokes.CLASSES) == "0123456789"


def test_every_image_has_empty_background_and_full_ink():
    images, _ = DRAWN
    assert (images.min(axis=(1, 2, 3)) == 0).all()
    assert (images.max(axis=(1, 2, 3)) > 200).all()


@pytest.mark.parametrize("n", [1, 7, strokes.CHUNK, strokes.CHUNK + 1])
def test_any_number_can_be_drawn(n):
    images, labels = strokes.draw(n)
    assert len(images) == len(labels) == n
    assert (images.max(axis=(1, 2, 3)) > 200).all()


def test_the_same_seed_draws_the_same_images():
    images, labels = strokes.draw(2000, seed=3)
    assert np.array_equal(images, DRAWN[0])
    assert np.array_equal(labels, DRAWN[1])


def test_another_seed_draws_other_images():
    images, labels = strokes.draw(2000, seed=4)
    assert not np.array_equal(labels, DRAWN[1])
    both = np.concatenate([images, DRAWN[0]])
    assert len({image.tobytes() for image in both}) == len(both)


def test_classes_are_balanced_and_in_random_order():
    assert (np.bincount(DRAWN[1], minlength=10) == 200).all()
    counts = np.bincount(strokes.draw(47)[1], minlength=10)
    assert set(counts) == {4, 5}
    repeats = (DRAWN[1][1:] == DRAWN[1][:-1]).mean()
    assert 0.05 < repeats < 0.15


def test_no_ink_on_the_border():
    inner = np.zeros((28, 28), bool)
    inner[1:-1, 1:-1] = True
    assert (DRAWN[0][:, ~inner] == 0).all()


def test_digits_are_centred_by_mass():
    images = ink(DRAWN[0])
    offsets = np.arange(28) - 13.5
    mass = images.sum(axis=(1, 2))
    x = images.sum(axis=1) @ offsets / mass
    y = images.sum(axis=2) @ offsets / mass
    distance = np.hypot(x, y)
    assert np.median(distance) < 0.9
    assert distance.max() < 4.5
    assert abs(x.mean()) < 0.3
    assert abs(y.mean()) < 0.5


def test_digits_fill_a_box_of_about_twenty_pixels():
    images = DRAWN[0][..., 0] > 127
    rows, columns = images.any(axis=2).sum(axis=1), images.any(axis=1).sum(axis=1)
    longest = np.maximum(rows, columns)
    assert 18 <= np.median(longest) <= 21
    assert longest.min() >= 15
    assert longest.max() <= 23


def test_ink_statistics_are_near_those_of_mnist():
    """MNIST: mean 0.1307, standard deviation 0.3081."""
    images = ink(DRAWN[0])
    assert 0.120 < images.mean() < 0.142
    assert 0.295 < images.std() < 0.322
    per_class = np.array([images[DRAWN[1] == digit].mean() for digit in range(10)])
    assert per_class.argmin() == 1
    assert (per_class > 0.05).all()
    assert (per_class < 0.19).all()


def test_digits_stand_upright():
    """By the ink below and to the right of the middle: 6 has its loop low, 7 its bar high."""

    def share_beyond_middle(images, axis):
        profile = images.sum(axis=axis)
        inked = profile > 0.5
        middle = (inked.argmax(axis=1) + 27 - inked[:, ::-1].argmax(axis=1)) / 2
        beyond = (np.arange(28) > middle[:, None]) * profile
        return beyond.sum(axis=1) / profile.sum(axis=1)

    images, labels = DRAWN
    below, right = (share_beyond_middle(ink(images), axis) for axis in (2, 1))
    below, right = (np.array([s[labels == d].mean() for d in range(10)]) for s in (below, right))
    assert below.argmax() == 6
    assert set(np.flatnonzero(below < 0.4)) == {7, 9}
    assert right.argmax() == 3
    assert right.argmin() == 6


def test_pen_width_varies_between_images():
    images, labels = DRAWN
    amounts = ink(images[labels == 0]).mean(axis=(1, 2))
    thin, thick = np.quantile(amounts, [0.05, 0.95])
    assert thick > 1.6 * thin


def test_edges_are_soft():
    grey = (DRAWN[0] > 20) & (DRAWN[0] < 235)
    assert 0.06 < grey.mean() < 0.13


def test_every_skeleton_is_one_even_curve_within_its_box():
    for variants in strokes.SKELETONS.values():
        assert len(variants) >= 2
        for _, text in variants:
            skeleton = strokes._skeleton(text)
            np.testing.assert_allclose(skeleton.basis.sum(axis=1), 1.0, atol=1e-9)
            assert (skeleton.joined == 0).sum() == text.count("|")
            curve = skeleton.basis @ skeleton.points
            steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)[skeleton.joined == 1]
            assert steps.max() < 1.6 * np.median(steps)
            assert abs(curve[:, 1]).max() < 0.56


def test_a_curve_passes_through_its_control_points_and_turns_sharply_at_corners():
    points, corners = strokes._parse("0,0 50,0! 50,50 100,50")
    assert corners == [1]
    curve = strokes._spline(len(points), corners) @ points
    for point in points:
        assert np.linalg.norm(curve - point, axis=1).min() < 1e-9
    before_the_corner = curve[: len(curve) // 3]
    np.testing.assert_allclose(before_the_corner[:, 1], 0.0, atol=1e-9)


def test_all_variants_of_a_digit_are_used(monkeypatch):
    used = []
    original = strokes._skeleton
    monkeypatch.setattr(strokes, "_skeleton", lambda text: used.append(text) or original(text))
    labels = np.zeros(500, np.int64)
    curves, _ = strokes._write(labels, np.random.default_rng(0))
    texts = [text for _, text in strokes.SKELETONS["0"]]
    assert set(texts) <= set(used)
    nominal = np.stack([original(text).basis @ original(text).points for text in texts])
    nearest = np.linalg.norm(curves[:, None] - nominal, axis=-1).mean(axis=-1).argmin(axis=1)
    assert set(nearest) == set(range(len(texts)))


def test_a_linear_classifier_reads_the_digits_of_another_seed():
    """Softmax regression: it can only learn digits that look alike per label."""

    def features(images):
        # Means of 2 x 2 pixels: few enough inputs for 2,000 images.
        pooled = ink(images).reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(images), -1)
        return np.hstack([pooled, np.ones((len(images), 1))])

    x, targets = features(DRAWN[0]), np.eye(10)[DRAWN[1]]
    weights = velocity = np.zeros((x.shape[1], 10))
    for _ in range(80):
        odds = np.exp(x @ weights)
        gradient = x.T @ (odds / odds.sum(axis=1, keepdims=True) - targets) / len(x)
        velocity = 0.9 * velocity - 0.3 * gradient
        weights = weights + velocity
    images, labels = strokes.draw(1000, seed=99)
    guesses = (features(images) @ weights).argmax(axis=1)
    assert (guesses == labels).mean() > 0.9
    per_class = [(guesses[labels == digit] == digit).mean() for digit in range(10)]
    assert min(per_class) > 0.75


@pytest.mark.parametrize("n", [0, -3, 2.5, "10", None, True])
def test_a_bad_count_is_refused(n):
    with pytest.raises(ValueError, match=r"n must be an integer of at least 1, got "):
        strokes.draw(n)


@pytest.mark.parametrize("seed", [-1, 0.5, "a", None])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match=rf"seed must be an integer of at least 0, got {seed!r}"):
        strokes.draw(3, seed=seed)


def test_numpy_integers_are_accepted():
    images, _ = strokes.draw(np.int64(3), seed=np.int32(1))
    assert np.array_equal(images, strokes.draw(3, seed=1)[0])
