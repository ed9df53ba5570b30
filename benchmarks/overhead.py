"""What the engine itself costs: python benchmarks/overhead.py

The GAN's training step with layers so narrow (width 2, batch 4) that arithmetic costs nothing,
against the same step written out in NumPy by hand: the same losses and weights, then by turns.
"""

import statistics
import time

import numpy as np

from tinygen import nn, ops
from tinygen.models import gan
from tinygen.models.players import LATENT
from tinygen.optim import Adam

WIDTH, BATCH, PIXELS = 2, 4, 4
LR, B1, B2, EPS = 2e-4, 0.5, 0.999, 1e-8


def model(rng):
    """gan.mlp's networks, of width 2."""
    G = nn.Sequential(
        *(nn.Linear(LATENT, WIDTH, rng=rng), ops.tanh, nn.Linear(WIDTH, WIDTH, rng=rng)),
        *(ops.tanh, nn.Linear(WIDTH, PIXELS, rng=rng), ops.tanh),
        lambda x: ops.reshape(x, -1, 2, 2, 1),
    )
    D = nn.Sequential(
        lambda x: ops.reshape(x, -1, PIXELS),
        *(nn.Linear(PIXELS, WIDTH, rng=rng), lambda x: ops.leaky_relu(x, slope=0.01)),
        *(nn.Linear(WIDTH, WIDTH, rng=rng), lambda x: ops.leaky_relu(x, slope=0.01)),
        nn.Linear(WIDTH, 1, rng=rng),
    )
    opts = (Adam(n.parameters(), lr=LR, betas=(B1, B2)) for n in (G, D))
    return gan.GAN(G, D, *opts)


class ByHand:
    """The same step: forward and gradients of three layers, both players, Adam."""

    def __init__(self, G, D):
        self.G, self.D = ([p.numpy().copy() for p in n.parameters()] for n in (G, D))
        self.states = [
            [(np.zeros_like(p), np.zeros_like(p)) for p in net] for net in (self.G, self.D)
        ]
        self.t = 0

    def step(self, x, z1, z2):
        self.t += 1
        fake = self.generate(z1)[-1]
        (hs, a), (gs, b) = self.judge(x.reshape(-1, PIXELS)), self.judge(fake)
        loss_D = softplus(-a).mean() + softplus(b).mean()
        one = self.judge_back(hs, -sigmoid(-a) / BATCH)[0]
        two = self.judge_back(gs, sigmoid(b) / BATCH)[0]
        self.adam(self.D, [p + q for p, q in zip(one, two, strict=True)], self.states[1])
        us = self.generate(z2)
        hs, a = self.judge(us[-1])
        loss_G = softplus(-a).mean()
        g = self.judge_back(hs, -sigmoid(-a) / BATCH, weights=False)[1]
        grads = []
        for i in (2, 1, 0):
            g = g * (1 - us[i + 1] ** 2)
            grads = [us[i].T @ g, g.sum(0), *grads]
            g = g @ self.G[2 * i].T
        self.adam(self.G, grads, self.states[0])
        return loss_D, loss_G

    def generate(self, z):
        us = [z]
        for i in range(3):
            us.append(np.tanh(us[-1] @ self.G[2 * i] + self.G[2 * i + 1]))
        return us

    def judge(self, x):
        hs = [x]
        for i in range(2):
            a = hs[-1] @ self.D[2 * i] + self.D[2 * i + 1]
            hs.append(np.maximum(a, np.float32(0.01) * a))
        return hs, hs[-1] @ self.D[4] + self.D[5]

    def judge_back(self, hs, g, weights=True):
        grads = []
        for i in (2, 1, 0):
            if weights:
                grads = [hs[i].T @ g, g.sum(0), *grads]
            g = g @ self.D[2 * i].T
            if i:
                g = g * np.where(hs[i] > 0, np.float32(1), np.float32(0.01))
        return grads, g

    def adam(self, params, grads, states):
        for p, g, (m, v) in zip(params, grads, states, strict=True):
            m += (1 - B1) * (g - m)
            v += (1 - B2) * (g * g - v)
            p -= LR / (1 - B1**self.t) * m / (np.sqrt(v / (1 - B2**self.t)) + EPS)


def softplus(x):
    return np.logaddexp(x, np.float32(0))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def main():
    rng = np.random.default_rng(0)
    ours = model(rng)
    hand = ByHand(ours.G, ours.D)
    x = rng.uniform(-1, 1, (BATCH, 2, 2, 1)).astype(np.float32)
    z1, z2 = (rng.standard_normal((BATCH, LATENT)).astype(np.float32) for _ in (1, 2))
    inputs = {"x": x, "z_D": z1, "z_G": z2[None]}
    for _ in range(20):
        losses = ours.update(**inputs)
        wanted = hand.step(x, z1, z2)
        found = losses["loss_D"].item(), losses["loss_G"].item()
        np.testing.assert_allclose(found, wanted, rtol=1e-4)
    rounds = [(timed(lambda: ours.update(**inputs)), timed(lambda: hand.step(x, z1, z2)))
              for _ in range(15)]  # fmt: skip
    a, b = (statistics.median(r[i] for r in rounds) for i in (0, 1))
    extra = statistics.median(r[0] - r[1] for r in rounds)
    print(f"tinygen {a:.2f} ms, by hand {b:.2f} ms a step: the engine costs {extra:.2f} ms")


def timed(step, n=200):
    begin = time.perf_counter()
    for _ in range(n):
        step()
    return (time.perf_counter() - begin) / n * 1e3


if __name__ == "__main__":
    main()
