"""What a Tensor is: dtypes, conversions, comparisons, and clear errors."""

import re

import numpy as np
import pytest

import tinygen as tg
from tinygen.core import Tensor
from tinygen.ops.elementwise import mul


@pytest.mark.parametrize(
    "data", [1, 2.5, [1, 2], [[1.0], [2.0]], np.arange(3), np.ones(2, np.float64), np.bool_(True)]
)
def test_tensor_is_float32_unless_asked(data):
    assert tg.tensor(data).dtype == np.float32
    assert tg.tensor(data, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(tg.tensor(data).numpy(), np.asarray(data, np.float32))


def test_tensor_copies():
    source = np.ones(3, np.float32)
    x = tg.tensor(source)
    source[0] = 7
    assert x.numpy()[0] == 1


def test_numpy_view_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        tg.tensor([1.0]).numpy()[0] = 2


@pytest.mark.parametrize("dtype", [np.float16, np.int64, "complex64"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match="wanted dtype float32 or float64"):
        tg.tensor([1.0], dtype=dtype)


@pytest.mark.parametrize("data", [["a"], np.array([1j]), np.array([None])])
def test_what_is_not_real_is_refused(data):
    with pytest.raises(TypeError, match="wanted real numbers, got dtype"):
        tg.tensor(data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "number", [2, 2.0, True, np.sqrt(2), np.float32(2), np.int64(3), np.array(2.0)]
)
def test_numbers_take_the_tensors_dtype(dtype, number):
    x = tg.tensor([1.0, 2.0], dtype=dtype)
    for y in (x * number, number * x, x + number, number - x, x / number, x**number, number**x):
        assert y.dtype == dtype


def test_raw_integers_and_masks_enter():
    x = tg.tensor([1.0, 2.0])
    assert (x * np.array([2, 3])).dtype == np.float32
    assert (np.array([2, 3]) * x).dtype == np.float32
    np.testing.assert_array_equal((x * np.array([True, False])).numpy(), [1, 0])
    np.testing.assert_array_equal(tg.add(x, [1, 1]).numpy(), [2, 3])


def test_ops_take_raw_arrays_alone():
    assert tg.exp(np.zeros(2)).dtype == np.float64
    assert tg.exp([0, 1]).dtype == np.float32
    assert tg.matmul(np.eye(2), np.eye(2)).shape == (2, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("raw", [np.float16, np.float32, np.float64])
def test_raw_arrays_of_floats_take_the_tensors_dtype(dtype, raw):
    x = tg.tensor([[1.0, 2.0]], dtype=dtype, requires_grad=True)
    mask = np.array([[1.0, 0.0]], raw)
    for y in (x * mask, mask * x, x + mask, mask - x, x / (mask + 1), x**mask, x @ mask.T):
        assert y.dtype == dtype and tg.grad(y.sum(), [x])[0].dtype == dtype
    assert tg.concatenate([x, mask]).dtype == tg.stack([mask, x]).dtype == dtype
    assert tg.where(mask > 0, x, mask).dtype == tg.maximum(mask, x).dtype == dtype
    np.testing.assert_array_equal((x * mask).numpy(), [[1, 0]])


def test_a_made_layer():
    """A dense layer whose weights a mask of NumPy's (float64) cuts (Germain et al. 2015)."""
    x, w = tg.tensor(np.ones((4, 3))), tg.tensor(np.ones((3, 2)), requires_grad=True)
    mask = (np.arange(3)[:, None] <= np.arange(2)).astype(float)
    y = x @ (w * mask)
    np.testing.assert_array_equal(y.numpy(), [[1, 2]] * 4)
    np.testing.assert_array_equal(tg.grad(y.sum(), [w])[0].numpy(), 4 * mask)


def test_float_dtypes_do_not_mix():
    with pytest.raises(TypeError, match=r"mul: dtypes differ: a \(1,\) float32 .* float64"):
        tg.tensor([1.0]) * tg.tensor([1.0], dtype=float)
    with pytest.raises(TypeError, match=r"concatenate: dtypes differ: xs\[0\] \(1,\) float32"):
        tg.concatenate([tg.tensor([1.0]), np.ones(2), tg.tensor([1.0], dtype=float)])


def test_errors_name_op_arguments_shapes_and_parameters():
    with pytest.raises(ValueError, match=r"add: .* a \(2, 3\) float32 cpu, b \(4,\) float32 cpu"):
        tg.tensor(np.ones((2, 3))) + tg.tensor(np.ones(4))
    with pytest.raises(
        ValueError, match=r"conv2d: images .* have 3 channels, .* want 2 .* stride=1"
    ):
        tg.conv2d(tg.tensor(np.ones((1, 8, 8, 3))), tg.tensor(np.ones((3, 3, 2, 4))))
    with pytest.raises(ValueError, match=r"kernel of 9 does not fit into 4"):
        tg.conv2d(tg.tensor(np.ones((1, 4, 4, 2))), tg.tensor(np.ones((9, 9, 2, 4))))
    with pytest.raises(ValueError, match=r"belong to an output \(1, 2, 2, 4\), not"):
        tg.conv2d_input(
            tg.tensor(np.ones((1, 3, 3, 4))), tg.tensor(np.ones((3, 3, 2, 4))), shape=(1, 4, 4, 2)
        )
    with pytest.raises(IndexError, match=r"index: .*x \(3,\) float32 cpu, key=5"):
        tg.tensor([1.0, 2.0, 3.0])[5]
    with pytest.raises(TypeError, match=r"sum: wanted 1 array.* keyword: axis, keepdims"):
        tg.sum(tg.tensor([1.0]), 0)
    with pytest.raises(TypeError, match="leaky_relu: wanted the parameters slope, got alpha"):
        tg.leaky_relu(tg.tensor([1.0]), alpha=0.2)
    with pytest.raises(ValueError, match=r"leaky_relu: wanted 0 <= slope < 1"):
        tg.leaky_relu(tg.tensor([1.0]), slope=2)
    with pytest.raises(ValueError, match=r"batch_norm: .*gamma and beta \(3,\)"):
        tg.batch_norm(tg.tensor(np.ones((4, 3))), tg.tensor(np.ones(2)), tg.tensor(np.ones(2)))
    with pytest.raises(TypeError, match="where: wanted an array of bool"):
        tg.where(tg.tensor([1.0]), 1.0, 2.0)
    with pytest.raises(ValueError, match=r"one_hot: wanted labels in \[0, 3\), got 0 to 3"):
        tg.one_hot([0, 3], 3)
    with pytest.raises(TypeError, match="one_hot: wanted integer labels"):
        tg.one_hot([0.5], 3)
    with pytest.raises(ValueError, match=r"avg_pool2: wanted .* even height"):
        tg.avg_pool2(tg.tensor(np.ones((1, 3, 2, 1))))
    with pytest.raises(ValueError, match="dropout: wanted 0 <= p < 1"):
        tg.dropout(tg.tensor([1.0]), np.ones(1), p=1.0)
    with pytest.raises(ValueError, match="split: 3 entries do not make 2 equal parts"):
        tg.split(tg.tensor([1.0, 2.0, 3.0]), 2)
    with pytest.raises(ValueError, match="stack: wanted arrays of one shape"):
        tg.stack([tg.tensor([1.0]), tg.tensor([1.0, 2.0])])
    with pytest.raises(ValueError, match="matmul: wanted at least 1 axis"):
        tg.tensor([[1.0]]) @ tg.tensor(1.0)
    with pytest.raises(TypeError, match="index: wanted integers"):
        tg.tensor([1.0])[tg.tensor([0.0])]


SIGNS = ("+", "-", "*", "/", "**", "@")


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("recording", [True, False])
def test_a_parameter_refuses_in_place_operators(sign, recording):
    """They would bind the name to a new Tensor, and train nothing."""
    p = tg.tensor(np.full((2, 2), 3.0), requires_grad=True)
    names = {"p": p, "q": tg.tensor(np.ones((2, 2)))}
    with pytest.raises(TypeError, match=rf"p.data {re.escape(sign)}= step"):
        if recording:
            exec(f"p {sign}= q", names)
        else:
            with tg.no_grad():
                exec(f"p {sign}= q", names)
    assert names["p"] is p and (p.numpy() == 3).all()


@pytest.mark.parametrize("sign", SIGNS)
def test_other_tensors_are_bound_anew(sign):
    leaf = tg.tensor(np.full((2, 2), 3.0), requires_grad=True)
    for x in (leaf * 1.0, tg.tensor(np.full((2, 2), 3.0))):
        names = {"x": x, "q": np.full((2, 2), 2.0)}
        exec(f"x {sign}= q", names)
        y = names["x"]
        assert y is not x and (x.numpy() == 3).all() and y.requires_grad == x.requires_grad
        np.testing.assert_array_equal(y.numpy(), eval(f"x.numpy() {sign} q", {**names, "x": x}))
    total = 0.0
    total += leaf.sum()
    total += leaf.sum()
    np.testing.assert_array_equal(tg.grad(total, [leaf])[0].numpy(), np.full((2, 2), 2))


def test_the_line_that_the_refusal_names_trains():
    p = tg.tensor([1.0, 2.0], requires_grad=True)
    stale = (p * p).sum()
    (p * p).sum().backward()
    array = p.data
    p.data -= (0.5 * p.grad).data
    np.testing.assert_array_equal(p.numpy(), [0, 0])
    assert p.data is array and p.requires_grad
    with pytest.raises(RuntimeError, match=r"mul was changed by .* another write"):
        tg.grad(stale, [p])
    with pytest.raises(TypeError):  # a Tensor is no array: NumPy says so
        p.data -= 0.5 * p.grad


def test_writes_that_are_seen_and_a_write_that_is_told():
    for write in (
        lambda p: setattr(p, "data", np.zeros(2, np.float32)),
        lambda p: p.data.fill(0) or p.increment_version(),
    ):
        p = tg.tensor([1.0, 2.0], requires_grad=True)
        loss = (p.T * 2.0 * p).sum()
        write(p)
        with pytest.raises(RuntimeError, match="changed by"):
            tg.grad(loss, [p])


def test_numbers_are_formatted():
    assert f"{tg.tensor(1.23456):.3f}" == "1.235"
    assert f"{tg.tensor([[2.0]], requires_grad=True) * 2.0:>6.1f}" == "   4.0"
    x = tg.tensor([1.0, 2.0])
    assert f"{x}" == str(x) and f"{x!r:.6}" == "Tensor"
    with pytest.raises(TypeError, match=r"format '.3f': wanted a Tensor of one number, got \(2,\)"):
        f"{x:.3f}"
    with pytest.raises(ValueError):
        f"{tg.tensor(1.0):nonsense}"


REDUCTIONS = ("sum", "mean", "max", "min", "var", "logsumexp")
X = np.random.default_rng(0).standard_normal((2, 1, 3))


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [0, -1, (0, 2), None])
def test_reductions_are_methods(name, axis):
    x = tg.tensor(X)
    wanted = getattr(tg, name)(x, axis=axis, keepdims=True)
    method = getattr(x, name)
    for y in (method(axis, keepdims=True), method(axis=axis, keepdims=True)):
        np.testing.assert_array_equal(y.numpy(), wanted.numpy())
    np.testing.assert_array_equal(method().numpy(), getattr(tg, name)(x).numpy())
    with pytest.raises(TypeError, match=f"{name}: wanted one axis"):
        method(0, 1)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "abs", "sign", "tanh", "sigmoid", "relu"])
def test_functions_of_one_number_are_methods(name):
    x = tg.tensor(np.abs(X), requires_grad=True)
    y, wanted = getattr(x, name)(), getattr(tg, name)(x)
    np.testing.assert_array_equal(y.numpy(), wanted.numpy())
    assert y.node.op is wanted.node.op


def test_methods_that_move_axes():
    x = tg.tensor(X)
    for y, wanted in {
        x.flatten(): X.ravel(),
        x.flatten(1): X.reshape(2, 3),
        x.flatten(-1): X,
        x.squeeze(): X.squeeze(),
        x.squeeze(1): X.squeeze(1),
        x.squeeze(axis=(1,)): X.squeeze(1),
        x.unsqueeze(0): X[None],
        x.unsqueeze(-1): X[..., None],
        x.expand_dims((0, 2)): np.expand_dims(X, (0, 2)),
        x.swapaxes(0, -1): X.swapaxes(0, -1),
        x.softmax(0): tg.softmax(x, axis=0).numpy(),
        x.log_softmax(): tg.log_softmax(x).numpy(),
        x.clip(-0.5, high=0.5): X.clip(-0.5, 0.5),
        x.var(0, ddof=1): X.var(0, ddof=1),
        tg.flatten([[1.0], [2.0]]): np.array([1.0, 2.0]),
        tg.tensor(3.0).flatten(): np.array([3.0]),
    }.items():
        np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-6)
        assert y.shape == wanted.shape


def test_a_forward_that_changes_the_dtype_is_caught():
    @tg.primitive
    def widen(x):
        return x.astype(np.float64)

    with pytest.raises(TypeError, match="widen: its forward made float64 of float32"):
        widen(tg.tensor([1.0]))


def test_comparisons_give_raw_masks():
    x = tg.tensor([-1.0, 0.0, 2.0])
    for mask, wanted in [
        (x > 0, [0, 0, 1]),
        (x >= 0, [0, 1, 1]),
        (x < tg.tensor(0.0), [1, 0, 0]),
        (x <= 0, [1, 1, 0]),
        (x == 2, [0, 0, 1]),
        (x != 2, [1, 1, 0]),
    ]:
        assert isinstance(mask, np.ndarray) and mask.dtype == bool
        np.testing.assert_array_equal(mask, np.array(wanted, bool))


def test_item_float_len_bool_iter():
    x = tg.tensor([[3.0]])
    assert (x.item(), float(x), len(x), bool(x)) == (3.0, 3.0, 1, True)
    assert [row.item() for row in tg.tensor([1.0, 2.0])] == [1.0, 2.0]
    two = tg.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"one number, got shape \(2,\)"):
        two.item()
    with pytest.raises(ValueError, match="neither true nor false"):
        bool(two)
    with pytest.raises(TypeError, match="no length"):
        len(tg.tensor(1.0))


def test_repr():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "Tensor([1. 2.], shape=(2,), dtype=float32, requires_grad=True)"
    assert "op=tanh" in repr(tg.tanh(x))


def test_detach_and_to():
    x = tg.tensor([1.0], requires_grad=True)
    y = (x * 2).detach()
    assert not y.requires_grad and y.node is None
    assert x.to("cpu") is x and x.device == "cpu"
    with pytest.raises(tg.DeviceError, match="wanted one of cpu, cuda, got 'tpu'"):
        x.to("tpu")


def test_dlpack_both_ways_shares_memory():
    x = tg.tensor([1.0, 2.0])
    array = np.from_dlpack(x)
    assert np.shares_memory(array, x.data)
    source = np.array([1.0, 2.0])
    y = tg.from_dlpack(source)
    assert isinstance(y, Tensor) and y.dtype == np.float64 and np.shares_memory(source, y.data)
    with pytest.raises(TypeError, match="wanted float32 or float64, got int64"):
        tg.from_dlpack(np.arange(3))
    torch = pytest.importorskip("torch")
    t = torch.ones(3)
    z = tg.from_dlpack(t)
    t[0] = 5
    assert z.numpy()[0] == 5
    assert torch.from_dlpack(x).tolist() == [1.0, 2.0]


def test_zero_dimensional_arithmetic_stays_an_array():
    x = tg.tensor(2.0, requires_grad=True)
    y = x * x + x
    assert isinstance(y.data, np.ndarray)
    assert tg.grad(y, [x])[0].item() == 5.0


def test_numpy_array_on_the_left_gives_a_tensor():
    x = tg.tensor([[1.0, 2.0]])
    for y in (np.ones((1, 2), np.float32) * x, np.ones((3, 1), np.float32) @ x):
        assert isinstance(y, Tensor)


def test_helpers():
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(tg.take(x, [1, 1, 0], axis=1).numpy(), [[2, 2, 1], [4, 4, 3]])
    np.testing.assert_array_equal(tg.one_hot([2, 0], 3).numpy(), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(x.T.numpy(), x.numpy().T)
    np.testing.assert_array_equal(x.reshape(-1).numpy(), [1, 2, 3, 4])
    np.testing.assert_array_equal(x.reshape((4, 1)).numpy(), [[1], [2], [3], [4]])
    np.testing.assert_array_equal(x.transpose(-1, 0).numpy(), x.numpy().T)
    kept = tg.dropout(x, np.array([[1, 0], [1, 1]]), p=0.5)
    np.testing.assert_array_equal(kept.numpy(), [[2, 0], [6, 8]])
    assert [p.shape for p in tg.split(x, [1])] == [(1, 2), (1, 2)]


def test_extremes_do_not_overflow():
    x = tg.tensor([-1e4, -50.0, 0.0, 50.0, 1e4])
    np.testing.assert_allclose(tg.sigmoid(x).numpy(), [0, np.exp(-50), 0.5, 1, 1], rtol=1e-5)
    np.testing.assert_allclose(
        tg.softplus(x).numpy(), [0, np.exp(-50), np.log(2), 50, 1e4], rtol=1e-5
    )
    assert tg.logsumexp(x).item() == 1e4
    assert tg.logsumexp(tg.tensor([-np.inf, -np.inf])).item() == -np.inf
    np.testing.assert_allclose(tg.softmax(x).numpy(), [0, 0, 0, 0, 1])


def test_an_op_is_named_as_the_catalogue_names_it():
    assert repr(mul) == "<primitive mul>" and "element by element" in mul.__doc__
