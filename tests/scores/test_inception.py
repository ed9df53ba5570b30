"""Scores of a classifier's answers: known answers, what must hold always, and wrong input."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from tinygen.errors import UsageError
from tinygen.scores import class_balance, diversity_score, inception_score, mode_score, modes

SEEDS = st.integers(0, 10**6)
EVEN = np.full(10, 0.1)


def answers(seed, n=60, classes=10):
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), n)


@given(SEEDS)
def test_the_formulas_by_scipys_entropy(seed):
    p, real = answers(seed), answers(seed + 1, 1)[0] + 1e-3
    real /= real.sum()
    parts = p.reshape(6, 10, 10)
    each = [np.exp(np.mean([scipy.stats.entropy(x, q.mean(0)) for x in q])) for q in parts]
    mean, sd = inception_score(p, splits=6)
    assert (mean, sd) == pytest.approx((np.mean(each), np.std(each)), rel=1e-12)
    distance = scipy.stats.entropy(p.mean(0), real)
    assert diversity_score(p, real) == pytest.approx(np.exp(distance), rel=1e-12)
    assert class_balance(p, real) == pytest.approx(np.exp(-distance), rel=1e-12)
    assert mode_score(p, real, splits=6) == pytest.approx(mean * np.exp(-distance), rel=1e-12)


@given(SEEDS)
def test_the_other_mode_score_is_the_inception_score(seed):
    """exp(E_x KL(p(y|x) ‖ p*) - KL(p(y) ‖ p*)), whatever p* is."""
    p, real = answers(seed), np.random.default_rng(seed).dirichlet(np.ones(10))
    first = np.mean([scipy.stats.entropy(x, real) for x in p])
    other = np.exp(first - scipy.stats.entropy(p.mean(0), real))
    assert inception_score(p, splits=1)[0] == pytest.approx(other, rel=1e-9)


def test_clear_samples_of_all_classes_score_as_many_as_there_are():
    p = np.eye(10)[np.tile(np.arange(10), 50)]
    assert inception_score(p) == (pytest.approx(10), pytest.approx(0, abs=1e-12))
    assert (diversity_score(p, EVEN), class_balance(p, EVEN)) == pytest.approx((1, 1))


def test_one_class_only_scores_1_and_the_diversity_score_is_at_its_worst():
    p = np.eye(10)[np.full(500, 3)]
    assert inception_score(p)[0] == pytest.approx(1)
    assert diversity_score(p, EVEN) == pytest.approx(10)
    assert class_balance(p, EVEN) == pytest.approx(0.1)


def test_modes_count_what_is_covered():
    counts = np.array([100, 100, 19, 0])
    found = modes(counts, np.array([0.4, 0.4, 0.1, 0.1]), share=0.05)
    assert found.covered == 3
    wanted = scipy.stats.chisquare(counts, 219 * np.array([0.4, 0.4, 0.1, 0.1]))
    assert (found.chi_square, found.p_value) == pytest.approx(tuple(wanted))
    assert modes([40, 60], [0.4, 0.6]) == (2, 0, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inception_score(answers(0, 5)), "1 to N splits of N samples, got 10 of 5"),
        (lambda: inception_score(np.zeros((0, 10))), r"\(N, classes\), got \(0, 10\)"),
        (lambda: inception_score(np.full((20, 10), np.nan)), "got other numbers or NaN"),
        (lambda: diversity_score(np.ones((20, 10)), EVEN), "that sum to 1, got other"),
        (lambda: class_balance(answers(0), EVEN[:9]), "10 classes that sum to 1"),
        (lambda: class_balance(answers(0), np.eye(10)[0]), r"p\*\(y\) > 0 of 10 classes"),
        (lambda: modes(np.zeros(10), EVEN), "not all 0"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(UsageError, match=message):
        call()
