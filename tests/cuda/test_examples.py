"""The examples with --device cuda, as a user runs them: the losses of the CPU's run."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

pytestmark = pytest.mark.thorough

REPOSITORY = Path(__file__).parents[2]
STANDIN = Path(__file__).parent / "standin"
SMALL = {  # flags, so that the kernels may run on the host and rounding does not grow in ten steps
    "acgan": ["--lr", "1e-4"],
    "cdcgan": ["--lr", "1e-4"],
    "infogan": ["--lr", "1e-4"],
    "gan": ["--arch", "mlp"],
    "iwae": ["--k", "1", "3", "--samples", "4", "--latent", "4"],
    "aae": ["--labels"],
    "wgan_gp": ["--arch", "mlp", "--n-critic", "2", "--lr", "1e-4"],
    "made": ["--hidden", "20"],
    "remedies": ["--arch", "mlp", "--remedy", "minibatch", "--lr", "1e-4"],
    "pixelcnn": ["--width", "4", "--blocks", "1"],
    "progan": ["--widths", "4", "3", "--fade", "4", "--rest", "3", "--lr", "1e-3"],
}
EXAMPLES = {  # but for those that only train models of the others
    name: [path.name, *SMALL.get(name, [])]
    for path in sorted((REPOSITORY / "examples").glob("*_mnist.py"))
    for name in [path.stem.removesuffix("_mnist")]
    if not name.startswith("compare") and name not in ("likelihoods", "pca")
}
EXAMPLES["progan"] = ["progan.py", *SMALL["progan"]]  # of any images
MEASURED = {  # what prints numbers, and has no losses of a single model
    "pca": ["pca_mnist.py", "--sizes", "2", "--epochs", "1", "--batch", "8"],
    "manifold": ["denoising_manifold.py", "--points", "100", "--batch", "50", "--epochs", "3"],
}
NUMBER = re.compile(r"-?\d+\.\d+")
WHERE = ("step", "epoch", "seconds")


@pytest.fixture
def example(gpu, tmp_path):
    """Runs an example on 8×8 images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (800, 8, 8, 1), np.uint8)
    np.savez(tmp_path / "images.npz", images=images, labels=np.arange(800) % 10)
    path = [REPOSITORY] if gpu else [STANDIN, REPOSITORY]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*map(str, path), os.environ.get("PYTHONPATH", "")]),
        "TINYGEN_STANDIN": "fast",
    }

    def run(name, *flags):
        script, *own = (EXAMPLES | MEASURED)[name]
        command = [sys.executable, REPOSITORY / "examples" / script, *own, *flags]
        command += ["--data", "circle" if name == "manifold" else tmp_path / "images.npz"]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done

    return run


def metrics(folder):
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {k: np.array([float(row[k]) for row in rows]) for k in rows[0] if k not in WHERE}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_epoch_has_the_cpus_losses(name, example, tmp_path):
    for device in ("cpu", "cuda"):
        flags = ("--epochs", 1, "--batch", 64, "--device", device)
        done = example(name, *flags, "--out", tmp_path / device)
        last = tmp_path / device / "samples" / "epoch_0001.png"
        assert done.stdout.strip().splitlines()[-1] == str(last) and imread(last).size
    on_cuda, on_cpu = metrics(tmp_path / "cuda"), metrics(tmp_path / "cpu")
    assert on_cuda.keys() == on_cpu.keys()
    for key, values in on_cpu.items():  # a share of a batch jumps where two logits are nearly equal
        jump = 1 / 64 if key.startswith("right") else 0
        np.testing.assert_allclose(on_cuda[key], values, rtol=1e-3, atol=jump, err_msg=key)
    assert json.loads((tmp_path / "cuda" / "config.json").read_text())["device"] == "cuda"


@pytest.mark.parametrize("name", MEASURED)
def test_what_is_measured_is_what_the_cpu_measures(name, example, tmp_path):
    cpu, cuda = (
        example(name, "--device", device, "--out", tmp_path / device).stdout.splitlines()
        for device in ("cpu", "cuda")
    )
    for one, other in zip(cpu[:-1], cuda[:-1], strict=True):  # the last is a file's path
        assert NUMBER.sub("", one) == NUMBER.sub("", other)
        numbers = [[float(n) for n in NUMBER.findall(line)] for line in (one, other)]
        np.testing.assert_allclose(*numbers, rtol=0.02)
    assert NUMBER.findall(cpu[0])


def test_a_run_on_the_device_goes_on_on_the_cpu(example, tmp_path):
    one, both = tmp_path / "cpu", tmp_path / "both"
    example("gan", "--epochs", 2, "--batch", 64, "--out", one)
    example("gan", "--epochs", 1, "--batch", 64, "--out", both, "--device", "cuda")
    example("gan", "--epochs", 2, "--out", both, "--resume", "--device", "cpu")
    resumed, whole = metrics(both), metrics(one)
    assert len(whole["loss_D"]) == 2  # one an epoch
    for key, values in whole.items():
        np.testing.assert_allclose(resumed[key], values, rtol=1e-3, err_msg=key)
