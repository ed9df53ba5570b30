"""WGAN: closed forms, torch in float64, the duality it rests on, and algorithm 1 step by step."""

import numpy as np
import pytest
import scipy.stats
from by_hand import Affine, Spy, t
from hypothesis import given
from hypothesis import strategies as st
from twins import nchw, same_gradients, twins

import tinygen as tg
from tinygen import nn
from tinygen.errors import UsageError
from tinygen.models import Setup, wgan
from tinygen.models.dcgan import NORMS, dcgan
from tinygen.models.players import LATENT, fake

X, FAKE = (np.random.default_rng(i).uniform(-1, 1, (5, 28, 28, 1)) for i in (0, 1))


def build(shape=(28, 28, 1), **options):
    return wgan.build(wgan.Config(**options), Setup(shape), np.random.default_rng(0))


def test_losses_and_gradients_by_hand():
    """D(x) = w·x: the gap is w·(mean x - mean x̃), its gradient mean x - mean x̃; G(z) = 2z."""
    x, x_fake = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[0.5, 0.0], [-1.5, 4.0]])
    D = Affine([[0.7], [-0.2]])
    gap = wgan.gap(D, t(x), t(x_fake))
    apart = x.mean(0) - x_fake.mean(0)
    assert gap.item() == pytest.approx(apart @ [0.7, -0.2], rel=1e-12)
    np.testing.assert_allclose(tg.grad(gap, [D.w])[0].numpy()[:, 0], apart, rtol=1e-12)
    D, G, z = Affine([[0.7]]), Affine([[2.0]]), t([[0.5], [3.0]])
    loss = wgan.generator_loss(D, G, z)
    assert loss.item() == pytest.approx(-0.7 * 2 * 1.75, rel=1e-12)
    assert tg.grad(loss, [G.w])[0].item() == pytest.approx(-0.7 * 1.75, rel=1e-12)


def test_fakes_do_not_reach_into_G():
    D, G = Affine([[0.7]]), Affine([[2.0]])
    gap = wgan.gap(D, t([[1.0]]), fake(G, t([[2.0]])))
    with pytest.raises(ValueError, match="does not depend on input 0"):
        tg.grad(gap, [G.w])


@given(st.integers(0, 10**6))
def test_no_critic_of_slope_1_sees_more_than_the_distance(seed):
    """Equation 2 on the line, where W is known: sup is reached by a shift and passed by none."""
    r = np.random.default_rng(seed)
    x, x_fake = r.standard_normal((6, 1)), 2 * r.standard_normal((6, 1)) + 1
    distance = scipy.stats.wasserstein_distance(x[:, 0], x_fake[:, 0])
    bent = nn.Sequential(Affine([[1.0]], r.standard_normal()), tg.tanh, Affine([[-1.0]]))
    for D in (Affine([[r.uniform(-1, 1)]]), bent):
        assert wgan.gap(D, t(x), t(x_fake)).item() <= distance + 1e-12
    shifted = wgan.gap(Affine([[-1.0]]), t(x), t(x + 3.0)).item()
    assert shifted == pytest.approx(3.0, rel=1e-12)


@given(st.integers(0, 10**6))
def test_a_constant_added_to_D_changes_nothing(seed):
    r = np.random.default_rng(seed)
    x, x_fake, w, b = (r.standard_normal(s) for s in ((4, 3), (4, 3), (3, 1), ()))
    one, two = (wgan.gap(Affine(w, c), t(x), t(x_fake)).item() for c in (0.0, b))
    assert one == pytest.approx(two, abs=1e-12)


@pytest.mark.parametrize("arch", wgan.NETWORKS)
def test_values_and_gradients_equal_torch(arch):
    torch = pytest.importorskip("torch")
    (G, D), (TG, TD) = twins(torch, arch)
    z = np.random.default_rng(2).standard_normal((5, LATENT))
    gap = wgan.gap(D, t(X), fake(G, t(z)))
    theirs = TD(nchw(torch, X)).mean() - TD(TG(torch.from_numpy(z)).detach()).mean()
    theirs.backward()
    assert gap.item() == pytest.approx(theirs.item(), rel=1e-10)
    same_gradients(D, tg.grad(gap, D.parameters()), TD)
    loss, theirs = wgan.generator_loss(D, G, t(z)), -TD(TG(torch.from_numpy(z))).mean()
    theirs.backward()
    assert loss.item() == pytest.approx(theirs.item(), rel=1e-10)
    same_gradients(G, tg.grad(loss, G.parameters()), TG)


# --- algorithm 1 ----------------------------------------------------------------------------------


def largest_weight(D):
    return max(np.abs(p.numpy()).max() for p in D.parameters())


@pytest.mark.parametrize("k", [1, 3])
def test_k_steps_of_D_on_images_of_their_own_then_one_of_G(k):
    model = build(n_critic=k)
    model.D = Spy(model.D)
    before = model.G.state_dict()
    x = np.random.default_rng(0).uniform(-1, 1, (2 * k, 28, 28, 1)).astype(np.float32)
    out = model.step(x, np.random.default_rng(1))
    assert (model.opt_D.t, model.opt_G.t) == (k, 1)
    assert len(model.D.shown) == 2 * k + 1  # real and generated for each step of D, then G's
    np.testing.assert_array_equal(np.concatenate(model.D.shown[: 2 * k : 2]), x)
    generated = model.D.shown[1::2] + model.D.shown[-1:]
    assert len({g.tobytes() for g in generated}) == k + 1  # fresh noise each time
    assert all(np.any(v != before[name]) for name, v in model.G.state_dict().items())
    assert set(out) == {"loss_D", "KW", "loss_G"} and out["loss_D"].item() == -out["KW"].item()


def test_the_generators_running_statistics_move_once_in_its_own_step():
    model = build(arch="conv", n_critic=2)
    x = np.random.default_rng(0).uniform(-1, 1, (6, 28, 28, 1)).astype(np.float32)
    inputs = model.draw(x, None, np.random.default_rng(1))
    twin = build(arch="conv", n_critic=2)
    model.update(**inputs)
    first = twin.G.layers[0](tg.tensor(inputs["z_G"])).numpy()
    moved = model.G.layers[1].running_mean.numpy()
    np.testing.assert_allclose(moved, 0.1 * first.mean(0), rtol=1e-4, atol=1e-6)


def test_images_that_do_not_share_out_are_refused():
    model = build()
    with pytest.raises(ValueError, match="7 entries do not make 5 equal parts"):
        model.step(np.zeros((7, 28, 28, 1)), np.random.default_rng(0))


def test_weights_are_clipped_at_the_start_and_after_each_step():
    model = build(lr=0.1, clip=0.02)
    assert largest_weight(model.D) == np.float32(0.02)
    seen, step = [], model.opt_D.step

    def watched(grads):
        seen.append(largest_weight(model.D))
        step(grads)
        assert largest_weight(model.D) > 0.02  # so that there was something to clip

    model.opt_D.step = watched
    model.step(np.random.default_rng(0).uniform(-1, 1, (10, 28, 28, 1)), np.random.default_rng(1))
    assert seen == [np.float32(0.02)] * 5
    assert largest_weight(model.D) == np.float32(0.02)


def test_clipping_writes_in_place_and_is_seen_by_grad():
    D = Affine([[3.0], [-0.5], [-4.0]])
    array, loss = D.w.data, tg.sum(D(t(np.ones((2, 3)))) ** 2)
    wgan.clip_weights(D, 1.0)
    assert D.w.data is array
    np.testing.assert_array_equal(array, [[1.0], [-0.5], [-1.0]])
    with pytest.raises(RuntimeError, match="was changed by an optimiser step"):
        tg.grad(loss, [D.w])


@pytest.mark.parametrize("norm", NORMS)
def test_only_batch_norm_lets_a_sample_see_the_others(norm):
    D = dcgan((28, 28, 1), np.random.default_rng(0), norm=norm)[1].astype(np.float64)
    alone, among = D(t(X[:2]), train="frozen").numpy(), D(t(X), train="frozen").numpy()[:2]
    assert np.allclose(alone, among, rtol=1e-9) == (norm != "batch")


@pytest.mark.parametrize("arch", wgan.NETWORKS)
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_samples_are_images_in_range(arch, shape):
    model = build(arch=arch, shape=shape)
    images = model.sample(3, np.random.default_rng(0))
    assert images.shape == (3, *shape) and np.abs(images).max() <= 1


def test_the_optimisers_are_the_papers():
    model = build(lr=5e-5)
    assert all(type(o) is tg.optim.RMSProp and o.lr == 5e-5 for o in (model.opt_D, model.opt_G))


def test_bad_configurations_are_named():
    for options, words in [
        ({"arch": "resnet"}, "wgan: arch: wanted mlp or conv, got 'resnet'"),
        ({"n_critic": 0}, "wgan: n_critic: wanted a whole number >= 1, got 0"),
        ({"clip": 0.0}, "wgan: clip: wanted a number > 0, got 0.0"),
        ({"clip": -0.1}, "wgan: clip: wanted a number > 0, got -0.1"),
        ({"arch": "conv", "shape": (30, 28, 1)}, "divisible by 4, got 30×28"),
    ]:
        with pytest.raises(UsageError, match=words):
            build(**options)
