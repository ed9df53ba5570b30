"""The ACGAN's losses: by hand, and torch in float64 with all gradients."""

import numpy as np
import pytest
from by_hand import Affine, t
from scipy.special import log_softmax
from twins import load_into, nchw, same_gradients, torch_networks

import tinygen as tg
from tinygen.models import Setup, acgan, gan
from tinygen.models.players import LATENT

X = np.random.default_rng(0).uniform(-1, 1, (6, 28, 28, 1))
Z1, Z2 = (np.random.default_rng(i).standard_normal((6, LATENT)) for i in (1, 2))
LABELS = np.array([0, 3, 9, 9, 1, 4])


def build(dtype=np.float32, seed=0, **options):
    setup = Setup((28, 28, 1), 10, dtype=dtype)
    return acgan.build(acgan.Config(**options), setup, np.random.default_rng(seed))


def test_losses_by_hand():
    """D(x) = x·(0.7, 1, -2): a = 0.7x, the logits of two classes x and -2x. G(z, y) = 2z + y₂."""
    D, G = Affine([[0.7, 1.0, -2.0]]), Affine([[2.0], [0.0], [1.0]])
    x, y, z = np.array([[1.0], [-2.0]]), np.eye(2), np.array([[0.5], [3.0]])
    x_fake = 2 * z + y[:, 1:]

    def source(v):
        return 1 / (1 + np.exp(-0.7 * v))

    def of_class(v):
        return (y * log_softmax(v * [1.0, -2.0], axis=1)).sum(1)

    v = acgan.values(D, G, t(x), t(y), t(z))
    L_S = np.log(source(x)).mean() + np.log(1 - source(x_fake)).mean()
    assert v.L_S.item() == pytest.approx(L_S, rel=1e-12)
    L_C = of_class(x).mean() + of_class(x_fake).mean()
    assert v.L_C.item() == pytest.approx(L_C, rel=1e-12)
    assert (v.D_x.item(), v.D_Gz.item()) == pytest.approx((source(x).mean(), source(x_fake).mean()))
    # x = 1 is taken for class 0, x = -2 for class 1: both right; generated ones both for class 0
    assert (v.right_x.item(), v.right_Gz.item()) == (1.0, 0.5)
    wanted = {"saturating": np.log(1 - source(x_fake)), "non-saturating": -np.log(source(x_fake))}
    for loss, of_source in wanted.items():
        ours = acgan.generator_loss(D, G, t(y), t(z), loss=loss).item()
        assert ours == pytest.approx(of_source.mean() - of_class(x_fake).mean(), rel=1e-12)
    with pytest.raises(ValueError, match="wanted one of non-saturating, saturating, got 'hinge'"):
        acgan.generator_loss(D, G, t(y), t(z), loss="hinge")


def test_the_printed_loss_of_G_is_L_C_minus_L_S_but_for_what_is_constant():
    model = build(dtype=np.float64)
    y, z = model.one_hot(LABELS), t(Z1)
    saturating = acgan.generator_loss(model.D, model.G, y, z, loss="saturating")
    ours = tg.grad(saturating, model.G.parameters())
    a, c = acgan.answers(model.D(model.G(acgan.given(z, y), train="frozen"), train="frozen"))
    L_S, L_C = tg.mean(gan.log_1_minus_D(a)), tg.mean(acgan.log_P_class(c, y))
    for g, want in zip(ours, tg.grad(L_C - L_S, model.G.parameters()), strict=True):
        np.testing.assert_allclose(g.numpy(), -want.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", gan.LOSSES)
def test_losses_and_all_gradients_equal_torch(loss):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    model = build(loss=loss, dtype=np.float64, seed=5)
    TG, TD = torch_networks(torch, "dcgan", critic=False, told=10, outputs=11)
    load_into(torch, TG, model.G), load_into(torch, TD, model.D)
    y, labels = model.one_hot(LABELS), torch.tensor(LABELS)
    t_y = F.one_hot(labels, 10).double()

    v = acgan.values(model.D, model.G, t(X), y, t(Z1))
    out, fake = TD(nchw(torch, X)), TD(TG(torch.cat([torch.tensor(Z1), t_y], 1)).detach())
    t_L_S = F.logsigmoid(out[:, 0]).mean() + F.logsigmoid(-fake[:, 0]).mean()
    t_L_C = -F.cross_entropy(out[:, 1:], labels) - F.cross_entropy(fake[:, 1:], labels)
    (-t_L_S - t_L_C).backward()
    assert v.L_S.item() == pytest.approx(t_L_S.item(), rel=1e-10)
    assert v.L_C.item() == pytest.approx(t_L_C.item(), rel=1e-10)
    same_gradients(model.D, tg.grad(-(v.L_S + v.L_C), model.D.parameters()), TD)

    loss_G = acgan.generator_loss(model.D, model.G, y, t(Z2), loss=loss)
    TG.zero_grad()
    fake = TD(TG(torch.cat([torch.tensor(Z2), t_y], 1)))
    source = F.logsigmoid(-fake[:, 0]) if loss == "saturating" else -F.logsigmoid(fake[:, 0])
    t_loss = source.mean() + F.cross_entropy(fake[:, 1:], labels)
    t_loss.backward()
    assert loss_G.item() == pytest.approx(t_loss.item(), rel=1e-10)
    same_gradients(model.G, tg.grad(loss_G, model.G.parameters()), TG)


def test_a_step_moves_both_players_and_reports():
    model = build()
    before = {n: net.state_dict() for n, net in model.networks().items()}
    numbers = model.step(X, np.random.default_rng(1), LABELS)
    assert numbers["loss_D"].item() == pytest.approx(
        -numbers["L_S"].item() - numbers["L_C"].item(), rel=1e-5
    )
    for name, network in model.networks().items():
        assert all(np.any(v != before[name][k]) for k, v in network.state_dict().items())
