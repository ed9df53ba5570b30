"""The remedies: formulas by hand, torch for whole steps of both players, going on after a stop."""

import numpy as np
import pytest
from by_hand import Affine, t
from twins import load_into, same_gradients, torch_networks

import tinygen as tg
from tinygen import nn
from tinygen.errors import UsageError
from tinygen.models import Setup, gan, remedies
from tinygen.train.checkpoint import Position, load_checkpoint, save_checkpoint

X = np.random.default_rng(0).uniform(-1, 1, (5, 28, 28, 1))
SHAPE = (8, 8, 1)
SMALL = np.random.default_rng(1).uniform(-1, 1, (5, *SHAPE)).astype(np.float32)


def build(remedy="none", shape=SHAPE, dtype=np.float32, seed=0, module=remedies, **options):
    own = {"remedy": remedy} if module is remedies else {}
    config = module.Config(**{"arch": "mlp", **own, **options})
    return module.build(config, Setup(shape, dtype=dtype), np.random.default_rng(seed))


def weights(model):
    return [model.G.state_dict(), model.D.state_dict()]


# --- by hand --------------------------------------------------------------------------------------


def test_closeness_by_hand():
    M = t([[[0.0, 1.0]], [[2.0, 0.0]], [[0.0, 1.5]]])  # three samples, B = 1, C = 2
    far = np.exp([-3.0, -0.5, -3.5])  # of 1 and 2, 1 and 3, 2 and 3
    wanted = [[1 + far[0] + far[1]], [1 + far[0] + far[2]], [1 + far[1] + far[2]]]
    np.testing.assert_allclose(remedies.closeness(M).numpy(), wanted, rtol=1e-12)


def test_minibatch_discrimination_by_hand():
    layer = remedies.MinibatchDiscrimination(3, 2, 2, rng=np.random.default_rng(0))
    f = np.random.default_rng(1).standard_normal((4, 3))
    M = (f @ layer.T.weight.numpy()).reshape(4, 2, 2)
    o = [[sum(np.exp(-np.abs(m[b] - n[b]).sum()) for n in M) for b in range(2)] for m in M]
    wanted = np.concatenate([f, o], axis=1)
    layer = layer.astype(np.float64)
    np.testing.assert_allclose(layer(t(f)).numpy(), wanted, rtol=1e-6)
    tg.gradcheck(remedies.closeness, [np.random.default_rng(1).standard_normal((4, 2, 2))])


def test_a_batch_of_one_image_gives_itself_away():
    """To the plain D an image is the same, whatever the batch."""
    same = np.repeat(SMALL[:1], 5, axis=0)
    for remedy in ("none", "minibatch"):
        D = build(remedy).D
        alone, crowd = (D(tg.tensor(x), train=True).numpy()[0, 0] for x in (SMALL, same))
        assert (abs(alone - crowd) > 1e-5) == (remedy == "minibatch")


def test_feature_matching_by_hand():
    W = np.array([[1.0, 2.0], [0.0, -1.0]])
    x, x_hat = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[0.0, 1.0]])
    D = nn.Sequential(Affine(W), Affine(np.full((2, 1), 7.0)))  # whose last layer does not matter
    d = x.mean(0) @ W - x_hat.mean(0) @ W
    got = remedies.feature_distance(D, t(x), t(x_hat))
    assert got.item() == pytest.approx((d**2).sum(), rel=1e-12)


def test_the_noise_ends():
    sigmas = [remedies.annealed(k, start=0.4, steps=4) for k in range(6)]
    np.testing.assert_allclose(sigmas, [0.4, 0.3, 0.2, 0.1, 0, 0])


# --- whole steps ----------------------------------------------------------------------------------


def test_smoothing_is_the_gan_with_alpha():
    models = [build(module=gan, alpha=0.8), build("smoothing", alpha=0.8), build(module=gan)]
    losses = [m.step(SMALL, np.random.default_rng(3))["loss_D"].item() for m in models]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("arch", gan.NETWORKS)
@pytest.mark.parametrize("loss", gan.LOSSES)
def test_no_remedy_is_the_gan_bit_for_bit(arch, loss):
    options = {"arch": arch, "loss": loss, "generator_steps": 2}
    models = [build(module=gan, alpha=1.0, **options), build(**options)]
    numbers = []
    for model in models:
        rng = np.random.default_rng(3)
        numbers.append([{k: v.item() for k, v in model.step(SMALL, rng).items()} for _ in "12"])
    assert numbers[0] == numbers[1]
    np.testing.assert_equal(*map(weights, models))


def torch_players(torch, remedy):
    """(G, D) in torch, of the fully connected networks; D with the layer of minibatches."""
    L = torch.nn
    G, D = torch_networks(torch, "mlp", critic=False)
    if remedy != "minibatch":
        return G, D

    class Minibatch(L.Module):
        def __init__(self):
            super().__init__()
            self.T = L.Linear(256, remedies.KERNELS * remedies.SIZE, bias=False)

        def forward(self, f):
            M = self.T(f).view(len(f), remedies.KERNELS, remedies.SIZE)
            apart = torch.stack([(M - m).abs().sum(2) for m in M])
            return torch.cat([f, (-apart).exp().sum(1)], 1)

    return G, L.Sequential(*D[:-1], Minibatch(), L.Linear(256 + remedies.KERNELS, 1)).double()


def torch_loss_of_G(torch, remedy, G, D, opt, x, z, eps, sigma):
    log, x_hat = torch.nn.functional.logsigmoid, G(z)
    if remedy == "matching":
        return ((D[:-1](x).mean(0) - D[:-1](x_hat).mean(0)) ** 2).sum()
    if remedy == "unrolled":  # one step of Adam, from where it is
        names, params = zip(*D.named_parameters(), strict=True)
        call = lambda x: torch.func.functional_call(D, dict(zip(names, params, strict=True)), x)
        f = log(call(x)).mean() + log(-call(x_hat)).mean()
        moved = []
        for p, g in zip(params, torch.autograd.grad(-f, params, create_graph=True), strict=True):
            state = opt.state[p]
            m = 0.5 * state["exp_avg"] + 0.5 * g
            v = 0.999 * state["exp_avg_sq"] + 0.001 * g * g
            n = int(state["step"]) + 1
            scale = (v / (1 - 0.999**n)).sqrt() + 1e-8
            moved.append(p - LR * m / (1 - 0.5**n) / scale)
        params = moved
        return -log(call(x_hat)).mean()
    return -log(D(x_hat + sigma * eps)).mean()


LR = 1e-3


@pytest.mark.parametrize("remedy", remedies.REMEDIES)
def test_whole_steps_equal_torch(remedy, monkeypatch):
    """Two rounds, each a step of D and two of G: losses, and all gradients before Adam's steps."""
    torch = pytest.importorskip("torch")
    options = {"generator_steps": 2, "lr": LR, "sigma": 0.7, "noise_steps": 3}
    model = build(remedy, X.shape[1:], np.float64, seed=5, **options)
    TG, TD = torch_players(torch, remedy)
    for ours, theirs in ((model.G, TG), (model.D, TD)):
        load_into(torch, theirs, ours)
    t_opts = [torch.optim.Adam(n.parameters(), lr=LR, betas=(0.5, 0.999)) for n in (TD, TG)]
    found = []
    for net, opt in ((model.D, model.opt_D), (model.G, model.opt_G)):
        keep = lambda gs, net=net, step=opt.step: (found.append((net, gs)), step(gs))
        monkeypatch.setattr(opt, "step", keep)
    log, rng = torch.nn.functional.logsigmoid, np.random.default_rng(1)
    alpha = 0.9 if remedy == "smoothing" else 1.0
    for k in range(2):
        inputs = model.draw(X, None, rng)
        out = model.update(**inputs)
        eps = inputs.get("eps", np.zeros((4, *X.shape)))
        eps = torch.tensor(np.moveaxis(eps, -1, 2).copy()).double()
        x = torch.tensor(np.moveaxis(X, -1, 1).copy())
        z_D, z_G = torch.tensor(inputs["z_D"]), torch.tensor(inputs["z_G"])
        sigma = 0.7 * (1 - k / 3)
        a, a_hat = TD(x + sigma * eps[0]), TD(TG(z_D).detach() + sigma * eps[1])
        loss_D = -(alpha * log(a) + (1 - alpha) * log(-a)).mean() - log(-a_hat).mean()
        torch_step(t_opts[0], loss_D)
        same_gradients(model.D, found.pop(0)[1], TD)
        for i in range(2):
            of_G = (TG, TD, t_opts[0], x, z_G[i], eps[2 + i], sigma)
            loss_G = torch_loss_of_G(torch, remedy, *of_G)
            torch_step(t_opts[1], loss_G)
            net, gs = found.pop(0)
            assert net is model.G
            same_gradients(model.G, gs, TG)
        assert out["loss_D"].item() == pytest.approx(loss_D.item(), rel=1e-9)
        assert out["loss_G"].item() == pytest.approx(loss_G.item(), rel=1e-9)


def torch_step(opt, loss):
    """A step along the gradients of the loss, which stay."""
    for p in opt.param_groups[0]["params"]:
        p.grad = None
    loss.backward(inputs=opt.param_groups[0]["params"])
    opt.step()


def test_all_noise_is_fresh_and_ends_with_its_steps():
    model = build("noise", generator_steps=2, noise_steps=1)
    inputs = model.draw(SMALL, None, np.random.default_rng(0))
    assert inputs["eps"].shape == (4, *SMALL.shape) and len(np.unique(inputs["eps"])) == 4 * 320
    seen = []
    for _ in range(2):
        seen.append(model.update(**inputs)["loss_D"].item())
    twin = build("none", generator_steps=2)
    plain = {k: v for k, v in inputs.items() if k != "eps"}
    assert twin.update(**plain)["loss_D"].item() != seen[0]
    model, twin = build("noise", sigma=0.0), build("none")
    inputs = model.draw(SMALL, None, np.random.default_rng(0))
    model.update(**inputs)
    twin.update(**{k: v for k, v in inputs.items() if k != "eps"})
    np.testing.assert_equal(weights(model), weights(twin))


@pytest.mark.parametrize("remedy", remedies.REMEDIES)
def test_a_run_goes_on_bit_for_bit(remedy, tmp_path):
    options = {"noise_steps": 4, "unroll": 2}
    path, rng = tmp_path / "checkpoint.safetensors", np.random.default_rng(1)
    model = build(remedy, **options)
    for k in range(4):
        if k == 2:
            save_checkpoint(path, model.parts(), rng, Position(epoch=1, step=2))
        model.step(SMALL, rng)
    again, rng = build(remedy, seed=7, **options), np.random.default_rng(8)
    load_checkpoint(path, again.parts(), rng)
    for _ in range(2):
        again.step(SMALL, rng)
    np.testing.assert_equal(weights(again), weights(model))


@pytest.mark.parametrize("remedy", remedies.REMEDIES)
def test_dcgans_networks_take_every_remedy(remedy):
    model, rng = build(remedy, arch="dcgan"), np.random.default_rng(1)
    before = weights(model)
    out = model.step(SMALL, rng)
    assert all(np.isfinite(v.item()) for v in out.values())
    for old, new in zip(before, weights(model), strict=True):
        assert all(np.any(new[k] != v) for k, v in old.items() if not k.endswith("var"))
    assert model.sample(3, rng).shape == (3, *SHAPE)


def test_bad_configurations_are_named():
    for options, words in [
        ({"remedy": "luck"}, "remedies: remedy: wanted none or minibatch or noise or smoothing or"),
        ({"unroll": 0}, "remedies: unroll: wanted a whole number >= 1, got 0"),
        ({"alpha": 1.5}, "remedies: alpha: wanted a number > 0 and <= 1, got 1.5"),
        ({"sigma": -1.0}, "remedies: sigma: wanted a number >= 0, got -1.0"),
        ({"noise_steps": 0}, "remedies: noise_steps: wanted a whole number >= 1, got 0"),
        ({"arch": "dcgan", "shape": (30, 28, 1)}, "divisible by 4, got 30×28"),
    ]:
        with pytest.raises(UsageError, match=words):
            build(**options)
