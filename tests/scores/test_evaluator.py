"""All scores at once: known answers, what each one's name carries, wrong input."""

import numpy as np
import pytest

from tinygen import data, scores
from tinygen.data import Dataset
from tinygen.errors import UsageError
from tinygen.scores.evaluator import some
from tinygen.train import Run


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory):
    """Of `strokes`, for which the package has no classifier: one is trained here."""
    run = Run.create(tmp_path_factory.mktemp("runs") / "run", {"data": "strokes"})
    parts = {split: data.load("strokes", split) for split in ("train", "validation", "test")}
    few = {split: part(d, 12_000) for split, d in parts.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores.evaluator, "load_split", lambda config, split, source: few[split])
        return scores.Evaluator.of(run)


def part(d, n):
    return Dataset(d.images[:n], d.labels[:n], d.classes, d.name)


def test_real_images_are_at_their_best(evaluator):
    real = evaluator.real_scores(500)
    assert real["inception_score"].value > 8
    assert real["classes_covered"].value == 10 and real["class_balance"].value > 0.98
    same = evaluator.scores(evaluator.test.images)
    assert same["frechet_distance"].value == pytest.approx(0, abs=1e-6)
    assert same["sliced_wasserstein"].value == 0
    assert same["precision"].value == same["recall"].value == 1


def test_pixels_go_from_0_to_1():
    """White against black: every projection lies |Σu| from the other."""
    white, black = np.full((100, 28, 28, 1), 255, np.uint8), np.zeros((100, 28, 28, 1), np.uint8)
    drawn = Dataset(black, np.zeros(100, np.int64), ("image",), "black")
    found = scores.Evaluator(drawn, drawn, drawn, None).scores(white)["sliced_wasserstein"]
    u = scores.directions(100, 784, np.random.default_rng(0))
    assert found.value == pytest.approx(np.abs(u.sum(1)).mean())


def test_one_class_alone_is_found_out(evaluator):
    ones = evaluator.test.images[evaluator.test.labels == 1]
    found = evaluator.scores(np.concatenate([ones, ones])[:300])
    assert found["classes_covered"].value <= 2 and found["inception_score"].value < 1.5
    assert found["diversity_score"].value > 5 and found["class_balance"].value < 0.2
    assert found["least_share"].value == 0 and found["chi_square"].value > 1000
    assert found["precision"].value > 0.8 and found["recall"].value < 0.3
    assert evaluator.shares(ones).argmax() == 1


def test_classes_are_counted_in_shares(evaluator):
    """Of 200 samples each class has 1 %, but for 0 and 1: these alone have 2 % or more."""
    sees = np.repeat(np.arange(10), [180, 4, *[2] * 8])
    p = np.random.default_rng(0).permutation(np.eye(10)[sees] * 0.91 + 0.009)
    found = evaluator._by_classes(p)
    assert found["classes_covered"].value == 2 and found["least_share"].value == 0.01
    assert found["mode_score"].value == scores.mode_score(p, evaluator.real_shares)
    assert scores.mode_score(p, evaluator.real_shares) < scores.inception_score(p)[0]


def test_noise_is_neither_real_nor_near(evaluator):
    noise = np.random.default_rng(0).integers(0, 256, (300, 28, 28, 1), dtype=np.uint8)
    found, real = evaluator.scores(noise), evaluator.real_scores(300)
    assert found["recall"].value < 0.1  # precision may be high: an outlier has a wide ball
    for name in ("frechet_distance", "sliced_wasserstein"):
        assert found[name].value > 10 * real[name].value and found[name].best == "low"


def test_each_name_carries_what_it_depends_on(evaluator):
    found = evaluator.real_scores(300)
    by = f"strokes own classifier, {100 * right(evaluator):.2f}% right"
    title = f"Fréchet distance ({by}, 300 samples, 300 images of the test split)"
    assert found["frechet_distance"].title == title
    pixels = "sliced Wasserstein distance (pixels, 300 samples, 300 images of the test split)"
    assert found["sliced_wasserstein"].title == pixels
    assert found["inception_score"].title == f"Inception score ({by}, 300 samples)"
    assert found["inception_score"].sd > 0
    assert found["mode_score"].title.endswith("300 samples, 12,000 labels of the train split)")


def right(evaluator):
    return scores.accuracy(evaluator.net, evaluator.test)


def test_real_scores_are_those_of_the_validation_split(evaluator):
    chosen = evaluator.validation.images[some(evaluator.validation, 300)]
    assert evaluator.real_scores(300) == evaluator.scores(chosen)
    assert evaluator.samples == evaluator.most == 2000


def test_images_sorted_by_class_score_as_shuffled_ones(evaluator):
    """Were they taken in their order, each tenth of them would be of one class."""
    order = np.argsort(evaluator.validation.labels, kind="stable")
    split = evaluator.validation
    by_class = Dataset(split.images[order], split.labels[order], split.classes, split.name)
    sorted_ = scores.Evaluator(evaluator.train, by_class, evaluator.test, evaluator.net, "x")
    a, b = (e.real_scores(1000)["inception_score"].value for e in (evaluator, sorted_))
    assert a == pytest.approx(b, rel=0.05)


def test_a_class_without_an_image_costs_the_scores_of_its_share_alone(evaluator):
    keep = evaluator.train.labels != 3
    d = evaluator.train
    less = Dataset(d.images[keep], d.labels[keep], d.classes, d.name)
    found = scores.Evaluator(less, evaluator.validation, evaluator.test, evaluator.net, "x")
    names = found.real_scores(300).keys()
    assert "mode_score" not in names and {"inception_score", "frechet_distance"} <= names


def test_pixels_alone_where_there_are_no_classes():
    drawn = data.load("strokes", "test")
    plain = Dataset(drawn.images, np.zeros(len(drawn), np.int64), ("image",), "plain")
    found = scores.Evaluator(plain, plain, plain, None).real_scores(200)
    assert list(found) == ["precision", "recall", "sliced_wasserstein"]
    assert all(score.by == "pixels" for score in found.values())
    with pytest.raises(UsageError, match="wanted images that have two classes or more, and a hei"):
        scores.Evaluator(plain, plain, plain, None).shares(drawn.images[:200])


def test_some_are_always_the_same_and_from_anywhere():
    drawn = data.load("strokes", "test")
    chosen = some(drawn, 100)
    np.testing.assert_array_equal(chosen, some(drawn, 100))
    assert len(set(chosen)) == 100 and chosen.max() > 1500
    assert len(some(drawn, 10**6)) == len(drawn)


@pytest.mark.parametrize(
    ("pictures", "got"),
    [
        (np.zeros((99, 28, 28, 1), np.uint8), r"uint8 \(99, 28, 28, 1\)"),
        (np.zeros((2001, 28, 28, 1), np.uint8), r"uint8 \(2001, 28, 28, 1\)"),
        (np.zeros((200, 28, 28, 1)), r"float64 \(200, 28, 28, 1\)"),
        (np.zeros((200, 32, 32, 3), np.uint8), r"uint8 \(200, 32, 32, 3\)"),
    ],
)
def test_wrong_samples_are_named(evaluator, pictures, got):
    with pytest.raises(UsageError, match=rf"wanted 100 to 2000 uint8 images of .* got {got}"):
        evaluator.scores(pictures)


def test_the_reference_goes_before_a_file_of_the_runs_own(tmp_path, monkeypatch):
    """Which earlier versions left in a run of MNIST."""
    images, labels = np.zeros((200, 28, 28, 1), np.uint8), np.arange(200) % 10
    mnist = Dataset(images, labels, tuple("0123456789"), "mnist")
    monkeypatch.setattr(scores.evaluator, "load_split", lambda config, split, source: mnist)
    run = Run.create(tmp_path / "run", {"data": "mnist"})
    (run.folder / "classifier.safetensors").write_bytes(b"what is this?")
    evaluator = scores.Evaluator.of(run)
    assert evaluator.net is scores.reference.reference("mnist")
    assert evaluator.by == "mnist reference classifier, 10.00% right"


def test_other_images_than_the_runs_are_refused_and_too_few(tmp_path):
    np.savez(tmp_path / "few.npz", images=np.zeros((500, 8, 8, 1), np.uint8))
    source = str(tmp_path / "few.npz")
    run = Run.create(tmp_path / "a", {"data": source, "images": "mnist", "shape": [28, 28, 1]})
    with pytest.raises(UsageError, match=r"learned from .*mnist.*, this is .*few.*'count': 400"):
        scores.Evaluator.of(run)
    with pytest.raises(UsageError, match=r"wanted 100 or more .* got 50 and 50 of few"):
        scores.Evaluator.of(Run.create(tmp_path / "b", {"data": source}))
