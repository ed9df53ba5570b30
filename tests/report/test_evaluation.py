"""A run's scores and its page: what is there, known answers, wrong input."""

import json
import re
import runpy
import shutil
import sys
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.spatial
from matplotlib.image import imread

from tinygen import data, report, scores
from tinygen.errors import UsageError
from tinygen.nn import in_chunks
from tinygen.weights import load, save


@pytest.fixture(scope="module")
def vae(small_run):
    evaluation = report.evaluate(small_run("vae"), n=200)
    evaluation.save()
    return evaluation


class Reader(HTMLParser):
    """What a page is made of: tags that are open, ids, alternative texts, addresses, text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.alts, self.addresses, self.text = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in ("img", "meta", "input", "br"):
            self.open.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.alts += [attrs.get("alt")] if tag == "img" else []
        self.addresses += [attrs[a] for a in ("src", "href") if a in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data):
        self.text += data


def test_the_scores_lie_beside_those_of_real_images(vae):
    found = json.loads((vae.run.folder / "scores.json").read_text())
    assert found["model"] == "vae" and set(found["scores"]) == set(vae.scores)
    row = found["scores"]["frechet_distance"]
    assert row["title"].startswith("Fréchet distance (small own classifier, ")
    assert row["title"].endswith("200 samples, 200 images of the test split)")
    assert row["value"] > row["real"] > 0 and row["best"] == "low"
    shares = found["class shares"]["samples"]
    assert len(shares) == 10 and sum(shares.values()) == pytest.approx(1)
    log_p = found["scores"]["log_likelihood"]
    assert np.isfinite(log_p["value"]) and log_p["real"] is None
    name = "log p(x) of 100 images of the test split, nats"
    of = "5,000 samples, of z for each image"
    assert log_p["title"] == f"{name} (Gaussian p(x|z), s = 0.1, {of})"


def test_the_page_is_whole_and_asks_nothing_of_a_network(vae):
    page = Reader((vae.run.folder / "report.html").read_text(encoding="utf-8"))
    assert not page.open and len(set(page.ids)) == len(page.ids)
    wanted = "samples scores classes over-time curves nearest explorer config"
    assert page.ids == wanted.split()
    assert page.alts and all(len(alt) > 20 for alt in page.alts)
    assert page.addresses and all(a.startswith("data:image/png;base64,") for a in page.addresses)
    for score in vae.scores.values():
        assert score.name in page.text
    assert "\n64 steps in " in page.text  # 1,600 / 50 · 2


def cells(html, section):
    """The cells of a section's table: rows of text."""
    body = re.search(rf"<section id='{section}'>.*?<tbody>(.*?)</tbody>", html, re.S)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.S)
    return [re.findall(r"<t[hd][^>]*>(.*?)(?:<small>.*?</small>)?</t[hd]>", row) for row in rows]


def test_each_score_stands_in_its_row_and_its_column(vae):
    html = report.page.html(vae)
    rows = cells(html, "scores")
    assert len(rows) == len(vae.scores)
    for (name, mine, real, best), (key, score) in zip(rows, vae.scores.items(), strict=True):
        assert (unescape(name), best) == (score.name, score.best)
        close = {"rel": 6e-3, "abs": 1e-9}  # three digits
        assert float(mine.split(" ± ")[0].replace(",", "")) == pytest.approx(score.value, **close)
        if key in vae.real:
            assert float(real.replace(",", "")) == pytest.approx(vae.real[key].value, **close)
        else:
            assert real == "–" and key == "log_likelihood"
    assert re.findall(r"<dt>(.*?)</dt>", html) == [row[0] for row in rows]  # what each says


def test_the_bars_are_the_samples_and_the_training_images_shares(vae):
    labels = vae.evaluator.train.labels
    real = np.bincount(labels, minlength=10) / len(labels)
    rows = cells(report.page.html(vae), "classes")
    found = json.loads((vae.run.folder / "scores.json").read_text())["class shares"]
    assert list(found["samples"].values()) == pytest.approx(vae.shares.tolist())
    assert list(found["train"].values()) == pytest.approx(real.tolist())
    top = max(*vae.shares, *real)
    for (_, mine, of_train, bars), share, other in zip(rows, vae.shares, real, strict=True):
        assert (mine, of_train) == (f"{share:.1%}", f"{other:.1%}")
        kinds = re.findall(r"class='(\w+)' style='width: ([\d.]+)%'", bars)
        assert [kind for kind, _ in kinds] == ["mine", "real"]
        widths = [float(width) for _, width in kinds]
        assert widths == pytest.approx([100 * share / top, 100 * other / top], abs=0.06)


def test_curves_are_told_from_their_start_to_their_end(vae):
    loss = vae.run.read_metrics()["loss"]
    text = f"loss from {report.page._number(loss[0])} to {report.page._number(loss[-1])}"
    assert loss[0] > loss[-1] and any(text in alt for alt in Reader(report.page.html(vae)).alts)


def test_distances_to_training_images_are_of_samples_and_of_validation_images(vae):
    train, held_out = vae.evaluator.train.images, vae.evaluator.validation.images
    flat = lambda x: x.reshape(len(x), -1) / 255
    for score, images in ((vae.scores, vae.pictures), (vae.real, held_out)):
        nearest = scipy.spatial.distance.cdist(flat(images), flat(train)).min(1)
        assert score["nearest"].value == pytest.approx(nearest.mean(), rel=1e-5)
    html = report.page.html(vae)
    mine, real = (report.page._number(s["nearest"].value) for s in (vae.scores, vae.real))
    assert f"In the mean samples are {mine} from it" in html
    assert f"images of the validation split {real}." in html


def test_the_nearest_images_are_shown_below_their_samples(vae, monkeypatch):
    shown = []
    monkeypatch.setattr(report.page.plots, "grid", lambda x, **how: shown.append(x))
    monkeypatch.setattr(report.page, "_image", lambda picture, alt: "")
    report.page._nearest(vae)
    above, below = np.split(shown[0], 2)
    index, _ = vae.neighbours
    assert (above == vae.pictures[:12]).all() and len(set(index[:12])) > 1
    assert (below == vae.evaluator.train.images[index[:12]]).all()


def test_likelihoods_are_of_the_test_splits_images(small_run):
    """Of a VAE as they are, of MADE binarised; the estimate by as many samples as are named."""
    for name, options in (("vae", {}), ("made", {"hidden": 30})):
        evaluation = report.evaluate(small_run(name, **options), n=100)
        model, test = evaluation.model, evaluation.evaluator.test
        score, rng = evaluation.scores["log_likelihood"], np.random.default_rng([0, 2])
        if name == "vae":
            x = test.images[scores.evaluator.some(test, 100)] / np.float32(255)
            again = scores.log_likelihood(model, x, k=score.samples, rng=rng)
        else:
            x = data.binarise(test.images[scores.evaluator.some(test, 200)], rng)
            again = model.log_likelihood(x)
        assert score.value == pytest.approx(again.mean(), rel=1e-6), name


def test_pictures_of_the_example_are_shown_with_what_is_on_them(vae):
    path = vae.run.folder / "plane.png"
    shutil.copy(vae.run.curves, path)
    try:
        alts = Reader(report.page.html(vae)).alts
    finally:
        path.unlink()
    assert "What the decoder draws over its latent plane" in alts


def test_many_epochs_are_thinned_out(vae, monkeypatch):
    monkeypatch.setattr(report.page, "GRIDS", 5)
    first = vae.run.samples / "epoch_0001.png"
    for epoch in range(3, 21):
        shutil.copy(first, vae.run.grid_path(epoch))
    try:
        alts = Reader(report.page.html(vae)).alts
    finally:
        for epoch in range(3, 21):
            vae.run.grid_path(epoch).unlink()
    epochs = [int(alt.split()[-1]) for alt in alts if "after epoch" in alt]
    assert epochs[0] == 1 and epochs[-1] == 20 and len(epochs) == 5


def test_what_was_learned_by_heart_is_found(vae):
    train = vae.evaluator.train.images
    copies = report.Evaluation(vae.run, vae.model, vae.evaluator, train[50:250])
    index, distance = copies.neighbours
    np.testing.assert_array_equal(index, np.arange(50, 250))
    assert distance.max() < 1e-6 and copies.scores["nearest"].value < 1e-6
    assert copies.real["nearest"].value > 1


def test_codes_without_a_prior_lie_where_the_explorer_draws_them(small_run):
    """Its plane is that of z, of which the model makes codes h = m + C^½ z: the same images."""
    evaluation = report.evaluate(small_run("autoencoder"), n=100)
    text = re.search(r'class="data">(.*?)</script>', report.page.html(evaluation))[1]
    z, model = np.array(json.loads(text)["points"]), evaluation.model
    codes, _ = report.embedding.encoded(model, evaluation.evaluator, len(z))
    drawn = in_chunks(lambda x: model.image_network().images(model.tensor(x)), z, 1000)
    np.testing.assert_allclose(drawn, model.decode(codes), atol=0.02)  # z is rounded in the page


def test_a_conditional_model_is_asked_for_its_classes(small_run):
    evaluation = report.evaluate(small_run("cvae"), n=100)
    heard = evaluation.scores["label_accuracy"]
    rng = np.random.default_rng([0, 1])
    again = scores.hears_labels(evaluation.evaluator.net, evaluation.model, rng)
    assert heard.value == again.accuracy and heard.samples == 1000


def test_iwae_and_a_gan_are_evaluated(small_run):
    found = report.evaluate(small_run("iwae"), n=100).scores["log_likelihood"]
    assert found.title.startswith("log p(x) of 100 images of the test split, binarised, nats (Ber")
    assert found.value < 0
    gan = report.evaluate(small_run("gan", arch="mlp"), n=100)
    assert "log_likelihood" not in gan.scores and gan.save().stat().st_size > 100_000


def test_a_model_without_z_has_no_explorer_and_its_likelihood_is_exact(small_run, monkeypatch):
    evaluation = report.evaluate(small_run("made", hidden=30), n=100)
    score = evaluation.scores["log_likelihood"]
    name = "log p(x) of 200 images of the test split, binarised, nats"
    assert score.title == f"{name} (exact)" and score.value < 0
    page = Reader(evaluation.save().read_text(encoding="utf-8"))
    assert "There is none: no single pass of a network draws the images" in page.text
    monkeypatch.setattr(report.embedding, "embedded", lambda method, points, seed: points[:, :2])
    evaluation.draw_embeddings()
    two_panels = imread(evaluation.run.folder / "embeddings.png").shape[1]
    assert two_panels == 100 * (4 * 2 + 1.5)


def test_embeddings_of_a_run(small_run):
    for name in ("vae", "cvae"):  # with an encoder, and with a z alone
        evaluation = report.evaluate(small_run(name), n=120)
        evaluation.draw_embeddings()
        assert (evaluation.run.folder / "embeddings.png").stat().st_size > 20_000
        z, labels = report.embedding.latent(
            evaluation.model, evaluation.evaluator, np.random.default_rng(0)
        )
        assert z.shape[1] == 2 and len(labels) == len(z)


def test_embeddings_show_each_point_with_its_class(small_run, monkeypatch):
    """Methods that keep two axes: a PCA, and a t-SNE turned by a minus, so that one tells them."""
    import sklearn.decomposition
    import sklearn.manifold

    def first_two(sign):
        method = lambda n, random_state: SimpleNamespace(fit_transform=lambda x: sign * x[:, :2])
        return method

    monkeypatch.setattr(sklearn.decomposition, "PCA", first_two(1))
    monkeypatch.setattr(sklearn.manifold, "TSNE", first_two(-1))
    made = []
    monkeypatch.setattr(
        report.embedding.plots,
        "embeddings",
        lambda panels, classes, **how: made.append((panels, how)),
    )
    evaluation = report.evaluate(small_run("vae"), n=120)
    evaluator, test = evaluation.evaluator, evaluation.evaluator.test
    report.embedding.figure(evaluation.model, evaluator, evaluation.pictures, 0)
    ((panels, how),) = made
    assert how == {"columns": 3, "shared": 2}  # real and generated images on common axes
    chosen = scores.evaluator.some(test, report.embedding.POINTS)
    view = scores.classifier.view
    real, drawn = (view(evaluator.net, x) for x in (test.images[chosen], evaluation.pictures))
    codes = evaluation.model.encode(test.images[chosen] / np.float32(255))
    for name, sign in (("PCA", 1), ("t-SNE", -1)):
        for kind, points, labels in (
            ("real images", real.features, test.labels[chosen]),
            ("generated images", drawn.features, drawn.p.argmax(1)),
            ("latent points", codes, test.labels[chosen]),
        ):
            shown, colours = panels[f"{name}: {kind}"]
            np.testing.assert_allclose(shown, sign * points[:, :2], rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(colours, labels)


def test_a_line_is_drawn_as_one():
    line = report.embedding.embedded(None, np.arange(3.0)[:, None], 2**40)
    np.testing.assert_array_equal(line, [[0, 0], [1, 0], [2, 0]])


def test_without_scikit_learn_one_line_says_what_to_install(vae, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(UsageError, match=r'scikit-learn .* pip install "tinygen\[analysis\]"'):
        vae.draw_embeddings()


def command(monkeypatch, capsys, *words):
    """python -m tinygen evaluate …: its exit code and what it prints."""
    monkeypatch.setattr(sys, "argv", ["tinygen", "evaluate", *map(str, words)])
    code = 0
    try:
        runpy.run_module("tinygen", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_prints_the_scores_and_the_page(small_run, monkeypatch, capsys):
    folder = small_run("vae")
    code, out, err = command(monkeypatch, capsys, folder, "--n", 100, "--seed", 3)
    assert not code, err
    *lines, last = out.strip().splitlines()
    assert last == str(folder / "report.html") and len(lines) == 13
    assert json.loads((folder / "scores.json").read_text())["seed"] == 3


def test_mistakes_are_one_line_and_leave_nothing(small_run, tmp_path, monkeypatch, capsys):
    run, copy = small_run("vae"), tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("scores.json", "report.html"))
    weights = load(copy / "checkpoint.safetensors")
    bad = weights | {k: v * np.nan for k, v in weights.items() if k.startswith("decoder/")}
    for words, message in (
        ([tmp_path], "not a run folder: it has no config.json"),
        ([copy, "--n", 50], "wanted 100 samples or more, got 50"),
        ([copy, "--n", 10**15], "wanted 100 to 200 uint8 images of (20, 20, 1)"),  # draws none
        ([copy, "--n", 201], "wanted 100 to 200 uint8 images of (20, 20, 1)"),
        ([copy, "--n", 0], "--n: wanted a whole number >= 1"),
        ([copy, "--data", tmp_path / "none"], "unknown data set"),
        ([copy, "--data", "strokes"], "learned from {'images': 'small', 'count': 1600,"),
    ):
        one_line(command(monkeypatch, capsys, *words), message)
    save(copy / "checkpoint.safetensors", bad)
    one_line(command(monkeypatch, capsys, copy), "its samples hold NaN or infinity")
    (copy / "checkpoint.safetensors").unlink()
    one_line(command(monkeypatch, capsys, copy), "checkpoint.safetensors: no such file")
    assert not (copy / "scores.json").exists() and not (copy / "report.html").exists()


def one_line(result, message):
    code, _, err = result
    assert code == 2 and err.startswith("tinygen") and err.count("\n") == 1, err
    assert message in err, err
