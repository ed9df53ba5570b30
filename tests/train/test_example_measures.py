"""What examples measure and draw of their models, by cases whose answers are known."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from examples_here import example, run, small_digits

import tinygen as tg
from tinygen import data, scores, train
from tinygen.models import conditional


def test_the_share_of_active_units_and_the_most_used_ones_drawn(monkeypatch, tmp_path, capsys):
    """Four units on five images; a unit is active above a tenth of its own largest value."""
    found, shown = example("autoencoder_mnist"), []
    h = np.array([[10.0, 0, 1, 3], [0, 0, 5, 3], [0.9, 0, 5, 3], [0, 0, 5, 3], [0, 0, 0.4, 3]])
    w = np.eye(4) * (1, 1, 1, -1)  # what each adds: one pixel of 2×2; the fourth darkens its pixel
    plots = found.plots
    monkeypatch.setattr(plots, "grid", lambda images: shown.append(images))
    monkeypatch.setattr(plots, "save", lambda figure, path: None)
    network = [SimpleNamespace(weight=tg.tensor(w))]
    training = SimpleNamespace(
        model=SimpleNamespace(decoder=network),
        dataset=SimpleNamespace(images=np.zeros((5, 2, 2, 1))),
        run=SimpleNamespace(folder=tmp_path),
    )
    found.draw_features.__globals__["FEATURES"] = 2
    found.draw_features(training, h)
    assert capsys.readouterr().out == "active units per image: 50.0% of 4, never active: 1\n"
    most, next_ = shown[0].reshape(2, 4)
    assert most.argmax() == 2 and most[2] == 255  # mean 3.28
    assert next_.argmin() == 3 and next_[3] == 0  # mean 3


def test_errors_are_of_what_each_word_says(capsys):
    """A model that returns what it is given: restored images are as far off as corrupted ones."""
    same = SimpleNamespace(encode=lambda x: x, decode=lambda h: h)
    x = np.array([0.0, 1.0]).reshape(2, 1, 1, 1)
    example("autoencoder_mnist").print_errors(same, x, x + 2)
    assert capsys.readouterr().out == (
        "held out: squared error per image 0.00; corrupted 4.00, restored 4.00 "
        "(of the mean image 0.25)\n"
    )


def test_the_residual_network_has_a_blind_spot_and_the_gated_one_has_none():
    figure = example("pixelcnn_mnist").receptive_fields((12, 12, 1))
    titles = [axes.get_title() for axes in figure.axes]
    seen = {t.split(":")[0]: [int(n) for n in re.findall(r"\d+", t)] for t in titles}
    assert seen["gated"] == [78, 78]  # the six rows above, and six pixels on the left
    assert seen["residual"][1] == 78 and seen["residual"][0] < 78


def test_likelihoods_stand_in_one_table(tmp_path, monkeypatch, capsys):
    """Each of the model that is left in its folder."""
    tiny, out = small_digits(tmp_path / "tiny.npz", 400, 8), tmp_path / "run"
    likelihoods = example("likelihoods_mnist")
    run(monkeypatch, likelihoods, "--data", tiny, "--budget", 0.3, "--images", 3, "--out", out)
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(out / "samples.png")
    rows = json.loads((out / "likelihoods.json").read_text())["models"]
    assert list(rows) == ["VAE", "IWAE, k = 50", "MADE", "PixelCNN", "GAN"]
    known = [row["known"] for row in rows.values()]
    assert known == ["an upper bound"] * 2 + ["exactly"] * 2 + ["not at all"]
    assert [row["passes"] for row in rows.values()] == [1, 1, 64, 64, 1]
    assert all(row["seconds"] > 0 for row in rows.values()) and "nll" not in rows["GAN"]
    text = (out / "likelihoods.md").read_text()
    assert f"| MADE | {rows['MADE']['nll']:.2f} ± " in text

    x = data.binarise(data.load(str(tiny), "test").images, np.random.default_rng([0, 3]))[:3]
    for name in ("VAE", "IWAE, k = 50"):
        _, model = train.load_model(out / name)
        log_p = scores.log_likelihood(model.best, x, k=5000, rng=np.random.default_rng([0, 4]))
        assert rows[name]["nll"] == pytest.approx(-log_p.mean(), rel=1e-5), name
    for name in ("MADE", "PixelCNN"):
        _, model = train.load_model(out / name)
        assert rows[name]["nll"] == pytest.approx(-model.log_likelihood(x).mean(), rel=1e-5), name
    before = (out / "MADE" / "checkpoint.safetensors").read_bytes()
    run(monkeypatch, likelihoods, "--out", out, "--resume")
    assert (out / "MADE" / "checkpoint.safetensors").read_bytes() == before
    again = json.loads((out / "likelihoods.json").read_text())["models"]
    assert again["MADE"]["nll"] == rows["MADE"]["nll"]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((200, 8, 8, 3), np.uint8), "wanted grey images"),
        (np.zeros((200, 6, 6, 1), np.uint8), "divisible by 4"),
    ],
    ids=["colour", "six pixels wide"],
)
def test_likelihoods_refuse_images_before_they_train(images, words, tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(len(images)) % 2)
    flags = ("--data", tmp_path / "x.npz", "--out", tmp_path / "run")
    with pytest.raises(train.UsageError, match=words):
        run(monkeypatch, example("likelihoods_mnist"), *flags)
    assert not (tmp_path / "run").exists()


def test_points_fewer_than_a_batch_leave_no_folder(tmp_path, monkeypatch):
    flags = ("--points", 10, "--out", tmp_path / "run")
    with pytest.raises(train.UsageError, match="--batch 250: there are 10 points"):
        run(monkeypatch, example("denoising_manifold"), *flags)
    assert not (tmp_path / "run").exists()


def test_codes_of_a_kernel_density_are_near_those_of_images_and_none_of_them(digits):
    codes = np.random.default_rng(0).standard_normal((100, 2)) * (3, 0.2) + 5
    model = SimpleNamespace(encode=lambda images: codes, decode=lambda h: h)
    known = SimpleNamespace(model=model, scaled=lambda x: x, dataset=data.load(str(digits)))
    known.generator = lambda stream: np.random.default_rng(stream)
    drawn = example("compare_decoders_mnist").from_density(known, 4000)
    apart = np.linalg.norm((drawn[:, None] - codes) / codes.std(0), axis=2).min(1)
    assert drawn.shape == (4000, 2) and apart.min() > 0 and np.median(apart) < 0.3
    # A kernel's width adds to the variance, by Scott's rule (100^(-1/6))² of it.
    assert drawn.std(0) == pytest.approx(codes.std(0) * (1 + 100 ** (-1 / 3)) ** 0.5, rel=0.05)


def test_each_mark_is_a_quarter_of_the_budget_and_its_scores_are_kept(tmp_path, monkeypatch):
    found, fits = example("compare_mnist"), []
    heard = SimpleNamespace(accuracy=0.75, influence=9.0)
    monkeypatch.setattr(scores, "hears_labels", lambda *args: heard)
    model = conditional.Conditional.__new__(conditional.Conditional)
    monkeypatch.setattr(conditional.Conditional, "sample", lambda *args: None, raising=False)
    training = SimpleNamespace(
        model=model,
        run=SimpleNamespace(folder=tmp_path),
        fit=lambda each, seconds: fits.append(seconds),
        pixels=lambda x: x,
        generator=np.random.default_rng,
    )
    judge = SimpleNamespace(
        samples=7,
        net=None,
        scores=lambda x: {"inception_score": SimpleNamespace(value=float(len(fits)))},
    )
    rows = found.train_and_score(training, judge, 8.0)
    assert fits == [2.0, 4.0, 6.0, 8.0, 8.0]
    assert rows == [{"inception_score": float(i), "label_accuracy": 0.75} for i in (1, 2, 3, 4)]
    assert json.loads((tmp_path / "marks.json").read_text()) == rows
    assert found.train_and_score(training, judge, 8.0) == rows and fits[5:] == [8.0]


def test_the_table_and_the_figure_are_of_the_marks_that_they_name(tmp_path, monkeypatch, capsys):
    """Two seeds; scores that grow from mark to mark: 1, 2, 3, 4 and 3, 4, 5, 6."""
    found, drawn = example("compare_mnist"), []
    names = list(found.COLUMNS)
    marks = lambda first: [dict.fromkeys(names, float(first + i)) for i in range(4)]
    real = {
        name: SimpleNamespace(value=10.0, title=name, name=name, depends="") for name in names[:-1]
    }
    judge = SimpleNamespace(samples=7, by="a classifier", real_scores=lambda n: real)
    monkeypatch.setattr(found.plots, "progress", lambda *args, **how: drawn.append((args, how)))
    monkeypatch.setattr(found.plots, "save", lambda figure, path: None)
    options = SimpleNamespace(budget=8.0, epochs=5)
    found.report(tmp_path, {"A": [marks(1), marks(3)]}, judge, options)
    text = (tmp_path / "compare.md").read_text()
    assert "after 8 seconds of training, or 5 epochs if these end before. Seeds: 2." in text
    row = next(line for line in text.splitlines() if line.startswith("| A |"))
    sd = 2**0.5  # of 4 and 6
    assert row.split("|")[2:4] == [" 0.50 ", f" 5.00 ± {sd:.2f} "]
    (((curves, panels), how),) = drawn
    seconds, several = curves["A"]
    assert seconds == [2.0, 4.0, 6.0, 8.0] and how["logarithmic"] == panels[1:]
    assert several == [[[v, v] for v in (1, 2, 3, 4)], [[v, v] for v in (3, 4, 5, 6)]]
    assert text.splitlines()[-2:] == capsys.readouterr().out.splitlines()[-2:]


def test_a_comparison_refuses_too_few_images_before_it_trains(tmp_path, monkeypatch):
    images = np.zeros((500, 8, 8, 1), np.uint8)
    np.savez(tmp_path / "few.npz", images=images, labels=np.arange(500) % 2)
    flags = ("--data", tmp_path / "few.npz", "--out", tmp_path / "run")
    with pytest.raises(train.UsageError, match="wanted 100 or more images in the validation"):
        run(monkeypatch, example("compare_mnist"), *flags)
    assert not (tmp_path / "run").exists()
