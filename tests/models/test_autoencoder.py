"""The autoencoders' losses: by hand, torch in float64, properties; the Gaussian of their codes."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from by_hand import Affine, t
from hypothesis import given
from hypothesis import strategies as st
from twins import load_into, same_gradients

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, autoencoder
from tinygen.models.moments import Moments
from tinygen.scores import pca, principal_angles

SEEDS = st.integers(0, 10**6)
X = np.random.default_rng(0).random((6, 28, 28, 1))
CASES = {
    "undercomplete": {},
    "undercomplete linear": {"arch": "linear", "latent": 5},
    "undercomplete shallow": {"arch": "shallow", "latent": 5},
    "sparse l1": {"penalty": "l1", "latent": 9},
    "sparse kl": {"penalty": "kl", "latent": 9},
    "stochastic": {},
    "denoising gaussian": {},
    "denoising masking": {"corruption": "masking"},
    "denoising salt-and-pepper": {"corruption": "salt-and-pepper"},
}


def build(kind="undercomplete", shape=(28, 28, 1), dtype=np.float32, seed=0, **options):
    config = autoencoder.Config(kind=kind, **options)
    return autoencoder.build(config, Setup(shape, dtype=dtype), np.random.default_rng(seed))


def case(name, dtype=np.float64):
    return build(name.split()[0], dtype=dtype, **CASES[name])


# --- by hand: two pixels, the code x₁ - x₂, a decoder h·(1, -2) -----------------------------------

PIXELS = np.array([[0.2, 0.9], [0.5, 0.1]])  # codes -0.7 and 0.4, images (-0.7, 1.4), (0.4, -0.8)
ENCODER, DECODER = Affine([[1.0], [-1.0]]), Affine([[1.0, -2.0]])


def test_undercomplete_by_hand():
    terms = autoencoder.undercomplete(ENCODER, DECODER, t(PIXELS))
    wanted = (0.9**2 + 0.5**2 + 0.1**2 + 0.9**2) / 2
    assert terms.loss.item() == terms.reconstruction.item() == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(terms.h.numpy(), [[-0.7], [0.4]])


def test_noise_in_the_code_by_hand():
    """Codes -0.7 + 0.5·1 = -0.2 and 0.4 - 0.5·2 = -0.6; images (-0.2, 0.4) and (-0.6, 1.2)."""
    eps = t([[1.0], [-2.0]])
    terms = autoencoder.stochastic(ENCODER, DECODER, t(PIXELS), eps, sigma=0.5)
    wanted = (0.4**2 + 0.5**2 + 1.1**2 + 1.1**2) / 2
    assert terms.loss.item() == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(terms.h.numpy(), [[-0.2], [-0.6]])  # as the decoder was given them


def test_denoising_by_hand():
    """The first pixel of both is masked: codes -0.9 and -0.1, errors against the whole x."""
    noise, how = t([[0.1, 0.9], [0.2, 0.8]]), {"corruption": "masking", "level": 0.3}
    terms = autoencoder.denoising(ENCODER, DECODER, t(PIXELS), noise, **how)
    wanted = ((0.2 + 0.9) ** 2 + (0.9 - 1.8) ** 2 + (0.5 + 0.1) ** 2 + (0.1 - 0.2) ** 2) / 2
    assert terms.loss.item() == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(terms.h.numpy(), [[-0.9], [-0.1]])


def test_l1_by_hand():
    """Columns (3, 4) and (0, 2) of lengths 5 and 2: (0.2·5 + 1·2 + 0 + 0.5·2) / 2."""
    h, w = t([[-0.2, 1.0], [0.0, 0.5]]), t([[3.0, 4.0], [0.0, 2.0]])
    assert autoencoder.l1(h, w).item() == pytest.approx(2.0, rel=1e-12)


def test_kl_is_that_of_two_coins():
    h, rho = np.random.default_rng(1).uniform(0.01, 0.9, (7, 4)), 0.1
    on = h.mean(0)
    coins = [scipy.stats.entropy([rho, 1 - rho], [p, 1 - p]) for p in on]
    assert autoencoder.kl(t(h), rho).item() == pytest.approx(np.sum(coins), rel=1e-12)
    assert autoencoder.kl(t(np.full((3, 2), rho)), rho).item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("penalty", autoencoder.PENALTIES)
def test_sparse_is_error_and_penalty(penalty):
    rng = np.random.default_rng(0)
    decoder = tg.nn.dense(3, 2, activation=tg.relu, rng=rng).astype(float)
    x, encoder = t(PIXELS), lambda x: tg.sigmoid(Affine(rng.standard_normal((2, 3)))(x))
    h = encoder(x)
    terms = autoencoder.sparse(lambda x: h, decoder, x, penalty=penalty, weight=0.3, rho=0.1)
    error = autoencoder.undercomplete(lambda x: h, decoder, x).loss.item()
    w = decoder[0].weight
    wanted = autoencoder.l1(h, w) if penalty == "l1" else autoencoder.kl(h, 0.1)
    assert terms.reconstruction.item() == pytest.approx(error, rel=1e-12)
    assert terms.loss.item() == pytest.approx(error + 0.3 * wanted.item(), rel=1e-12)


@given(SEEDS, st.floats(0.1, 10))
def test_growing_columns_do_not_make_l1_smaller(seed, factor):
    """h / factor and w · factor draw the same images at the same cost."""
    rng = np.random.default_rng(seed)
    h, w = rng.standard_normal((5, 3)), rng.standard_normal((3, 4))
    costs = [autoencoder.l1(t(h / s), t(w * s)).item() for s in (1, factor)]
    assert costs[1] == pytest.approx(costs[0], rel=1e-9)


@given(SEEDS)
def test_kl_is_least_where_each_unit_is_on_at_the_rate(seed):
    h = np.random.default_rng(seed).uniform(0.001, 0.999, (4, 3))
    assert autoencoder.kl(t(h), 0.3).item() >= 0


# --- corruption -----------------------------------------------------------------------------------


def corrupted(x, noise, **how):
    return autoencoder.corrupt(t(x), t(noise), **how).numpy()


@given(SEEDS, st.floats(0, 2))
def test_gaussian_noise_is_what_was_drawn(seed, level):
    rng = np.random.default_rng(seed)
    x, noise = rng.random((3, 5, 4, 1)), rng.standard_normal((3, 5, 4, 1))
    found = corrupted(x, noise, corruption="gaussian", level=level)
    np.testing.assert_allclose(found - x, level * noise, atol=1e-12)


@given(SEEDS, st.floats(0, 1))
def test_masking_takes_a_share_of_the_pixels(seed, level):
    rng = np.random.default_rng(seed)
    x, noise = rng.uniform(0.1, 0.9, (40, 25)), rng.random((40, 25))
    found = corrupted(x, noise, corruption="masking", level=level)
    masked = found != x
    np.testing.assert_array_equal(found, np.where(masked, 0, x))
    assert abs(masked.mean() - level) <= 5 * np.sqrt(level * (1 - level) / x.size) + 1e-12


@given(SEEDS, st.floats(0, 1))
def test_salt_and_pepper_are_ones_and_zeros_in_equal_parts(seed, level):
    rng = np.random.default_rng(seed)
    x, noise = rng.uniform(0.1, 0.9, (40, 25)), rng.random((40, 25))
    found = corrupted(x, noise, corruption="salt-and-pepper", level=level)
    salt, pepper = found == 1, found == 0
    np.testing.assert_array_equal(found[~(salt | pepper)], x[~(salt | pepper)])
    for part in (salt, pepper):
        p = level / 2
        assert abs(part.mean() - p) <= 5 * np.sqrt(p * (1 - p) / x.size) + 1e-12


@pytest.mark.parametrize("corruption", autoencoder.CORRUPTIONS)
def test_no_corruption_leaves_images_as_they_are(corruption):
    noise = build("denoising", corruption=corruption).draw(X, None, np.random.default_rng(0))
    found = corrupted(X, noise["noise"], corruption=corruption, level=0.0)
    np.testing.assert_array_equal(found, X)


# --- against torch --------------------------------------------------------------------------------


def torch_networks(torch, model):
    """The networks of an arch, layer by layer as README and docstrings state them."""
    L, c = torch.nn, model.config
    last = {"l1": L.ReLU, "kl": L.Sigmoid}.get(c.penalty, L.Identity)
    last = L.Tanh if c.kind == "stochastic" else last
    last = L.ReLU if c.arch == "shallow" and c.kind == "undercomplete" else last
    end = L.Identity if c.arch == "linear" else L.Sigmoid
    sizes = [784, 512, 256, c.latent] if c.arch == "mlp" else [784, c.latent]

    def chain(sizes, last):
        layers = [f for i, o in pairwise(sizes) for f in (L.Linear(i, o), L.ReLU())]
        return [*layers[:-1], last()]

    encoder = L.Sequential(L.Flatten(), *chain(sizes, last)).double()
    decoder = L.Sequential(*chain(sizes[::-1], end), L.Unflatten(1, (28, 28, 1))).double()
    load_into(torch, encoder, model.encoder)
    load_into(torch, decoder, model.decoder)
    return encoder, decoder


@pytest.mark.parametrize("name", CASES)
def test_losses_and_all_gradients_equal_torch(name):
    torch = pytest.importorskip("torch")
    model = case(name)
    encoder, decoder = torch_networks(torch, model)
    inputs, c = model.draw(X, None, np.random.default_rng(1)), model.config
    terms = model.terms(**inputs)
    gs = tg.grad(terms.loss, model.opt.params)

    x, noise = torch.tensor(X), torch.tensor(inputs.get("noise", 0.0))
    seen = x.clone()
    if c.corruption == "gaussian":
        seen += 0.5 * noise
    if c.corruption == "masking":
        seen[noise < 0.5] = 0
    if c.corruption == "salt-and-pepper":
        seen[noise < 0.15], seen[noise >= 0.85] = 0, 1
    h = encoder(seen)
    if c.kind == "stochastic":
        h = h + 0.5 * noise
    loss = ((x - decoder(h)) ** 2).sum() / len(x)
    assert terms.reconstruction.item() == pytest.approx(loss.item(), rel=1e-12)
    if c.penalty == "l1":
        loss = loss + 0.2 * (h.abs() * decoder[0].weight.norm(dim=0)).sum() / len(x)
    if c.penalty == "kl":
        p, rho = h.mean(0), 0.05
        coins = rho * (rho / p).log() + (1 - rho) * ((1 - rho) / (1 - p)).log()
        loss = loss + 0.5 * coins.sum()
    loss.backward()
    assert terms.loss.item() == pytest.approx(loss.item(), rel=1e-12)
    count = len(model.encoder.parameters())
    same_gradients(model.encoder, gs[:count], encoder)
    same_gradients(model.decoder, gs[count:], decoder)


# --- a step ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_a_step_moves_all_and_lowers_the_loss(name):
    model = case(name, np.float32)
    before = {key: network.state_dict() for key, network in model.networks().items()}
    inputs = model.draw(X, None, np.random.default_rng(1))
    first = model.update(**inputs)
    assert list(first) == ["loss", "reconstruction"]
    for key, network in model.networks().items():
        for part, v in network.state_dict().items():
            assert np.any(v != before[key][part]), f"{key} {part}"
    for _ in range(20):
        last = model.update(**inputs)
    assert last["loss"].item() < first["loss"].item()


@pytest.mark.parametrize("kind", ["stochastic", "denoising"])
def test_a_step_is_a_function_of_the_noise(kind):
    def after(seed):
        model = build(kind)
        model.update(**model.draw(X, None, np.random.default_rng(seed)))
        return model.decoder.state_dict()["layers.0.weight"]

    np.testing.assert_array_equal(after(1), after(1))
    assert np.any(after(1) != after(2))


def test_noise_has_the_stated_shapes():
    rng = np.random.default_rng(0)
    assert list(build().draw(X, None, rng)) == ["x"]
    assert build("stochastic", latent=3).draw(X, None, rng)["noise"].shape == (6, 3)
    for corruption in autoencoder.CORRUPTIONS:
        noise = build("denoising", corruption=corruption).draw(X, None, rng)["noise"]
        assert noise.shape == X.shape and (noise.min() < 0) == (corruption == "gaussian")


def test_codes_under_noise_are_bounded():
    model = build("stochastic")
    far = model.encode(1e3 * X)
    assert np.abs(far).max() <= 1
    assert build("undercomplete").encode(1e3 * X).max() > 1


def test_codes_under_noise_do_not_all_go_to_the_ends():
    """Where all of them are ±1, tanh has no gradient that would bring them back."""
    model, rng = build("stochastic"), np.random.default_rng(0)
    lit = rng.integers(0, 28, (40, 64))  # a column each, of dark images
    for columns in lit:
        x = np.zeros((64, 28, 28, 1), np.float32)
        x[np.arange(64), :, columns] = 1
        model.step(x, rng)
    assert model.encode(x).std(0).mean() > 0.1


@pytest.mark.parametrize("name", CASES)
def test_encode_decode_and_sample_have_the_stated_shapes(name):
    kind, options = name.split()[0], {**CASES[name], "latent": 5}
    model = build(kind, shape=(8, 6, 3), **options)
    h = model.encode(np.random.default_rng(0).random((7, 8, 6, 3)), chunk=3)
    images = model.decode(h, chunk=3)
    assert h.shape == (7, 5) and images.shape == (7, 8, 6, 3)
    np.testing.assert_allclose(images, model.decode(h), atol=1e-6)
    samples = model.sample(3, np.random.default_rng(0))
    assert samples.shape == (3, 8, 6, 3) and samples.min() >= 0 and samples.max() <= 1


# --- the Gaussian of the codes --------------------------------------------------------------------


def test_moments_move_as_running_statistics_do():
    model, x = build(latent=3), X.astype(np.float32)
    h = model.encode(x).astype(np.float64)
    model.update(x)
    first, second = model.moments.first.numpy(), model.moments.second.numpy()
    np.testing.assert_allclose(first, 0.01 * h.mean(0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(second, 0.99 * np.eye(3) + 0.01 * h.T @ h / 6, rtol=1e-4, atol=1e-7)


@given(SEEDS)
def test_the_gaussian_has_the_moments_of_the_codes(seed):
    rng, moments = np.random.default_rng(seed), Moments(3, momentum=1.0).astype(float)
    h = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 3)) + rng.standard_normal(3)
    moments.move(t(h))
    m, root = moments.gaussian()
    np.testing.assert_allclose(m, h.mean(0), atol=1e-12)
    np.testing.assert_allclose(root @ root, np.cov(h.T, bias=True), atol=1e-9)
    np.testing.assert_allclose(root, root.T, atol=1e-12)
    z = rng.standard_normal((4, 3))
    drawn = moments.layer()(t(z)).numpy()
    np.testing.assert_allclose(drawn, m + z @ root, rtol=1e-12)
    np.testing.assert_allclose(moments.whiten(drawn), z, atol=1e-6)


def test_codes_that_never_vary_are_drawn_as_they_are():
    moments = Moments(2, momentum=1.0).astype(float)
    moments.move(t([[1.0, 5.0], [3.0, 5.0]]))
    drawn = moments.layer()(t(np.random.default_rng(0).standard_normal((9, 2)))).numpy()
    np.testing.assert_allclose(drawn[:, 1], 5.0, rtol=1e-4)
    np.testing.assert_allclose(moments.whiten([[2.0, 5.0]]), [[0.0, 0.0]], atol=1e-3)


def test_variances_that_rounding_made_negative_are_none():
    moments, rng = Moments(6, momentum=1.0), np.random.default_rng(0)
    line = rng.standard_normal((50, 1)) @ rng.standard_normal((1, 6)) + 9
    moments.move(tg.tensor(line, dtype=np.float32))
    m, root = moments.gaussian()
    variances = np.linalg.eigvalsh(np.asarray(moments.second.numpy(), float) - np.outer(m, m))
    assert variances[0] < 0 and np.isfinite(root).all()


def test_samples_are_decoded_from_the_gaussian():
    model = build(latent=3)
    for _ in range(3):
        model.step(X, np.random.default_rng(0))
    m, root = model.moments.gaussian()
    z = np.random.default_rng(1).standard_normal((5, 3))
    samples = model.sample(5, np.random.default_rng(1))
    np.testing.assert_allclose(samples, model.decode(m + z @ root), atol=1e-6)
    np.testing.assert_allclose(model.to_z(m + z @ root), z, atol=1e-5)


# --- PCA ------------------------------------------------------------------------------------------


def test_a_linear_autoencoder_spans_the_principal_subspace():
    """Baldi & Hornik 1989, on images of eight directions of clearly different variance."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((16, 8)))[0]
    x = rng.standard_normal((200, 8)) * 0.8 ** np.arange(8) @ axes.T + rng.standard_normal(16)
    wanted = pca(x, 3).components.T
    model = build(shape=(4, 4, 1), dtype=np.float64, arch="linear", latent=3)
    model.opt.lr = tg.optim.cosine(0.1, steps=1500)
    columns = lambda: model.decoder[0].weight.numpy().T
    assert principal_angles(columns(), wanted).max() > 30
    for _ in range(1500):
        model.update(x.reshape(-1, 4, 4, 1))
    assert principal_angles(columns(), wanted).max() < 1


def test_an_affine_denoiser_of_gaussian_points_is_the_posterior_mean():
    """r(x) = μ + Σ(Σ + σ²I)⁻¹(x - μ), and so r(x) - x = σ²∇log N(x; μ, Σ + σ²I).

    Points and noise have exactly the moments that they are drawn by, so the least squares do, too.
    """
    rng, sigma, mu = np.random.default_rng(0), 0.7, np.array([1.0, -2.0])
    columns = rng.standard_normal((50, 4))
    white = np.linalg.qr(columns - columns.mean(0))[0] * np.sqrt(50)  # uncorrelated, of variance 1
    root = np.array([[1.0, 0.3], [0.3, 0.5]])
    x, noise, cov = mu + white[:, :2] @ root, white[:, 2:], root @ root
    encoder, decoder = (tg.nn.Linear(2, 2, rng=rng).astype(float) for _ in "12")
    search = tg.optim.LBFGS([*encoder.parameters(), *decoder.parameters()], iterations=500)
    how = {"corruption": "gaussian", "level": sigma}
    search.minimise(lambda: autoencoder.denoising(encoder, decoder, t(x), t(noise), **how).loss)

    at, noisy = rng.standard_normal((5, 2)), cov + sigma**2 * np.eye(2)
    found = decoder(encoder(t(at))).numpy()
    np.testing.assert_allclose(found, mu + (at - mu) @ np.linalg.solve(noisy, cov), atol=1e-4)
    score = -(at - mu) @ np.linalg.inv(noisy)
    np.testing.assert_allclose(found - at, sigma**2 * score, atol=1e-4)


# --- options --------------------------------------------------------------------------------------


def test_each_kind_has_its_own_defaults():
    assert autoencoder.Config().latent == 2 and autoencoder.Config().penalty is None
    sparse = autoencoder.Config(kind="sparse")
    assert sparse.latent > 784 and (sparse.arch, sparse.rho) == ("shallow", None)
    assert autoencoder.Config(kind="sparse", penalty="kl").rho == 0.05
    assert autoencoder.Config(kind="denoising", corruption="masking", level=0).level == 0.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "deep"}, "kind: wanted undercomplete or sparse or .* got 'deep'"),
        ({"sigma": 0.1}, "sigma: an option of kind stochastic, this is undercomplete"),
        ({"kind": "sparse", "level": 0.1}, "level: an option of corruption .*, this has no corr"),
        ({"kind": "sparse", "rho": 0.1}, "rho: an option of penalty kl, this is l1"),
        ({"kind": "sparse", "penalty": "kl", "rho": 1.0}, "rho: wanted a number > 0 and < 1, got"),
        ({"kind": "sparse", "arch": "mlp"}, "arch: wanted shallow for sparse, got 'mlp'"),
        ({"kind": "stochastic", "arch": "linear"}, "arch: wanted mlp or shallow for stochastic"),
        ({"kind": "denoising", "sigma": 1.0}, "sigma: an option of kind stochastic"),
        (
            {"kind": "denoising", "corruption": "masking", "level": 1.5},
            "level: wanted a share of the pixels, at most 1, got 1.5",
        ),
    ],
    ids=str,
)
def test_bad_configurations_are_named(options, words):
    with pytest.raises(UsageError, match=f"^autoencoder: {words}"):
        autoencoder.Config(**options)
