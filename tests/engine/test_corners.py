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
