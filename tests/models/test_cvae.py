"""The CVAE's bound: by hand on a linear case, torch in float64, and what the label decides."""

import numpy as np
import pytest
import scipy.stats
from by_hand import Affine, t
from twins import load_into

import tinygen as tg
from tinygen.models import Setup, cvae, vae


def build(shape=(28, 28, 1), classes=10, dtype=np.float32, seed=0, **options):
    setup = Setup(shape, classes, dtype=dtype)
    return cvae.build(cvae.Config(**options), setup, np.random.default_rng(seed))


# Two pixels, two classes, one latent: μ = x₁ - x₂ + y₂, log σ² = -1; l = z·(1, -2) + y₂·(3, 0.5)
X, Y = np.array([[0.2, 0.9], [0.5, 0.1]]), np.array([[1.0, 0.0], [0.0, 1.0]])
EPS = np.array([[0.3], [-1.2]])
ENCODER = Affine([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]], np.array([0.0, -1.0]))
DECODER = Affine([[1.0, -2.0], [0.0, 0.0], [3.0, 0.5]])


@pytest.mark.parametrize(
    ("observation", "density"),
    [
        ("gaussian", lambda x, m: scipy.stats.norm.logpdf(x, m, 0.7)),
        ("bernoulli", lambda x, m: x * np.log(m) + (1 - x) * np.log(1 - m)),
    ],
)
def test_the_bound_by_hand(observation, density):
    mu, var = X[:, :1] - X[:, 1:] + Y[:, 1:], np.exp(-1.0)
    z = mu + np.sqrt(var) * EPS
    mean = 1 / (1 + np.exp(-(z * [1.0, -2.0] + Y[:, 1:] * [3.0, 0.5])))
    kl = 0.5 * (mu[:, 0] ** 2 + var + 1 - 1)
    terms = cvae.negative_elbo(ENCODER, DECODER, t(X), t(Y), t(EPS), observation=observation, s=0.7)
    reconstruction = -density(X, mean).sum(1).mean()
    assert terms.reconstruction.item() == pytest.approx(reconstruction, rel=1e-12)
    assert terms.KL.item() == pytest.approx(kl.mean(), rel=1e-12)
    assert terms.loss.item() == pytest.approx(reconstruction + kl.mean(), rel=1e-12)


def test_networks_that_do_not_look_at_y_have_the_vaes_bound():
    deaf, plain = [], []
    for network, k in ((ENCODER, 2), (DECODER, 1)):
        w = network.w.numpy()[:k]
        plain.append(Affine(w, network.b))
        deaf.append(Affine(np.concatenate([w, np.zeros((2, 2))]), network.b))
    how = {"observation": "gaussian", "s": 0.3}
    ours = cvae.negative_elbo(*deaf, t(X), t(Y), t(EPS), **how)
    for a, b in zip(ours, vae.negative_elbo(*plain, t(X), t(EPS), **how), strict=True):
        assert a.item() == pytest.approx(b.item(), rel=1e-12)


@pytest.mark.parametrize("observation", vae.OBSERVATIONS)
def test_value_and_gradients_equal_torch(observation):
    torch = pytest.importorskip("torch")
    L, F = torch.nn, torch.nn.functional
    model = build(observation=observation, latent=3, dtype=np.float64, seed=3)
    TE = L.Sequential(L.Linear(794, 512), L.ReLU(), L.Linear(512, 256), L.ReLU(), L.Linear(256, 6))
    TD = L.Sequential(L.Linear(13, 256), L.ReLU(), L.Linear(256, 512), L.ReLU(), L.Linear(512, 784))
    for theirs, ours in ((TE.double(), model.encoder), (TD.double(), model.decoder)):
        load_into(torch, theirs, ours)
    r = np.random.default_rng(0)
    x, labels, eps = r.random((5, 28, 28, 1)), np.array([3, 0, 9, 9, 4]), r.standard_normal((5, 3))
    terms = model.terms(x, labels, eps)
    params = [*model.encoder.parameters(), *model.decoder.parameters()]
    gs = tg.grad(terms.loss, params)

    flat, y = torch.tensor(x).flatten(1), F.one_hot(torch.tensor(labels), 10).double()
    mu, log_var = TE(torch.cat([flat, y], 1)).chunk(2, 1)
    logits = TD(torch.cat([mu + (log_var / 2).exp() * torch.tensor(eps), y], 1))
    if observation == "bernoulli":
        reconstruction = F.binary_cross_entropy_with_logits(logits, flat, reduction="sum") / 5
    else:
        normal = torch.distributions.Normal(torch.sigmoid(logits), 0.1)
        reconstruction = -normal.log_prob(flat).sum() / 5
    kl = 0.5 * (mu**2 + log_var.exp() - log_var - 1).sum() / 5
    (reconstruction + kl).backward()
    assert terms.loss.item() == pytest.approx((reconstruction + kl).item(), rel=1e-12)
    theirs = [p.grad.numpy() for p in (*TE.parameters(), *TD.parameters())]
    for g, want in zip(gs, theirs, strict=True):
        np.testing.assert_allclose(g.numpy().T, want, rtol=1e-8, atol=1e-9)


def test_a_step_lowers_the_loss():
    model, r = build(), np.random.default_rng(1)
    x, labels = r.random((16, 28, 28, 1), dtype=np.float32), np.arange(16) % 10
    inputs = model.draw(x, labels, r)
    before = model.terms(**inputs).loss.item()
    for _ in range(20):
        model.update(**inputs)
    assert model.terms(**inputs).loss.item() < before
