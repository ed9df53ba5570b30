"""Corner cases, each of which once gave a wrong number or an unclear error."""

import copy

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, prob
from tinygen.weights import to_torch


def leaf(values):
    return tg.tensor(values, dtype=float, requires_grad=True)


def slope(y, x):
    return tg.grad(tg.sum(y), [x])[0].numpy()


@pytest.mark.parametrize("condition", [True, [True], np.bool_(True)])
def test_where_takes_a_plain_bool(condition):
    a, b = leaf([1.0]), leaf([2.0])
    ga, gb = tg.grad(tg.where(condition, a, b).sum(), [a, b])
    assert (ga.item(), gb.item()) == (1.0, 0.0)


@pytest.mark.parametrize("key", [((0, 0, 1),), ([0, 0, 1],), (np.array([0, 0, 1]),)])
def test_an_entry_read_twice_gets_both_gradients(key):
    x = leaf([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    np.testing.assert_array_equal(slope(x[key], x), [[2, 2], [1, 1], [0, 0]])
    np.testing.assert_array_equal(slope(x[(*key, slice(1))], x), [[2, 0], [1, 0], [0, 0]])


VIEWS = {
    "transpose": lambda w: w.T,
    "reshape": lambda w: w.reshape(4, 1),
    "index": lambda w: w[:1],
    "broadcast_to": lambda w: tg.broadcast_to(w, shape=(3, 2, 2)),
    "detach": lambda w: w.detach(),
    "a view of a view": lambda w: w.T.reshape(2, 2)[:1],
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_stale_view_is_refused(name):
    w, x = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf(2.0)
    loss = (VIEWS[name](w) * x).sum()
    tg.optim.SGD([w], lr=0.1).step([tg.tensor(np.ones((2, 2)), dtype=float)])
    with pytest.raises(RuntimeError, match="changed by an optimiser step"):
        tg.grad(loss, [x])


def test_a_copy_is_not_stale():
    w, x = leaf([1.0, 2.0]), leaf(2.0)
    kept = tg.tensor(w.numpy(), dtype=float)
    loss = (kept * x).sum()
    tg.optim.SGD([w], lr=0.1).step([tg.tensor(np.ones(2), dtype=float)])
    assert tg.grad(loss, [x])[0].item() == 3.0


@pytest.mark.parametrize("exponent", [np.array([0.0, 1.0, 2.0]), "tensor"])
def test_powers_of_zero_by_array_exponents(exponent):
    p = tg.tensor([0.0, 1.0, 2.0], dtype=float) if isinstance(exponent, str) else exponent
    x = leaf([0.0, 0.0, 0.0])
    (g,) = tg.grad((x**p).sum(), [x], create_graph=True)
    (h,) = tg.grad(g.sum(), [x], create_graph=True)
    np.testing.assert_array_equal(g.numpy(), [0, 1, 0])
    np.testing.assert_array_equal(h.numpy(), [0, 0, 2])
    np.testing.assert_array_equal(tg.grad(h.sum(), [x])[0].numpy(), [0, 0, 0])


@pytest.mark.parametrize("base", [2.0, np.array([2.0, 3.0])])
def test_powers_of_raw_bases(base):
    tg.gradcheck(lambda p: base**p, [np.array([0.5, -1.5])], order=3)


def test_raw_arguments_alone_share_a_dtype():
    assert tg.add(2.0, np.ones(3)).dtype == np.float64
    assert tg.power(np.ones(3), 2).dtype == np.float64
    assert tg.where(np.array([True]), 1.0, np.zeros(1, np.float32)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_raw_masks_in_products_and_powers(dtype):
    x, mask = tg.tensor([[2.0, 3.0]], dtype=dtype, requires_grad=True), np.array([[True, False]])
    np.testing.assert_array_equal(slope(x**mask, x), [[1, 0]])
    np.testing.assert_array_equal(slope(x @ mask.T, x), [[1, 0]])


def test_numpy_scalars_as_parameters():
    x = tg.tensor([-2.0, 2.0])
    assert tg.clip(x, low=np.float64(-1), high=np.float64(1)).dtype == np.float32
    assert tg.leaky_relu(x, slope=np.float64(0.2)).dtype == np.float32
    assert tg.sum(x, axis=np.int64(0)).shape == () and tg.mean(x, axis=np.int64(0)).shape == ()


@pytest.mark.parametrize("value", [None, "3", np.array([1j]), np.array(["a"]), np.complex64(1)])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="mul: wanted real numbers, got"):
        tg.tensor([1.0]) * value


def test_recorded_tensors_do_not_become_arrays_silently():
    w = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match=r"write \.numpy\(\), or stack"):
        w * [w[0], w[1]]
    with pytest.raises(TypeError, match=r"write \.numpy\(\)"):
        np.asarray(w)
    np.testing.assert_array_equal(np.asarray(w.detach()), [1, 2])


def test_array_subclasses_enter_as_plain_arrays():
    x = tg.tensor(np.ma.masked_array([[1.0, 2.0]]))
    assert type(x.data) is np.ndarray and (x * tg.tensor([1.0])).shape == (1, 2)


def test_losses_refuse_to_broadcast():
    with pytest.raises(ValueError, match=r"logits_loss: wanted target \(3, 1\), got \(3,\)"):
        prob.logits_loss(leaf(np.ones((3, 1))), np.ones(3))
    with pytest.raises(ValueError, match=r"labels \(N,\), got \(3, 2\) and \(3, 1\)"):
        prob.softmax_loss(leaf(np.ones((3, 2))), np.zeros((3, 1), int))
    with pytest.raises(ValueError, match=r"one shape, got \(3,\) and \(3, 1\)"):
        prob.gaussian_log_density(leaf(np.ones(3)), leaf(np.ones((3, 1))), 0.0)


def test_axes_out_of_range_are_refused_by_name():
    x = tg.tensor(np.ones((2, 3)))
    for name, f in {
        "take": lambda: tg.take(x, [0], axis=2),
        "flip": lambda: tg.flip(x, axis=2),
        "stack": lambda: tg.stack([x, x], axis=-4),
        "split": lambda: tg.split(x, 1, axis=2),
        "mean": lambda: tg.mean(x, axis=5),
        "transpose": lambda: x.transpose(0, 2),
    }.items():
        with pytest.raises(ValueError, match=f"{name}: axis .* is out of range"):
            f()


def test_axes_named_twice_are_refused():
    x = tg.tensor(np.ones((2, 3)), requires_grad=True)
    for name in ("flip", "mean", "var"):
        with pytest.raises(ValueError, match=rf"{name}: axis \(0, -2\) names an axis of 2 twice"):
            getattr(tg, name)(x, axis=(0, -2))
    for name in ("sum", "max", "min", "logsumexp", "norm", "squeeze", "expand_dims"):
        with pytest.raises(ValueError, match=r"duplicate|twice"):
            getattr(tg, name)(x, axis=(0, 0))
    with pytest.raises(ValueError, match="transpose: "):
        x.transpose(0, 0)


REDUCTIONS = ("sum", "mean", "max", "min", "var", "logsumexp", "norm")


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [0, -1, np.int64(0), None])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_number_is_reduced_over_its_only_axis(name, axis, keepdims):
    """NumPy and PyTorch allow axis 0 and -1 there: it changes nothing."""
    torch = pytest.importorskip("torch")
    x, op = leaf(-3.0), getattr(tg, name)
    t = torch.tensor(-3.0, dtype=torch.float64, requires_grad=True)
    dim = 0 if axis is None else int(axis)
    wanted = {
        "var": lambda: t.var(dim, correction=0, keepdim=keepdims),
        "max": lambda: t.amax(dim, keepdims),
        "min": lambda: t.amin(dim, keepdims),
        "norm": lambda: t.norm(dim=dim, keepdim=keepdims),
    }.get(name, lambda: getattr(t, name)(dim, keepdim=keepdims))()
    y = op(x, axis=axis, keepdims=keepdims)
    assert y.shape == () and y.item() == wanted.item()
    (g,) = torch.autograd.grad(wanted, [t])
    for create_graph in (True, False):
        assert tg.grad(y, [x], create_graph=create_graph)[0].item() == g.item()
    tg.gradcheck(lambda x: op(x, axis=axis, keepdims=keepdims), [np.array(-3.0)], order=3)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_the_softmax_of_a_number(name):
    x = leaf(3.0)
    y = getattr(tg, name)(x, axis=0)
    assert (y.shape, y.item()) == ((), float(name == "softmax"))
    assert tg.grad(y, [x])[0].item() == 0


@pytest.mark.parametrize("axis", [1, -2, (0,)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_number_has_no_other_axis(name, axis):
    with pytest.raises(ValueError, match=r"out of (range|bounds)"):
        getattr(tg, name)(leaf(3.0), axis=axis)


def test_flip_and_squeeze_of_a_number_want_no_axis():
    assert tg.flip(leaf(3.0)).item() == tg.squeeze(leaf(3.0)).item() == 3.0
    for name in ("flip", "squeeze"):
        with pytest.raises(ValueError, match=f"{name}: axis 0 is out of range for 0 axes"):
            getattr(tg, name)(leaf(3.0), axis=0)
    with pytest.raises(ValueError, match=r"squeeze: wanted axes of length 1, got axis 1 of \(1, 2"):
        tg.squeeze(leaf([[1.0, 2.0]]), axis=1)


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("base", ["number", "array", "tensor"])
def test_powers_of_zero(base):
    """0 ** p is ∞, 1 and 0, and its derivative by p -∞, 0 and 0, as in PyTorch: never NaN."""
    torch = pytest.importorskip("torch")
    values = [-1.5, -1.0, 0.0, 2.0]
    p, q = leaf(values), torch.tensor(values, dtype=torch.float64, requires_grad=True)
    zeros = leaf(np.zeros(4))
    y = {"number": 0.0, "array": np.zeros(4), "tensor": zeros}[base] ** p
    z = torch.zeros(4, dtype=torch.float64) ** q
    np.testing.assert_array_equal(y.numpy(), z.detach().numpy())
    (g,) = tg.grad(y.sum(), [p], create_graph=True)
    (h,) = torch.autograd.grad(z.sum(), [q])
    np.testing.assert_array_equal(g.numpy(), h.numpy())
    np.testing.assert_array_equal(g.numpy(), [-np.inf, -np.inf, 0, 0])
    np.testing.assert_array_equal(tg.grad(g.sum(), [p])[0].numpy(), [np.inf, np.inf, 0, 0])
    if base == "tensor":
        (by_base,) = tg.grad((zeros**p).sum(), [zeros])
        np.testing.assert_array_equal(by_base.numpy(), [-np.inf, -np.inf, 0, 0])


def test_numpy_integers_where_an_integer_is_wanted():
    one, two, three = np.int64(1), np.int32(2), np.uint8(3)
    x = leaf(np.arange(6.0).reshape(2, 3))
    assert tg.concatenate([x, x], axis=one).shape == (2, 6)
    assert [p.shape for p in tg.split(x, three, axis=one)] == [(2, 1)] * 3
    assert [p.shape for p in tg.split(x, np.array([1]), axis=one)] == [(2, 1), (2, 2)]
    assert tg.stack([x, x], axis=two).shape == (2, 3, 2)
    assert x.reshape(three, two).shape == x.reshape((three, -one)).shape == (3, 2)
    assert x.reshape(np.array([3, 2])).shape == x.transpose(np.array([1, 0])).shape == (3, 2)
    assert tg.broadcast_to(x, shape=(two, two, three)).shape == (2, 2, 3)
    assert tg.one_hot(np.array([0, 2]), three).shape == tg.one_hot([0, 2], np.int64(3)).shape
    assert tg.one_hot(np.int64(1), 3).shape == (3,)
    assert tg.pad(x, widths=((one, one), (two, one))).shape == (4, 6)
    assert tg.take(x, [0], axis=one).shape == (2, 1) and tg.flip(x, axis=one).shape == (2, 3)
    assert tg.softmax(x, axis=one).shape == (2, 3) and tg.sum(x, axis=(one,)).shape == (2,)
    assert tg.var(x, axis=one, ddof=one).shape == (2,) and x[one].shape == x[one, :].shape
    assert x.swapaxes(one, np.int64(0)).shape == x.flatten(np.int64(0)).reshape(3, 2).shape
    image, w = leaf(np.ones((1, 5, 5, 1))), leaf(np.ones((3, 3, 1, 1)))
    lie = {"stride": two, "padding": (one, one)}
    y = tg.conv2d(image, w, **lie)
    assert tg.conv2d_input(y, w, shape=tuple(np.array([1, 5, 5, 1])), **lie).shape == image.shape
    assert tg.conv2d_weight(image, y, shape=tuple(np.array(w.shape)), **lie).shape == w.shape
    tg.grad(y.sum(), [image, w])


def test_errors_use_the_names_that_people_type():
    x = tg.tensor(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"matmul: wanted .* got \(2, 3\) @ \(2, 3\)"):
        x @ x
    with pytest.raises(ValueError, match=r"reshape: .* got x \(2, 3\)"):
        x.reshape(4)
    with pytest.raises(ValueError, match="concatenate: wanted arrays and one axis, got 0"):
        tg.concatenate([])
    with pytest.raises(ValueError, match="concatenate: "):
        tg.concatenate([x, tg.tensor(np.ones((2, 3, 1)))])
    with pytest.raises(ValueError, match=r"mean: wanted at least one number .* got x \(0, 3\)"):
        tg.mean(x[:0], axis=0)
    with pytest.raises(TypeError, match=r"batch_norm: .* gamma 1.0"):
        tg.batch_norm(x, 1.0, 0.0)
    with pytest.raises(TypeError, match="from_dlpack: wanted an array with DLPack, got list"):
        tg.from_dlpack([1.0])


def test_composites_take_lists_and_raw_arrays():
    assert tg.mean([1.0, 2.0]).item() == 1.5
    assert tg.matmul([[1.0, 2.0]], [[1.0], [1.0]]).item() == 3.0
    assert (tg.tensor([[1.0]], dtype=float) @ [[2.0]]).dtype == np.float64
    assert tg.stack([1.0, tg.tensor(2.0)]).shape == (2,)


def test_inputs_may_be_a_generator():
    xs = [leaf(1.0), leaf(2.0)]
    assert len(tg.grad(xs[0] * xs[1], (x for x in xs))) == 2


def test_a_recorded_cotangent_is_not_handed_back_recorded():
    x, c = leaf([1.0]), leaf([2.0])
    (g,) = tg.grad(x + 0.0, [x], c)
    assert not g.requires_grad and g is not c


def test_unrecorded_inputs_are_zero_where_allowed():
    x, c = leaf([1.0]), tg.tensor([3.0], dtype=float)
    assert [g.item() for g in tg.grad((x * c).sum(), [x, c], allow_unused=True)] == [3.0, 0.0]


def test_a_parameter_that_cannot_be_moved_in_place_is_refused():
    p = tg.from_dlpack(np.asfortranarray(np.ones((2, 3))))
    p.requires_grad = True
    with pytest.raises(ValueError, match="contiguous"):
        tg.optim.SGD([p], lr=0.1)


def test_an_empty_layer_norm_is_refused():
    with pytest.raises(ValueError, match="layer_norm: wanted"):
        nn.LayerNorm()(tg.tensor(np.ones((2, 3))))


def test_modules_in_dicts_shared_layers_and_kept_activations():
    class Net(nn.Module):
        def __init__(self):
            shared = nn.Linear(2, 2, rng=np.random.default_rng(0))
            self.first, self.again = shared, shared
            self.heads = {"a": [nn.BatchNorm(2)]}

        def __call__(self, x, *, train=None):
            self.kept = tg.tanh(self.first(x))
            return self.again(self.kept)

    net = Net()
    net(tg.tensor(np.ones((1, 2))))
    assert len(net.parameters()) == 4 and "heads.a.0.gamma" in net.named_parameters()
    assert "kept" not in net.state_dict()
    tg.optim.Adam(net.parameters())
    with pytest.raises(TypeError, match="float32 or float64, got float16"):
        net.astype(np.float16)


def test_a_module_can_be_copied():
    net = nn.Linear(2, 3, rng=np.random.default_rng(0))
    twin = copy.deepcopy(net)
    twin.weight.data[:] = 0
    assert net.weight.numpy().any() and twin.weight.requires_grad


def test_to_torch_goes_by_name():
    state = {
        "gamma": np.ones((4, 5)),
        "weight": tg.tensor(np.ones((2, 3))),
        "n.gamma": np.ones((4, 5, 3)),
    }
    shapes = {k: v.shape for k, v in to_torch({"a.gamma": state["gamma"]}).items()}
    assert shapes == {"a.weight": (4, 5)}
    assert to_torch({"weight": state["weight"]})["weight"].shape == (3, 2)
    assert to_torch({"n.gamma": state["n.gamma"]})["n.weight"].shape == (3, 4, 5)


def test_leaky_relu_at_infinity():
    y = tg.leaky_relu(tg.tensor([-np.inf, np.inf]), slope=0.0)
    np.testing.assert_array_equal(y.numpy(), [0, np.inf])


def used_later():
    """What a graph is recorded with, title by title: an array, and f(x, array)."""
    rows, table = np.array([0, 1, 1]), np.arange(12.0).reshape(4, 3)
    yield "an index", rows, lambda x, i: x[i]
    yield "an index among slices", rows, lambda x, i: x[:, i]
    yield "a list of numbers", [0, 1, 1], lambda x, i: x[i]
    yield "rows of a table", rows, lambda x, i: tg.take(x, i, axis=0)
    yield "a mask", table > 5, lambda x, m: x[m]
    yield "a condition", table > 5, lambda x, m: tg.where(m, x * x, -x)
    yield "a factor", table + 1, lambda x, a: x * a
    yield "a factor to be cast", np.arange(12).reshape(4, 3), lambda x, a: x * a
    yield "another library's factor", table + 1, lambda x, a: x * memoryview(a)
    yield "a matrix", table[:3].copy(), lambda x, a: x @ a
    yield "a mask of dropout", table > 5, lambda x, m: tg.dropout(x, m, p=0.5)
    yield "a part of a join", table.copy(), lambda x, a: tg.concatenate([x * x, a])


@pytest.mark.parametrize("title", [title for title, *_ in used_later()])
@pytest.mark.parametrize("create_graph", [False, True])
def test_arrays_written_to_after_the_forward_change_no_gradient(title, create_graph):
    array, f = next((array, f) for name, array, f in used_later() if name == title)
    x = tg.tensor(np.arange(1.0, 13).reshape(4, 3), dtype=float, requires_grad=True)
    c = np.random.default_rng(0).standard_normal(f(x, array).shape)
    (wanted,) = tg.grad(f(x, array), [x], c)
    y = f(x, array)
    if isinstance(array, list):
        array[:] = [3] * len(array)
    else:
        array[...] = ~array if array.dtype == bool else 2
    (g,) = tg.grad(y, [x], c, create_graph=create_graph)
    np.testing.assert_array_equal(g.numpy(), wanted.numpy())
