"""PCA against scikit-learn, principal angles against cases done by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.errors import UsageError
from tinygen.scores import pca, principal_angles

SEEDS = st.integers(0, 10**6)


def cloud(seed, n=40, d=6):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + rng.standard_normal(d)


@pytest.mark.parametrize("n", [40, 4], ids=["tall", "wide"])
@pytest.mark.parametrize("d", [1, 3])
def test_it_is_scikit_learns(n, d):
    sklearn = pytest.importorskip("sklearn.decomposition")
    x = cloud(3, n)
    theirs, ours = sklearn.PCA(d).fit(x), pca(x, d)
    np.testing.assert_allclose(ours.mean, theirs.mean_)
    np.testing.assert_allclose(ours.variances, theirs.explained_variance_)
    signs = np.sign((ours.components * theirs.components_).sum(1))
    np.testing.assert_allclose(ours.components * signs[:, None], theirs.components_, atol=1e-9)
    back = theirs.inverse_transform(theirs.transform(x))
    np.testing.assert_allclose(ours.reconstruct(x), back, atol=1e-9)
    np.testing.assert_allclose(ours.encode(x) * signs, theirs.transform(x), atol=1e-9)


@given(SEEDS)
def test_the_error_is_the_variance_that_is_left(seed):
    x = cloud(seed)
    left = ((x - pca(x, 2).reconstruct(x)) ** 2).sum() / (len(x) - 1)
    assert left == pytest.approx(pca(x, 6).variances[2:].sum(), rel=1e-9)
    np.testing.assert_allclose(pca(x, 6).reconstruct(x), x, atol=1e-9)


def test_angles_by_hand():
    """The xy-plane, and the same turned by 30° around x; a line in it, at 90° and at 1e-6°."""
    plane, c, s = np.eye(3)[:, :2], np.cos(np.pi / 6), np.sin(np.pi / 6)
    turned = np.array([[1, 0], [0, c], [0, s]])
    np.testing.assert_allclose(principal_angles(plane, turned), [0, 30], atol=1e-9)
    assert principal_angles(plane, [[0], [0], [2.0]]) == pytest.approx([90])
    tiny = np.radians(1e-6)
    assert principal_angles(plane, [[1], [0], [tiny]])[0] == pytest.approx(1e-6, rel=1e-6)


@given(SEEDS)
def test_angles_are_of_the_spaces_whatever_their_bases(seed):
    rng = np.random.default_rng(seed)
    a, b, mix = rng.standard_normal((7, 3)), rng.standard_normal((7, 3)), rng.random((3, 3))
    angles = principal_angles(a, b)
    assert (np.diff(angles) >= 0).all() and angles[0] >= 0 and angles[-1] <= 90
    np.testing.assert_allclose(principal_angles(a @ (mix + np.eye(3)), b), angles, atol=1e-6)
    turn = np.linalg.qr(rng.standard_normal((7, 7)))[0]
    np.testing.assert_allclose(principal_angles(turn @ a, turn @ b), angles, atol=1e-6)
    assert principal_angles(a, a @ (mix + np.eye(3))).max() < 1e-5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pca(np.ones((5, 3)), 4), r"1 <= d <= N and D, got \(5, 3\), d = 4"),
        (lambda: pca(np.ones((5, 3)), 0), "d = 0"),
        (lambda: pca(np.ones(5), 1), r"got \(5,\)"),
        (lambda: pca(np.full((5, 3), np.nan), 1), "got NaN or infinity"),
        (lambda: principal_angles(np.ones((5, 3)), np.ones((4, 3))), r"got \(5, 3\) and \(4, 3\)"),
        (lambda: principal_angles(np.full((5, 1), np.inf), np.ones((5, 1))), "got NaN or inf"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(UsageError, match=message):
        call()
