"""The GAN's losses: closed forms, torch in float64 for a whole step of both players, properties."""

import numpy as np
import pytest
from by_hand import Affine, t
from twins import load_into, same_gradients, torch_networks

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, gan
from tinygen.models.players import LATENT, noise
from tinygen.weights import to_torch

X = np.random.default_rng(0).uniform(-1, 1, (6, 28, 28, 1))
Z1, Z2 = (np.random.default_rng(i).standard_normal((6, LATENT)) for i in (1, 2))


def build(shape=(28, 28, 1), dtype=np.float32, seed=0, **options):
    return gan.build(gan.Config(**options), Setup(shape, dtype=dtype), np.random.default_rng(seed))


def test_value_and_losses_by_hand():
    x, z = t([[1.0], [-2.0]]), t([[0.5], [3.0]])
    D, G = Affine([[0.7]]), Affine([[2.0]])
    p_x, p_g = (1 / (1 + np.exp(-0.7 * np.array(v))) for v in ([1.0, -2.0], [1.0, 6.0]))
    V, D_x, D_Gz = gan.value(D, G, x, z)
    assert V.item() == pytest.approx(np.log(p_x).mean() + np.log(1 - p_g).mean(), rel=1e-12)
    assert (D_x.item(), D_Gz.item()) == pytest.approx((p_x.mean(), p_g.mean()), rel=1e-12)
    saturating = gan.generator_loss(D, G, z, loss="saturating")
    assert saturating.item() == pytest.approx(np.log(1 - p_g).mean(), rel=1e-12)
    non = gan.generator_loss(D, G, z, loss="non-saturating")
    assert non.item() == pytest.approx(-np.log(p_g).mean(), rel=1e-12)
    # ∂/∂w_G by hand: a = 0.7·w·z, d log(1 - σ(a)) = -σ(a) da, d(-log σ(a)) = -(1 - σ(a)) da
    da = 0.7 * z.numpy()[:, 0]
    assert tg.grad(saturating, [G.w])[0].item() == pytest.approx((-p_g * da).mean(), rel=1e-12)
    assert tg.grad(non, [G.w])[0].item() == pytest.approx((-(1 - p_g) * da).mean(), rel=1e-12)


def test_a_blind_discriminator_is_worth_minus_log_4():
    """Theorem 1: at D = ½ the value is -log 4."""
    V = gan.value(Affine([[0.0]]), Affine([[1.0]]), t([[1.0]]), t([[2.0]])).V
    assert V.item() == pytest.approx(-np.log(4), rel=1e-12)


def test_networks_of_ones_own_play_algorithm_1():
    model = build(arch="mlp", dtype=np.float64)
    own = gan.GAN(model.G, model.D, model.opt_G, model.opt_D)
    V = gan.value(model.D, model.G, t(X), t(Z1)).V.item()
    assert own.update(X, Z1, Z1[None])["loss_D"].item() == -V


def test_each_player_has_its_rate():
    for options, rates in (
        ({"arch": "dcgan", "lr": 0.01, "lr_ratio": 0.25}, (0.01, 0.0025)),
        ({"arch": "mlp", "lr": 0.01}, (0.01, 0.01)),
    ):
        model = build(shape=(8, 8, 1), **options)
        assert (model.opt_G.lr, model.opt_D.lr) == pytest.approx(rates)


def test_label_smoothing_by_hand():
    x, x_hat = np.array([[1.0], [-2.0]]), np.array([[0.5], [3.0]])
    D = Affine([[0.7]])
    p, q = (1 / (1 + np.exp(-0.7 * v)) for v in (x, x_hat))
    wanted = (0.9 * np.log(p) + 0.1 * np.log(1 - p)).mean() + np.log(1 - q).mean()
    V, D_x, D_Gz = gan.value_of(D, t(x), t(x_hat), alpha=0.9)
    assert V.item() == pytest.approx(wanted, rel=1e-12)
    assert (D_x.item(), D_Gz.item()) == pytest.approx((p.mean(), q.mean()), rel=1e-12)
    slope = ((0.9 - p) * x).mean() - (q * x_hat).mean()  # ∂V/∂w: one side alone has its target
    assert tg.grad(V, [D.w])[0].item() == pytest.approx(slope, rel=1e-12)


def test_the_value_does_not_reach_into_G():
    G, D = Affine([[2.0]]), Affine([[0.7]])
    with pytest.raises(ValueError, match="does not depend on input 0"):
        tg.grad(gan.value(D, G, t([[1.0]]), t([[2.0]])).V, [G.w])


def test_a_sure_discriminator_starves_only_the_saturating_loss():
    G, D = Affine([[1.0]]), Affine([[-50.0]])  # D(G(z)) = e⁻⁵⁰
    z = t([[1.0]])
    slope = {
        kind: abs(tg.grad(gan.generator_loss(D, G, z, loss=kind), [G.w])[0].item())
        for kind in gan.LOSSES
    }
    assert slope["saturating"] < 1e-18 and slope["non-saturating"] == pytest.approx(50)


def test_logits_far_out_stay_finite():
    a = tg.tensor([-1e4, 1e4])
    np.testing.assert_array_equal(gan.log_D(a).numpy(), [-1e4, 0])
    np.testing.assert_array_equal(gan.log_1_minus_D(a).numpy(), [0, -1e4])


# --- one whole step against torch -----------------------------------------------------------------


@pytest.mark.parametrize("loss", gan.LOSSES)
@pytest.mark.parametrize("arch", gan.NETWORKS)
def test_one_whole_step_equals_torch(arch, loss):
    """V and ∂V/∂D, D's Adam step, then G's loss, ∂/∂G against the new D, and G's Adam step."""
    torch = pytest.importorskip("torch")
    x = X[:, :16, :16] if arch == "deep" else X
    model = build(arch=arch, shape=x.shape[1:], loss=loss, dtype=np.float64, seed=5)
    G, D = model.G, model.D
    TG, TD = torch_networks(torch, arch, critic=False)
    for ours, theirs in ((G, TG), (D, TD)):
        load_into(torch, theirs, ours)
    opts = [tg.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n in (D, G)]
    t_opts = [torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n in (TD, TG)]
    F = torch.nn.functional

    V = gan.value(D, G, t(x), t(Z1)).V
    gs = tg.grad(-V, D.parameters())
    a = TD(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    b = TD(TG(torch.from_numpy(Z1)).detach())
    t_V = F.logsigmoid(a).mean() + F.logsigmoid(-b).mean()
    (-t_V).backward()
    assert V.item() == pytest.approx(t_V.item(), rel=1e-10)
    same_gradients(D, gs, TD)
    opts[0].step(gs)
    t_opts[0].step()

    loss_G = gan.generator_loss(D, G, t(Z2), loss=loss)
    gs = tg.grad(loss_G, G.parameters())
    TG.zero_grad()
    b = TD(TG(torch.from_numpy(Z2)))
    t_loss = F.logsigmoid(-b).mean() if loss == "saturating" else -F.logsigmoid(b).mean()
    t_loss.backward()
    assert loss_G.item() == pytest.approx(t_loss.item(), rel=1e-10)
    same_gradients(G, gs, TG)
    opts[1].step(gs)
    t_opts[1].step()
    for key, w in to_torch({k: p.numpy() for k, p in G.named_parameters().items()}).items():
        want = TG.get_parameter(key).detach().numpy()
        # Adam divides by √v̂: where a gradient is nearly 0, its rounding shows, times lr
        np.testing.assert_allclose(w, want, rtol=0, atol=1e-6, err_msg=key)


def running(network):
    """The running statistics of a network's batch norms."""
    return {k: v for k, v in network.state_dict().items() if "running" in k}


def test_each_players_step_moves_its_own_running_statistics_alone():
    """D's by the real and by the generated batch of its step, G's once, in G's step."""
    model = build(arch="dcgan")
    frozen = [], []  # the statistics of the other, while one's optimiser steps
    for opt, other, seen in ((model.opt_D, model.G, 0), (model.opt_G, model.D, 1)):

        def step(grads, opt=opt, other=other, seen=seen, move=opt.step):
            frozen[seen].append(running(other))
            move(grads)

        opt.step = step
    G, D = running(model.G), running(model.D)
    x = np.random.default_rng(0).uniform(-1, 1, (6, 28, 28, 1)).astype(np.float32)
    model.update(x, Z1, Z2[None])
    np.testing.assert_equal(frozen[0], [G])  # D's step leaves G's as they were
    assert all(np.any(v != G[k]) for k, v in running(model.G).items())
    after_D = frozen[1][0]
    assert all(np.any(v != D[k]) for k, v in after_D.items())
    np.testing.assert_equal(running(model.D), after_D)  # G's step leaves D's

    # with the weights of before: D's first norm sees the real batch, then the generated one
    twin = build(arch="dcgan")
    first, second = twin.D.layers[0], twin.D.layers[2]
    h = lambda x: second(tg.leaky_relu(first(x), slope=0.2))
    mean = np.zeros(64)
    for batch in (tg.tensor(x), twin.G(tg.tensor(Z1), train="frozen")):
        mean = 0.9 * mean + 0.1 * h(batch).numpy().mean((0, 1, 2))
    np.testing.assert_allclose(after_D["layers.3.running_mean"], mean, rtol=1e-4, atol=1e-6)
    once = 0.1 * twin.G.layers[0](tg.tensor(Z2)).numpy().mean(0)
    np.testing.assert_allclose(
        running(model.G)["layers.1.running_mean"], once, rtol=1e-4, atol=1e-6
    )


def test_the_average_of_the_generator_draws():
    model = build(arch="dcgan", shape=(8, 8, 1), ema=0.5)
    x, rng = np.zeros((4, 8, 8, 1), np.float32), np.random.default_rng(0)
    wanted = {k: v.copy() for k, v in model.G.state_dict().items()}
    for step in range(1, 13):
        model.step(x, rng)
        decay = min(0.5, (1 + step) / (10 + step))
        for key, w in model.G.state_dict().items():
            kept = 0.0 if "running" in key else decay
            wanted[key] = kept * wanted[key] + (1 - kept) * w
    for key, w in model.average.state_dict().items():
        np.testing.assert_allclose(w, wanted[key], rtol=1e-4, atol=1e-6, err_msg=key)
    z = noise(3, np.random.default_rng(1))
    by_average = model.average.average(tg.tensor(z), train=False).numpy()
    np.testing.assert_array_equal(model.sample(3, np.random.default_rng(1)), by_average)
    assert model.image_network().network is model.average.average
    plain = build(arch="dcgan", shape=(8, 8, 1), ema=0.0)
    assert plain.average is None and plain.drawing is plain.G
    assert build(arch="mlp").average is None and "average" not in build(arch="mlp").parts()


def test_all_noise_is_fresh():
    model = build(arch="mlp", generator_steps=3)
    inputs = model.draw(X, None, np.random.default_rng(0))
    noises = [inputs["z_D"], *inputs["z_G"]]
    assert [z.shape for z in noises] == [(6, LATENT)] * 4
    assert len(np.unique(np.concatenate(noises))) == 4 * 6 * LATENT
    model.update(**inputs)
    assert (model.opt_D.t, model.opt_G.t) == (1, 3)


def test_a_step_moves_both_players_and_reports():
    model = build(arch="mlp")
    before = [model.G.state_dict(), model.D.state_dict()]
    out = model.step(X.astype(np.float32), np.random.default_rng(1))
    assert set(out) == {"loss_D", "loss_G", "D_x", "D_Gz"}
    assert not any(v.requires_grad for v in (out["D_x"], out["D_Gz"]))
    for net, old in zip((model.G, model.D), before, strict=True):
        assert all(np.any(v != old[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    ("arch", "shape"),
    [(arch, shape) for arch in ("mlp", "dcgan") for shape in [(28, 28, 1), (32, 32, 3)]]
    + [("deep", shape) for shape in [(8, 8, 1), (32, 32, 3), (64, 64, 3)]],
)
def test_networks_fit_the_images(arch, shape):
    model = build(arch=arch, shape=shape)
    images = model.sample(5, np.random.default_rng(0))
    assert images.shape == (5, *shape) and np.abs(images).max() <= 1
    assert model.D(tg.tensor(images), train=True).shape == (5, 1)


def test_generate_does_not_depend_on_the_chunk():
    model, z = build(arch="dcgan"), noise(5, np.random.default_rng(0))
    np.testing.assert_allclose(model.generate(z, chunk=2), model.generate(z), atol=1e-6)


def test_bad_configurations_are_named():
    for options, words in [
        ({"arch": "resnet"}, "gan: arch: wanted mlp or dcgan or deep, got 'resnet'"),
        ({"loss": "hinge"}, "gan: loss: wanted non-saturating or saturating, got 'hinge'"),
        ({"beta1": 1.0}, "gan: beta1: wanted a number >= 0 and < 1, got 1.0"),
        ({"arch": "mlp", "ema": 0.9}, "gan: ema: an option of arch dcgan or deep, this is mlp"),
        ({"generator_steps": 0}, "gan: generator_steps: wanted a whole number >= 1, got 0"),
        ({"shape": (30, 28, 1)}, "divisible by 4, got 30×28"),
        ({"arch": "deep"}, "deep: wanted sides of 8, 16, 32, 64 …, got 28×28"),
        ({"arch": "deep", "shape": (32, 16, 3)}, "got 32×16"),
    ]:
        with pytest.raises(UsageError, match=words):
            build(**options)
    with pytest.raises(ValueError, match="wanted one of non-saturating, saturating, got 'hinge'"):
        gan.generator_loss(Affine([[1.0]]), Affine([[1.0]]), t([[1.0]]), loss="hinge")
