"""The CGAN's losses: by hand, torch in float64 for a whole step of both players."""

import numpy as np
import pytest
from by_hand import Affine, t
from twins import load_into, same_gradients

import tinygen as tg
from tinygen.models import Setup, cgan, gan
from tinygen.models.players import LATENT

Z1, Z2 = (np.random.default_rng(i).standard_normal((6, LATENT)) for i in (1, 2))
X = np.random.default_rng(0).uniform(-1, 1, (6, 28, 28, 1))
LABELS = np.array([0, 3, 9, 9, 1, 4])


def build(shape=(28, 28, 1), classes=10, dtype=np.float32, seed=0, **options):
    setup = Setup(shape, classes, dtype=dtype)
    return cgan.build(cgan.Config(**options), setup, np.random.default_rng(seed))


def test_value_and_losses_by_hand():
    """a = 0.7·x - y₁ + 2·y₂, G(z|y) = 2z + y₁ + 5y₂."""
    D, G = Affine([[0.7], [-1.0], [2.0]]), Affine([[2.0], [1.0], [5.0]])
    x, y, z = np.array([[1.0], [-2.0]]), np.eye(2), np.array([[0.5], [3.0]])
    logit = lambda x: 0.7 * x + [[-1.0], [2.0]]
    x_hat = 2 * z + [[1.0], [5.0]]
    p_x, p_g = (1 / (1 + np.exp(-logit(v))) for v in (x, x_hat))
    V, D_x, D_Gz = cgan.value(D, G, t(x), t(y), t(z))
    assert V.item() == pytest.approx(np.log(p_x).mean() + np.log(1 - p_g).mean(), rel=1e-12)
    assert (D_x.item(), D_Gz.item()) == pytest.approx((p_x.mean(), p_g.mean()), rel=1e-12)
    for loss, wanted in (("saturating", np.log(1 - p_g)), ("non-saturating", -np.log(p_g))):
        ours = cgan.generator_loss(D, G, t(y), t(z), loss=loss)
        assert ours.item() == pytest.approx(wanted.mean(), rel=1e-12)
    # ∂/∂w_G of -log D: -(1 - D) · 0.7 · [z, y]
    (g,) = tg.grad(ours, [G.w])
    by_hand = (-(1 - p_g) * 0.7 * np.concatenate([z, y], 1)).mean(0)
    np.testing.assert_allclose(g.numpy()[:, 0], by_hand, rtol=1e-8)
    with pytest.raises(ValueError, match="wanted one of non-saturating, saturating, got 'hinge'"):
        cgan.generator_loss(D, G, t(y), t(z), loss="hinge")


def test_the_value_does_not_reach_into_G():
    D, G = Affine([[0.7], [1.0]]), Affine([[2.0], [1.0]])
    V = cgan.value(D, G, t([[1.0]]), t([[1.0]]), t([[2.0]])).V
    with pytest.raises(ValueError, match="does not depend on input 0"):
        tg.grad(V, [G.w])


def torch_networks(torch):
    L = torch.nn
    G = L.Sequential(
        *(L.Linear(110, 256), L.BatchNorm1d(256), L.ReLU()),
        *(L.Linear(256, 512), L.BatchNorm1d(512), L.ReLU(), L.Linear(512, 784), L.Tanh()),
    )
    D = L.Sequential(
        *(L.Linear(794, 512), L.LeakyReLU(0.2), L.Linear(512, 256), L.LeakyReLU(0.2)),
        L.Linear(256, 1),
    )
    return G.double(), D.double()


@pytest.mark.parametrize("loss", gan.LOSSES)
def test_losses_and_all_gradients_equal_torch(loss):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    model = build(loss=loss, dtype=np.float64, seed=5)
    TG, TD = torch_networks(torch)
    load_into(torch, TG, model.G), load_into(torch, TD, model.D)
    y, t_y = model.one_hot(LABELS), F.one_hot(torch.tensor(LABELS), 10).double()

    V = cgan.value(model.D, model.G, t(X), y, t(Z1)).V
    a = TD(torch.cat([torch.tensor(X).flatten(1), t_y], 1))
    x_hat = TG(torch.cat([torch.tensor(Z1), t_y], 1)).detach()
    b = TD(torch.cat([x_hat, t_y], 1))
    t_V = F.logsigmoid(a).mean() + F.logsigmoid(-b).mean()
    (-t_V).backward()
    assert V.item() == pytest.approx(t_V.item(), rel=1e-10)
    same_gradients(model.D, tg.grad(-V, model.D.parameters()), TD)

    loss_G = cgan.generator_loss(model.D, model.G, y, t(Z2), loss=loss)
    TG.zero_grad()
    b = TD(torch.cat([TG(torch.cat([torch.tensor(Z2), t_y], 1)), t_y], 1))
    t_loss = F.logsigmoid(-b).mean() if loss == "saturating" else -F.logsigmoid(b).mean()
    t_loss.backward()
    assert loss_G.item() == pytest.approx(t_loss.item(), rel=1e-10)
    same_gradients(model.G, tg.grad(loss_G, model.G.parameters()), TG)


def test_each_players_step_moves_its_own_weights_and_statistics():
    model = build()
    D_before, G_before = model.D.state_dict(), model.G.state_dict()
    move, seen = model.opt_D.step, []

    def step(grads):
        seen.append(model.G.state_dict())
        move(grads)

    model.opt_D.step = step
    numbers = model.step(X, np.random.default_rng(1), LABELS)
    assert set(numbers) == {"loss_D", "loss_G", "D_x", "D_Gz"}
    np.testing.assert_equal(seen, [G_before])  # D's step leaves G as it was, its statistics too
    for network, before in ((model.G, G_before), (model.D, D_before)):
        assert all(np.any(v != before[k]) for k, v in network.state_dict().items())
