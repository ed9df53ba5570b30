"""Several runs by one command: each in its folder, gone on with, and refused where it must be."""

import json
from functools import partial

import numpy as np
import pytest
from examples_here import example, run, small_digits
from matplotlib.image import imread

from tinygen import data, plots, train
from tinygen.models import gan, vae
from tinygen.train.checkpoint import Position


def series(out, digits, *words):
    p = train.parser("", out=str(out), epochs=1, batch=64)
    return train.Series.of(p, ["--data", str(digits), "--out", str(out), *words])


def test_each_run_has_its_folder_and_its_options(digits, tmp_path):
    several = series(tmp_path / "all", digits, "--seed", "3")
    for rate in (1e-3, 1e-4):
        training = several.train(f"gan-{rate}", gan, arch="mlp", lr=rate)
        assert training.model.config.lr == rate and training.options.seed == 3
    several.train("vae", vae)
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == [
        *("config.json", "gan-0.0001", "gan-0.001", "vae")
    ]
    assert (tmp_path / "all" / "vae" / "samples" / "epoch_0001.png").exists()
    assert "model" not in json.loads((tmp_path / "all" / "config.json").read_text())


def test_resume_keeps_what_has_ended_and_the_flags(digits, tmp_path):
    several = series(tmp_path, digits, "--seed", "3")
    done = several.train("a", gan, arch="mlp").run.checkpoint
    before = done.read_bytes(), done.stat().st_mtime_ns
    p = train.parser("", out=str(tmp_path), epochs=1, batch=64)
    again = train.Series.of(p, ["--out", str(tmp_path), "--resume"])
    assert again.train("a", gan, arch="mlp").run.checkpoint == done
    assert (done.read_bytes(), done.stat().st_mtime_ns) == before
    assert again.train("b", gan, arch="mlp").options.seed == 3


def test_wrong_flags_make_no_folder(digits, tmp_path):
    with pytest.raises(train.UsageError, match="wanted a batch of at most"):
        series(tmp_path / "all", digits, "--batch", "100000").train("a", vae)
    assert not (tmp_path / "all").exists()


def test_a_folder_that_holds_a_run_is_refused(digits, tmp_path):
    series(tmp_path, digits).train("a", vae)
    with pytest.raises(FileExistsError, match="holds a run already: add --resume"):
        series(tmp_path, digits)
    with pytest.raises(train.UsageError, match="is a run of 'vae'"):
        series(tmp_path / "a", digits, "--resume")


def test_a_stopped_series_is_resumed_as_a_whole(digits, tmp_path, monkeypatch):
    def stopped(self):
        raise train.Interrupted(self.run, Position())

    monkeypatch.setattr(train.Training, "fit", stopped)
    with pytest.raises(train.Interrupted) as stop:
        series(tmp_path, digits).train("a", vae)
    assert stop.value.folder == tmp_path


def comparison(monkeypatch, *names, script="compare_labels_mnist"):
    """One of the examples that compare; of its RUNS, if it has such, only those with the names."""
    found = example(script)
    for name in set(getattr(found, "RUNS", ())) - set(names):
        del found.RUNS[name]
    return partial(run, monkeypatch, found)


def test_a_comparison_with_wrong_flags_makes_no_folder(digits, tmp_path, monkeypatch):
    main, out = comparison(monkeypatch, "projection"), tmp_path / "all"
    with pytest.raises(train.UsageError, match="wanted a batch of at most"):
        main("--data", digits, "--batch", 100_000, "--out", out)
    assert not out.exists()


def test_the_comparison_of_heads_leaves_a_table_and_pictures(digits, tmp_path, monkeypatch, capsys):
    names = ("features-200", "projection", "acgan")
    main = comparison(monkeypatch, *names)
    main("--data", digits, "--batch", 20, "--out", tmp_path, "--epochs", 1)
    rows = json.loads((tmp_path / "labels.json").read_text())
    assert list(rows) == list(names)
    assert rows["features-200"]["gap"] < 1e-5 and rows["projection"]["gap"] > 1e-3
    assert rows["acgan"]["gap"] is None and rows["acgan"]["seconds"] > 0
    for row in rows.values():
        assert row["label accuracy"] == pytest.approx(np.mean(row["by class"]))
    assert imread(tmp_path / "labels.png").size and imread(tmp_path / "grids.png").size
    table = capsys.readouterr().out.splitlines()[-4:]
    assert [line.split()[0] for line in table] == [*names, str(tmp_path / "labels.png")]


def test_the_comparison_of_models_scores_each_at_each_mark(tmp_path, monkeypatch, capsys):
    digits = small_digits(tmp_path / "digits.npz", 2000, 20)
    names = ("GAN", "CVAE")
    main = comparison(monkeypatch, script="compare_mnist")
    flags = ("--data", digits, "--batch", 16, "--out", tmp_path, "--epochs", 2)
    main(*flags, "--budget", 0.2, "--seeds", 2, "--seed", 3, "--models", *names)
    folders = {p.name for p in tmp_path.iterdir() if p.is_dir()}
    assert folders == {"GAN-3", "GAN-4", "CVAE-3", "CVAE-4"}
    found = json.loads((tmp_path / "compare.json").read_text())
    assert found["budget"] == 0.2 and found["real"]["inception_score"] > 1
    for name in names:
        assert [len(rows) for rows in found["runs"][name]] == [4, 4]  # seeds, marks
    assert "label_accuracy" in found["runs"]["CVAE"][0][0]
    table = (tmp_path / "compare.md").read_text()
    assert "| real images | 1.00 |" in table and table.count(" ± ") > 10
    assert "* Inception score (digits own classifier, " in table and "200 samples" in table
    assert found["titles"]["label_accuracy"] in table
    assert imread(tmp_path / "compare.png").size and imread(tmp_path / "samples.png").size

    kept = [tmp_path / "GAN-3" / name for name in ("checkpoint.safetensors", "samples.png")]
    before = [path.read_bytes() for path in kept]
    (tmp_path / "CVAE-4" / "marks.json").unlink()
    main("--out", tmp_path, "--resume")
    assert [path.read_bytes() for path in kept] == before
    assert "CVAE, seed 4:" in capsys.readouterr().out


def test_the_comparison_of_decoders_draws_from_both(tmp_path, monkeypatch, capsys):
    digits = small_digits(tmp_path / "digits.npz", 2000, 20)
    main = comparison(monkeypatch, script="compare_decoders_mnist")
    main("--data", digits, "--epochs", 1, "--latent", 3, "--out", tmp_path / "all")
    *lines, last = capsys.readouterr().out.strip().splitlines()
    assert last == str(tmp_path / "all" / "decoders.png") and imread(last).size
    found = json.loads((tmp_path / "all" / "decoders.json").read_text())
    assert [line.split(" Fréchet")[0].strip(" ,") for line in lines] == list(found["scores"])
    real, *others = found["scores"].values()
    assert len(others) == 4 and all(row["frechet_distance"] > 0 for row in others)
    assert real["frechet_distance"] < min(row["frechet_distance"] for row in others)
    assert "200 samples" in found["titles"]["recall"]
    for name in ("autoencoder", "vae"):
        assert json.loads((tmp_path / "all" / name / "config.json").read_text())["latent"] == 3
    _, model = train.load_model(tmp_path / "all" / "autoencoder")
    plain = model.decode(np.random.default_rng(0).standard_normal((200, 3)))
    fitted = model.sample(200, np.random.default_rng([0, 2]))
    for i, images in ((1, plain), (2, fitted)):
        shown = imread(tmp_path / "all" / f"samples_{i}.png")
        wanted = plots.grid(data.unscale(images[:64], 0, 1))
        plots.save(wanted, tmp_path / "wanted.png")
        assert (shown == imread(tmp_path / "wanted.png")).all(), i


def test_the_comparison_of_remedies_leaves_a_table_and_pictures(
    digits, tmp_path, monkeypatch, capsys
):
    main = comparison(monkeypatch, script="compare_remedies_mnist")
    names = ("none", "minibatch")
    flags = ("--data", digits, "--batch", 80, "--out", tmp_path)
    main(*flags, "--seeds", 2, "--remedies", *names)
    folders = {p.name for p in tmp_path.iterdir() if p.is_dir()}
    assert folders == {f"{name}-{seed}" for name in names for seed in (0, 1)}
    config = json.loads((tmp_path / "minibatch-1" / "config.json").read_text())
    assert (config["remedy"], config["seed"], config["generator_steps"]) == ("minibatch", 1, 5)
    found = json.loads((tmp_path / "remedies.json").read_text())
    for row in [found["real"], *(row for name in names for row in found["remedies"][name])]:
        assert max(row["shares"]) == row["most frequent class"]
        assert sum(share >= 0.01 for share in row["shares"]) == row["classes"]
    table = (tmp_path / "remedies.md").read_text()
    assert "| real images | " in table and table.count(" ± ") == 2 * 5
    assert imread(tmp_path / "classes.png").size and imread(tmp_path / "samples.png").size

    before = (tmp_path / "none-0" / "checkpoint.safetensors").read_bytes()
    main("--out", tmp_path, "--resume")
    assert (tmp_path / "none-0" / "checkpoint.safetensors").read_bytes() == before
    assert (tmp_path / "remedies.md").read_text() == table
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "classes.png")


def test_images_that_no_classifier_takes_are_refused_at_once(tmp_path, monkeypatch):
    np.savez(tmp_path / "plain.npz", images=np.zeros((2000, 12, 12, 1), np.uint8))
    main = comparison(monkeypatch, script="compare_mnist")
    with pytest.raises(train.UsageError, match="wanted images that have two classes or more"):
        main("--data", tmp_path / "plain.npz", "--out", tmp_path / "all", "--models", "GAN")
    main = comparison(monkeypatch, script="compare_decoders_mnist")
    with pytest.raises(train.UsageError, match="wanted images that have two classes or more"):
        main("--data", tmp_path / "plain.npz", "--out", tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_the_comparison_of_growth_measures_both_at_each_mark(tmp_path, monkeypatch, capsys):
    drawn, digits = data.load("strokes", "test"), tmp_path / "digits.npz"
    np.savez(digits, images=drawn.images[:200, 4:25:3, 2:26:3])
    out = tmp_path / "all"
    main = comparison(monkeypatch, "growing", "full size", script="compare_growing")
    flags = ("--data", digits, "--batch", 4, "--out", out, "--epochs", 3)
    main(*flags, "--budget", 0.4, "--fade", 2, "--rest", 1)
    found = json.loads((out / "growing.json").read_text())
    assert found["budget"] == 0.4 and list(found["real"]) == ["7"]
    for name, side in (("growing", 8), ("full size", 8)):
        rows = found["runs"][name]
        assert len(rows) == 4 and rows[-1]["side"] == side and rows[-1]["distance"]["7"] > 0
        steps = [row["steps"] for row in rows]
        assert steps == sorted(steps) and steps[0] > 0
    table = (out / "growing.md").read_text()
    assert table.splitlines()[0] == "|  | steps | level of 7 | mean |" and "| full size | " in table
    assert imread(out / "growing.png").size and imread(out / "samples.png").size
    main("--out", out, "--resume")
    assert json.loads((out / "growing.json").read_text()) == found
    assert str(out / "growing.png") in capsys.readouterr().out
