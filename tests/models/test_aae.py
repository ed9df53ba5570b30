"""The AAE's losses: by hand, torch in float64, properties; its two phases."""

import numpy as np
import pytest
from by_hand import Affine, t
from hypothesis import given
from hypothesis import strategies as st
from twins import load_into

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, aae
from tinygen.weights import to_torch

X = np.random.default_rng(0).uniform(-1, 1, (6, 28, 28, 1))
Z = np.random.default_rng(1).standard_normal((6, 2))
LABELS = np.array([0, 3, 9, 9, 1, 4])
WITH = {"unsupervised": None, "with labels": LABELS}


def model_of(labels, shape=(28, 28, 1), classes=10, dtype=np.float32, **options):
    options = {"lr": 1e-3, "lr_game": 1e-3, "labels": labels is not None, **options}
    setup = Setup(shape, classes, dtype=dtype)
    return aae.build(aae.Config(**options), setup, np.random.default_rng(5))


# --- by hand: two pixels, codes x₁ - x₂, a decoder z·(1, -2), a discriminator of slope 0.7 --------


PIXELS = np.array([[0.2, 0.9], [0.5, 0.1]])
E, DECODER = Affine([[1.0], [-1.0]]), Affine([[1.0, -2.0]])


def test_reconstruction_by_hand():
    loss = aae.reconstruction_loss(E, DECODER, t(PIXELS))
    # codes -0.7 and 0.4, images (-0.7, 1.4) and (0.4, -0.8)
    assert loss.item() == pytest.approx((0.9**2 + 0.5**2 + 0.1**2 + 0.9**2) / 2, rel=1e-12)


def test_the_game_by_hand():
    z = np.array([[0.5], [3.0]])
    D = Affine([[0.7]])
    codes = E(t(PIXELS))
    p_z, p_code = (1 / (1 + np.exp(-0.7 * np.array(v))) for v in ([0.5, 3.0], [-0.7, 0.4]))
    V, D_z, D_Ex = aae.value(D, t(z), codes)
    assert V.item() == pytest.approx(np.log(p_z).mean() + np.log(1 - p_code).mean(), rel=1e-12)
    assert (D_z.item(), D_Ex.item()) == pytest.approx((p_z.mean(), p_code.mean()), rel=1e-12)
    loss = aae.encoder_loss(D, codes)
    assert loss.item() == pytest.approx(-np.log(p_code).mean(), rel=1e-12)
    # d(-log σ(a)) = -(1 - σ(a)) da with a = 0.7 (w·x)
    by_hand = (-(1 - p_code)[:, None] * 0.7 * PIXELS).mean(0)
    np.testing.assert_allclose(tg.grad(loss, [E.w])[0].numpy()[:, 0], by_hand, rtol=1e-12)


def test_with_labels_D_sees_z_then_the_label():
    """a = 0.7 z + v_y: the label's weight is the one of its column."""
    D = Affine([[0.7], [-1.0], [2.0]])
    z, y = t([[0.5], [3.0]]), tg.one_hot([1, 0], 2, dtype=float)
    a, a_code = np.array([0.35 + 2, 2.1 - 1]), np.array([-0.49 + 2, 0.28 - 1])
    p_z, p_code = 1 / (1 + np.exp(-a)), 1 / (1 + np.exp(-a_code))
    codes = E(t(PIXELS))
    by_hand = np.log(p_z).mean() + np.log(1 - p_code).mean()
    assert aae.value(D, z, codes, y).V.item() == pytest.approx(by_hand, rel=1e-12)
    by_hand = -np.log(p_code).mean()
    assert aae.encoder_loss(D, codes, y).item() == pytest.approx(by_hand, rel=1e-12)


def test_the_value_does_not_reach_into_E():
    with pytest.raises(ValueError, match="does not depend on input 0"):
        tg.grad(aae.value(Affine([[0.7]]), t([[1.0]]), E(t(PIXELS))).V, [E.w])


@given(st.integers(0, 10**6))
def test_what_holds_for_all_networks(seed):
    """V ≤ 0, at D = ½ it is -log 4; the losses are means: twice the batch leaves them as they
    are; a decoder that undoes E reconstructs without error."""
    r = np.random.default_rng(seed)
    D, z, codes = Affine(r.standard_normal((2, 1))), t(r.normal(size=(5, 2))), t(r.random((5, 2)))
    V = aae.value(D, z, codes).V.item()
    assert V <= 0
    blind = aae.value(Affine(np.zeros((2, 1))), z, codes).V.item()
    assert blind == pytest.approx(-np.log(4), rel=1e-12)
    z2, codes2 = (tg.concatenate([v, v]) for v in (z, codes))
    assert aae.value(D, z2, codes2).V.item() == pytest.approx(V, rel=1e-12)
    loss = aae.encoder_loss(D, codes).item()
    assert aae.encoder_loss(D, codes2).item() == pytest.approx(loss, rel=1e-12)
    w, x = np.linalg.qr(r.standard_normal((2, 2)))[0], t(r.random((5, 2)))
    assert aae.reconstruction_loss(Affine(w), Affine(w.T), x).item() == pytest.approx(0, abs=1e-24)
    once, twice = (
        aae.reconstruction_loss(Affine(w), Affine(w), v).item() for v in (x, tg.concatenate([x, x]))
    )
    assert twice == pytest.approx(once, rel=1e-12)


# --- against torch --------------------------------------------------------------------------------


def torch_networks(torch, model):
    L = torch.nn
    E = L.Sequential(
        *(L.Flatten(), L.Linear(784, 512), L.ReLU()),
        *(L.Linear(512, 512), L.BatchNorm1d(512), L.ReLU(), L.Linear(512, 2)),
    )
    decoder = L.Sequential(
        *(L.Linear(2, 512), L.ReLU(), L.Linear(512, 512), L.BatchNorm1d(512), L.ReLU()),
        *(L.Linear(512, 784), L.Tanh(), L.Unflatten(1, (28, 28, 1))),
    )
    D = L.Sequential(
        *(L.Linear(2 + model.classes, 512), L.ReLU(), L.Linear(512, 256), L.ReLU()),
        L.Linear(256, 1),
    )
    theirs = {"E": E.double(), "decoder": decoder.double(), "D": D.double()}
    for name, ours in model.networks().items():
        load_into(torch, theirs[name], ours)
    return theirs


@pytest.mark.parametrize("how", WITH)
def test_losses_and_all_gradients_equal_torch(how):
    torch = pytest.importorskip("torch")
    F, labels = torch.nn.functional, WITH[how]
    model = model_of(labels, dtype=np.float64)
    theirs = torch_networks(torch, model)
    TE, TDecoder, TD = theirs.values()

    def same(loss, t_loss, *names):
        assert loss.item() == pytest.approx(t_loss.item(), rel=1e-10)
        params = [p for n in names for p in model.networks()[n].parameters()]
        gs = iter(tg.grad(loss, params))
        for network in theirs.values():
            network.zero_grad()
        t_loss.backward()
        for n in names:
            named = {k: next(gs).numpy() for k in model.networks()[n].named_parameters()}
            for key, g in to_torch(named).items():
                want = theirs[n].get_parameter(key).grad.numpy()
                np.testing.assert_allclose(g, want, rtol=1e-7, atol=1e-10, err_msg=f"{n} {key}")

    x = torch.tensor(X)
    t_error = x - TDecoder(TE(x))
    loss = aae.reconstruction_loss(model.E, model.decoder, t(X))
    same(loss, (t_error**2).sum() / len(x), "E", "decoder")

    y = None if labels is None else tg.one_hot(labels, 10, dtype=float)
    seen = [] if labels is None else [F.one_hot(torch.tensor(labels), 10).double()]
    a = TD(torch.cat([torch.tensor(Z), *seen], 1))
    a_code = TD(torch.cat([TE(x).detach(), *seen], 1))
    t_V = F.logsigmoid(a).mean() + F.logsigmoid(-a_code).mean()
    same(-aae.value(model.D, t(Z), model.E(t(X), train=True), y).V, -t_V, "D")

    t_loss = -F.logsigmoid(TD(torch.cat([TE(x), *seen], 1))).mean()
    same(aae.encoder_loss(model.D, model.E(t(X), train=True), y), t_loss, "E")


# --- a step ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", WITH)
def test_a_step_moves_all_and_reports(how):
    model = model_of(WITH[how])
    before = {name: network.state_dict() for name, network in model.networks().items()}
    out = model.step(X, np.random.default_rng(1), WITH[how])
    assert list(out) == ["reconstruction", "loss_D", "loss_E", "D_z", "D_Ex"]
    for name, network in model.networks().items():
        for key, v in network.state_dict().items():
            assert np.any(v != before[name][key]), f"{name} {key}"
    assert [opt.t for opt in (model.opt_reconstruction, model.opt_D, model.opt_E)] == [1, 1, 1]


def test_a_step_is_its_two_phases():
    """Reconstruction first; then D by the new E's codes; then E by the new D."""
    model, twin = model_of(LABELS), model_of(LABELS)
    model.step(X, np.random.default_rng(1), LABELS)
    x, y = tg.tensor(X), tg.one_hot(LABELS, 10)
    z = tg.tensor(twin.draw_prior(len(X), np.random.default_rng(1), LABELS))
    for loss, opt in [
        (lambda: aae.reconstruction_loss(twin.E, twin.decoder, x), twin.opt_reconstruction),
        (lambda: -aae.value(twin.D, z, twin.E(x, train="frozen"), y).V, twin.opt_D),
        (lambda: aae.encoder_loss(twin.D, twin.E(x, train=True), y), twin.opt_E),
    ]:
        opt.step(tg.grad(loss(), opt.params))
    for name, network in model.networks().items():
        for key, v in network.state_dict().items():
            np.testing.assert_array_equal(v, twin.networks()[name].state_dict()[key], key)


def test_running_statistics_move_once_a_batch():
    model = model_of(None)
    for opt in (model.opt_reconstruction, model.opt_D, model.opt_E):
        opt.lr = 0.0  # weights stay, so that the statistics are known
    model.step(X, np.random.default_rng(1))
    E, decoder, x = model.E.layers, model.decoder.layers, tg.tensor(X)
    into_E = E[3](tg.relu(E[1](E[0](x))))
    into_decoder = decoder[2](tg.relu(decoder[0](model.E(x, train="frozen"))))
    for norm, h in ((E[4], into_E.numpy()), (decoder[3], into_decoder.numpy())):
        mean, var = 0.1 * h.mean(0), 0.9 + 0.1 * h.var(0, ddof=1)
        np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(norm.running_var.numpy(), var, rtol=1e-4)


def test_each_optimiser_lowers_its_loss():
    model = model_of(LABELS)
    x, z, y = tg.tensor(X), tg.tensor(Z), tg.one_hot(LABELS, 10)
    for loss, opt in [
        (lambda: aae.reconstruction_loss(model.E, model.decoder, x), model.opt_reconstruction),
        (lambda: -aae.value(model.D, z, model.E(x, train="frozen"), y).V, model.opt_D),
        (lambda: aae.encoder_loss(model.D, model.E(x, train="frozen"), y), model.opt_E),
    ]:
        before = loss().item()
        for _ in range(20):
            opt.step(tg.grad(loss(), opt.params))
        assert loss().item() < 0.9 * before


@pytest.mark.parametrize("prior", aae.PRIORS)
@pytest.mark.parametrize("labels", [None, LABELS % 4], ids=WITH)
def test_encode_decode_and_sample_have_the_stated_shapes(prior, labels):
    model = model_of(labels, prior=prior, shape=(8, 6, 3), classes=4)
    model.step(np.zeros((6, 8, 6, 3)), np.random.default_rng(0), labels)
    x = np.random.default_rng(0).uniform(-1, 1, (7, 8, 6, 3))
    z = model.encode(x, chunk=3)
    assert z.shape == (7, 2)
    images = model.decode(z, chunk=3)
    assert images.shape == (7, 8, 6, 3) and np.abs(images).max() <= 1
    np.testing.assert_allclose(images, model.decode(z), atol=1e-6)
    assert model.sample(3, np.random.default_rng(0)).shape == (3, 8, 6, 3)


def test_bad_configurations_and_labels_are_named():
    r = np.random.default_rng(0)
    with pytest.raises(UsageError, match="wanted swiss_roll or mixture or gaussian, got 'torus'"):
        aae.Config(prior="torus")
    with pytest.raises(UsageError, match="labels of 1 or more classes, got 0"):
        model_of(LABELS, classes=0)
    with pytest.raises(UsageError, match="wanted 6 labels, got none"):
        model_of(LABELS).step(X, r)
    model = model_of(LABELS)
    before = model.E.state_dict()
    for wrong in (10, -1):
        with pytest.raises(UsageError, match=rf"wanted 0 <= label < 10, got .*{wrong}"):
            model.step(X, r, np.where(LABELS == 3, wrong, LABELS))
    with pytest.raises(UsageError, match=r"a label for each of 6 points, got \(5,\)"):
        model.step(X, r, LABELS[:5])
    np.testing.assert_equal(model.E.state_dict(), before)  # nothing has moved
