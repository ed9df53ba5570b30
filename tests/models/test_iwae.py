"""The k-sample bound: by hand, torch in float64, theorem 1, and log p(x) where it is known."""

import tracemalloc
from itertools import combinations, pairwise

import numpy as np
import pytest
import scipy.special
import scipy.stats
from by_hand import Affine, t
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import iwae, vae
from tinygen.weights import to_torch

CONFIG = {"shape": (28, 28, 1), "latent": 50, "k": [1, 5], "lr": 1e-3, "device": "cpu"}


# Two pixels, one latent: μ = x₁ - x₂, log σ² = -1, l = z·(1, -2)
X = np.array([[1.0, 0.0], [1.0, 1.0]])
EPS = np.array([[[0.3], [-1.2]], [[2.0], [0.1]], [[-0.5], [0.7]]])  # k = 3
ENCODER, DECODER = Affine([[1.0, 0.0], [-1.0, 0.0]], np.array([0.0, -1.0])), Affine([[1.0, -2.0]])


def weights_by_hand():
    mu, sigma = X[:, :1] - X[:, 1:], np.exp(-0.5)
    z = mu + sigma * EPS
    p = 1 / (1 + np.exp(-z * [1.0, -2.0]))
    log_p_x = scipy.stats.bernoulli.logpmf(X, p).sum(-1)
    normal = scipy.stats.norm.logpdf
    return log_p_x + normal(z)[..., 0] - normal(z, mu, sigma)[..., 0]


def test_the_weights_and_the_bound_by_hand():
    log_w = iwae.log_weights(ENCODER, DECODER, t(X), t(EPS))
    np.testing.assert_allclose(log_w.numpy(), weights_by_hand(), rtol=1e-12)
    want = np.log(np.exp(weights_by_hand()).mean(0))
    np.testing.assert_allclose(iwae.bound(log_w).numpy(), want, rtol=1e-12)


def test_gradient_is_the_normalised_weights_sum():
    """Equation 14: Σ w̃ᵢ ∇log wᵢ, with w̃ constant."""
    log_w = iwae.log_weights(ENCODER, DECODER, t(X), t(EPS))
    params = [ENCODER.w, DECODER.w]
    gs = tg.grad(tg.sum(iwae.bound(log_w)), params, retain_graph=True)
    normalised = scipy.special.softmax(weights_by_hand(), axis=0)
    for g, want in zip(gs, tg.grad(log_w, params, normalised), strict=True):
        np.testing.assert_allclose(g.numpy(), want.numpy(), rtol=1e-12)


def test_value_and_gradients_equal_torch():
    torch = pytest.importorskip("torch")
    L, D = torch.nn, torch.distributions
    model = iwae.build(CONFIG, np.random.default_rng(3)).models[5]
    encoder, decoder = model.encoder.astype(np.float64), model.decoder.astype(np.float64)
    TE = L.Sequential(
        L.Flatten(), L.Linear(784, 200), L.Tanh(), L.Linear(200, 200), L.Tanh(), L.Linear(200, 100)
    ).double()
    TD = L.Sequential(
        L.Linear(50, 200), L.Tanh(), L.Linear(200, 200), L.Tanh(), L.Linear(200, 784)
    ).double()
    for ours, theirs in ((encoder, TE), (decoder, TD)):
        theirs.load_state_dict({k: torch.tensor(v) for k, v in to_torch(ours.state_dict()).items()})
    r = np.random.default_rng(0)
    x, eps = (r.random((4, 28, 28, 1)) < 0.3).astype(float), r.standard_normal((5, 4, 50))
    L_k = tg.mean(iwae.bound(iwae.log_weights(encoder, decoder, t(x), t(eps))))
    gs = tg.grad(L_k, [*encoder.parameters(), *decoder.parameters()])

    mu, log_var = TE(torch.tensor(x)).chunk(2, 1)
    q = D.Normal(mu, (log_var / 2).exp())
    z = mu + q.scale * torch.tensor(eps)
    p_x = D.Bernoulli(logits=TD(z)).log_prob(torch.tensor(x).flatten(1)).sum(-1)
    log_w = p_x + D.Normal(0, 1).log_prob(z).sum(-1) - q.log_prob(z).sum(-1)
    want = (torch.logsumexp(log_w, 0) - np.log(5)).mean()
    want.backward()
    assert L_k.item() == pytest.approx(want.item(), rel=1e-12)
    theirs = [p.grad.numpy() for p in (*TE.parameters(), *TD.parameters())]
    for g, w in zip(gs, theirs, strict=True):
        np.testing.assert_allclose(g.numpy().T, w, rtol=1e-8, atol=1e-9)


@given(arrays(float, (5, 1), elements=st.floats(-30, 30)))
def test_more_samples_never_lower_the_bound(log_w):
    """Theorem 1 as its proof has it: L_k averaged over all choices of k weights rises with k."""
    averages = [
        np.mean([iwae.bound(t(log_w[list(chosen)])).item() for chosen in combinations(range(5), k)])
        for k in range(1, 6)
    ]
    assert all(b >= a - 1e-9 for a, b in pairwise(averages))


def test_one_sample_is_the_vae_bound_on_average():
    model = vae_model(latent=2)
    x = np.random.default_rng(0).random((1, 4, 4, 1)).astype(np.float32).round()
    n = 20_000
    eps = np.random.default_rng(1).standard_normal((n, 1, 2)).astype(np.float32)
    with tg.no_grad():
        log_w = iwae.log_weights(model.encoder, model.decoder, tg.tensor(x), tg.tensor(eps))
        tiled = tg.tensor(np.repeat(x, n, axis=0))
        terms = vae.negative_elbo(
            model.encoder, model.decoder, tiled, tg.tensor(eps[:, 0]), observation="bernoulli"
        )
    error = log_w.numpy().std() / np.sqrt(n)
    assert log_w.numpy().mean() == pytest.approx(-terms.loss.item(), abs=4 * error + 1e-3)


def vae_model(latent=1, shape=(4, 4, 1), observation="bernoulli"):
    config = {"shape": shape, "latent": latent, "observation": observation, "s": 1.0}
    config |= {"optimizer": "adam", "lr": None, "device": "cpu"}
    return vae.build(config, np.random.default_rng(0))


@pytest.mark.parametrize("observation", vae.OBSERVATIONS)
def test_log_likelihood_is_the_integral(observation):
    """One latent: log p(x) = log ∫ p(x|z) p(z) dz, on a fine grid of z."""
    model = vae_model(observation=observation)
    x = np.random.default_rng(0).random((3, 4, 4, 1)).astype(np.float32).round()
    z = np.linspace(-8, 8, 4001)
    with tg.no_grad():
        logits = model.decoder(tg.tensor(z[:, None]))
        exact = []
        for image in x:
            images = tg.tensor(np.repeat(image[None], len(z), axis=0))
            log_p = vae.log_likelihood_given_z(images, logits, observation=observation, s=1.0)
            joint = log_p.numpy().astype(float) + scipy.stats.norm.logpdf(z)
            exact.append(scipy.special.logsumexp(joint) + np.log(z[1] - z[0]))
    found = iwae.log_likelihood(model, x, k=5000, rng=np.random.default_rng(1))
    assert found.shape == (3,) and found.dtype == np.float64
    np.testing.assert_allclose(found, exact, atol=0.05)


def test_log_likelihood_does_not_depend_on_the_chunks():
    model, x = vae_model(), np.ones((1, 4, 4, 1), np.float32)
    one, all_at_once = (
        iwae.log_likelihood(model, x, k=300, rng=np.random.default_rng(1), rows=rows)
        for rows in (7, 1000)
    )
    np.testing.assert_allclose(one, all_at_once, rtol=1e-5)


def test_memory_does_not_grow_with_k():
    model, x = vae_model(shape=(28, 28, 1)), np.ones((4, 28, 28, 1), np.float32)
    peaks = []
    for k in (500, 5000):
        tracemalloc.start()
        iwae.log_likelihood(model, x, k=k, rng=np.random.default_rng(1), rows=200)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_models_begin_alike_and_train_on_their_own():
    models = iwae.build(CONFIG, np.random.default_rng(0))
    one, five = (models.models[k].encoder.state_dict() for k in (1, 5))
    assert all(np.array_equal(one[name], five[name]) for name in one)
    x = (np.random.default_rng(0).random((8, 28, 28, 1)) < 0.2).astype(np.float32)
    rng = np.random.default_rng(1)
    first = models.step(x, rng)
    assert set(first) == {"L_1", "L_5"}
    for _ in range(20):
        last = models.step(x, rng)
    assert all(last[name].item() > first[name].item() + 50 for name in first)
    assert models.sample(3, rng).shape == (3, 28, 28, 1)
    assert len(models.parts()) == 6


def test_bad_configurations_are_named():
    r = np.random.default_rng(0)
    for change, words in [
        ({"k": [0]}, r"wanted different k >= 1, got \[0\]"),
        ({"k": [5, 5]}, r"wanted different k >= 1, got \[5, 5\]"),
        ({"k": []}, r"wanted different k >= 1, got \[\]"),
        ({"latent": 0}, "wanted latent >= 1, got 0"),
    ]:
        with pytest.raises(UsageError, match=words):
            iwae.build({**CONFIG, **change}, r)
    with pytest.raises(UsageError, match="wanted k >= 1 and rows >= 1, got 0 and 2000"):
        iwae.log_likelihood(vae_model(), np.ones((1, 4, 4, 1)), k=0, rng=r)
