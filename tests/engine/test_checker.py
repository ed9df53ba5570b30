"""The checker must bite: wrong rules are refused, also those wrong only at higher order."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.core import Tensor

X = np.array([[0.3, -0.7], [1.1, 0.4]])


def made(forward, rule):
    op = tg.primitive(forward)
    op.vjp(x=rule)
    return op


def test_right_rules_pass():
    tg.gradcheck(lambda x: tg.tanh(x) * tg.exp(x), [X], order=3)


def test_a_wrong_factor_is_refused_and_the_worst_entry_named():
    wrong = made(lambda x: np.sin(x), lambda g, y, x: g * y)
    with pytest.raises(
        tg.GradientMismatch, match=r"order 1, input 0 \(2, 2\).*worst at \[\d, \d\]"
    ):
        tg.gradcheck(wrong, [X])


def test_one_wrong_entry_is_refused():
    off = np.array([[0.0, 0.0], [1e-3, 0.0]])
    wrong = made(lambda x: 3.0 * x, lambda g, y, x: g * (3.0 + off))
    with pytest.raises(tg.GradientMismatch, match=r"worst at \[1, 0\]"):
        tg.gradcheck(wrong, [X])


def test_the_wrong_input_is_named():
    with pytest.raises(tg.GradientMismatch, match="input 1"):
        tg.gradcheck(lambda a, b: a * b.detach(), [X, X + 1])


def test_wrong_only_at_second_order_is_refused():
    """A rule that captures a raw array of the inputs: right once, a constant from then on."""
    wrong = made(lambda x: np.exp(x), lambda g, y, x: g * y.data)
    tg.gradcheck(wrong, [X], order=1)
    with pytest.raises(tg.GradientMismatch, match="order 2, input 0"):
        tg.gradcheck(wrong, [X], order=2)


def test_wrong_only_in_the_cotangent_is_refused():
    """A rule whose value is right but which cuts the graph of g."""
    wrong = made(lambda x: 2.0 * x, lambda g, y, x: Tensor(2.0 * g.data))
    tg.gradcheck(wrong, [X], order=1)
    with pytest.raises(tg.GradientMismatch, match="order 2, the cotangent"):
        tg.gradcheck(wrong, [X], order=2)


def test_wrong_only_at_third_order_is_refused():
    dsin = made(lambda x: np.cos(x), lambda g, y, x: g * -np.sin(x.data))
    wrong = made(lambda x: np.sin(x), lambda g, y, x: g * dsin(x))
    tg.gradcheck(wrong, [X], order=2)
    with pytest.raises(tg.GradientMismatch, match="order 3"):
        tg.gradcheck(wrong, [X], order=3)


def test_batch_norm_with_a_captured_scale_is_refused():
    """DeZero's slip: 1/σ as a raw array makes the second derivative wrong, the first one right."""

    @tg.primitive
    def captured(x):
        return (x - x.mean(0)) / np.sqrt(x.var(0) + 0.1)

    def rule(g, y, x):
        scale = 1 / np.sqrt(x.data.var(0) + 0.1)
        return (g - tg.mean(g, axis=0) - y * tg.mean(g * y, axis=0)) * scale

    captured.vjp(x=rule)
    x = np.random.default_rng(0).standard_normal((5, 2))
    tg.gradcheck(captured, [x], order=1)
    with pytest.raises(tg.GradientMismatch, match="order 2"):
        tg.gradcheck(captured, [x], order=2)


def test_nan_is_refused():
    nan = made(lambda x: x * 1.0, lambda g, y, x: g * np.nan)
    with pytest.raises(tg.GradientMismatch):
        tg.gradcheck(nan, [X])


def test_a_wrong_formula_is_refused_though_its_fast_rule_is_right():
    wrong = made(lambda x: np.exp(x), lambda g, y, x: g * y * 2.0)
    wrong.fast(x=lambda g, y, x: g * y)
    with pytest.raises(tg.GradientMismatch, match=r"order 1, input 0 .*by the formulas"):
        tg.gradcheck(wrong, [X])


def test_a_wrong_fast_rule_is_refused_though_its_formula_is_right():
    wrong = made(lambda x: np.exp(x), lambda g, y, x: g * y)
    wrong.fast(x=lambda g, y, x: g * y * 2.0)
    with pytest.raises(tg.GradientMismatch, match=r"order 1, input 0 .*by the fast rules"):
        tg.gradcheck(wrong, [X])


def test_a_fast_rule_wrong_for_gradients_of_gradients_only_is_refused():
    """Right where y = eˣ as the forward made it; order 2 brings other cotangents."""
    square = made(lambda x: x * x, lambda g, y, x: g * x * 2.0)
    wrong = made(lambda x: np.exp(x), lambda g, y, x: square(g) / g * y)
    wrong.fast(x=lambda g, y, x: g * y)
    tg.gradcheck(wrong, [X], order=2)
    square.fast(x=lambda g, y, x: g * x)
    with pytest.raises(tg.GradientMismatch, match=r"order 2, .*by the fast rules"):
        tg.gradcheck(wrong, [X], order=2)


@pytest.mark.parametrize("which", ["rule", "fast rule"])
@pytest.mark.parametrize(
    ("bad", "given"),
    [
        (lambda g: g.sum(axis=0), r"\(2,\) float\d\d, wanted \(2, 2\)"),
        (lambda g: g[:, :1], r"\(2, 1\) float\d\d, wanted \(2, 2\)"),
        (lambda g: g.astype(np.float64), r"\(2, 2\) float64, wanted \(2, 2\) float32"),
        (lambda g: g.astype(np.float32), r"\(2, 2\) float32, wanted \(2, 2\) float64"),
    ],
)
def test_gradients_of_the_wrong_shape_or_dtype_are_refused(which, bad, given):
    """A gradient of one axis too few broadcasts, and may pass as a number."""
    op = made(lambda x: x * 1, lambda g, y, x: Tensor(bad(g.data)) if which == "rule" else g)
    if which == "fast rule":
        op.fast(x=lambda g, y, x: bad(g))
    with pytest.raises(ValueError, match=f"'s {which} for x gave {given}"):
        tg.gradcheck(op, [X])


def test_functions_that_hold_float64_tensors_are_checked_in_float64():
    held = tg.tensor(X, dtype=float)
    tg.gradcheck(lambda x: x * held, [X], order=2)
    wrong = made(lambda x: np.exp(x), lambda g, y, x: g * y * 2.0)
    with pytest.raises(tg.GradientMismatch):
        tg.gradcheck(lambda x: wrong(x) * held, [X])
