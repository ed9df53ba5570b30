"""LAPGAN: the levels' losses by hand and in torch, and images as their levels make them."""

import numpy as np
import pytest
from by_hand import Affine, t
from twins import load_into, nchw, same_gradients

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, lapgan
from tinygen.ops.pyramid import down, up

SHAPE, N = (8, 8, 1), 5


def build(levels=2, shape=SHAPE, dtype=np.float64, seed=0, **options):
    config = lapgan.Config(levels=levels, width=6, **options)
    return lapgan.build(config, Setup(shape, dtype=dtype), np.random.default_rng(seed))


def images(n=N, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, *shape))


def test_value_by_hand():
    D, x, x_fake = Affine([[0.7]]), t([[1.0], [-2.0]]), t([[0.5], [3.0]])
    p, q = (1 / (1 + np.exp(-0.7 * v.numpy())) for v in (x, x_fake))
    want = np.log(p).mean() + np.log(1 - q).mean()
    assert lapgan.value(D, x, x_fake).item() == pytest.approx(want, rel=1e-12)


def test_a_level_adds_to_what_it_is_given():
    class Difference(tg.nn.Module):
        def __call__(self, x, *, train=None):
            return 2.0 * x[..., 1:] - x[..., :1]  # of z and l

    low, z = t(images()), t(images(seed=1))
    got = lapgan.completed(Difference(), z, low, True).numpy()
    np.testing.assert_allclose(got, 2 * z.numpy(), rtol=1e-12)  # l + 2z - l
    first = lapgan.completed(Affine([[3.0]]), t([[1.0], [2.0]]), None, True)
    assert first.numpy().tolist() == [[3.0], [6.0]]


def test_a_whole_step_of_a_level_equals_torch():
    """V and ∂V/∂D, then after D's step G's loss and ∂/∂G, for a level that adds details."""
    torch = pytest.importorskip("torch")
    L, F = torch.nn, torch.nn.functional
    level = build().levels[0]
    TG = L.Sequential(
        *(L.Conv2d(2, 6, 3, 1, 1, bias=False), L.BatchNorm2d(6), L.ReLU()),
        *(L.Conv2d(6, 6, 3, 1, 1, bias=False), L.BatchNorm2d(6), L.ReLU()),
        L.Conv2d(6, 1, 3, 1, 1),
    ).double()

    class Rows(L.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1).reshape(len(x), -1)

    TD = L.Sequential(
        *(L.Conv2d(1, 6, 4, 2, 1), L.LeakyReLU(0.2)),
        *(L.Conv2d(6, 12, 4, 2, 1, bias=False), L.BatchNorm2d(12), L.LeakyReLU(0.2)),
        *(Rows(), L.Linear(48, 1)),
    ).double()
    for theirs, ours in ((TG, level.G), (TD, level.D)):
        load_into(torch, theirs, ours)
    x, z_D, z_G = images(), images(seed=1), images(seed=2)
    low = up(down(t(x)))
    theirs_low = nchw(torch, np.array(low.numpy()))
    T = lambda z: theirs_low + TG(torch.cat([theirs_low, nchw(torch, z)], 1))
    found = {}

    def spy(name, network, opt):
        inner = opt.step
        opt.step = lambda gs: (found.setdefault(name, (network, gs)), inner(gs))

    for name in "DG":
        spy(name, getattr(level, name), getattr(level, f"opt_{name}"))
    t_opt = torch.optim.Adam(TD.parameters(), lr=4e-4, betas=(0.5, 0.999))
    loss_D, loss_G = level.update(t(x), low, t(z_D), t(z_G))

    V = F.logsigmoid(TD(nchw(torch, x))).mean() + F.logsigmoid(-TD(T(z_D).detach())).mean()
    (-V).backward()
    assert loss_D.item() == pytest.approx(-V.item(), rel=1e-10)
    same_gradients(level.D, found["D"][1], TD)
    t_opt.step()
    TG.zero_grad()
    loss = -F.logsigmoid(TD(T(z_G))).mean()
    loss.backward()
    assert loss_G.item() == pytest.approx(loss.item(), rel=1e-5)  # Adam's first step magnifies
    for ours, theirs in zip(found["G"][1], TG.parameters(), strict=True):
        g = ours.numpy()
        want = theirs.grad.numpy()
        want = want.transpose(2, 3, 1, 0) if want.ndim == 4 else want
        np.testing.assert_allclose(g, want, rtol=1e-3, atol=1e-6 * np.abs(want).max() + 1e-9)


def test_each_level_sees_its_own_images():
    model, x = build(levels=3), images()
    shown = []
    for level in model.levels:
        level.update = lambda *args: (shown.append(args), [tg.mean(args[0])] * 2)[1]
    inputs = model.draw(x, None, np.random.default_rng(0))
    numbers = model.update(**inputs)
    assert list(numbers) == [f"loss_{who}_{k}" for k in range(3) for who in "DG"]
    image = t(x)
    for k, (given, low, z_D, z_G) in enumerate(shown):
        np.testing.assert_allclose(given.numpy(), image.numpy(), rtol=1e-12)
        np.testing.assert_array_equal(z_D.numpy(), inputs[f"z_D_{k}"])
        np.testing.assert_array_equal(z_G.numpy(), inputs[f"z_G_{k}"])
        if k == 2:
            assert low is None and z_D.shape == (N, 100)
            continue
        image = down(image)
        np.testing.assert_allclose(low.numpy(), up(image).numpy(), rtol=1e-12)
        assert z_D.shape == (*given.shape[:3], 1)


def test_samples_are_made_from_the_smallest_on():
    model = build(levels=3)
    chain = model.chain(4, np.random.default_rng(0))
    assert [x.shape for x in chain] == [(4, 2, 2, 1), (4, 4, 4, 1), (4, 8, 8, 1)]
    G, rng = model.levels[0].G, np.random.default_rng(0)
    for k in (2, 1):
        model.noise(k, 4, rng)
    low, z = up(t(chain[1])), t(model.noise(0, 4, rng))
    want = low + G(tg.concatenate([low, z], axis=3), train=False)
    np.testing.assert_allclose(chain[2], want.numpy(), rtol=1e-9)
    samples = model.sample(4, np.random.default_rng(0))
    np.testing.assert_array_equal(samples, np.clip(chain[2], -1, 1))


NAMES = ("G", "D", "opt_G", "opt_D", "average")


def test_all_levels_learn_and_are_kept():
    model = build(levels=2, dtype=np.float32)
    before = {n: p.state_dict() for n, p in model.parts().items()}
    assert list(before) == [f"{k}.{n}" for k in range(2) for n in NAMES]
    model.step(images().astype(np.float32), np.random.default_rng(0))
    for name, part in model.parts().items():
        assert any(np.any(v != before[name][k]) for k, v in part.state_dict().items()), name
    plain = build(levels=2, ema=0.0)
    assert list(plain.parts()) == [f"{k}.{n}" for k in range(2) for n in NAMES[:-1]]


def test_the_averages_draw():
    model, rng = build(levels=2), np.random.default_rng
    for k in range(3):
        model.step(images(), rng(k))
    smallest = model.levels[1].average.average(t(model.noise(1, 4, rng(0))), train=False)
    np.testing.assert_allclose(model.chain(4, rng(0))[0], smallest.numpy(), rtol=1e-9)
    for level in model.levels:
        level.average.load_state_dict(level.G.state_dict())
    drawn = model.sample(4, rng(0))
    for level in model.levels:
        level.average = None
    np.testing.assert_allclose(drawn, model.sample(4, rng(0)), rtol=1e-9)


def test_sizes_that_cannot_be_halved_are_named():
    with pytest.raises(UsageError, match="divisible by 4 for 3 levels, the last of 2 or more, got"):
        build(levels=3, shape=(10, 8, 1))
    with pytest.raises(UsageError, match="got 4×4"):
        build(levels=3, shape=(4, 4, 1))
    with pytest.raises(UsageError, match="lapgan: levels: wanted a whole number >= 2, got 1"):
        lapgan.Config(levels=1)
    with pytest.raises(UsageError, match="one a level"):
        build().image_network()
