"""examples/progan.py as a user runs it: what it leaves, resumed amid a fade, and sampled from."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from tinygen import data
from tinygen.models import Setup, progan
from tinygen.train import load_model
from tinygen.weights import load

SCRIPT = Path(__file__).parents[2] / "examples" / "progan.py"
FLAGS = ("--batch", 8, "--widths", 4, 3, "--fade", 16, "--rest", 4)


def script(*flags, code=0):
    """The lines that it prints; on stderr where it is to fail."""
    command = [sys.executable, SCRIPT, *flags]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return (done.stderr if code else done.stdout).splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of two epochs of ten steps, of 7×8 images."""
    out = tmp_path_factory.mktemp("progan")
    images = data.load("strokes", "test").images[:100, 4:25:3, 2:26:3]
    np.savez(out / "images.npz", images=images)
    lines = script("--data", out / "images.npz", *FLAGS, "--epochs", 2, "--out", out / "run")
    assert lines[0].startswith("about 1 min: 4 at 4×4, 16 at 8×8 steps")
    assert lines[-1] == str(out / "run" / "samples" / "epoch_0002.png")
    return out


def test_a_run_leaves_what_is_promised(folder):
    run = folder / "run"
    names = {p.name for p in (run / "samples").iterdir()}
    assert names == {"level_004.png", "epoch_0001.png", "epoch_0002.png"}
    assert imread(run / "samples" / "epoch_0002.png").shape[:2] == (2 * 74, 2 * 82)
    assert imread(run / "walk.png").shape[:2] == (2 * (4 * 9 + 2), 2 * (12 * 10 + 2))
    with Image.open(run / "walk.gif") as film:
        assert (film.n_frames, film.size) == (48, (2 * (4 * 10 + 2), 2 * (2 * 9 + 2)))
    swd = json.loads((run / "swd.json").read_text())
    assert swd["images"] == 10 and list(swd["samples"]) == list(swd["real images"]) == ["7"]
    assert not list(run.rglob(".*"))


def test_a_run_resumed_amid_a_fade_has_the_same_bits(folder):
    out = folder / "resumed"
    script("--data", folder / "images.npz", *FLAGS, "--epochs", 1, "--out", out)
    _, model = load_model(out)
    assert model.stage == (1, 6 / 16)
    script("--out", out, "--resume", "--epochs", 2)
    one, two = (load(f / "checkpoint.safetensors") for f in (folder / "run", out))
    assert one.keys() == two.keys() and len(one) > 50
    for name, array in one.items():
        np.testing.assert_array_equal(two[name], array, err_msg=name)
    for name in ("samples/epoch_0002.png", "walk.png", "walk.gif", "swd.json"):
        assert (folder / "run" / name).read_bytes() == (out / name).read_bytes(), name


def test_a_loaded_run_draws_by_the_average_at_its_stage(folder):
    _, model = load_model(folder / "run")
    assert model.t == 20 and model.stage == (1, 1.0)
    state = load(folder / "run" / "checkpoint.safetensors")
    G = progan.build(model.config, Setup((7, 8, 1)), np.random.default_rng(9)).G
    G.load_state_dict({k.removeprefix("average/"): v for k, v in state.items() if "average/" in k})
    z = np.random.default_rng(1).standard_normal((3, 100))
    wanted = G(model.tensor(z)).numpy()[:, :7]
    images = model.sample(3, np.random.default_rng(1))
    np.testing.assert_allclose(images, wanted.clip(-1, 1), atol=1e-6)


def test_mistakes_are_one_line_and_leave_no_run(folder, tmp_path):
    np.savez(tmp_path / "small.npz", images=np.zeros((100, 4, 4, 1), np.uint8))
    for data_set, flags, words in [
        (tmp_path / "small.npz", (), "progan: wanted images of 8×8 or more to grow into, got 4×4"),
        (folder / "images.npz", ("--widths", 4), "progan: wanted 2 widths, one a level from 4×4"),
        (folder / "images.npz", ("--growing", "never"), "--growing: wanted yes or no, got 'never'"),
    ]:
        lines = script("--data", data_set, *flags, "--out", tmp_path / "run", code=2)
        assert len(lines) == 1 and words in lines[0], lines
    assert not (tmp_path / "run").exists()
