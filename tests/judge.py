"""A small convolutional classifier, trained here, that says which digits a model draws.

python tests/judge.py RUN [--n 1000]     judges a finished run by a classifier of its own data
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np

import tinygen as tg
from tinygen import data, nn, prob


class Verdict(NamedTuple):
    shares: np.ndarray[Any, Any]  # of the samples, per class
    confidence: float  # median over the samples of the largest class probability


def classifier(images: Any, labels: Any, *, epochs: int = 2, batch: int = 64) -> nn.Module:
    """Trained on uint8 images (N, H, W, C), H and W divisible by 4; returns logits (N, classes)."""
    rng = np.random.default_rng(0)
    h, w, c = images.shape[1:]
    how = {"kernel": 4, "stride": 2, "padding": 1, "rng": rng, "init": nn.init.he}
    net = nn.Sequential(
        *(nn.Conv2d(c, 16, **how), tg.relu, nn.Conv2d(16, 32, **how), tg.relu),
        lambda x: tg.reshape(x, -1, h // 4 * (w // 4) * 32),
        *(nn.Linear(h // 4 * (w // 4) * 32, 64, rng=rng), tg.relu),
        nn.Linear(64, int(labels.max()) + 1, rng=rng),
    )
    opt = tg.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for i in range(0, len(order) - batch + 1, batch):
            chosen = order[i : i + batch]
            x = tg.tensor(data.scale(images[chosen], -1, 1))
            opt.step(tg.grad(prob.softmax_loss(net(x), labels[chosen]), opt.params))
    return net


def probabilities(net: nn.Module, images: Any) -> np.ndarray[Any, Any]:
    """(N, classes) for uint8 images."""
    with tg.no_grad():
        parts = [
            tg.softmax(net(tg.tensor(data.scale(images[i : i + 500], -1, 1)))).numpy()
            for i in range(0, len(images), 500)
        ]
    return np.concatenate(parts)


def judge(net: nn.Module, images: Any) -> Verdict:
    p = probabilities(net, images)
    shares = np.bincount(p.argmax(1), minlength=p.shape[1]) / len(p)
    return Verdict(shares, float(np.median(p.max(1))))


def judge_run(folder: Any, n: int = 1000) -> Verdict:
    """Draws n samples from a run of a GAN and judges them by a classifier of the run's data."""
    from tinygen.__main__ import load_model

    run, module, model = load_model(folder)
    real, test = (data.load(run.config["data"], split) for split in ("train", "test"))
    net = classifier(real.images, real.labels)
    accuracy = (probabilities(net, test.images).argmax(1) == test.labels).mean()
    print(f"classifier: {accuracy:.2%} right on the test images")
    pictures = model.sample(n, np.random.default_rng(123))
    return judge(net, data.unscale(pictures, *module.RANGE))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("run")
    p.add_argument("--n", type=int, default=1000)
    options = p.parse_args()
    verdict = judge_run(options.run, options.n)
    print("share of each class:", " ".join(f"{s:.1%}" for s in verdict.shares))
    print(f"median confidence: {verdict.confidence:.3f}")
