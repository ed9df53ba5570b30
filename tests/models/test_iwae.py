"""The k-sample bound: by hand, torch in float64, theorem 1, and log p(x) where it is known."""

from itertools import combinations, pairwise

import numpy as np
import pytest
import scipy.special
import scipy.stats
from by_hand import Affine, t
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from twins import load_into

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, iwae, vae

BERNOULLI = {"observation": "bernoulli", "s": 1.0}


def build(k=(1, 5), dtype=np.float32, seed=0):
    return iwae.build(
        iwae.Config(k=k), Setup((28, 28, 1), dtype=dtype), np.random.default_rng(seed)
    )


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
    log_w = iwae.log_weights(ENCODER, DECODER, t(X), t(EPS), **BERNOULLI)
    np.testing.assert_allclose(log_w.numpy(), weights_by_hand(), rtol=1e-12)
    want = np.log(np.exp(weights_by_hand()).mean(0))
    np.testing.assert_allclose(iwae.bound(log_w).numpy(), want, rtol=1e-12)


def test_gradient_is_the_normalised_weights_sum():
    """Equation 14: Σ w̃ᵢ ∇log wᵢ, with w̃ constant."""
    log_w = iwae.log_weights(ENCODER, DECODER, t(X), t(EPS), **BERNOULLI)
    params = [ENCODER.w, DECODER.w]
    gs = tg.grad(tg.sum(iwae.bound(log_w)), params, retain_graph=True)
    normalised = scipy.special.softmax(weights_by_hand(), axis=0)
    for g, want in zip(gs, tg.grad(log_w, params, normalised), strict=True):
        np.testing.assert_allclose(g.numpy(), want.numpy(), rtol=1e-12)


def test_value_and_gradients_equal_torch():
    torch = pytest.importorskip("torch")
    L, D = torch.nn, torch.distributions
    model = build(dtype=np.float64, seed=3).models[5]
    encoder, decoder = model.encoder, model.decoder
    TE = L.Sequential(
        L.Flatten(), L.Linear(784, 200), L.Tanh(), L.Linear(200, 200), L.Tanh(), L.Linear(200, 100)
    ).double()
    TD = L.Sequential(
        L.Linear(50, 200), L.Tanh(), L.Linear(200, 200), L.Tanh(), L.Linear(200, 784)
    ).double()
    for ours, theirs in ((encoder, TE), (decoder, TD)):
        load_into(torch, theirs, ours)
    r = np.random.default_rng(0)
    x, eps = (r.random((4, 28, 28, 1)) < 0.3).astype(float), r.standard_normal((5, 4, 50))
    L_k = tg.mean(iwae.bound(iwae.log_weights(encoder, decoder, t(x), t(eps), **BERNOULLI)))
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
    model = vae.build(vae.Config(latent=2), Setup((4, 4, 1)), np.random.default_rng(0))
    networks = model.encoder, model.decoder
    x = np.random.default_rng(0).random((1, 4, 4, 1)).astype(np.float32).round()
    n = 20_000
    eps = np.random.default_rng(1).standard_normal((n, 1, 2)).astype(np.float32)
    with tg.no_grad():
        log_w = iwae.log_weights(*networks, tg.tensor(x), tg.tensor(eps), **BERNOULLI)
        tiled = tg.tensor(np.repeat(x, n, axis=0))
        terms = vae.negative_elbo(*networks, tiled, tg.tensor(eps[:, 0]), **BERNOULLI)
    error = log_w.numpy().std() / np.sqrt(n)
    assert log_w.numpy().mean() == pytest.approx(-terms.loss.item(), abs=4 * error + 1e-3)


def test_models_begin_alike_and_train_on_their_own():
    models = build()
    one, five = (models.models[k].encoder.state_dict() for k in (1, 5))
    assert all(np.array_equal(one[name], five[name]) for name in one)
    x = (np.random.default_rng(0).random((8, 28, 28, 1)) < 0.2).astype(np.float32)
    rng = np.random.default_rng(1)
    first = models.step(x, rng)
    assert set(first) == {"L_1", "L_5"}
    for _ in range(20):
        last = models.step(x, rng)
    assert all(last[name].item() > first[name].item() + 50 for name in first)
    samples = [m.sample(3, np.random.default_rng(2)) for m in (models, models.models[5])]
    np.testing.assert_array_equal(*samples)  # by the model of the largest k
    assert samples[0].shape == (3, 28, 28, 1)
    assert len(models.parts()) == 6


def test_bad_configurations_are_named():
    for options, words in [
        ({"k": [0]}, "iwae: k: wanted a whole number >= 1, got 0"),
        ({"k": [5, 5]}, r"iwae: k: wanted different numbers, got \(5, 5\)"),
        ({"k": []}, r"iwae: k: wanted several values, each a whole number >= 1, got \[\]"),
        ({"latent": 0}, "iwae: latent: wanted a whole number >= 1, got 0"),
    ]:
        with pytest.raises(UsageError, match=words):
            iwae.Config(**options)
