"""MADE's masks: by hand, by their definition, and the whole network in torch."""

from itertools import pairwise

import numpy as np
import pytest
from by_hand import t
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, made
from tinygen.models.autoregressive import log_p


def build(shape=(4, 5, 1), seed=0, **options):
    setup = Setup(shape, dtype=np.float64)
    return made.build(made.Config(**options), setup, np.random.default_rng(seed))


def test_the_masks_of_the_papers_figure():
    """Figure 1: the order x₂, x₃, x₁ of three pixels; m¹ = 2, 1, 2, 2 and m² = 1, 2, 2, 1."""
    m = [np.array(layer) for layer in ([3, 1, 2], [2, 1, 2, 2], [1, 2, 2, 1])]
    first, second, last = (mask.astype(int).tolist() for mask in made.masks(m))
    assert first == [[0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 1]]
    assert second == [[0, 1, 1, 0], [1, 1, 1, 1], [0, 1, 1, 0], [0, 1, 1, 0]]
    assert last == [[1, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 1]]


@given(
    st.integers(0, 10**6), st.integers(1, 6), st.lists(st.integers(1, 9), min_size=1, max_size=3)
)
def test_paths_run_from_a_pixel_to_later_ones_only(seed, D, hidden):
    """The product of the masks counts paths: entry (d', d) is 0 unless d' comes before d."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(D) + 1
    m = made.numbers(order, hidden, rng)
    assert all((layer >= below.min()).all() for below, layer in pairwise(m))
    assert D == 1 or all((layer <= D - 1).all() for layer in m[1:])
    paths = np.linalg.multi_dot([mask.astype(int) for mask in made.masks(m)])
    assert paths.shape == (D, D)
    assert (paths[order[:, None] >= order[None, :]] == 0).all()


@pytest.mark.parametrize("seed", range(20))
def test_no_number_is_below_all_of_the_layer_before(seed):
    """Section 4.1: such a unit would see no pixel. With one unit a layer the case is common."""
    order, rng = np.arange(6) + 1, np.random.default_rng(seed)
    _, first, second, third = made.numbers(order, [1, 1, 50], rng)
    assert second >= first and (third >= second).all()


@given(st.integers(0, 10**6))
def test_with_enough_units_all_that_may_be_seen_is_seen(seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(4) + 1
    paths = np.linalg.multi_dot(
        [mask.astype(int) for mask in made.masks(made.numbers(order, [200, 200], rng))]
    )
    np.testing.assert_array_equal(paths > 0, order[:, None] < order[None, :])


@pytest.mark.parametrize("which", [0, 1])
def test_value_and_gradients_equal_torch(which):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    model = build(hidden=(30, 20), orderings=2)
    net, x = model.net, (np.random.default_rng(0).random((6, 4, 5, 1)) < 0.4).astype(float)
    for layer in net.layers:
        layer.bias.data += 0.1
    NLL = -tg.mean(log_p(lambda part: net(part, which=which), t(x)))
    gs = tg.grad(NLL, net.parameters())

    m = [torch.tensor(layer.numpy()[which]) for layer in net.m]
    allowed = [b[None, :] >= a[:, None] for a, b in pairwise(m)]
    allowed.append(m[0][None, :] > m[-1][:, None])
    theirs, h = [], torch.tensor(x.reshape(6, 20))
    for i, (layer, mask) in enumerate(zip(net.layers, allowed, strict=True)):
        w, b = (torch.tensor(p.numpy(), requires_grad=True) for p in (layer.weight, layer.bias))
        theirs += [w, b]
        h = (F.relu(h) if i else h) @ (w * mask) + b
    want = F.binary_cross_entropy_with_logits(h, torch.tensor(x.reshape(6, 20)), reduction="sum")
    (want / 6).backward()
    assert NLL.item() == pytest.approx(want.item() / 6, rel=1e-12)
    for g, p in zip(gs, theirs, strict=True):
        np.testing.assert_allclose(g.numpy(), p.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_several_orders_are_mixed():
    model, x = build(orderings=3, hidden=(25,)), t(np.eye(20).reshape(20, 4, 5, 1))
    each = [log_p(lambda part, k=k: model.averaged(part, which=k), x).numpy() for k in range(3)]
    want = np.log(np.exp(each).mean(0))
    np.testing.assert_allclose(model.log_likelihood(x.numpy()), want, rtol=1e-12)
    orders = [tuple(model.order(k)) for k in range(3)]
    assert len(set(orders)) == 3 and all(sorted(order) == list(range(20)) for order in orders)
    drawn = {int(model.draw(x, None, np.random.default_rng(s))["which"]) for s in range(30)}
    assert drawn == {0, 1, 2}


def test_one_order_goes_row_after_row():
    np.testing.assert_array_equal(build().order(), np.arange(20))


def test_a_copy_of_the_state_has_the_same_masks():
    """Orders and numbers are drawn, so a checkpoint has to hold them."""
    one, two = build(orderings=2, seed=0), build(orderings=2, seed=1)
    x = np.ones((1, 4, 5, 1))
    assert one.log_likelihood(x) != pytest.approx(two.log_likelihood(x), rel=1e-9)
    two.average.load_state_dict(one.average.state_dict())
    np.testing.assert_array_equal(one.log_likelihood(x), two.log_likelihood(x))


def test_bad_configurations_are_named():
    for options, words in [
        ({"hidden": ()}, r"made: hidden: wanted several values, each .* >= 1, got \(\)"),
        ({"hidden": (5, 0)}, "made: hidden: wanted a whole number >= 1, got 0"),
        ({"orderings": 0}, "made: orderings: wanted a whole number >= 1, got 0"),
        ({"decay": 1.0}, "made: decay: wanted a number >= 0 and < 1, got 1.0"),
    ]:
        with pytest.raises(UsageError, match=words):
            made.Config(**options)
