"""Precision, recall and nearest neighbours: by plain loops, known answers, wrong input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.errors import UsageError
from tinygen.scores import nearest, neighbours, precision_recall

SEEDS = st.integers(0, 10**6)


def cloud(seed, n, d=2, at=0.0):
    return np.random.default_rng(seed).standard_normal((n, d)) + at


def share_within(points, centres, k):
    """As the paper writes it: f(φ, Φ) = 1 if ‖φ - φ'‖ <= ‖φ' - NN_k(φ', Φ)‖ for a φ' in Φ."""
    inside = 0
    for p in points:
        for c in centres:
            others = sorted(np.linalg.norm(c - o) for o in centres)
            if np.linalg.norm(p - c) <= others[k]:
                inside += 1
                break
    return inside / len(points)


@given(SEEDS, st.integers(1, 4))
def test_by_plain_loops(seed, k):
    real, samples = cloud(seed, 12), cloud(seed + 1, 9, at=0.7)
    wanted = share_within(samples, real, k), share_within(real, samples, k)
    assert precision_recall(real, samples, k=k) == pytest.approx(wanted)


def test_known_answers(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 7)  # blocks that do not divide the numbers
    real = cloud(0, 100)
    assert precision_recall(real, real) == (1, 1)
    assert precision_recall(real, real + 1000) == (0, 0)
    one_mode = np.concatenate([cloud(1, 50), cloud(2, 50, at=1000)])
    precision, recall = precision_recall(one_mode, cloud(3, 100))  # half of it is never drawn
    assert precision > 0.8 and 0.4 < recall <= 0.5


@given(SEEDS)
def test_the_nearest(seed):
    points, among = cloud(seed, 5), cloud(seed + 1, 20)
    index, distance = nearest(points, among)
    every = np.linalg.norm(points[:, None] - among, axis=2)
    np.testing.assert_array_equal(index, every.argmin(1))
    np.testing.assert_allclose(distance, every.min(1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: precision_recall(cloud(0, 3), cloud(0, 9)), "got k = 3 for 3 and 9"),
        (lambda: precision_recall(cloud(0, 9), cloud(0, 9), k=0), "got k = 0"),
        (lambda: nearest(cloud(0, 9), cloud(0, 9, 3)), r"got \(9, 2\) and \(9, 3\)"),
        (lambda: nearest(np.full((2, 2), np.inf), cloud(0, 9)), "got NaN or infinity"),
        (lambda: nearest(cloud(0, 9), np.zeros((0, 2))), r"got \(9, 2\) and \(0, 2\)"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(UsageError, match=message):
        call()
