"""Scores of what a classifier says of samples: is each clearly of a class, are all classes there?

p(y|x) is the classifier's answer to the sample x, p(y) its mean over the samples, p*(y) the share
of class y among real images. KL(p‖q) = Σ_y p log(p/q), in nats.

    Inception score    exp E_x KL(p(y|x) ‖ p(y))               (Salimans et al. 2016, section 4)
    diversity score    exp KL(p(y) ‖ p*(y))
    class balance      exp -KL(p(y) ‖ p*(y))
    mode score         Inception score · class balance

The Inception score lies between 1 and the number of classes, that of real images somewhat below it,
as some are not clear: compare with theirs. The diversity score is 1 where the classes' shares are
the real ones and grows as they differ, up to 1 / min p*, though it is sometimes read as "higher is
closer"; class balance is what such a reading wants, 1 at best and near 0 at worst.

A mode score is also written exp(E_x KL(p(y|x) ‖ p*(y)) - KL(p(y) ‖ p*(y))). But that is the
Inception score, whatever p* is, as E_x p(y|x) = p(y).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtrc, rel_entr

from ..errors import UsageError

Array = np.ndarray[Any, Any]


def inception_score(p: Any, *, splits: int = 10) -> tuple[float, float]:
    """Mean and standard deviation of the scores of `splits` equal parts of the samples.

    p (N, K): p(y|x) for each sample. What is left over by equal parts is not looked at. Raises
    UsageError for fewer samples than splits, or numbers that are no probabilities.
    """
    p = _probabilities("inception_score", p)
    if not 1 <= splits <= len(p):
        raise UsageError(
            f"inception_score: wanted 1 to N splits of N samples, got {splits} of {len(p)}"
        )
    parts = p[: len(p) // splits * splits].reshape(splits, -1, p.shape[1])
    information = rel_entr(parts, parts.mean(1, keepdims=True)).sum(2).mean(1)
    scores = np.exp(information)
    return float(scores.mean()), float(scores.std())


def diversity_score(p: Any, real: Any) -> float:
    """exp KL(p(y) ‖ p*(y)), 1 or more. p (N, K): p(y|x); real (K,): p*(y), of no class 0."""
    return float(np.exp(_distance_of_shares("diversity_score", p, real)))


def class_balance(p: Any, real: Any) -> float:
    """exp -KL(p(y) ‖ p*(y)), over 0 and at most 1. p (N, K): p(y|x); real (K,): p*(y)."""
    return float(np.exp(-_distance_of_shares("class_balance", p, real)))


def mode_score(p: Any, real: Any, *, splits: int = 10) -> float:
    """Inception score · class balance. p (N, K): p(y|x); real (K,): p*(y)."""
    return inception_score(p, splits=splits)[0] * class_balance(p, real)


class Modes(NamedTuple):
    """Which classes are among the samples."""

    covered: int  # classes with at least the share that was asked for
    chi_square: float  # Σ (n_k - N p*_k)² / (N p*_k)
    p_value: float  # the chance of as much, or more, if samples had the real shares


def modes(counts: Any, real: Any, *, share: float = 0.02) -> Modes:
    """Compares the number of samples of each class (K,) with the real shares (K,).

    share: of the samples, from which on a class counts as covered. Raises UsageError without
    samples, or for shapes that differ.
    """
    counts, real = np.asarray(counts, np.float64), np.asarray(real, np.float64)
    if counts.shape != real.shape or counts.ndim != 1 or not counts.sum() > 0:
        raise UsageError(
            f"modes: wanted counts (K,), not all 0, and shares (K,), got {counts} and {real}"
        )
    _check_shares("modes", real, len(counts))
    wanted = counts.sum() * real / real.sum()
    chi_square = ((counts - wanted) ** 2 / wanted).sum()
    covered = int((counts >= share * counts.sum()).sum())
    return Modes(covered, float(chi_square), float(chdtrc(len(counts) - 1, chi_square)))


def _distance_of_shares(name: str, p: Any, real: Any) -> float:
    """KL(p(y) ‖ p*(y)), in nats."""
    p, real = _probabilities(name, p), np.asarray(real, np.float64)
    _check_shares(name, real, p.shape[1])
    return float(rel_entr(p.mean(0), real).sum())


def _probabilities(name: str, p: Any) -> Array:
    p = np.asarray(p, np.float64)
    if p.ndim != 2 or not len(p):
        raise UsageError(f"{name}: wanted p(y|x) of samples, (N, classes), got {p.shape}")
    if not (np.isfinite(p).all() and (p >= 0).all() and np.allclose(p.sum(1), 1, atol=1e-4)):
        raise UsageError(f"{name}: wanted p(y|x) >= 0 that sum to 1, got other numbers or NaN")
    return p


def _check_shares(name: str, real: Array, classes: int) -> None:
    if real.shape != (classes,) or not (real > 0).all() or not np.isclose(real.sum(), 1):
        raise UsageError(f"{name}: wanted p*(y) > 0 of {classes} classes that sum to 1, got {real}")
