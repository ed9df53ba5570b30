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


def build(variant, norm=None, dtype=np.float64):
    config, setup = cdcgan.Config(variant=variant, norm=norm), Setup(SHAPE, CLASSES, dtype=dtype)
    return cdcgan.build(config, setup, np.random.default_rng(0))


def trained(variant, norm=None, steps=3):
    model, rng = build(variant, norm), np.random.default_rng(1)
    for _ in range(steps):
        model.step(X, rng, LABELS)
    return model


@pytest.mark.parametrize("norm", cdcgan.RECIPES)
@pytest.mark.parametrize("variant", cdcgan.HEADS)
def test_only_a_D_that_multiplies_label_and_image_tells_how_a_label_looks(variant, norm):
    """∂a/∂x is the same for every y in the additive variants, and another in the others."""
    D = trained(variant, norm).D
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
    rng = np.random.default_rng(0)
    linear, rows = tg.nn.Linear(4, 1, rng=rng), tg.nn.Linear(CLASSES, 4, rng=rng, bias=False)
    head = cdcgan.Projection(linear, rows).astype(np.float64)
    f, y = np.random.default_rng(1).standard_normal((6, 4)), np.eye(CLASSES)[LABELS]
    w, b, e = head.linear.weight.numpy()[:, 0], head.linear.bias.numpy(), head.rows.weight.numpy()
    wanted = f @ w + b + (e[LABELS] * f).sum(1)
    np.testing.assert_allclose(head(t(f), t(y)).numpy()[:, 0], wanted, rtol=1e-12)


def torch_twin(torch, model, variant):
    """(G, D) as functions of torch Tensors, and D's and G's parameters by our names."""
    F = torch.nn.functional
    weights, us = {}, {}
    for name in ("G", "D"):
        net = getattr(model, name)
        weights[name] = {
            k: torch.tensor(p.numpy().copy(), requires_grad=True)
            for k, p in net.named_parameters().items()
        }
        us |= {k: torch.tensor(v) for k, v in net.state_dict().items() if k.endswith(".u")}
    spectral = bool(us)
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

    def D(x, y, iterate=True):
        w = weights["D"]

        def apply(x, k, how=torch.matmul):
            if not spectral:
                W, b = w[f"{k}.weight"], w.get(f"{k}.bias")
            else:
                W, b = w[f"{k}.layer.weight"], w.get(f"{k}.layer.bias")
                columns = W.reshape(-1, W.shape[-1])
                unit = lambda v: (v / v.norm()).detach()
                if iterate:
                    v = unit(columns @ us[f"{k}.u"])
                    us[f"{k}.u"] = unit(v @ columns)
                    us[f"{k}.v"] = v
                W = W / (us[f"{k}.v"] @ columns @ us[f"{k}.u"])
            return how(x, W) if b is None else how(x, W) + b

        norm = (lambda x, w, k: x) if spectral else bn
        at = [f"trunk.layers.{i}" for i in ((0, 2, None, 5) if spectral else (0, 2, 3, 6, 7))]
        h = leaky(apply(x, at[0], conv))
        h = leaky(norm(apply(h, at[1], conv), w, at[2]))
        f = leaky(norm(apply(h.reshape(len(x), -1), at[3]), w, at[-1]))
        if variant == "projection":
            return apply(f, "head.linear") + (apply(y, "head.rows") * f).sum(1, keepdim=True)
        if variant == "batch-norm":
            f = bn(f, w, "head.norm")
        if variant.startswith("embed") and variant != "embed-G-200":
            y = apply(y, "head.embed.layers.0")
            y = torch.sigmoid(y) if variant == "embed-10" else y
        j = torch.cat([f, y], 1)
        if variant == "deep":
            return apply(leaky(apply(j, "head.after.layers.0")), "head.after.layers.2")
        return apply(j, "head.after")

    return G, D, weights


@pytest.mark.parametrize("norm", cdcgan.RECIPES)
@pytest.mark.parametrize("variant", cdcgan.HEADS)
def test_losses_and_all_gradients_equal_torch(variant, norm):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    model = trained(variant, norm, 1)  # biases and norms that are no longer 0 and 1
    G, D, weights = torch_twin(torch, model, variant)
    y, t_y = model.one_hot(LABELS), torch.tensor(np.eye(CLASSES)[LABELS])
    x, z1, z2 = torch.tensor(X), torch.tensor(Z1), torch.tensor(Z2)

    V = cgan.value(model.D, model.G, t(X), y, t(Z1)).V
    t_V = F.logsigmoid(D(x, t_y)).mean() + F.logsigmoid(-D(G(z1, t_y).detach(), t_y)).mean()
    loss_G = cgan.generator_loss(model.D, model.G, y, t(Z2), loss="non-saturating")
    t_loss = -F.logsigmoid(D(G(z2, t_y), t_y, False)).mean()
    for ours, theirs, name in ((V, t_V, "D"), (loss_G, t_loss, "G")):
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-10)
        params = getattr(model, name).parameters()
        wanted = torch.autograd.grad(theirs, list(weights[name].values()))
        for key, g, h in zip(weights[name], tg.grad(ours, params), wanted, strict=True):
            np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=1e-7, atol=1e-10, err_msg=key)


def test_an_unknown_variant_is_named():
    with pytest.raises(UsageError, match=r"cdcgan: variant: wanted features-100 or .* got 'film'"):
        cdcgan.Config(variant="film")
