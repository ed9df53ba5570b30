"""Layers against torch's, with the same weights: outputs, all gradients, running statistics."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.weights import from_torch, to_torch


def rng():
    return np.random.default_rng(3)


def nchw(x):
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def nhwc(x):
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


LAYERS = {
    "linear": (lambda: nn.Linear(3, 4, rng=rng()), lambda t: t.Linear(3, 4), (5, 3)),
    "linear, no bias": (
        lambda: nn.Linear(3, 4, bias=False, rng=rng()),
        lambda t: t.Linear(3, 4, bias=False),
        (5, 3),
    ),
    "conv": (
        lambda: nn.Conv2d(2, 3, 4, stride=2, padding=1, rng=rng()),
        lambda t: t.Conv2d(2, 3, 4, 2, 1),
        (2, 8, 6, 2),
    ),
    "conv, oblong": (
        lambda: nn.Conv2d(2, 3, (3, 2), stride=(1, 2), padding=(1, 0), rng=rng()),
        lambda t: t.Conv2d(2, 3, (3, 2), (1, 2), (1, 0)),
        (2, 5, 6, 2),
    ),
    "transposed conv": (
        lambda: nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1, rng=rng()),
        lambda t: t.ConvTranspose2d(3, 2, 4, 2, 1),
        (2, 4, 3, 3),
    ),
    "transposed conv, stride 1": (
        lambda: nn.ConvTranspose2d(3, 2, 3, bias=False, rng=rng()),
        lambda t: t.ConvTranspose2d(3, 2, 3, bias=False),
        (2, 4, 3, 3),
    ),
    "conv, dilated, in groups": (
        lambda: nn.Conv2d(4, 6, (3, 2), padding=1, dilation=(2, 3), groups=2, rng=rng()),
        lambda t: t.Conv2d(4, 6, (3, 2), padding=1, dilation=(2, 3), groups=2),
        (2, 8, 6, 4),
    ),
    "conv, a group a channel": (
        lambda: nn.Conv2d(3, 6, 3, stride=2, groups=3, bias=False, rng=rng()),
        lambda t: t.Conv2d(3, 6, 3, 2, groups=3, bias=False),
        (2, 7, 6, 3),
    ),
    "transposed conv, output padding": (
        lambda: nn.ConvTranspose2d(
            3, 2, 3, stride=(2, 3), padding=1, output_padding=(1, 2), rng=rng()
        ),
        lambda t: t.ConvTranspose2d(3, 2, 3, (2, 3), 1, (1, 2)),
        (2, 4, 3, 3),
    ),
    "transposed conv, dilated, in groups": (
        lambda: nn.ConvTranspose2d(
            4, 6, 3, stride=2, output_padding=1, dilation=2, groups=2, rng=rng()
        ),
        lambda t: t.ConvTranspose2d(4, 6, 3, 2, 0, 1, dilation=2, groups=2),
        (2, 4, 3, 4),
    ),
    "batch norm, dense": (lambda: nn.BatchNorm(3), lambda t: t.BatchNorm1d(3), (6, 3)),
    "batch norm, images": (lambda: nn.BatchNorm(3), lambda t: t.BatchNorm2d(3), (2, 4, 5, 3)),
    "layer norm": (lambda: nn.LayerNorm(3), lambda t: t.LayerNorm(3), (6, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_equals_torch(name):
    torch = pytest.importorskip("torch")
    make, make_torch, shape = LAYERS[name]
    layer, theirs = make().astype(np.float64), make_torch(torch.nn).double()
    for i, p in enumerate(layer.parameters()):  # move gamma and beta off 1 and 0
        p.data += 0.1 * np.random.default_rng(i).standard_normal(p.shape)
    state = {k: torch.from_numpy(v) for k, v in to_torch(layer.state_dict()).items()}
    theirs.load_state_dict(state, strict=False)
    for train in (True, True, False):
        x = rng().standard_normal(shape)
        ours_x = tg.tensor(x, dtype=float, requires_grad=True)
        their_x = torch.tensor(nchw(x), requires_grad=True)
        theirs.train(train)
        y, z = layer(ours_x, train=train), theirs(their_x)
        np.testing.assert_allclose(y.numpy(), nhwc(z.detach().numpy()), rtol=1e-10, atol=1e-12)
        c = np.random.default_rng(9).standard_normal(y.shape)
        params = layer.parameters()
        gx, *gs = tg.grad(y, [ours_x, *params], c)
        z.backward(torch.from_numpy(nchw(c).copy()))
        np.testing.assert_allclose(gx.numpy(), nhwc(their_x.grad.numpy()), rtol=1e-9, atol=1e-11)
        named = dict(zip(layer.named_parameters(), gs, strict=True))
        for key, g in to_torch({k: g.numpy() for k, g in named.items()}).items():
            want = theirs.get_parameter(key).grad.numpy()
            np.testing.assert_allclose(g, want, rtol=1e-9, atol=1e-11)
        theirs.zero_grad()
    buffers = to_torch(layer.state_dict())
    for key, want in theirs.named_buffers():
        if "running" in key:
            np.testing.assert_allclose(buffers[key], want.numpy(), rtol=1e-12)


def test_layer_norm_takes_whole_images():
    layer = nn.LayerNorm(4, 5, 3)
    y = layer(tg.tensor(rng().standard_normal((2, 4, 5, 3)) * 7 + 2)).numpy()
    np.testing.assert_allclose(y.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2, 3)), 1, atol=1e-4)


def test_batch_norm_modes():
    layer, x = nn.BatchNorm(2), tg.tensor(rng().standard_normal((8, 2)) + 5)
    with pytest.raises(ValueError, match='train=True, False or "frozen", got None'):
        layer(x)
    before = layer.state_dict()
    frozen = layer(x, train="frozen")
    np.testing.assert_array_equal(layer.running_mean.numpy(), before["running_mean"])
    np.testing.assert_array_equal(layer(x, train=True).numpy(), frozen.numpy())
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.1 * x.numpy().mean(0), rtol=1e-6)
    np.testing.assert_allclose(
        layer.running_var.numpy(), 0.9 + 0.1 * x.numpy().var(0, ddof=1), rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"2 or more samples to train on, got x \(1, 2\)"):
        layer(x[:1], train=True)
    with pytest.raises(TypeError):
        nn.BatchNorm(2, 0.8)  # eps or momentum? Keywords only


def test_sequential_hands_train_to_modules_and_x_to_functions():
    net = nn.Sequential(nn.Linear(3, 2, rng=rng()), tg.tanh, nn.BatchNorm(2))
    x = tg.tensor(np.ones((4, 3)))
    assert net(x, train=True).shape == (4, 2)
    with pytest.raises(ValueError, match="BatchNorm: wanted train"):
        net(x)
    names = [f"layers.{n}" for n in ("0.weight", "0.bias", "2.gamma", "2.beta")]
    assert list(net.named_parameters()) == names
    assert set(net.state_dict()) == {*names, "layers.2.running_mean", "layers.2.running_var"}


def test_state_dict_round_trip_and_errors():
    one, two = (nn.Sequential(nn.Linear(3, 2, rng=np.random.default_rng(i))) for i in (0, 1))
    state = one.state_dict()
    two.load_state_dict(state)
    np.testing.assert_array_equal(two.state_dict()["layers.0.weight"], state["layers.0.weight"])
    state["layers.0.weight"][:] = 0  # a copy
    assert one.parameters()[0].numpy().any()
    with pytest.raises(ValueError, match=r"missing layers\.0\.bias, not wanted extra"):
        two.load_state_dict({"layers.0.weight": state["layers.0.weight"], "extra": np.ones(1)})
    with pytest.raises(ValueError, match=r"layers.0.weight: wanted \(3, 2\), got \(2, 2\)"):
        two.load_state_dict({**state, "layers.0.weight": np.ones((2, 2))})


def test_from_torch_inverts_to_torch():
    net = nn.Sequential(nn.Conv2d(2, 3, 4, rng=rng()), nn.BatchNorm(3), nn.Linear(3, 2, rng=rng()))
    state = net.state_dict()
    theirs = to_torch(state)
    assert theirs["0.weight"].shape == (3, 2, 4, 4) and theirs["2.weight"].shape == (2, 3)
    back = from_torch({**theirs, "1.num_batches_tracked": np.array(3)}, state)
    for name in state:
        np.testing.assert_array_equal(back[name], state[name])
    with pytest.raises(ValueError, match=r"no 2\.weight \(for layers\.2\.weight\)"):
        from_torch({k: v for k, v in theirs.items() if k != "2.weight"}, state)


@pytest.mark.parametrize(
    ("init", "std", "limit"),
    [
        (nn.init.normal(0.02), 0.02, np.inf),
        (nn.init.he, (2 / 300) ** 0.5, np.inf),
        (nn.init.glorot, (2 / 500) ** 0.5, (6 / 500) ** 0.5),
        (nn.init.fan_in_uniform, (1 / 900) ** 0.5, 300**-0.5),
    ],
)
def test_init_has_the_stated_spread(init, std, limit):
    w = nn.Linear(300, 200, rng=rng(), init=init).weight.numpy()
    assert abs(w.std() / std - 1) < 0.02 and abs(w.mean()) < 0.02 * std * 5
    assert np.abs(w).max() <= limit


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (2, 3, 2, 5)])
def test_orthogonal_weights_have_orthonormal_columns_or_rows(shape):
    w = nn.init.orthogonal(3.0)(shape, 0, 0, rng())
    assert w.shape == shape and w.dtype == np.float32
    matrix = w.reshape(-1, shape[-1]).astype(float)
    matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(matrix.T @ matrix, 9 * np.eye(matrix.shape[1]), atol=1e-5)
    many = [nn.init.orthogonal()((1, 1), 0, 0, np.random.default_rng(i)).item() for i in range(40)]
    assert {round(x, 6) for x in many} == {-1.0, 1.0} and abs(sum(many)) < 20


def test_conv_fans_count_the_kernel():
    seen = {}

    def spy(shape, fan_in, fan_out, rng):
        seen[shape] = (fan_in, fan_out)
        return np.zeros(shape, np.float32)

    nn.Conv2d(2, 5, (3, 4), rng=rng(), init=spy)
    nn.ConvTranspose2d(2, 5, (3, 4), rng=rng(), init=spy)
    assert seen == {(3, 4, 2, 5): (24, 60), (3, 4, 5, 2): (24, 60)}
