"""load: names, splits, places and the built-in set."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tinygen.data import NAMES, DataError, fetch, load


def equal(data, images, labels):
    np.testing.assert_array_equal(data.images, images)
    np.testing.assert_array_equal(data.labels, labels)
    return True


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(("name", "folder"), [("mnist", "mnist"), ("fashion", "fashion-mnist")])
def test_idx_set_is_split_in_the_order_of_its_files(tmp_path, write, name, folder, zipped):
    arrays = write.idx_set(tmp_path / folder, train=62, test=7, zipped=zipped)
    images, labels = arrays["train"]
    assert equal(load(name, "train", root=tmp_path), images[:52], labels[:52])
    assert equal(load(name, "validation", root=tmp_path), images[52:], labels[52:])
    assert equal(load(name, "train+validation", root=tmp_path), images, labels)
    assert equal(load(name, "test", root=tmp_path), *arrays["test"])
    data = load(name, root=str(tmp_path))
    assert data.name == name and data.images.shape[1:] == (28, 28, 1)
    assert data.classes[9] == {"mnist": "9", "fashion": "Ankle boot"}[name]


@pytest.mark.parametrize(
    "place",
    [
        "cifar10/cifar-10-batches-py",
        "cifar10",
        "cifar-10-batches-py",
        ".",
        "cifar10/cifar-10-python.tar.gz",
        "cifar-10-python.tar.gz",
    ],
)
def test_cifar10_is_found_in_folders_and_archives(tmp_path, write, place):
    files, (images, labels) = write.cifar_files(per_batch=5)
    if place.endswith(".gz"):
        write.tar(tmp_path / place, files)
    else:
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (tmp_path / place / name).write_bytes(content)
    assert equal(load("cifar10", "train", root=tmp_path), images[:20], labels[:20])
    assert equal(load("cifar10", "validation", root=tmp_path), images[20:], labels[20:])
    assert equal(load(str(tmp_path), "train+validation"), images, labels)
    assert load("cifar10", "test", root=tmp_path).classes[0] == "airplane"


def test_places_are_searched_in_order(tmp_path, monkeypatch, write):
    folders = [tmp_path / "root", tmp_path / "variable", fetch.cache_folder()]
    tests = [write.idx_set(f / "mnist", seed=seed)["test"] for seed, f in enumerate(folders)]
    monkeypatch.setenv("TINYGEN_DATA", str(folders[1]))
    assert equal(load("mnist", "test", root=folders[0]), *tests[0])
    assert equal(load("mnist", "test"), *tests[1])
    (folders[1] / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    assert equal(load("mnist", "test"), *tests[2])
    monkeypatch.setenv("TINYGEN_DATA", "")
    assert equal(load("mnist", "test"), *tests[2])


def test_files_may_lie_directly_in_the_root(tmp_path, monkeypatch, write):
    arrays = write.idx_set(tmp_path / "here")
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path / "here"))
    assert equal(load("mnist", "test"), *arrays["test"])


def test_tilde_is_the_home_folder(tmp_path, write):
    arrays = write.idx_set(tmp_path / "home" / "sets" / "mnist")
    assert equal(load("mnist", "test", root="~/sets"), *arrays["test"])
    assert equal(load("~/sets/mnist", "test"), *arrays["test"])


def test_missing_files_are_named_with_the_places(tmp_path, monkeypatch, write):
    write.idx_set(tmp_path / "mnist")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError) as caught:
        load("mnist", "test", root=tmp_path)
    message = str(caught.value)
    assert "mnist: wanted t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz" in message
    assert f"{tmp_path / 'mnist'}, {tmp_path};" in message
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path))
    with pytest.raises(DataError) as caught:
        load("cifar10", download=False)
    assert str(tmp_path / "cifar10") in str(caught.value)
    assert str(fetch.cache_folder() / "cifar10") in str(caught.value)


@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_places_that_are_no_folder_are_named(tmp_path, monkeypatch, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"root is '.*nowhere': wanted a folder"):
        load(name, root=tmp_path / "nowhere")
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"\$TINYGEN_DATA is '.*file': wanted a folder"):
        load(name)


@pytest.mark.parametrize(
    "name", ["mnits", "", "no/such/folder", "~nobody-here/x", "a\0b", "x" * 5000]
)
def test_unknown_name_lists_the_names(name):
    with pytest.raises(DataError, match=r"unknown data set .*: wanted mnist, fashion, "):
        load(name)


def test_unknown_split_lists_the_splits():
    with pytest.raises(DataError, match="unknown split 'valid': wanted one of train, validation, "):
        load("strokes", "valid")


def test_labels_beyond_the_classes_name_their_file(tmp_path, write):
    write.idx_set(tmp_path, zipped=False)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x0a")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: wanted labels from 0 to 9"):
        load("mnist", "test", root=tmp_path)


def test_empty_split_is_refused(tmp_path, write):
    write.idx_set(tmp_path, train=5)
    assert len(load("mnist", "train", root=tmp_path)) == 5
    with pytest.raises(DataError, match="images for the validation split, found 5 images"):
        load("mnist", "validation", root=tmp_path)


def test_folder_of_a_known_set_is_recognised(tmp_path, write):
    for folder in ("digits", "my fashion", "both/mnist"):
        write.idx_set(tmp_path / folder)
    assert load(tmp_path / "digits").name == "mnist"
    assert load(tmp_path / "my fashion").name == "fashion"
    assert load(tmp_path / "both").name == "mnist"
    write.idx_set(tmp_path / "both" / "fashion-mnist")
    with pytest.raises(DataError, match="both: wanted one set, found mnist, fashion"):
        load(tmp_path / "both")


def test_incomplete_known_set_is_not_taken_for_a_folder_of_pictures(tmp_path, write):
    write.idx_set(tmp_path / "digits")
    (tmp_path / "digits" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"mnist: wanted train-images-idx3-ubyte.gz, train-labels"):
        load(tmp_path / "digits")


def test_name_goes_before_a_folder_and_a_path_does_not(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    write.idx_set(tmp_path / "mnist", seed=1)
    with pytest.raises(DataError, match="not found together"):
        load("mnist", download=False)
    assert load("./mnist").name == load(Path("mnist")).name == "mnist"


def test_path_takes_no_root(tmp_path, write):
    write.idx_set(tmp_path / "mnist")
    with pytest.raises(DataError, match="wanted no root"):
        load(tmp_path / "mnist", root=tmp_path)


def test_strokes_are_drawn_in_three_different_splits(tmp_path):
    validation, test, both = (
        load("strokes", s) for s in ("validation", "test", "train+validation")
    )
    assert (len(validation), len(test), len(both)) == (2000, 2000, 52000)
    assert validation.images.shape == (2000, 28, 28, 1) and validation.name == "strokes"
    assert validation.classes == tuple("0123456789")
    assert equal(validation, both.images[50000:], both.labels[50000:])
    assert (validation.images != test.images).any()
    assert (validation.images != both.images[:2000]).any()


def test_auto_is_mnist_where_it_is_found(tmp_path, monkeypatch, capsys, write):
    arrays = write.idx_set(tmp_path / "mnist")
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path))
    data = load("auto", "test")
    assert data.name == "mnist" and equal(data, *arrays["test"])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("download", [True, False])
def test_auto_is_strokes_without_mnist_and_says_so_in_one_line(capsys, download):
    data = load("auto", "test", download=download)
    assert data.name == "strokes" and len(data) == 2000
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    why = "is not here and could not be downloaded" if download else "is not here"
    assert err.startswith(f"tinygen: MNIST {why}: using the built-in strokes digits.")
    assert "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz" in err
    assert f"into {fetch.cache_folder() / 'mnist'}" in err


def test_auto_wants_all_of_mnist_so_that_splits_belong_together(tmp_path, capsys, write):
    write.idx_set(tmp_path / "mnist")
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").unlink()
    assert load("auto", "test", root=tmp_path).name == "strokes"
    assert "train-images-idx3-ubyte.gz" in capsys.readouterr().err


def test_auto_does_not_ask_a_second_time_for_what_cannot_be_downloaded(capsys, monkeypatch):
    asked = []
    fetched = fetch.fetch
    monkeypatch.setattr(fetch, "fetch", lambda *args: (asked.append(args), fetched(*args)))
    for _ in range(2):
        assert load("auto", "validation").name == "strokes"
        assert "could not be downloaded" in capsys.readouterr().err
    assert len(asked) == 1


def test_auto_does_not_hide_broken_files(tmp_path, write):
    write.idx_set(tmp_path / "mnist")
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        path = tmp_path / "mnist" / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-4])
        with pytest.raises(DataError, match=f"{name}: wanted a whole gzip file"):
            load("auto", "test", root=tmp_path)
        path.write_bytes(whole)


COUNTS = {
    "mnist": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "fashion": [6000] * 10,
    "cifar10": [5000] * 10,
}


@pytest.mark.parametrize("name", COUNTS)
def test_published_set_has_its_published_counts(real_data, name):
    train = load(name, "train+validation", root=real_data)
    assert np.bincount(train.labels).tolist() == COUNTS[name]
    assert len(load(name, "validation", root=real_data)) == 10_000
    assert len(load(name, "test", root=real_data)) == 10_000


def test_published_mnist_is_not_taken_for_fashion(real_data, tmp_path):
    for path in (real_data / "mnist").iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    assert load("mnist", "test", root=tmp_path).name == "mnist"
    with pytest.raises(DataError, match=r"fashion: wanted .* not found together"):
        load("fashion", "test", root=tmp_path)


def test_published_cifar10_equals_its_bytes(real_data):
    folder = real_data / "cifar10" / "cifar-10-batches-py"
    if not folder.is_dir():
        pytest.skip("needs the batches of CIFAR-10 unpacked from their archive")
    data = (folder / "test_batch").read_bytes()
    # In the published file the pixels are one run of bytes at this offset.
    pixels = np.frombuffer(data, np.uint8, 10_000 * 3072, offset=20217).reshape(-1, 3, 32, 32)
    found = load("cifar10", "test", root=real_data)
    np.testing.assert_array_equal(found.images, pixels.transpose(0, 2, 3, 1))
    assert found.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]


def test_names_are_what_load_knows():
    assert NAMES == ("mnist", "fashion", "cifar10", "strokes", "auto")
