"""ProGAN: its parts by hand, the schedule, both losses and all gradients against torch, growth."""

import numpy as np
import pytest
from by_hand import t

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, progan
from tinygen.models.progan import Frame, critic_loss, real, stage
from tinygen.models.progan_networks import Critic, Generator, Stage, fade, minibatch_stddev
from tinygen.models.wgan import generator_loss

WIDTHS, LATENT = (4, 3, 2), 5
SMALL = {"widths": WIDTHS, "fade": 4, "rest": 3}


def rng(seed=0):
    return np.random.default_rng(seed)


def networks(colours=2):
    """(G, D) in float64, with biases that are not 0, which would hide mistakes."""
    pair = Generator(WIDTHS, colours, LATENT, rng(1)), Critic(WIDTHS, colours, rng(2))
    for network in pair:
        network.astype(float)
        for p in network.parameters():
            if p.ndim == 1:
                p.data += 0.3 * rng(p.size).standard_normal(p.shape)
    return pair


def build(shape=(8, 8, 1), **options):
    config = progan.Config(**{**SMALL, **options})
    return progan.build(config, Setup(shape, dtype=float), rng())


def steps(model, n, shape=(8, 8, 1), seed=3):
    r = rng(seed)
    return [model.step(r.uniform(-1, 1, (4, *shape)), r) for _ in range(n)]


# --- the parts, by hand ---------------------------------------------------------------------------


def test_the_standard_deviation_is_over_the_batch_and_a_mean_over_the_rest():
    x = np.zeros((3, 1, 2, 2))
    x[2, 0, 0, 0] = 3  # of 0, 0, 3 the variance is 2; the other places and features do not vary
    x[:, 0, 1, 1] = 5
    y = minibatch_stddev(t(x), eps=0.0).numpy()
    np.testing.assert_array_equal(y[..., :2], x)
    np.testing.assert_allclose(y[..., 2], np.sqrt(2) / 4, rtol=1e-12)
    one = minibatch_stddev(t(np.ones((3, 2, 2, 1)))).numpy()
    np.testing.assert_allclose(one[..., 1], 1e-4, rtol=1e-9)  # √ε: images that are all alike
    tg.gradcheck(minibatch_stddev, [rng().standard_normal((3, 2, 1, 2))], order=2)


def test_the_fade_is_a_mixture():
    np.testing.assert_allclose(fade(t([1.0, 2.0]), t([5.0, 4.0]), 0.25).numpy(), [2.0, 2.5])


@pytest.mark.parametrize("level", [1, 2])
def test_G_fades_from_the_smaller_networks_image_to_its_own(level):
    G, _ = networks()
    z = t(rng().standard_normal((3, LATENT)))
    old = tg.upsample2(G.at(Stage(level - 1))(z)).numpy()
    new = G.at(Stage(level))(z).numpy()
    assert new.shape == (3, 4 * 2**level, 4 * 2**level, 2) and np.abs(new - old).max() > 0.1
    for alpha in (0.0, 0.3, 1.0):
        y = G.at(Stage(level, alpha))(z).numpy()
        np.testing.assert_allclose(y, (1 - alpha) * old + alpha * new, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("level", [1, 2])
def test_D_fades_from_the_smaller_networks_answer_to_its_own(level):
    _, D = networks()
    x = t(rng().standard_normal((3, 4 * 2**level, 4 * 2**level, 2)))
    old, new = D.at(Stage(level - 1))(tg.avg_pool2(x)).numpy(), D.at(Stage(level))(x).numpy()
    assert new.shape == (3, 1) and np.abs(new - old).max() > 0.01
    np.testing.assert_array_equal(D.at(Stage(level, 0.0))(x).numpy(), old)
    np.testing.assert_array_equal(D.at(Stage(level, 1.0))(x).numpy(), new)
    halfway = D.at(Stage(level, 0.4))
    features = fade(
        D.rgb[level - 1](tg.avg_pool2(x)), D.blocks[level](D.rgb[level](x)), 0.4
    )  # what goes into the blocks that both have
    for block in reversed(D.blocks[:level]):
        features = block(features)
    np.testing.assert_array_equal(halfway(x).numpy(), features.numpy())


def test_real_images_are_halved_and_faded_alike():
    x = np.arange(64.0).reshape(1, 8, 8, 1)
    halved = x.reshape(1, 4, 2, 4, 2, 1).mean((2, 4))
    np.testing.assert_allclose(real(t(x), 2, Stage(0)).numpy(), halved)
    np.testing.assert_array_equal(real(t(x), 2, Stage(1)).numpy(), x)
    mixed = real(t(x), 2, Stage(1, 0.25)).numpy()
    np.testing.assert_allclose(mixed, 0.25 * x + 0.75 * halved.repeat(2, 1).repeat(2, 2))
    assert real(t(np.zeros((1, 32, 32, 1))), 4, Stage(1, 0.5)).shape == (1, 8, 8, 1)


def test_z_lies_on_the_hypersphere():
    G, _ = networks()
    z = rng().standard_normal((3, LATENT))
    on_it = np.sqrt(LATENT) * z / np.linalg.norm(z, axis=1, keepdims=True)
    for same in (7 * z, on_it):
        np.testing.assert_allclose(G(t(same)).numpy(), G(t(z)).numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("height", "width", "levels", "corner"),
    [(28, 28, 4, (2, 2)), (32, 32, 4, (0, 0)), (8, 5, 2, (0, 1)), (33, 64, 5, (15, 0))],
)
def test_the_frame_is_black_and_comes_off(height, width, levels, corner):
    frame, x = Frame(height, width), rng().uniform(0, 1, (2, height, width, 3))
    y = frame.put(t(x)).numpy()
    assert frame.levels == levels and frame.corner == corner
    assert y.shape == (2, frame.side, frame.side, 3) and frame.side == 4 * 2 ** (levels - 1)
    assert (y == -1).sum() == y.size - x.size
    np.testing.assert_array_equal(frame.cut(t(y)).numpy(), x)


# --- the schedule ---------------------------------------------------------------------------------


def test_levels_and_alpha_follow_from_the_steps():
    found = [stage(i, 3, fade=2, rest=3) for i in range(14)]
    first, fading = [Stage(0)] * 3, [0.0, 0.5, 1.0, 1.0, 1.0]
    assert found == first + [Stage(1, a) for a in fading] + [Stage(2, a) for a in (*fading, 1.0)]
    assert stage(10**6, 3, fade=2, rest=3) == Stage(2)
    assert stage(0, 1, fade=2, rest=3) == stage(99, 1, fade=2, rest=3) == Stage(0)


def test_training_follows_the_schedule_and_each_level_has_its_own_steps():
    model = build((16, 16, 1))
    sides = [row["side"].item() for row in steps(model, 12, (16, 16, 1))]
    assert sides == [4] * 3 + [8] * 7 + [16] * 2
    assert [opt.t for opt in model.opts_G] == [opt.t for opt in model.opts_D] == [12, 9, 2]
    assert model.t == 12 and model.stage == Stage(2, 0.5)


def test_a_level_that_has_not_come_in_does_not_move_and_an_old_end_stays():
    model = build(fade=2, rest=2)
    before = {k: v.copy() for k, v in model.G.state_dict().items()}
    steps(model, 2)
    now = model.G.state_dict()
    moved = {k for k in now if np.any(now[k] != before[k])}
    assert moved == {k for k in now if k.startswith(("blocks.0", "rgb.0"))}
    steps(model, 2)
    kept, _ = model.G.state_dict(), steps(model, 2)
    now = model.G.state_dict()
    moved = {k for k in now if np.any(now[k] != kept[k])}
    assert moved == {k for k in now if not k.startswith("rgb.0")}


def test_without_growing_the_full_size_trains_from_the_start():
    model = build(growing="no")
    (row,) = steps(model, 1)
    assert row["side"].item() == 8 and model.stage == Stage(1)
    assert [opt.t for opt in model.opts_G + model.opts_D] == [1] * 4


# --- against torch --------------------------------------------------------------------------------


class Torch:
    """Both networks written down in torch, with the weights of ours (of float64, NCHW)."""

    def __init__(self, torch, network):
        self.F, self.torch = torch.nn.functional, torch
        self.w = {
            k: torch.from_numpy(p.numpy().copy()).requires_grad_()
            for k, p in network.named_parameters().items()
        }

    def layer(self, name, x, gain=2.0):
        w, b = self.w[f"{name}.layer.weight"], self.w[f"{name}.layer.bias"]
        w = w * (gain / w[..., 0].numel()) ** 0.5
        if w.ndim == 4:
            return self.F.conv2d(x, w.permute(3, 2, 0, 1), b, padding=1)
        if x.ndim == 4:
            return self.F.conv2d(x, w.T[:, :, None, None], b)
        return self.F.linear(x, w.T, b)

    def leaky(self, x):
        return self.F.leaky_relu(x, 0.2)

    def normed(self, x):
        return x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()

    def G(self, z, level, alpha):
        act = lambda x: self.normed(self.leaky(x))
        x = self.layer("blocks.0.layers.1", self.normed(z)).view(len(z), 4, 4, WIDTHS[0])
        x = act(x.permute(0, 3, 1, 2))
        x = act(self.layer("blocks.0.layers.5", x))
        for i in range(1, level + 1):
            old = self.layer(f"rgb.{i - 1}", x, 1.0)
            x = self.F.interpolate(x, scale_factor=2)
            x = act(self.layer(f"blocks.{i}.layers.1", x))
            x = act(self.layer(f"blocks.{i}.layers.4", x))
        old = self.F.interpolate(old, scale_factor=2)
        return self.torch.lerp(old, self.layer(f"rgb.{level}", x, 1.0), alpha)

    def D(self, x, level, alpha):
        halved = self.F.avg_pool2d(x, 2)
        y = self.leaky(self.layer(f"rgb.{level}.layers.0", x))
        for i in range(level, 0, -1):
            y = self.leaky(self.layer(f"blocks.{i}.layers.0", y))
            y = self.F.avg_pool2d(self.leaky(self.layer(f"blocks.{i}.layers.2", y)), 2)
            if i == level:
                old = self.leaky(self.layer(f"rgb.{level - 1}.layers.0", halved))
                y = self.torch.lerp(old, y, alpha)
        s = (y.var(0, unbiased=False) + 1e-8).sqrt().mean()
        y = self.torch.cat([y, s.expand(len(y), 1, 4, 4)], 1)
        y = self.leaky(self.layer("blocks.0.layers.1", y))
        y = y.permute(0, 2, 3, 1).reshape(len(x), -1)
        y = self.leaky(self.layer("blocks.0.layers.4", y))
        return self.layer("blocks.0.layers.6", y, 1.0)


def same_gradients(network, level, loss, theirs):
    """Of all parameters; 0 of levels that are not there yet, and of the ends of earlier ones."""
    gs = tg.grad(loss, network.parameters(), allow_unused=True)
    for (key, w), g in zip(theirs.w.items(), gs, strict=True):
        wanted = 0 * w.detach() if w.grad is None else w.grad
        kind, i = key.split(".")[:2]
        used = int(i) <= level and (kind == "blocks" or int(i) >= level - 1)
        assert np.any(g.numpy()) == used, key
        np.testing.assert_allclose(g.numpy(), wanted.numpy(), rtol=1e-7, atol=1e-10, err_msg=key)


@pytest.mark.parametrize(("level", "alpha"), [(1, 0.3), (2, 0.7)])
def test_losses_and_all_gradients_equal_torch(level, alpha):
    torch = pytest.importorskip("torch")
    (G, D), now, side = networks(), Stage(level, alpha), 4 * 2**level
    TG, TD = Torch(torch, G), Torch(torch, D)
    x, x_fake = rng(3).uniform(-1, 1, (2, 3, side, side, 2))
    eps, z = rng(4).random(3), rng(5).standard_normal((3, LATENT))
    nchw = lambda a: torch.from_numpy(a.transpose(0, 3, 1, 2).copy())

    terms = critic_loss(D.at(now), t(x), t(x_fake), t(eps), lam=10.0, drift=0.25)
    e = torch.from_numpy(eps).view(-1, 1, 1, 1)
    x_hat = (e * nchw(x) + (1 - e) * nchw(x_fake)).requires_grad_()
    (g,) = torch.autograd.grad(TD.D(x_hat, *now).sum(), x_hat, create_graph=True)
    gp = ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()
    a = TD.D(nchw(x), *now)
    W = a.mean() - TD.D(nchw(x_fake), *now).mean()
    loss = -W + 10 * gp + 0.25 * (a**2).mean()
    loss.backward()
    for name, value in (("loss", loss), ("W", W), ("penalty", gp)):
        assert getattr(terms, name).item() == pytest.approx(value.item(), rel=1e-9), name
    same_gradients(D, level, terms.loss, TD)

    loss_G = generator_loss(D.at(now), G.at(now), t(z))
    loss = -TD.D(TG.G(torch.from_numpy(z), *now), *now).mean()
    loss.backward()
    assert loss_G.item() == pytest.approx(loss.item(), rel=1e-9)
    same_gradients(G, level, loss_G, TG)


# --- the model ------------------------------------------------------------------------------------


def test_the_step_is_that_of_the_stage():
    """D's loss is of the faded real images and the faded G; then G's is against the new D."""
    model = build()
    steps(model, 4)
    now = Stage(1, 0.25)
    assert model.stage == now
    r = rng(7)
    inputs = model.draw(r.uniform(-1, 1, (4, 8, 8, 1)), None, r)
    G, D = model.G.at(now), model.D.at(now)
    with tg.no_grad():
        x_fake = G(t(inputs["z_D"]))
    x = real(t(inputs["x"]), 2, now)
    terms = critic_loss(D, x, x_fake, t(inputs["eps"]), lam=10.0, drift=1e-3)
    wanted = [v.item() for v in terms]
    G_before = {k: t(v) for k, v in model.G.state_dict().items()}
    row = model.update(**inputs)
    assert [row[k].item() for k in ("loss_D", "W", "penalty")] == pytest.approx(wanted, rel=1e-12)
    G = Generator(WIDTHS[:2], 1, 100, rng()).astype(float)
    G.load_state_dict({k: v.numpy() for k, v in G_before.items()})
    loss_G = generator_loss(model.D.at(now), G.at(now), t(inputs["z_G"])).item()
    assert row["loss_G"].item() == pytest.approx(loss_G, rel=1e-12)


def test_samples_are_drawn_by_the_average_at_the_stage():
    model = build((6, 8, 1), decay=0.5)
    steps(model, 5, (6, 8, 1))
    images = model.sample(3, rng(1))
    assert images.shape == (3, 6, 8, 1) and np.abs(images).max() <= 1
    z = t(rng(1).standard_normal((3, 100)))
    wanted = model.average.average.at(Stage(1, 0.5))(z).numpy()[:, 1:7]
    np.testing.assert_allclose(images, wanted.clip(-1, 1), atol=1e-12)
    for p in model.G.parameters():
        p.data[...] = 0
    np.testing.assert_array_equal(model.sample(3, rng(1)), images)


def test_the_average_is_that_of_the_weights_after_each_step():
    model, wanted = build(decay=0.6), None
    before = model.G.state_dict()["rgb.0.layer.bias"]
    wanted = before.copy()
    for i in range(1, 6):
        steps(model, 1, seed=i)
        decay = min(0.6, (1 + i) / (10 + i))
        wanted = decay * wanted + (1 - decay) * model.G.state_dict()["rgb.0.layer.bias"]
    averaged = model.average.average.state_dict()["rgb.0.layer.bias"]
    np.testing.assert_allclose(averaged, wanted, rtol=1e-12)


def test_before_full_size_samples_are_enlarged():
    model = build((16, 16, 3))
    images = model.sample(2, rng(1))
    assert images.shape == (2, 16, 16, 3)
    squares = images.reshape(2, 4, 4, 4, 4, 3)
    np.testing.assert_array_equal(squares, squares[:, :, :1, :, :1].repeat(4, 2).repeat(4, 4))


def test_the_papers_adam():
    model = build(lr=2e-3)
    assert {(opt.lr, opt.betas) for opt in model.opts_G + model.opts_D} == {(2e-3, (0.0, 0.99))}


# --- mistakes -------------------------------------------------------------------------------------


def test_what_cannot_be_grown_is_named():
    for shape, options, words in [
        ((4, 7, 1), {}, r"progan: wanted images of 8×8 or more to grow into, got 4×7"),
        ((28, 28, 1), {}, r"wanted 4 widths, one a level from 4×4 to 32×32, for .* 28×28, got 3"),
        ((8, 8, 1), {"fade": 0}, "progan: fade: wanted a whole number >= 1, got 0"),
        ((8, 8, 1), {"growing": "maybe"}, "progan: growing: wanted yes or no, got 'maybe'"),
        ((8, 8, 1), {"widths": (0,)}, "progan: widths: wanted a whole number >= 1, got 0"),
    ]:
        with pytest.raises(UsageError, match=words):
            build(shape, **options)
