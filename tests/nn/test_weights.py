"""Weight files: round trip, metadata, nothing half-written, clear errors."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import weights
from tinygen.errors import FileError


def test_round_trip(tmp_path):
    path = tmp_path / "w.safetensors"
    arrays = {"a": tg.tensor([[1.0, 2.0]]), "b": np.arange(3), "c": np.float64(2), "f": np.eye(3).T}
    tg.save(path, arrays, {"note": "hello"})
    back = tg.load(path)
    assert back["a"].dtype == np.float32 and back["b"].dtype == np.int64 and back["c"].shape == ()
    for name, value in arrays.items():
        np.testing.assert_array_equal(back[name], value.numpy() if name == "a" else value)
    meta = weights.load_metadata(path)
    assert meta["note"] == "hello" and "HWIO" in meta["layout"]
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.safetensors"
    tg.save(path, {"a": np.ones(2)})
    with pytest.raises(KeyboardInterrupt):

        def half(p):
            p.write_bytes(b"half")
            raise KeyboardInterrupt

        weights.write_aside(path, half)
    np.testing.assert_array_equal(tg.load(path)["a"], np.ones(2))
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(FileNotFoundError, match=r"w\.safetensors: no such file"):
        tg.load(path)
    tg.save(path, {"a": np.ones(100)})
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(FileError, match=r"w\.safetensors: wanted a safetensors file"):
        tg.load(path)
