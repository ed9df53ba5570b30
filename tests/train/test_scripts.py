"""The scripts as a user runs them: what appears, how they stop, and one line for each mistake."""

import io
import json
import os
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from examples_here import small_digits
from matplotlib.image import imread

from tinygen.weights import load

REPOSITORY = Path(__file__).parents[2]
GAN = [sys.executable, str(REPOSITORY / "examples" / "gan_mnist.py"), "--arch", "mlp"]
SAMPLE = [sys.executable, "-m", "tinygen", "sample"]


def script(command, *flags, env=None, cwd=None):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **(env or {})}
    return subprocess.run(
        [*command, *map(str, flags)], capture_output=True, text=True, env=environment, cwd=cwd
    )


def here(command, *flags, cwd=None):
    """The same in this process, ten times as fast: for what ends before there is a run."""
    _, *rest = map(str, [*command, *flags])
    module = rest[0] == "-m"
    rest = rest[1:] if module else rest
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", rest)
        if cwd:
            patch.chdir(cwd)
        try:
            run = runpy.run_module if module else runpy.run_path
            run(rest[0], run_name="__main__", **({"alter_sys": True} if module else {}))
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(rest, code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return small_digits(tmp_path_factory.mktemp("digits") / "digits.npz", 800, 28)


@pytest.fixture(scope="module")
def run(tmp_path_factory, digits):
    folder = tmp_path_factory.mktemp("runs") / "gan"
    done = script(GAN, "--data", digits, "--epochs", 2, "--batch", 16, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_run_leaves_what_is_promised(run):
    folder, done = run
    last = folder / "samples" / "epoch_0002.png"
    assert done.stdout.strip().splitlines()[-1] == str(last)
    assert imread(last).shape[:2] == (484, 484)  # 8×8 digits of 28 + 2, doubled
    names = {p.name for p in folder.iterdir()}
    assert names == {
        "config.json", "metrics.csv", "samples", "curves.png", "checkpoint.safetensors"
    }  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    assert config["model"] == "gan" and config["shape"] == [28, 28, 1] and config["epochs"] == 2
    header, *rows = (folder / "metrics.csv").read_text().splitlines()
    assert header == "step,epoch,seconds,loss_D,loss_G,D_x,D_Gz" and len(rows) == 80 // 20
    for shown in ("epoch 2/2", "loss_D=", "loss_G=", "D_x=", "D_Gz="):
        assert shown in done.stderr, f"{shown} is not on the bar"


def test_a_wrong_number_of_threads_is_one_line_and_leaves_no_run(digits, tmp_path):
    flags = ("--data", digits, "--out", tmp_path / "run")
    done = script(GAN, *flags, env={"TINYGEN_THREADS": "none"})
    wanted = "gan_mnist.py: error: TINYGEN_THREADS: wanted a whole number >= 1, got 'none'\n"
    assert (done.returncode, done.stderr) == (2, wanted) and not (tmp_path / "run").exists()


def test_the_histogram_follows_the_classes(digits, tmp_path):
    folder = tmp_path / "collapse"
    flags = (
        "--data",
        digits,
        "--batch",
        16,
        "--generator-steps",
        2,
        "--beta1",
        0.0,
        "--out",
        folder,
    )
    done = script(GAN, *flags, "--epochs", 1, "--histogram")
    assert done.returncode == 0, done.stderr
    done = script(GAN, "--out", folder, "--resume", "--epochs", 2)
    assert done.returncode == 0 and "classifier" not in done.stderr, done.stderr
    shares = json.loads((folder / "classes.json").read_text())
    assert json.loads((folder / "config.json").read_text())["beta1"] == 0.0  # and not the default
    assert list(shares) == ["1", "2"] and all(abs(sum(s) - 1) < 1e-9 for s in shares.values())
    assert imread(folder / "classes.png").shape[:2] == (400, 800)


LAST_OF_THE_VAE = ("epoch_0002.png", "reconstruction_0002.png")


def test_the_vae_leaves_its_pictures(digits, tmp_path):
    vae = [sys.executable, str(REPOSITORY / "examples" / "vae_mnist.py")]
    folder = tmp_path / "vae"
    flags = ("--data", digits, "--epochs", 2, "--batch", 16, "--observation", "bernoulli")
    done = script(vae, *flags, "--out", folder)
    assert done.returncode == 0, done.stderr
    bound, last = done.stdout.strip().splitlines()
    assert bound.startswith("held out, nats per image: loss ") and "KL" in bound
    assert last == str(folder / "samples" / "epoch_0002.png")
    assert imread(folder / "plane.png").shape[:2] == (602, 602)  # 20×20 of 28 + 2
    assert imread(folder / "interpolation.png").shape[1] == 2 * (12 * 30 + 2)
    for name in ("latent", "panels", "curves"):
        assert (folder / f"{name}.png").stat().st_size > 10_000
    done = here(SAMPLE, folder, "--n", 4, "-o", tmp_path / "x.png")
    assert done.returncode == 0, done.stderr

    # as after a kill right behind the last checkpoint; the picture of epoch 1 cannot come back
    lost = {name: (folder / "samples" / name).read_bytes() for name in LAST_OF_THE_VAE}
    for name in [*lost, "reconstruction_0001.png"]:
        (folder / "samples" / name).unlink()
    done = script(vae, "--out", folder, "--resume")
    assert done.returncode == 0, done.stderr
    assert {name: (folder / "samples" / name).read_bytes() for name in lost} == lost
    wide = script(vae, "--data", digits, "--epochs", 1, "--latent", 5, "--out", tmp_path / "wide")
    assert wide.returncode == 0 and not (tmp_path / "wide" / "plane.png").exists()
    search = ("--optimizer", "lbfgs", "--subset", 50, "--epochs", 2, "--out", tmp_path / "search")
    done = script(vae, "--data", digits, *search)
    assert done.returncode == 0, done.stderr
    losses = [row.split(",")[3] for row in (tmp_path / "search" / "metrics.csv").open()][1:]
    assert float(losses[1]) < float(losses[0])
    done = script(vae, "--out", tmp_path / "search", "--resume", "--epochs", 3)
    assert done.returncode == 0, done.stderr


AUTOENCODER = [sys.executable, str(REPOSITORY / "examples" / "autoencoder_mnist.py")]
AUTOENCODERS = {  # flags; rows of a band, words of the output, pictures
    "plane": ([], 2, ["squared error per image"], ["latent", "plane"]),
    "sparse": (["--kind", "sparse", "--latent", 30], 2, ["active units per image"], ["features"]),
    "noisy": (["--kind", "denoising"], 3, ["corrupted ", "restored "], []),
}


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_autoencoders_leave_their_pictures(name, digits, tmp_path):
    flags, rows, words, pictures = AUTOENCODERS[name]
    folder = tmp_path / name
    done = script(AUTOENCODER, "--data", digits, *flags, "--epochs", 1, "--out", folder)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.strip().splitlines()
    assert all(word in " ".join(lines) for word in ["held out: ", *words])
    assert last == str(folder / "samples" / "epoch_0001.png")
    assert imread(last).shape[:2] == (2 * (5 * rows * 30 + 2), 2 * (16 * 30 + 2))
    found = {p.stem for p in folder.glob("*.png")}
    assert found == {"curves", *pictures}
    done = here(SAMPLE, folder, "--n", 4, "-o", tmp_path / "x.png")
    assert done.returncode == 0, done.stderr


def test_a_band_is_a_row_and_what_became_of_it():
    """Seven images in rows of three, the last left out: three, what became of them, and so on."""
    example = runpy.run_path(AUTOENCODER[1])
    images = np.arange(7).reshape(7, 1, 1, 1)
    example["bands"].__globals__["COLUMNS"] = 3
    shown = example["bands"]([images, 10 + images]).ravel().tolist()
    assert shown == [0, 1, 2, 10, 11, 12, 3, 4, 5, 13, 14, 15]


def test_an_autoencoder_goes_on_with_the_same_bits(digits, tmp_path):
    """Noise in the images, the moments of the codes, options that go with the kind."""
    flags = ("--data", digits, "--kind", "denoising", "--corruption", "masking", "--batch", 32)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert script(AUTOENCODER, *flags, "--epochs", 2, "--out", whole).returncode == 0
    assert script(AUTOENCODER, *flags, "--epochs", 1, "--out", parts).returncode == 0
    done = script(AUTOENCODER, "--out", parts, "--resume", "--epochs", 2)
    assert done.returncode == 0, done.stderr
    one, two = (load(folder / "checkpoint.safetensors") for folder in (whole, parts))
    assert one.keys() == two.keys() and "moments/second" in one
    for key, array in one.items():
        np.testing.assert_array_equal(array, two[key], err_msg=key)
    one, two = ((f / "samples" / "epoch_0002.png").read_bytes() for f in (whole, parts))
    assert one == two
    stored = json.loads((parts / "config.json").read_text())
    assert (stored["latent"], stored["level"], stored["penalty"]) == (64, 0.5, None)


def test_autoencoder_mistakes_are_one_line(digits, tmp_path):
    flags = ("--data", digits, "--out", tmp_path / "run")
    for wrong, words in (
        (["--sigma", 0.1], "sigma: an option of kind stochastic, this is undercomplete"),
        (["--kind", "sparse", "--rho", 0.1], "rho: an option of penalty kl, this is l1"),
        (["--kind", "sparse", "--arch", "mlp"], "arch: wanted shallow for sparse, got 'mlp'"),
        (["--kind", "deep"], "--kind"),
        (["--kind", "denoising", "--level=-1"], "--level: wanted a number >= 0, got '-1'"),
    ):
        one_line(here(AUTOENCODER, *flags, *wrong), words)
    assert not (tmp_path / "run").exists()
    shown = " ".join(here(AUTOENCODER, "--help").stdout.split())
    assert "numbers of the code; 2 for undercomplete, 1024 for sparse" in shown


def test_pca_and_autoencoders_are_compared(digits, tmp_path):
    command = [sys.executable, str(REPOSITORY / "examples" / "pca_mnist.py")]
    flags = ("--data", digits, "--sizes", 2, 20, 2, "--epochs", 1, "--batch", 2)
    done = script(command, *flags, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    *_, angle, last = done.stdout.strip().splitlines()
    assert angle.startswith("largest angle with PCA's subspace, 20 numbers: ")
    assert last == str(tmp_path / "run" / "errors.png") and imread(last).size
    rows = json.loads((tmp_path / "run" / "pca.json").read_text())
    for d, row in rows.items():
        assert row["PCA"] <= row["linear autoencoder"] and 0 <= row["largest angle"] <= 90, d
    angles = json.loads((tmp_path / "run" / "linear-2" / "angles.json").read_text())
    assert list(angles) == [str(epoch) for epoch in range(11)]
    assert angles["0"][0] > 60 and angles["10"][0] < 45
    before = (tmp_path / "run" / "linear-2" / "checkpoint.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "run" / "linear-20")
    again = script(command, "--out", tmp_path / "run", "--resume")
    assert again.returncode == 0 and again.stdout == done.stdout, again.stderr
    assert (tmp_path / "run" / "linear-2" / "checkpoint.safetensors").read_bytes() == before
    many = (*flags, "--sizes", 800, "--out", tmp_path / "many")
    one_line(here(command, *many), "pca: wanted points (N, D) and 1 <= d", "d = 800")
    assert not (tmp_path / "many").exists()


MANIFOLD = [sys.executable, str(REPOSITORY / "examples" / "denoising_manifold.py")]


def test_arrows_to_the_manifold(tmp_path):
    """On the circle the autoencoder finds the score; what has ended is drawn again."""
    flags = ("--data", "circle", "--points", 500, "--batch", 50, "--sigma", 0.2, "--epochs", 40)
    done = script(MANIFOLD, *flags, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    fit, last = done.stdout.strip().splitlines()
    assert float(fit.split("R² ")[1]) > 0.95
    assert last == str(tmp_path / "run" / "arrows.png") and imread(last).size
    again = script(MANIFOLD, "--out", tmp_path / "run", "--resume")
    assert again.returncode == 0 and again.stdout == done.stdout, again.stderr
    one_line(here(MANIFOLD, "--data", "torus"), "--data", "spiral", "circle")


def test_the_manifolds_score_is_the_gradient_of_its_log_density():
    """By finite differences; points of a curve lie at equal distances."""
    example, rng = runpy.run_path(MANIFOLD[1]), np.random.default_rng(0)
    x, at, sigma = example["on_curve"]("spiral", 300), rng.uniform(-1, 1, (6, 2)), 0.3
    steps = np.linalg.norm(np.diff(x, axis=0), axis=1)
    assert steps.max() / steps.min() < 1.01

    def log_p(at):
        return scipy.special.logsumexp(-((at[:, None] - x) ** 2).sum(2) / (2 * sigma**2), axis=1)

    for i, e in enumerate(1e-5 * np.eye(2)):
        slope = (log_p(at + e) - log_p(at - e)) / 2e-5
        np.testing.assert_allclose(
            example["score"](at, x, sigma)[:, i], slope, rtol=1e-5, atol=1e-6
        )


def test_the_iwae_measures_each_k(digits, tmp_path):
    iwae = [sys.executable, str(REPOSITORY / "examples" / "iwae_mnist.py")]
    folder = tmp_path / "iwae"
    flags = ("--data", digits, "--epochs", 1, "--k", 1, 3, "--latent", 4, "--samples", 20)
    done = script(iwae, *flags, "--out", folder)
    assert done.returncode == 0, done.stderr
    one, three, last = done.stdout.strip().splitlines()
    assert one.startswith("k = 1: NLL ") and "minus that of k = 1: " in three
    assert last == str(folder / "samples" / "epoch_0001.png")
    assert imread(last).shape[:2] == (2 * (8 * 30 + 2), 2 * (16 * 30 + 2))
    rows = json.loads((folder / "likelihood.json").read_text())["models"]
    assert [row["k"] for row in rows] == [1, 3] and "minus k=1" in rows[1]
    assert script(SAMPLE, folder, "--n", 4, "-o", tmp_path / "x.png").returncode == 0
    done = script(iwae, "--out", folder, "--resume", "--epochs", 2)
    assert done.returncode == 0, done.stderr
    done = script(iwae, "--out", folder, "--resume", "--epochs", 2, "--full", "--samples", 2)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "likelihood.json").read_text())["samples"] == 2


def test_examples_read_every_split_by_the_flags_of_images(digits, tmp_path):
    """Splits beside the one that is learned from are of the same classes and size."""
    flags = ("--data", digits, "--only", 3, 7, "--size", 12, "--epochs", 1, "--batch", 8)
    for name, more in (("autoencoder", ()), ("vae", ()), ("aae", ()), ("pca", ("--sizes", 2))):
        done = script(density(name), *flags, *more, "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
    points = [sys.executable, str(REPOSITORY / "examples" / "denoising_manifold.py")]
    one_line(here(points, "--only", 3), "--only 3")


def density(name):
    return [sys.executable, str(REPOSITORY / "examples" / f"{name}_mnist.py")]


@pytest.mark.parametrize(
    ("name", "flags", "pictures"),
    [
        ("made", ("--hidden", 20, 30, "--batch", 32), ("completions",)),
        ("made", ("--hidden", 20, "--orderings", 2, "--batch", 32), ()),
        ("pixelcnn", ("--width", 2, "--blocks", 1), ("completions", "receptive")),
    ],
)
def test_exact_densities_are_measured_and_digits_completed(name, flags, pictures, tmp_path):
    small, folder = small_digits(tmp_path / "small.npz", 400, 12), tmp_path / name
    done = script(density(name), "--data", small, *flags, "--epochs", 2, "--out", folder)
    assert done.returncode == 0, done.stderr
    *_, nll, last = done.stdout.strip().splitlines()
    assert nll.startswith("NLL ") and "exact, on 40 binarised test images" in nll
    assert last == str(folder / "samples" / "epoch_0002.png")
    row = json.loads((folder / "density.json").read_text())
    assert row["bits per pixel"] == pytest.approx(row["nll"] / (144 * np.log(2)))
    found = {p.stem for p in folder.glob("*.png")}
    assert found == {"curves", *pictures}
    if "completions" in pictures:  # six rows of ten
        size = (2 * (6 * 14 + 2), 2 * (10 * 14 + 2))
        assert imread(folder / "completions.png").shape[:2] == size

    # the average of the weights, too, goes on as if it had not stopped
    half = tmp_path / "half"
    for more in (("--data", small, *flags, "--epochs", 1), ("--resume", "--epochs", 2)):
        done = script(density(name), *more, "--out", half)
        assert done.returncode == 0, done.stderr
    assert json.loads((half / "density.json").read_text()) == row
    done = here(SAMPLE, half, "--n", 4, "-o", tmp_path / "x.png")
    assert done.returncode == 0, done.stderr
    once = script(SAMPLE, folder, "--n", 4, "-o", tmp_path / "y.png")
    assert once.returncode == 0
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "y.png").read_bytes()


def test_mistakes_with_densities_are_one_line(digits, tmp_path):
    flags = ("--data", digits, "--out", tmp_path / "run")
    one_line(here(density("made"), *flags, "--hidden", 0), "--hidden", "a whole number >= 1")
    one_line(here(density("pixelcnn"), *flags, "--arch", "mlp"), "--arch", "gated")
    one_line(here(density("likelihoods"), *flags, "--budget", 0), "--budget", "a number > 0")
    colour = tmp_path / "colour.npz"
    np.savez(colour, images=np.zeros((90, 4, 4, 3), np.uint8), labels=np.zeros(90, int))
    wrong = here(density("pixelcnn"), "--data", colour, "--out", tmp_path / "run")
    one_line(wrong, "pixelcnn: wanted grey images", "(4, 4, 3)")
    assert not (tmp_path / "run").exists()


def test_lapgan_shows_how_its_images_grow(digits, tmp_path):
    folder = tmp_path / "run"
    flags = ("--data", digits, "--batch", 32, "--width", 4, "--out", folder)
    done = script(density("lapgan"), *flags, "--epochs", 1)
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.strip().splitlines()
    assert first.startswith("20 steps of about ")
    assert last == str(folder / "samples" / "epoch_0001.png")
    assert imread(folder / "levels.png").shape[:2] == (2 * (3 * 30 + 2), 2 * (12 * 30 + 2))
    done = here(SAMPLE, folder, "--n", 4, "-o", tmp_path / "x.png")
    assert done.returncode == 0, done.stderr
    one_line(here(density("lapgan"), *flags, "--levels", 4), "divisible by 8 for 4 levels")


def test_dcgan_learns_colour_and_its_features_are_judged(tmp_path):
    images, labels = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3)), np.arange(300) % 2
    np.savez(tmp_path / "x.npz", images=images.astype(np.uint8), labels=labels, classes=["a", "b"])
    dcgan, folder = (
        [*density("dcgan")[:1], str(REPOSITORY / "examples" / "dcgan_cifar10.py")],
        "run",
    )
    flags = ("--data", tmp_path / "x.npz", "--size", 8, "--augment", "--epochs", 1, "--batch", 40)
    done = script(dcgan, *flags, "--out", tmp_path / folder)
    assert done.returncode == 0, done.stderr
    first, *rest, last = done.stdout.strip().splitlines()
    assert first.startswith("6 steps of about ") and first.endswith(" minutes")
    assert last == str(tmp_path / folder / "samples" / "epoch_0001.png") and imread(last).size
    found = json.loads((tmp_path / folder / "features.json").read_text())["right"]
    assert list(found) == [
        *("D's features", "an untrained D's", "pixels", "192 principal components")
    ]
    assert len(rest) == 4 and all(0 <= right <= 1 for right in found.values())
    done = script(dcgan, *flags, "--only", "a", "--out", tmp_path / "one")
    assert done.returncode == 0 and "linear" not in done.stdout, done.stderr
    assert json.loads((tmp_path / "one" / "config.json").read_text())["images"] == "x: a of 8×8"
    one_line(here(dcgan, *flags, "--only", "c"), "among a, b, found c")


REMEDIES = [sys.executable, str(REPOSITORY / "examples" / "remedies_mnist.py"), "--arch", "mlp"]
RING = [sys.executable, str(REPOSITORY / "examples" / "unrolled_ring.py")]


def test_a_remedied_gan_follows_the_classes(digits, tmp_path):
    folder = tmp_path / "run"
    flags = ("--data", digits, "--batch", 64, "--remedy", "noise", "--noise-steps", 15)
    done = script(REMEDIES, *flags, "--epochs", 1, "--out", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "samples" / "epoch_0001.png")
    assert list(json.loads((folder / "classes.json").read_text())) == ["1"]
    assert json.loads((folder / "config.json").read_text())["noise_steps"] == 15
    done = here(SAMPLE, folder, "--n", 4, "-o", tmp_path / "x.png")
    assert done.returncode == 0, done.stderr


def test_mistakes_with_remedies_are_one_line(digits, tmp_path):
    flags = ("--data", digits, "--out", tmp_path / "run")
    one_line(here(REMEDIES, *flags, "--remedy", "luck"), "--remedy", "none or minibatch or noise")
    one_line(here(REMEDIES, *flags, "--unroll", 0), "--unroll", "a whole number >= 1, got '0'")
    one_line(here(RING, "--steps", 7, "--out", tmp_path / "run"), "--steps: wanted 8 or more")
    one_line(here(RING, "--unroll", -1, "--out", tmp_path / "run"), "--unroll", "number >= 0")
    one_line(here(RING, "--out", digits), "digits.npz")
    assert not (tmp_path / "run").exists()


def test_the_ring_counts_the_modes_of_each_K(tmp_path):
    flags = ("--steps", 16, "--batch", 8, "--seeds", 2, "--unroll", 0, 1)
    done = script(RING, *flags, "--out", tmp_path / "ring")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["K = 0", "K = 1"]
    assert last == str(tmp_path / "ring" / "ring.png")
    assert imread(last).shape[:2] == (330, 1350)  # two rows of eight panels and the real points
    found = json.loads((tmp_path / "ring" / "ring.json").read_text())
    assert found["0"]["steps"] == [2, 4, 6, 8, 10, 12, 14, 16]
    assert [len(run["modes"]) for run in found["1"]["runs"]] == [8, 8]
    one_line(here(RING, "--out", tmp_path / "ring"), "holds a run already")

    ring = runpy.run_path(RING[1])
    one = ring["centres"]()[np.repeat([0, 1, 2], [196, 3, 1])]  # 98 %, 1.5 % and 0.5 %
    assert ring["counted"](one) == (2, 1.0)
    assert ring["counted"](one + 0.05) == (2, 0.0)  # 3.5σ away
    assert ring["counted"](one + 0.15) == (0, 0.0)
    real = ring["real"](4000, np.random.default_rng(0))
    modes, target = ring["counted"](real)
    assert modes == 8 and target == pytest.approx(1 - np.exp(-4.5), abs=0.005)


WGAN = [sys.executable, str(REPOSITORY / "examples" / "wgan_gp_mnist.py")]


@pytest.mark.parametrize(
    ("lipschitz", "columns"), [("gp", "loss_D,W,penalty,loss_G"), ("clip", "loss_D,KW,loss_G")]
)
def test_both_wgans_leave_grid_and_curves(lipschitz, columns, digits, tmp_path):
    folder = tmp_path / lipschitz
    flags = ("--data", digits, "--lipschitz", lipschitz, "--batch", 8, "--n-critic", 2)
    done = script(WGAN, *flags, "--epochs", 1, "--out", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "samples" / "epoch_0001.png")
    header, *rows = (folder / "metrics.csv").read_text().splitlines()
    assert header == f"step,epoch,seconds,{columns}"
    assert len(rows) == 640 // (8 * 2) // 20  # a step takes 8 images for each of D's
    panels = imread(folder / "curves.png").shape[1] / 600
    assert panels == (2 if lipschitz == "gp" else 1)
    done = here(SAMPLE, folder, "--n", 4, "-o", tmp_path / "x.png")
    assert done.returncode == 0 and imread(tmp_path / "x.png").shape[:2] == (124, 124), done.stderr


def test_wgan_mistakes_are_one_line(digits, tmp_path):
    flags = ("--data", digits, "--out", tmp_path / "run")
    one_line(here(WGAN, *flags, "--batch", 300), "at most 640 images, got 900")
    one_line(here(WGAN, *flags, "--arch", "conv", "--batch", 1), "--batch 1", "2 or more")
    one_line(here(WGAN, *flags, "--penalty=-1"), "--penalty", "wanted a number >= 0")
    one_line(here(WGAN, *flags, "--clip", 0.1), "--clip: an option of wgan, this is wgan_gp")
    one_line(here(WGAN, *flags, "--n-critic", 0), "--n-critic", "wanted a whole number >= 1")
    assert not (tmp_path / "run").exists()


def test_the_aae_leaves_its_pictures(digits, tmp_path):
    aae = [sys.executable, str(REPOSITORY / "examples" / "aae_mnist.py")]
    for name, size, flags in [
        ("roll", (15, 15), ()),
        ("components", (10, 15), ("--prior", "mixture", "--labels")),
        ("plane", (15, 15), ("--prior", "gaussian")),
    ]:
        folder = tmp_path / name
        done = script(aae, "--data", digits, "--epochs", 1, "--out", folder, *flags)
        assert done.returncode == 0, done.stderr
        score, last = done.stdout.strip().splitlines()
        assert score.startswith("sliced Wasserstein-1, 80 points: posterior to prior ")
        assert last == str(folder / "samples" / "epoch_0001.png")
        assert imread(folder / f"{name}.png").shape[:2] == tuple(30 * n + 2 for n in size)
        for picture in ("prior_posterior", "latent", "curves"):
            assert (folder / f"{picture}.png").stat().st_size > 10_000
    done = here(SAMPLE, tmp_path / "components", "--n", 4, "-o", tmp_path / "x.png")
    assert done.returncode == 0, done.stderr
    done = script(aae, "--out", tmp_path / "components", "--resume", "--epochs", 2)
    assert done.returncode == 0, done.stderr
    one_line(here(aae, "--data", digits, "--batch", 1), "--batch 1", "2 or more")


@pytest.mark.parametrize("convolved", [False, True])
def test_what_was_computed_before_moves_no_bit_of_a_sample(run, tmp_path, monkeypatch, convolved):
    first, again = tmp_path / "x.png", tmp_path / "y.png"
    script(SAMPLE, run[0], "--n", 9, "-o", first)
    monkeypatch.setattr("tinygen.cpu.threads._convolved", convolved)
    here(SAMPLE, run[0], "--n", 9, "-o", again)
    assert first.read_bytes() == again.read_bytes()


def test_sample_draws_from_a_run(run, tmp_path):
    picture = tmp_path / "x.png"
    done = here(SAMPLE, run[0], "--n", 9, "-o", picture)
    assert done.returncode == 0 and done.stdout.strip() == str(picture), done.stderr
    assert imread(picture).shape[:2] == (184, 184)
    again = tmp_path / "y.png"
    script(SAMPLE, run[0], "--n", 9, "-o", again)
    assert again.read_bytes() == picture.read_bytes()
    script(SAMPLE, run[0], "--n", 9, "-o", again, "--seed", 1)
    assert again.read_bytes() != picture.read_bytes()


@pytest.mark.parametrize("name", ["cvae", "cgan"])  # acgan, cdcgan: the same code, more slowly
def test_conditional_models_draw_what_is_asked_for(name, digits, tmp_path):
    command = [sys.executable, str(REPOSITORY / "examples" / f"{name}_mnist.py")]
    folder, picture = tmp_path / name, tmp_path / "x.png"
    done = script(command, "--data", digits, "--epochs", 1, "--batch", 32, "--out", folder)
    assert done.returncode == 0, done.stderr
    heard, last = done.stdout.strip().splitlines()
    assert heard.startswith("label accuracy ") and "on 1000 samples" in heard
    assert imread(last).shape[:2] == (2 * 302, 2 * 302)  # a row for each of ten classes
    assert len(json.loads((folder / "labels.json").read_text())["by_class"]) == 10
    for words, size in ((["7"], (6, 6)), (["3", "5", "8"], (3, 10)), (["all"], (10, 3))):
        done = here(SAMPLE, folder, "--n", 30, "--label", *words, "-o", picture)
        assert done.returncode == 0, done.stderr
        high, wide = (2 * (30 * n + 2) for n in size)
        assert imread(picture).shape[1] == wide and imread(picture).shape[0] <= high
    for words, message in (
        (["ten"], "--label: wanted numbers from 0 to 9 or all, got 'ten'"),
        (["3", "10"], "got '10'"),
        (["-1"], "--label"),
    ):
        one_line(here(SAMPLE, folder, "--label", *words, "-o", picture), message)


def test_infogan_says_what_its_codes_mean(digits, tmp_path):
    command = [sys.executable, str(REPOSITORY / "examples" / "infogan_mnist.py")]
    folder, picture = tmp_path / "run", tmp_path / "x.png"
    done = script(command, "--data", digits, "--epochs", 1, "--batch", 64, "--out", folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    assert [line.split(":")[0] for line in lines[:10]] == [f"category {k}" for k in range(10)]
    assert "of 10 categories give one digit" in lines[10] and "classes in at least" in lines[11]
    assert "sd over epochs" in lines[12]
    shares = np.array(json.loads((folder / "codes.json").read_text())["shares"]["1"])
    assert shares.shape == (10, 10) and np.allclose(shares.sum(1), 1)
    for i in (1, 2):
        assert imread(folder / f"sweep_{i}.png").shape[:2] == (604, 604)
    done = here(SAMPLE, folder, "--n", 9, "--code", "3", "0.5", "-1", "-o", picture)
    assert done.returncode == 0 and imread(picture).shape[0] == 2 * (3 * 30 + 2), done.stderr
    for words in (["10"], ["a"], ["1", "0", "0", "0"], ["1", "nan"]):
        message = f"--code: wanted a category from 0 to 9 and up to two numbers, got {words[0]}"
        one_line(here(SAMPLE, folder, "--code", *words, "-o", picture), message)


def test_labels_where_there_are_none_are_one_line(run, tmp_path):
    one_line(here(SAMPLE, run[0], "--label", "7"), "wanted a model that is told labels", "GAN")
    one_line(here(SAMPLE, run[0], "--code", "7"), "--code: wanted an InfoGAN, this is a GAN")
    np.savez(tmp_path / "plain.npz", images=np.zeros((100, 8, 8, 1), np.uint8))
    cgan = [sys.executable, str(REPOSITORY / "examples" / "cgan_mnist.py")]
    flags = ("--data", tmp_path / "plain.npz", "--out", tmp_path / "run")
    one_line(here(cgan, *flags), "cgan: wanted images of two classes or more, got 1")
    assert not (tmp_path / "run").exists()


def test_resume_goes_on(run, digits, tmp_path):
    folder = tmp_path / "gan"
    flags = ("--data", digits, "--batch", 16, "--out", folder)
    assert script(GAN, *flags, "--epochs", 1).returncode == 0
    done = script(GAN, "--out", folder, "--resume", "--epochs", 2)  # the rest from config.json
    assert done.returncode == 0, done.stderr
    one, two = ((f / "samples" / "epoch_0002.png").read_bytes() for f in (run[0], folder))
    assert one == two


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_saves_and_says_how_to_go_on(digits, tmp_path):
    folder = tmp_path / "my gan"
    command = [*GAN, "--data", str(digits), "--epochs", "500", "--out", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    while not (folder / "metrics.csv").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in error and "stopped in epoch" in error
    assert shlex.split(error.splitlines()[-1])[-3:] == ["--out", str(folder), "--resume"]
    assert (folder / "checkpoint.safetensors").exists()


def one_line(done, *words):
    """Exit code 2 and a single line on stderr that holds the words."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and "Traceback" not in lines[0], done.stderr
    for word in words:
        assert word in lines[0], lines[0]


MISTAKES = {
    "unknown flag": (["--epoch-count", "3"], ["unrecognized arguments", "--epoch-count"]),
    "no epochs": (["--epochs", "0"], ["--epochs", "wanted a whole number >= 1, got '0'"]),
    "a word": (["--batch", "many"], ["--batch", "got 'many'"]),
    "negative seed": (["--seed=-1"], ["--seed", "wanted a whole number >= 0"]),
    "no rate": (["--lr", "nan"], ["--lr", "wanted a number > 0, got 'nan'"]),
    "unknown arch": (["--arch", "resnet"], ["--arch: wanted mlp or dcgan or deep, got 'resnet'"]),
    "unknown data": (["--data", "no-such-set"], ["no-such-set", "mnist"]),
    "batch of more than all": (["--batch", "801"], ["batch of at most 640 images, got 801"]),
    "no folder": (["--out="], ["--out: wanted a folder"]),
    "an abbreviation": (["--epoch", "3"], ["unrecognized arguments", "--epoch"]),
    "no such run": (["--out", "nowhere", "--resume"], ["nowhere", "not a run folder"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name, digits, tmp_path):
    flags, words = MISTAKES[name]
    given = [] if "--data" in flags else ["--data", digits]
    one_line(here(GAN, *given, "--out", tmp_path / "run", *flags, cwd=tmp_path), *words)
    assert not list(tmp_path.rglob("*.png")) and not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    "example", sorted((REPOSITORY / "examples").glob("*.py")), ids=lambda p: p.stem
)
def test_cuda_without_a_gpu_is_one_line(example, digits, tmp_path):
    try:
        import cupy

        if cupy.cuda.is_available():
            pytest.skip("there is a GPU")
    except ImportError:
        pass
    given = () if example.stem in ("denoising_manifold", "unrolled_ring") else ("--data", digits)
    flags = (*given, "--device", "cuda", "--out", tmp_path / "run")
    one_line(here([sys.executable, example], *flags), example.name, "device 'cuda'")
    assert not (tmp_path / "run").exists()


def test_an_unwritable_folder_is_one_line(digits, tmp_path):
    (tmp_path / "file").write_text("in the way")
    one_line(here(GAN, "--data", digits, "--out", tmp_path / "file" / "run"), "file")
    one_line(here(GAN, "--data", digits, "--out", tmp_path / "file"), "file")


@pytest.mark.parametrize("broken", ["cut off", "not an archive"])
def test_broken_data_is_one_line(broken, digits, tmp_path):
    path = tmp_path / "digits.npz"
    whole = digits.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if broken == "cut off" else b"hello" * 100)
    one_line(here(GAN, "--data", path, "--out", tmp_path / "run"), str(path))
    assert not (tmp_path / "run").exists()


def test_images_of_another_size_for_dcgan_are_one_line(tmp_path):
    path = tmp_path / "odd.npz"
    np.savez(path, images=np.zeros((100, 30, 30, 1), np.uint8))
    done = here(GAN, "--arch", "dcgan", "--data", path, "--out", tmp_path / "run")
    one_line(done, "divisible by 4, got 30×30")


def test_a_run_is_not_overwritten(run, digits):
    before = (run[0] / "metrics.csv").read_bytes()
    done = here(GAN, "--data", digits, "--out", run[0])
    one_line(done, "holds a run already", "--resume")
    assert (run[0] / "metrics.csv").read_bytes() == before


def test_resume_refuses_other_flags(run):
    done = here(GAN, "--out", run[0], "--resume", "--batch", 32)
    one_line(done, "--batch 32", "was made with 16")


def copied(run, tmp_path, **change):
    """A copy of the run with changes in its config.json; None takes a key out."""
    folder = tmp_path / "copy"
    shutil.copytree(run[0], folder)
    config = json.loads((folder / "config.json").read_text()) | change
    config = {k: v for k, v in config.items() if v is not None}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "vae"}, ["is a run of 'vae'"]),
        ({"batch": None}, ["config.json has no batch"]),
        ({"batch": "many"}, ["--batch", "got 'many'"]),
        ({"arch": "resnet"}, ["--arch: wanted mlp or dcgan or deep, got 'resnet'"]),
        ({"count": 641}, ["began with", "641", "640"]),
    ],
)
def test_resume_of_a_run_that_does_not_fit_is_one_line(change, words, run, tmp_path):
    folder = copied(run, tmp_path, **change)
    one_line(here(GAN[:2], "--out", folder, "--resume"), *words)


def test_resume_for_fewer_epochs_is_one_line(run, tmp_path):
    folder = copied(run, tmp_path)
    before = (folder / "config.json").read_bytes()
    one_line(here(GAN, "--out", folder, "--resume", "--epochs", 1), "has finished 2 already")
    assert (folder / "config.json").read_bytes() == before


def test_resume_of_a_finished_run_ends_with_its_grid(run, tmp_path):
    folder = copied(run, tmp_path)
    done = script(GAN, "--out", folder, "--resume")
    assert done.returncode == 0
    assert done.stdout.strip() == str(folder / "samples" / "epoch_0002.png")


def test_one_image_a_step_for_batch_norm_is_one_line(digits, tmp_path):
    flags = ("--data", digits, "--arch", "dcgan", "--batch", 1, "--out", tmp_path / "run")
    one_line(here(GAN, *flags), "--batch 1", "2 or more")
    assert not (tmp_path / "run").exists()


def test_divergence_is_one_line(digits, tmp_path):
    flags = ("--data", digits, "--batch", 16, "--lr", 1e30, "--epochs", 1)
    done = script(GAN, *flags, "--out", tmp_path / "run")
    assert done.returncode == 2 and "Warning" not in done.stderr
    assert "training has diverged" in done.stderr.splitlines()[-1]


def test_help_shows_the_defaults():
    done = here(GAN[:2], "--help")
    assert done.returncode == 0
    for shown in ("(default: auto)", "(default: 6)", "(default: 64)", "(default: dcgan)"):
        assert shown in done.stdout


def test_sample_mistakes_are_one_line(run, tmp_path):
    one_line(here(SAMPLE, tmp_path / "nothing"), "nothing", "not a run folder")
    one_line(here(SAMPLE, run[0], "--n", 0), "wanted a whole number >= 1")
    one_line(here(SAMPLE, run[0], "-o", tmp_path / "no" / "folder.png"), "no")
    one_line(here(SAMPLE, run[0], "-o", tmp_path / "x.jpg"), "ends in .png")
    one_line(here(SAMPLE, copied(run, tmp_path, lr=None)), "cannot build the model", "lr")
    (tmp_path / "config.json").write_text("[1]")
    one_line(here(SAMPLE, tmp_path), "wanted a JSON object, got list")
    (tmp_path / "config.json").write_text('{"model": "poem"}')
    one_line(here(SAMPLE, tmp_path), "no model that can be sampled: 'poem'")
    (tmp_path / "config.json").write_text((run[0] / "config.json").read_text())
    one_line(here(SAMPLE, tmp_path), "checkpoint.safetensors: no such file")
