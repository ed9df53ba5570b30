"""InfoGAN's information: by hand, its bound, torch in float64 with all gradients; the sweeps."""

import numpy as np
import pytest
import scipy.stats
from by_hand import t
from scipy.special import log_softmax
from twins import load_into, nchw, same_gradients, torch_networks

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, infogan
from tinygen.models.players import LATENT, noise
from tinygen.models.warp import draw_warps, warped

X = np.random.default_rng(0).uniform(-1, 1, (6, 28, 28, 1))
Z1, Z2 = (np.random.default_rng(i).standard_normal((6, LATENT)) for i in (1, 2))
C1, C2 = (infogan.draw_codes(6, np.random.default_rng(i)) for i in (3, 4))


def build(dtype=np.float32, seed=0, **options):
    setup = Setup((28, 28, 1), 10, dtype=dtype)
    return infogan.build(infogan.Config(**options), setup, np.random.default_rng(seed))


def test_the_information_by_hand():
    out = np.random.default_rng(5).standard_normal((6, 15))
    L_I = infogan.information(infogan.answers(t(out)), t(C1))
    log_Q = (C1[:, :10] * log_softmax(out[:, 1:11], axis=1)).sum(1)
    assert L_I.k.item() == pytest.approx(log_Q.mean() + np.log(10), rel=1e-12)
    density = scipy.stats.norm.logpdf(C1[:, 10:], out[:, 11:13], np.exp(out[:, 13:] / 2))
    assert L_I.u.item() == pytest.approx(density.sum(1).mean() + 2 * np.log(2), rel=1e-12)


def test_nobody_reads_more_of_a_category_than_it_holds():
    """L_I <= H(c) = log 10, reached by a Q that is sure and right; 0 by one that knows nothing."""
    zeros = np.zeros((6, 15))
    sure = zeros.copy()
    sure[:, 1:11] = 50 * C1[:, :10]
    for out, wanted in ((sure, np.log(10)), (zeros, 0.0)):
        L_I = infogan.information(infogan.answers(t(out)), t(C1)).k.item()
        assert pytest.approx(wanted, abs=1e-12) == L_I
    for seed in range(20):
        out = 5 * np.random.default_rng(seed).standard_normal((6, 15))
        assert infogan.information(infogan.answers(t(out)), t(C1)).k.item() <= np.log(10)


def test_codes_are_drawn_as_stated():
    c = infogan.draw_codes(20_000, np.random.default_rng(0))
    np.testing.assert_array_equal(c[:, :10].sum(1), 1)
    assert set(np.unique(c[:, :10])) == {0, 1}
    np.testing.assert_allclose(c[:, :10].mean(0), 0.1, atol=0.01)
    for u in c[:, 10:].T:
        assert scipy.stats.kstest(u, "uniform", (-1, 2)).pvalue > 0.01


def test_losses_and_all_gradients_equal_torch():
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    model = build(dtype=np.float64, seed=5, lam=0.7, lam_u=0.3, wait=0, wait_u=0)
    TG, TD = torch_networks(torch, "dcgan", critic=False, told=12, outputs=15)
    load_into(torch, TG, model.G), load_into(torch, TD, model.D)

    def information(out, c):
        k = -F.cross_entropy(out[:, 1:11], c[:, :10].argmax(1)) + np.log(10)
        normal = torch.distributions.Normal(out[:, 11:13], (out[:, 13:] / 2).exp())
        u = normal.log_prob(c[:, 10:]).sum(1).mean() + 2 * np.log(2)
        return 0.7 * k + 0.3 * u

    z, c = torch.tensor(Z1), torch.tensor(C1)
    V, L_I, *_ = infogan.values(model.D, model.G, t(X), t(Z1), t(C1))
    loss_D = -(V + model.weighted(L_I))
    a, fake = TD(nchw(torch, X))[:, 0], TD(TG(torch.cat([z, c], 1)).detach())
    t_V = F.logsigmoid(a).mean() + F.logsigmoid(-fake[:, 0]).mean()
    t_loss = -t_V - information(fake, c)
    t_loss.backward()
    assert loss_D.item() == pytest.approx(t_loss.item(), rel=1e-10)
    same_gradients(model.D, tg.grad(loss_D, model.D.parameters()), TD)

    of_D, L_I = infogan.generator_terms(model.D, model.G, t(Z2), t(C2))
    loss_G = of_D - model.weighted(L_I)
    TG.zero_grad()
    c = torch.tensor(C2)
    fake = TD(TG(torch.cat([torch.tensor(Z2), c], 1)))
    t_loss = -F.logsigmoid(fake[:, 0]).mean() - information(fake, c)
    t_loss.backward()
    assert loss_G.item() == pytest.approx(t_loss.item(), rel=1e-10)
    same_gradients(model.G, tg.grad(loss_G, model.G.parameters()), TG)


def test_categories_begin_loud():
    w = build().G[0].weight.numpy()
    of_z, of_k, of_u = w[:LATENT].std(), w[LATENT : LATENT + 10].std(), w[LATENT + 10 :].std()
    assert of_k / of_z == pytest.approx(infogan.LOUD, rel=0.1)
    assert of_u / of_z == pytest.approx(1, rel=0.1)


def test_information_counts_after_the_wait():
    model = build(lam=2.0, lam_u=0.5, wait=1, wait_u=2)
    L_I, seen = infogan.Information(t(3.0), t(10.0)), []
    for _ in range(3):
        seen.append(model.weighted(L_I).item())
        model.step(X, np.random.default_rng(1))
    assert seen == [0.0, 6.0, 11.0]


def test_D_sees_through_T():
    """T mirrors here, so that what D is given is known."""
    model = build(dtype=np.float64)

    def T(x):
        return x[:, :, ::-1]

    flipped = t(X[:, :, ::-1])
    with tg.no_grad():
        drawn = model.G(tg.concatenate([t(Z1), t(C1)], axis=1), train="frozen")
        seen = [infogan.answers(model.D(x, train="frozen")) for x in (flipped, T(drawn))]
    _, L_I, D_x, D_Gz = infogan.values(model.D, model.G, t(X), t(Z1), t(C1), T)
    assert D_x.item() == pytest.approx(tg.mean(tg.sigmoid(seen[0].a)).item(), rel=1e-12)
    assert D_Gz.item() == pytest.approx(tg.mean(tg.sigmoid(seen[1].a)).item(), rel=1e-12)
    wanted = infogan.information(seen[1], t(C1))
    assert L_I.k.item() == pytest.approx(wanted.k.item(), rel=1e-12)
    of_D, L_I = infogan.generator_terms(model.D, model.G, t(Z1), t(C1), T)
    assert of_D.item() == pytest.approx(-tg.mean(tg.log_sigmoid(seen[1].a)).item(), rel=1e-9)
    assert L_I.u.item() == pytest.approx(wanted.u.item(), rel=1e-9)


def test_images_are_warped_until_the_numbers_count():
    how, one = draw_warps(6, np.random.default_rng(0)), t(X)
    for options, warped_steps in (({}, 1), ({"warp": 0.0}, 0), ({"wait_u": 0}, 0)):
        model = build(**{"wait_u": 1, **options})
        for step in range(2):
            seen = model.view(how)(one).numpy()
            assert np.array_equal(seen, X) == (step >= warped_steps)
            model.step(X, np.random.default_rng(1))
    half = build(warp=0.5).view(how)(one).numpy()
    np.testing.assert_array_equal(half, warped(one, how / 2).numpy())


def test_a_step_moves_both_players_and_reports():
    model = build()
    before = {n: net.state_dict() for n, net in model.networks().items()}
    numbers = model.step(X, np.random.default_rng(1))
    assert numbers["H"].item() == pytest.approx(np.log(10))
    for name, network in model.networks().items():
        assert all(np.any(v != before[name][k]) for k, v in network.state_dict().items())


def test_grid_and_sweeps_vary_one_thing_at_a_time():
    model, rng = build(), np.random.default_rng
    images, columns = model.grid(rng(1))
    z = noise(10, rng(1))
    row = model.generate(z, infogan.codes(np.full(10, 3), np.zeros((10, 2))))
    np.testing.assert_allclose(images[30:40], row, atol=1e-6)
    assert columns == 10 and len(images) == 100
    for i in (0, 1):
        images, z = model.sweep(i, rng(1)), noise(1, rng(1))
        u = np.zeros((1, 2))
        u[0, i] = -2 + 4 * 7 / 9
        one = model.generate(z, infogan.codes([4], u))[0]
        np.testing.assert_allclose(images[47], one, atol=1e-6)
    with pytest.raises(UsageError, match="wanted the number 0 or 1 of the code, got 2"):
        model.sweep(2, rng(1))
