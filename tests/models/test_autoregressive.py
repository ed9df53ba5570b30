"""Fully visible belief nets: each logit sees the pixels before it alone, so p is a probability."""

from itertools import product

import numpy as np
import pytest
import scipy.stats
from by_hand import t

import tinygen as tg
from tinygen import nn
from tinygen.errors import UsageError
from tinygen.models import MODELS, Setup
from tinygen.prob import bernoulli_log_density

SHAPE = (3, 3, 1)
CASES = {
    "made": ("made", {"hidden": (12, 7)}),
    "made of 3 orders": ("made", {"hidden": (40,), "orderings": 3}),
    "gated": ("pixelcnn", {"arch": "gated", "width": 3, "kernel": 3, "blocks": 2}),
    "residual": ("pixelcnn", {"arch": "residual", "width": 3, "kernel": 5, "blocks": 1}),
}
every = pytest.mark.parametrize("case", CASES)


def build(case, shape=SHAPE, seed=0):
    """A model whose weights and biases are all away from 0, its average among them."""
    name, options = CASES[case]
    setup = Setup(shape, dtype=np.float64)
    model = MODELS[name].build(MODELS[name].Config(**options), setup, np.random.default_rng(seed))
    rng = np.random.default_rng(seed + 1)
    for net in (model.net, model.averaged):
        for p in net.parameters():
            p.data += 0.3 * rng.standard_normal(p.shape)
    return model


def orders(model):
    """Each order's number and the pixels in it."""
    return [(k, model.order(k)) for k in range(getattr(model.config, "orderings", 1))]


def logits(model, x, which):
    """(N, D) by the averaged weights."""
    given = {"which": which} if hasattr(model.config, "orderings") else {}
    return model.averaged(x, **given).reshape(len(x), -1)


def images(n, shape=SHAPE, seed=0):
    return (np.random.default_rng(seed).random((n, *shape)) < 0.4).astype(float)


def all_images(shape):
    D = int(np.prod(shape))
    return np.array(list(product((0.0, 1.0), repeat=D))).reshape(-1, *shape)


@every
def test_probabilities_of_all_images_sum_to_one(case):
    model = build(case)
    p = np.exp(model.log_likelihood(all_images(SHAPE)))
    assert p.shape == (2**9,) and p.dtype == np.float64
    assert p.sum() == pytest.approx(1, abs=1e-12) and p.std() > 1e-4


@every
def test_no_logit_depends_on_its_own_pixel_or_a_later_one(case):
    model, x = build(case), tg.tensor(images(2), dtype=float, requires_grad=True)
    for which, order in orders(model):
        out = logits(model, x, which)
        rows = [tg.grad(tg.sum(out[:, int(i)]), [x], retain_graph=True)[0].numpy() for i in order]
        jacobian = np.reshape(rows, (9, 2, 9))[:, :, order]
        for i in range(9):
            assert (jacobian[i, :, i:] == 0).all(), f"logit {i} in order {which}"
        assert (jacobian != 0).any(axis=(1, 2)).sum() >= 6  # most do depend on some


@every
def test_a_pixels_logit_alone_is_that_of_the_whole_image(case):
    """Also in the corners of images that are larger than what a logit sees."""
    shape = (13, 14, 1) if "made" not in case else SHAPE
    model, x = build(case, shape), t(images(2, shape))
    for which, _ in orders(model):
        alone = [one.numpy() for one in model.logits(x, np.arange(x[0].size), which)]
        np.testing.assert_allclose(np.transpose(alone), logits(model, x, which).numpy(), rtol=1e-9)


@every
def test_the_rest_is_drawn_pixel_after_pixel(case):
    """From amid a row on, as the whole network would, seen anew for each pixel."""
    shape, first = ((13, 9, 1), 24) if "made" not in case else (SHAPE, 4)
    model, x = build(case, shape), images(3, shape)
    for which, order in orders(model):
        known = np.zeros(x[0].size, bool)
        known[order[:first]] = True
        got = model.complete(x, known.reshape(shape), np.random.default_rng(4), which)
        u = np.random.default_rng(4).random((3, x[0].size), dtype=np.float32)
        want = np.where(known, x.reshape(3, -1), 0)
        for i in order[first:]:
            whole = logits(model, t(want.reshape(x.shape)), which).numpy()
            want[:, i] = u[:, i] < 1 / (1 + np.exp(-whole[:, i]))
        np.testing.assert_array_equal(got.reshape(want.shape), want)


@every
def test_samples_are_as_frequent_as_their_probability(case):
    model = build(case, (2, 2, 1))
    n, kinds = 20_000, all_images((2, 2, 1))
    x = model.sample(n, np.random.default_rng(0))
    assert x.shape == (n, 2, 2, 1) and set(np.unique(x)) == {0.0, 1.0}
    found = np.bincount((x.reshape(n, 4) @ [8, 4, 2, 1]).astype(int), minlength=16)
    expected = n * np.exp(model.log_likelihood(kinds))
    assert scipy.stats.chisquare(found, expected).pvalue > 1e-4


@every
def test_what_is_known_stays_and_the_rest_is_drawn_given_it(case):
    """The frequencies of the last two of four pixels, given the first two."""
    model = build(case, (2, 2, 1))
    for which, order in orders(model):
        known = np.zeros(4, bool)
        known[order[:2]] = True
        start = np.where(known, [1.0, 0.0, 1.0, 1.0], 0.5)
        n = 10_000
        x = model.complete(
            np.tile(start, (n, 1)), known.reshape(2, 2, 1), np.random.default_rng(1), which
        )
        flat = x.reshape(n, 4)
        assert (flat[:, known] == start[known]).all()
        kinds = np.tile(start, (4, 1))
        kinds[:, ~known] = [[0, 0], [0, 1], [1, 0], [1, 1]]
        of_each = logits(model, t(kinds.reshape(4, 2, 2, 1)), which)
        log_p = tg.ops.log_bernoulli(kinds, of_each).numpy()[:, ~known].sum(1)
        found = np.bincount((flat[:, ~known] @ [2, 1]).astype(int), minlength=4)
        assert scipy.stats.chisquare(found, n * np.exp(log_p)).pvalue > 1e-4


@every
def test_steps_go_down_the_mean_nll_and_move_the_average(case):
    model, x = build(case), images(16)
    net, before = model.net, model.averaged.state_dict()
    inputs = model.draw(x, None, np.random.default_rng(0))
    given = {k: v for k, v in inputs.items() if k != "x"}
    want = -bernoulli_log_density(t(x), net(t(x), **given)).mean().item()
    got = model.update(**inputs)["NLL"].item()
    assert got == pytest.approx(want, rel=1e-12)
    moved = model.averaged.state_dict()
    assert any((moved[name] != before[name]).any() for name in before)
    for _ in range(150):
        last = model.step(x, np.random.default_rng(1))["NLL"].item()
    assert last < got - 0.1


@every
def test_the_averaged_weights_measure_and_draw(case):
    model, x = build(case), images(5)
    before = model.log_likelihood(x), model.sample(4, np.random.default_rng(0))
    for p in model.net.parameters():
        p.data += 1.0
    np.testing.assert_array_equal(model.log_likelihood(x), before[0])
    np.testing.assert_array_equal(model.sample(4, np.random.default_rng(0)), before[1])


@every
def test_samples_do_not_depend_on_how_many_are_drawn_at_a_time(case, monkeypatch):
    model = build(case)
    at_once = model.sample(7, np.random.default_rng(0))
    monkeypatch.setattr("tinygen.models.autoregressive.CHUNK", 3)
    np.testing.assert_array_equal(model.sample(7, np.random.default_rng(0)), at_once)


def test_known_pixels_that_come_later_are_refused():
    model = build("made")
    known = np.zeros(SHAPE, bool)
    known[1] = True
    with pytest.raises(UsageError, match="wanted 9 pixels, the known ones first in the order"):
        model.complete(images(2), known, np.random.default_rng(0))
    with pytest.raises(UsageError, match="wanted 9 pixels"):
        model.complete(images(2), known[:2], np.random.default_rng(0))


def test_there_is_no_network_that_draws_in_one_pass():
    with pytest.raises(UsageError, match="one a pixel"):
        build("gated").image_network()


def test_a_layer_that_sees_its_own_pixel_is_found():
    """The tests above can fail: with mask B in the first layer, p sums to something else."""
    model = build("residual")
    model.averaged.layers[0] = nn.Conv2d(1, 6, 3, padding=1, rng=np.random.default_rng(0)).astype(
        np.float64
    )
    assert np.exp(model.log_likelihood(all_images(SHAPE))).sum() != pytest.approx(1, abs=1e-3)
