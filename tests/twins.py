"""Networks in torch, with the weights of ours; those of the GAN and of the WGANs."""

from __future__ import annotations

import numpy as np

from tinygen.models import wgan
from tinygen.weights import to_torch


def torch_networks(torch, arch, *, critic, told=0, outputs=1):
    """(G, D) in float64. critic: the WGANs', whose D sees each image alone, else the GAN's."""
    L = torch.nn
    hidden, slope = (L.ReLU, 0.2) if critic else (L.Tanh, 0.01)  # of the fully connected ones
    norms = (L.LayerNorm([64, 7, 7]), L.LayerNorm([256]))
    norms = norms if critic else (L.BatchNorm2d(64), L.BatchNorm1d(256))

    class Grid(L.Module):  # rows of features, as our NHWC reshape reads them
        def __init__(self, side, channels):
            super().__init__()
            self.shape = side, side, channels

        def forward(self, z):
            return z.view(-1, *self.shape).permute(0, 3, 1, 2)

    class Rows(L.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1).reshape(len(x), -1)

    if arch == "deep":  # of 16×16×1
        G = L.Sequential(
            *(L.Linear(100, 2048, bias=False), Grid(4, 128), L.BatchNorm2d(128), L.ReLU()),
            *(L.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), L.BatchNorm2d(64), L.ReLU()),
            *(L.ConvTranspose2d(64, 1, 4, 2, 1), L.Tanh()),
        )
        D = L.Sequential(
            *(L.Conv2d(1, 64, 4, 2, 1), L.LeakyReLU(0.2)),
            *(L.Conv2d(64, 128, 4, 2, 1, bias=False), L.BatchNorm2d(128), L.LeakyReLU(0.2)),
            *(Rows(), L.Linear(2048, 1)),
        )
    elif arch == "mlp":
        G = L.Sequential(
            *(L.Linear(100, 256), hidden(), L.Linear(256, 512), hidden()),
            *(L.Linear(512, 784), L.Tanh(), L.Unflatten(1, (1, 28, 28))),
        )
        D = L.Sequential(
            *(Rows(), L.Linear(784, 512), L.LeakyReLU(slope)),
            *(L.Linear(512, 256), L.LeakyReLU(slope), L.Linear(256, 1)),
        )
    else:
        G = L.Sequential(
            *(L.Linear(100 + told, 512, bias=False), L.BatchNorm1d(512), L.ReLU()),
            *(L.Linear(512, 3136, bias=False), Grid(7, 64), L.BatchNorm2d(64), L.ReLU()),
            *(L.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), L.BatchNorm2d(32), L.ReLU()),
            *(L.ConvTranspose2d(32, 1, 4, 2, 1), L.Tanh()),
        )
        D = L.Sequential(
            *(L.Conv2d(1, 32, 4, 2, 1), L.LeakyReLU(0.2)),
            *(L.Conv2d(32, 64, 4, 2, 1, bias=False), norms[0], L.LeakyReLU(0.2)),
            *(Rows(), L.Linear(3136, 256, bias=False), norms[1], L.LeakyReLU(0.2)),
            L.Linear(256, outputs),
        )
    return G.double(), D.double()


def load_into(torch, theirs, ours):
    """Gives a network in torch the weights and buffers of ours, which it must all have."""
    state = {k: torch.from_numpy(v) for k, v in to_torch(ours.state_dict()).items()}
    left = theirs.load_state_dict(state, strict=False)
    assert not left.unexpected_keys
    assert all("num_batches" in k for k in left.missing_keys)


def twins(torch, arch):
    """(G, D) in float64, and torch's with the same weights."""
    ours = [
        n.astype(np.float64) for n in wgan.NETWORKS[arch]((28, 28, 1), np.random.default_rng(5))
    ]
    for network in ours:  # biases and norms that begin at 0 and 1 would hide mistakes
        for p in network.parameters():
            p.data += 0.1 * np.random.default_rng(p.size).standard_normal(p.shape)
    theirs = torch_networks(torch, arch, critic=True)
    for a, b in zip(ours, theirs, strict=True):
        load_into(torch, b, a)
    return ours, theirs


def nchw(torch, x):
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def same_gradients(network, gs, theirs):
    named = zip(network.named_parameters(), gs, strict=True)
    wanted = dict(theirs.named_parameters())
    ours = to_torch({k: g.numpy() for k, g in named})
    assert ours.keys() == wanted.keys()
    for key, g in ours.items():
        want = wanted[key].grad.numpy()
        np.testing.assert_allclose(g, want, rtol=1e-7, atol=1e-10, err_msg=key)
