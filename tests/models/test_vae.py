"""The VAE's bound: by hand on a linear case, torch in float64, and what must hold always."""

import numpy as np
import pytest
import scipy.stats
from by_hand import Affine, t
from hypothesis import given
from hypothesis import strategies as st
from twins import load_into

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, vae


def build(shape=(28, 28, 1), dtype=np.float32, seed=0, **options):
    return vae.build(vae.Config(**options), Setup(shape, dtype=dtype), np.random.default_rng(seed))


# Two pixels, one latent: μ = x₁ - x₂, log σ² = -1, l = z·(1, -2)
X = np.array([[0.2, 0.9], [0.5, 0.1]])
EPS = np.array([[0.3], [-1.2]])
ENCODER, DECODER = Affine([[1.0, 0.0], [-1.0, 0.0]], np.array([0.0, -1.0])), Affine([[1.0, -2.0]])


def by_hand(log_density):
    mu, var = X[:, :1] - X[:, 1:], np.exp(-1.0)
    z = mu + np.sqrt(var) * EPS
    mean = 1 / (1 + np.exp(-z * [[1.0, -2.0]]))
    kl = 0.5 * (mu[:, 0] ** 2 + var + 1 - 1)
    return -log_density(X, mean).sum(1).mean(), kl.mean()


@pytest.mark.parametrize(
    ("how", "density"),
    [
        ({"observation": "gaussian", "s": 0.1}, lambda x, m: scipy.stats.norm.logpdf(x, m, 0.1)),
        ({"observation": "gaussian", "s": 0.7}, lambda x, m: scipy.stats.norm.logpdf(x, m, 0.7)),
        (
            {"observation": "bernoulli", "s": 0.1},
            lambda x, m: x * np.log(m) + (1 - x) * np.log(1 - m),
        ),
    ],
)
def test_the_bound_by_hand(how, density):
    terms = vae.negative_elbo(ENCODER, DECODER, t(X), t(EPS), **how)
    reconstruction, kl = by_hand(density)
    assert terms.reconstruction.item() == pytest.approx(reconstruction, rel=1e-12)
    assert terms.KL.item() == pytest.approx(kl, rel=1e-12)
    assert terms.loss.item() == pytest.approx(reconstruction + kl, rel=1e-12)


def test_half_variance_is_the_squared_error():
    """s² = ½ without the constant: Σ (x - x̂)², as the loss is often printed."""
    terms = vae.negative_elbo(ENCODER, DECODER, t(X), t(EPS), observation="gaussian", s=0.5**0.5)
    squared = by_hand(lambda x, m: -((x - m) ** 2))[0]
    constant = X.shape[1] / 2 * np.log(2 * np.pi * 0.5)
    assert terms.reconstruction.item() == pytest.approx(squared + constant, rel=1e-12)


def test_the_bound_is_below_the_exact_likelihood():
    """Linear and Gaussian: x = w·z + noise has log p(x) in closed form; E_q[L] stays below it and
    reaches it at the exact posterior."""
    s, w, x = 0.5, 1.3, 0.8
    exact = scipy.stats.norm.logpdf(x, 0, np.sqrt(w * w + s * s))
    best_var = 1 / (1 + w * w / s**2)
    best_mu = best_var * w * x / s**2
    eps = np.random.default_rng(0).standard_normal((200_000, 1))

    def bound(mu, var):
        mus, log_vars = t(np.full_like(eps, mu)), t(np.full_like(eps, np.log(var)))
        z = vae.reparameterise(mus, log_vars, t(eps))
        log_p = tg.prob.gaussian_log_density(t(np.full_like(eps, x)), z * w, 2 * np.log(s))
        return (tg.mean(log_p) - tg.mean(tg.prob.kl_to_standard_normal(mus, log_vars))).item()

    assert bound(best_mu, best_var) == pytest.approx(exact, abs=0.01)
    for mu, var in ((0.0, 1.0), (best_mu, 0.5), (best_mu + 0.3, best_var)):
        assert bound(mu, var) < exact - 0.05


@given(st.integers(0, 10**6))
def test_terms_add_up_and_kl_is_not_negative(seed):
    r = np.random.default_rng(seed)
    encoder = Affine(r.standard_normal((2, 2)))
    x, eps = t(r.random((4, 2))), t(r.standard_normal((4, 1)))
    terms = vae.negative_elbo(encoder, DECODER, x, eps, observation="gaussian", s=0.1)
    assert terms.KL.item() >= 0
    assert terms.loss.item() == pytest.approx(terms.reconstruction.item() + terms.KL.item())


@pytest.mark.parametrize("observation", vae.OBSERVATIONS)
def test_value_and_gradients_equal_torch(observation):
    torch = pytest.importorskip("torch")
    L, F = torch.nn, torch.nn.functional
    model = build(observation=observation, dtype=np.float64, seed=3)
    encoder, decoder = model.encoder, model.decoder
    TE = L.Sequential(
        L.Flatten(), L.Linear(784, 512), L.ReLU(), L.Linear(512, 256), L.ReLU(), L.Linear(256, 4)
    ).double()
    TD = L.Sequential(
        L.Linear(2, 256), L.ReLU(), L.Linear(256, 512), L.ReLU(), L.Linear(512, 784)
    ).double()
    for ours, theirs in ((encoder, TE), (decoder, TD)):
        load_into(torch, theirs, ours)
    x, eps = (
        np.random.default_rng(0).random((5, 28, 28, 1)),
        np.random.default_rng(1).random((5, 2)),
    )
    terms = vae.negative_elbo(encoder, decoder, t(x), t(eps), observation=observation, s=0.1)
    params = [*encoder.parameters(), *decoder.parameters()]
    gs = tg.grad(terms.loss, params)

    mu, log_var = TE(torch.tensor(x)).chunk(2, 1)
    logits = TD(mu + (log_var / 2).exp() * torch.tensor(eps))
    flat = torch.tensor(x).flatten(1)
    if observation == "bernoulli":
        reconstruction = F.binary_cross_entropy_with_logits(logits, flat, reduction="sum") / 5
    else:
        normal = torch.distributions.Normal(torch.sigmoid(logits), 0.1)
        reconstruction = -normal.log_prob(flat).sum() / 5
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    loss = reconstruction + torch.distributions.kl_divergence(q, prior).sum() / 5
    loss.backward()
    assert terms.loss.item() == pytest.approx(loss.item(), rel=1e-12)
    theirs = [p.grad.numpy() for p in (*TE.parameters(), *TD.parameters())]
    for g, want in zip(gs, theirs, strict=True):
        np.testing.assert_allclose(g.numpy().T, want, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("optimizer", vae.OPTIMIZERS)
def test_every_optimiser_lowers_the_loss(optimizer):
    model = build(optimizer=optimizer)
    x = np.random.default_rng(1).random((16, 28, 28, 1), dtype=np.float32)
    inputs = model.draw(x, None, np.random.default_rng(0))
    before = model.terms(**inputs).loss.item()
    for _ in range(20 if optimizer != "lbfgs" else 1):
        model.update(**inputs)
    assert model.terms(**inputs).loss.item() < before


def test_encode_decode_and_sample_have_the_stated_shapes():
    model = build(shape=(8, 6, 3), latent=5)
    z = model.encode(np.random.default_rng(0).random((7, 8, 6, 3)), chunk=3)
    assert z.shape == (7, 5)
    images = model.decode(z, chunk=3)
    assert images.shape == (7, 8, 6, 3) and images.min() >= 0 and images.max() <= 1
    np.testing.assert_allclose(images, model.decode(z), atol=1e-6)
    assert model.sample(3, np.random.default_rng(0)).shape == (3, 8, 6, 3)


def test_encode_gives_means_and_samples_are_decoded_from_the_prior():
    model, x = build(latent=3), np.random.default_rng(0).random((4, 28, 28, 1), dtype=np.float32)
    mu, _ = vae.posterior(model.encoder, tg.tensor(x))
    np.testing.assert_array_equal(model.encode(x), mu.numpy())
    z = np.random.default_rng(1).standard_normal((5, 3))
    np.testing.assert_array_equal(model.sample(5, np.random.default_rng(1)), model.decode(z))


def test_bad_configurations_are_named():
    for options, words in [
        ({"optimizer": "adamw"}, "vae: optimizer: wanted sgd or .* got 'adamw'"),
        ({"observation": "poisson"}, "vae: observation: wanted gaussian or bernoulli, got"),
        ({"s": 0.0}, "vae: s: wanted a number > 0, got 0.0"),
        ({"optimizer": "lbfgs", "lr": 0.1}, "lbfgs finds its own step, wanted no lr, got 0.1"),
        ({"latent": 0}, "vae: latent: wanted a whole number >= 1, got 0"),
    ]:
        with pytest.raises(UsageError, match=words):
            vae.Config(**options)
    with pytest.raises(UsageError, match="a standard deviation s > 0, got -1"):
        vae.log_likelihood_given_z(t(X), t(X), observation="gaussian", s=-1)
    with pytest.raises(UsageError, match="gaussian, bernoulli, got 'poisson'"):
        vae.log_likelihood_given_z(t(X), t(X), observation="poisson", s=1)
