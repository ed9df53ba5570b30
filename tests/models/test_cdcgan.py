"""The conditional DCGAN: which D can tell how a label should look; torch for each variant."""

import numpy as np
import pytest
from by_hand import t

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, cdcgan, cgan
from tinygen.models.players import LATENT

SHAPE, CLASSES = (8, 8, 1), 3
X = np.random.default_rng(0).uniform(-1, 1, (6, *SHAPE))
Z1, Z2 = (np.random.default_rng(i).standard_normal((6, LATENT)) for i in (1, 2))
LABELS = np.array([0, 2, 1, 1, 2, 0])


def build(variant, dtype=np.float64):
    setup = Setup(SHAPE, CLASSES, dtype=dtype)
    return cdcgan.build(cdcgan.Config(variant=variant), setup, np.random.default_rng(0))


def trained(variant, steps=3):
    model, rng = build(variant), np.random.default_rng(1)
    for _ in range(steps):
        model.step(X, rng, LABELS)
    return model


@pytest.mark.parametrize("variant", cdcgan.HEADS)
def test_only_a_D_that_multiplies_label_and_image_tells_how_a_label_looks(variant):
    """∂a/∂x is the same for every y in the additive variants, and another in the others."""
    D = trained(variant).D
    gradients = cdcgan.label_gradients(D, X.reshape(6, -1), CLASSES)
    assert gradients.shape == (CLASSES, 6, 64) and np.abs(gradients).max() > 0
    apart = np.abs(gradients - gradients[0]).max() / np.abs(gradients).max()
    if variant in cdcgan.ADDITIVE:
        assert apart < 1e-12
    else:
        assert apart > 1e-3


def test_the_additive_ones_are_those_without_a_layer_behind_the_join():
    assert set(cdcgan.HEADS) - set(cdcgan.ADDITIVE) == {"deep", "projection"}


def test_the_projection_by_hand():
    """a = w·f + b + e_y·f."""
    head = cdcgan.Projection(4, CLASSES, np.random.default_rng(0)).astype(np.float64)
    f, y = np.random.default_rng(1).standard_normal((6, 4)), np.eye(CLASSES)[LABELS]
    w, b, e = head.linear.weight.numpy()[:, 0], head.linear.bias.numpy(), head.rows.weight.numpy()
    wanted = f @ w + b + (e[LABELS] * f).sum(1)
    np.testing.assert_allclose(head(t(f), t(y)).numpy()[:, 0], wanted, rtol=1e-12)


def torch_twin(torch, model, variant):
    """(G, D) as functions of torch Tensors, and D's and G's parameters by our names."""
    F = torch.nn.functional
    weights = {}
    for name in ("G", "D"):
        params = {k: p.numpy() for k, p in getattr(model, name).named_parameters().items()}
        weights[name] = {
            k: torch.tensor(np.array(v), requires_grad=True) for k, v in params.items()
        }
    leaky = lambda x: F.leaky_relu(x, 0.2)

    def bn(x, w, k):
        axes = tuple(range(x.ndim - 1))
        mean, var = x.mean(axes, keepdim=True), x.var(axes, unbiased=False, keepdim=True)
        return (x - mean) / (var + 1e-5).sqrt() * w[f"{k}.gamma"] + w[f"{k}.beta"]

    def conv(x, w, transposed=False):  # NHWC, HWIO
        x, w = x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1)
        y = (F.conv_transpose2d if transposed else F.conv2d)(x, w, stride=2, padding=1)
        return y.permute(0, 2, 3, 1)

    def G(z, y):
        w, at = weights["G"], ""
        if variant == "embed-G-200":
            y, at = y @ w["embed.weight"] + w["embed.bias"], "G."
        h = torch.cat([z, y], 1) @ w[f"{at}layers.0.weight"]
        h = F.relu(bn(h, w, f"{at}layers.1"))
        h = (h @ w[f"{at}layers.3.weight"]).reshape(-1, 2, 2, 64)
        h = F.relu(bn(h, w, f"{at}layers.5"))
        h = F.relu(bn(conv(h, w[f"{at}layers.7.weight"], True), w, f"{at}layers.8"))
        return torch.tanh(conv(h, w[f"{at}layers.10.weight"], True) + w[f"{at}layers.10.bias"])

    def D(x, y):
        w, at = weights["D"], "trunk.layers.0.layers"
        h = leaky(conv(x, w[f"{at}.0.weight"]) + w[f"{at}.0.bias"])
        h = leaky(bn(conv(h, w[f"{at}.2.weight"]), w, f"{at}.3"))
        h = leaky(bn(h.reshape(len(x), -1) @ w[f"{at}.6.weight"], w, f"{at}.7"))
        f = leaky(h @ w[f"{at}.9.weight"] + w[f"{at}.9.bias"])
        if variant == "projection":
            a = f @ w["head.linear.weight"] + w["head.linear.bias"]
            return a + ((y @ w["head.rows.weight"]) * f).sum(1, keepdim=True)
        if variant == "batch-norm":
            f = bn(f, w, "head.norm")
        if variant.startswith("embed") and variant != "embed-G-200":
            y = y @ w["head.embed.layers.0.weight"] + w["head.embed.layers.0.bias"]
            y = torch.sigmoid(y) if variant == "embed-10" else y
        j = torch.cat([f, y], 1)
        if variant == "deep":
            j = leaky(j @ w["head.after.layers.0.weight"] + w["head.after.layers.0.bias"])
            return j @ w["head.after.layers.2.weight"] + w["head.after.layers.2.bias"]
        return j @ w["head.after.weight"] + w["head.after.bias"]

    return G, D, weights


@pytest.mark.parametrize("variant", cdcgan.HEADS)
def test_losses_and_all_gradients_equal_torch(variant):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    model = trained(variant, 1)  # biases and norms that are no longer 0 and 1
    G, D, weights = torch_twin(torch, model, variant)
    y, t_y = model.one_hot(LABELS), torch.tensor(np.eye(CLASSES)[LABELS])
    x, z1, z2 = torch.tensor(X), torch.tensor(Z1), torch.tensor(Z2)

    V = cgan.value(model.D, model.G, t(X), y, t(Z1)).V
    t_V = F.logsigmoid(D(x, t_y)).mean() + F.logsigmoid(-D(G(z1, t_y).detach(), t_y)).mean()
    loss_G = cgan.generator_loss(model.D, model.G, y, t(Z2), loss="non-saturating")
    t_loss = -F.logsigmoid(D(G(z2, t_y), t_y)).mean()
    for ours, theirs, name in ((V, t_V, "D"), (loss_G, t_loss, "G")):
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-10)
        params = getattr(model, name).parameters()
        wanted = torch.autograd.grad(theirs, list(weights[name].values()))
        for key, g, h in zip(weights[name], tg.grad(ours, params), wanted, strict=True):
            np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=1e-7, atol=1e-10, err_msg=key)


def test_an_unknown_variant_is_named():
    with pytest.raises(UsageError, match=r"cdcgan: variant: wanted features-100 or .* got 'film'"):
        cdcgan.Config(variant="film")
