"""PixelCNN's masks, its two networks in torch, and the blind spot of one of them."""

import numpy as np
import pytest
from by_hand import t

import tinygen as tg
from tinygen.errors import UsageError
from tinygen.models import Setup, pixelcnn
from tinygen.models.autoregressive import log_p

ARCHS = list(pixelcnn.NETWORKS)


def build(arch, shape=(8, 9, 1), width=4, blocks=2, seed=0):
    config = pixelcnn.Config(arch=arch, width=width, kernel=3, blocks=blocks)
    model = pixelcnn.build(config, Setup(shape, dtype=np.float64), np.random.default_rng(seed))
    for p in model.net.parameters():  # biases that begin at 0 would hide mistakes
        p.data += 0.1 * np.random.default_rng(p.size).standard_normal(p.shape)
    return model


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        ("A", [[1, 1, 1], [1, 0, 0], [0, 0, 0]]),
        ("B", [[1, 1, 1], [1, 1, 0], [0, 0, 0]]),
        ("above A", [[1, 1, 1], [0, 0, 0], [0, 0, 0]]),
        ("above B", [[1, 1, 1], [1, 1, 1], [0, 0, 0]]),
        ("left A", [[0, 0, 0], [1, 0, 0], [0, 0, 0]]),
        ("left B", [[0, 0, 0], [1, 1, 0], [0, 0, 0]]),
    ],
)
def test_the_masks(kind, want):
    assert pixelcnn.mask(3, kind).astype(int).tolist() == want


@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize("kind", ["A", "B", "above A", "above B", "left A", "left B"])
def test_a_masked_convolution_is_one_with_zeros_in_its_kernel(kernel, kind):
    seen, rng = pixelcnn.mask(kernel, kind), np.random.default_rng(0)
    layer = pixelcnn.MaskedConv2d(2, 3, seen, rng=rng).astype(np.float64)
    x = rng.standard_normal((2, 6, 5, 2))
    whole, (kh, kw) = np.zeros((kernel, kernel, 2, 3)), layer.weight.shape[:2]
    top, left = kernel // 2 - layer.rows[0], kernel // 2 - layer.columns[0]
    whole[top : top + kh, left : left + kw] = layer.weight.numpy()
    want = tg.conv2d(t(x), t(whole * seen[:, :, None, None]), padding=kernel // 2)
    np.testing.assert_allclose(layer(t(x)).numpy(), want.numpy(), rtol=1e-12, atol=1e-14)


def their_convolution(torch, layer, seen, x):
    """The same, of the whole kernel with its mask, in torch (NCHW); the weights are leaves."""
    k = len(seen)
    whole = np.zeros((k, k, *layer.weight.shape[2:]))
    top, left = k // 2 - layer.rows[0], k // 2 - layer.columns[0]
    kh, kw = layer.weight.shape[:2]
    whole[top : top + kh, left : left + kw] = layer.weight.numpy()
    w = torch.tensor(whole, requires_grad=True)
    b = torch.tensor(layer.bias.numpy(), requires_grad=True)
    masked = (w * torch.tensor(seen[:, :, None, None])).permute(3, 2, 0, 1)
    grads = lambda: [w.grad[top : top + kh, left : left + kw], b.grad]
    return torch.nn.functional.conv2d(x, masked, b, padding=k // 2), grads


def their_linear(torch, layer, x):
    """A 1×1 convolution."""
    w = torch.tensor(layer.weight.numpy(), requires_grad=True)
    y = torch.einsum("nchw,co->nohw", x, w)
    if layer.bias is None:
        return y, lambda: [w.grad]
    b = torch.tensor(layer.bias.numpy(), requires_grad=True)
    return y + b[:, None, None], lambda: [w.grad, b.grad]


def their_residual(torch, net, x):
    """Logits, and the gradients in the order of our parameters once `backward` has run."""
    first, blocks, head = net.layers[0], net.layers[1:-1], net.layers[-1]
    relu, grads = torch.relu, []

    def run(f, *args):
        y, of_layer = f(torch, *args)
        grads.append(of_layer)
        return y

    x = run(their_convolution, first, pixelcnn.mask(7, "A"), x)
    for block in blocks:
        _, down, _, conv, _, up = block.inner.layers
        y = run(their_linear, down, relu(x))
        y = run(their_convolution, conv, pixelcnn.mask(3, "B"), relu(y))
        x = x + run(their_linear, up, relu(y))
    _, wide, _, last = head.layers
    x = run(their_linear, last, relu(run(their_linear, wide, relu(x))))
    return x, lambda: [g for of_layer in grads for g in of_layer()]


def their_gated(torch, net, x):
    relu, grads = torch.relu, []

    def run(f, *args):
        y, of_layer = f(torch, *args)
        grads.append(of_layer)
        return y

    def gate(y):
        a, b = y.chunk(2, 1)
        return torch.tanh(a) * torch.sigmoid(b)

    v = h = x
    for i, layer in enumerate(net.layers):
        kernel, kind = (7, "A") if i == 0 else (3, "B")
        seen = run(their_convolution, layer.V, pixelcnn.mask(kernel, f"above {kind}"), v)
        own = run(their_convolution, layer.H, pixelcnn.mask(kernel, f"left {kind}"), h)
        added = gate(own + run(their_linear, layer.U, seen))
        added = run(their_linear, layer.W, added)
        v, h = gate(seen), added if i == 0 else h + added
    _, wide, _, last = net.head.layers
    x = run(their_linear, last, relu(run(their_linear, wide, relu(h))))
    return x, lambda: [g for of_layer in grads for g in of_layer()]


@pytest.mark.parametrize("arch", ARCHS)
def test_value_and_gradients_equal_torch(arch):
    torch = pytest.importorskip("torch")
    net = build(arch).net
    x = (np.random.default_rng(0).random((3, 8, 9, 1)) < 0.4).astype(float)
    NLL = -tg.mean(log_p(net, t(x)))
    gs = tg.grad(NLL, net.parameters())

    nchw = torch.tensor(x).permute(0, 3, 1, 2)
    logits, grads = {"gated": their_gated, "residual": their_residual}[arch](torch, net, nchw)
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    want = loss(logits, nchw, reduction="sum") / 3
    want.backward()
    assert NLL.item() == pytest.approx(want.item(), rel=1e-12)
    for name, g, theirs in zip(net.named_parameters(), gs, grads(), strict=True):
        mine = g.numpy()
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


def sees(model, row, column):
    """Which pixels the logit there depends on, for any of a few images: a bool (H, W)."""
    shape = (20, *model.shape)
    x = np.random.default_rng(0).random(shape).round()
    x = tg.tensor(x, dtype=float, requires_grad=True)
    (g,) = tg.grad(tg.sum(model.net(x)[:, row, column]), [x])
    return (g.numpy() != 0).any(axis=(0, 3))


def test_only_the_residual_one_has_a_blind_spot():
    """`reach` pixels up and to both sides are in reach; above and to the right some are lost."""
    row, column = 12, 12
    for arch in ARCHS:
        model = build(arch, shape=(20, 25, 1), width=8, blocks=4, seed=1)
        seen = sees(model, row, column)
        reach = model.reach
        assert reach == 7
        before = np.zeros((20, 25), bool)
        before[row - reach : row, column - reach : column + reach + 1] = True
        before[row, column - reach : column] = True
        if arch == "gated":
            np.testing.assert_array_equal(seen, before)
        else:
            assert not (seen & ~before).any()
            lost = before & ~seen
            # the row above: the first layer goes 3 to the right, each block 1, but every step right
            # of mask B is a step up
            assert lost[row - 1, column + 4 :].sum() == 4 and not lost[:, : column + 4].any()


def test_bad_configurations_are_named():
    with pytest.raises(UsageError, match=r"pixelcnn: wanted grey images .*, got \(8, 8, 3\)"):
        build("gated", shape=(8, 8, 3))
    for options, words in [
        ({"arch": "mlp"}, "pixelcnn: arch: wanted gated or residual, got 'mlp'"),
        ({"width": 0}, "pixelcnn: width: wanted a whole number >= 1, got 0"),
    ]:
        with pytest.raises(UsageError, match=words):
            pixelcnn.Config(**options)
