"""Which digits does a run draw? python tests/judge.py RUN [--n 1000]

Judges a finished run by a classifier of its own data.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from tinygen import data
from tinygen.scores import Verdict, accuracy, judge, train_classifier
from tinygen.train import load_model


def judge_run(folder: Any, n: int = 1000) -> Verdict:
    """Draws n samples from a run and judges them by a classifier of the run's data."""
    run, model = load_model(folder)
    real, test = (data.load(run.config["data"], split) for split in ("train", "test"))
    net = train_classifier(real)
    print(f"classifier: {accuracy(net, test):.2%} right on the test images")
    pictures = model.sample(n, np.random.default_rng(123))
    return judge(net, data.unscale(pictures, *model.RANGE))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("run")
    p.add_argument("--n", type=int, default=1000)
    options = p.parse_args()
    verdict = judge_run(options.run, options.n)
    print("share of each class:", " ".join(f"{s:.1%}" for s in verdict.shares))
    print(f"median confidence: {verdict.confidence:.3f}")
