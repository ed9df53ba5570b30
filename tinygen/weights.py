"""Floor 3: arrays in files (safetensors), written aside and renamed, and PyTorch's layout.

tinygen's weights are (in, out) for dense layers and HWIO for convolutions; a file says so in its
metadata. `to_torch` and `from_torch` turn a state dict into PyTorch's layout and back.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from .core import raw
from .device import to_device
from .errors import FileError

LAYOUT = {"format": "tinygen", "layout": "NHWC images, HWIO convolutions, (in, out) dense"}


def write_aside(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Calls write(temporary path), then renames it to `path`: whole or not at all."""
    path = Path(path)
    aside = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        write(aside)
        aside.replace(path)
    except OSError as error:  # name the file that was asked for, not the one aside
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        with suppress(OSError):
            aside.unlink()


def save(path: str | Path, arrays: Mapping[str, Any], metadata: Mapping[str, str] = {}) -> None:
    """Writes named Tensors or arrays (and strings) to a .safetensors file."""
    from safetensors.numpy import save_file

    plain = {}
    for name, value in arrays.items():
        array = np.asarray(to_device(raw(value), "cpu"))
        plain[name] = np.ascontiguousarray(array).reshape(array.shape)
    write_aside(path, lambda p: save_file(plain, str(p), metadata={**LAYOUT, **metadata}))


def load(path: str | Path) -> dict[str, np.ndarray[Any, Any]]:
    """The named arrays of a .safetensors file. Raises FileError if it is not one."""
    with _reading(path) as file:
        names = file.keys()  # no mapping: it cannot be iterated itself
        return {name: file.get_tensor(name) for name in names}


def load_metadata(path: str | Path) -> dict[str, str]:
    """The strings that were saved with the arrays, which are not read."""
    with _reading(path) as file:
        return file.metadata() or {}


@contextmanager
def _reading(path: str | Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with safe_open(str(path), "numpy") as file:
            yield file
    except SafetensorError as error:
        raise FileError(f"{path}: wanted a safetensors file: {error}") from None


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, in which numbers that are not finite are null."""
    text = json.dumps(_finite(value), indent=2, allow_nan=False) + "\n"
    write_aside(path, lambda p: p.write_text(text, encoding="utf-8"))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: str | Path) -> Any:
    """What a JSON file holds. Raises FileError if it is none, OSError if it cannot be read."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileError(f"{path}: wanted JSON: {error}") from None


# PyTorch keeps dense weights (out, in) and convolutions OIHW. Of a transposed convolution
# (kh, kw, out, in) it keeps (in, out, kh, kw): the same exchange of axes. A layer norm over images
# has (C, H, W) there, (H, W, C) here. All else stays: a table of embeddings is (n, d) in both, so
# ours is not called weight.
_AXES: dict[str, dict[int, Sequence[int]]] = {
    "weight": {2: (1, 0), 4: (3, 2, 0, 1)},
    "gamma": {3: (2, 0, 1)},
    "beta": {3: (2, 0, 1)},
}
_NAMES = {"gamma": "weight", "beta": "bias", "table": "weight"}


def _axes(name: str, ndim: int) -> Sequence[int]:
    return _AXES.get(name.rpartition(".")[2], {}).get(ndim, range(ndim))


def to_torch(state: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """A state dict as PyTorch lays it out: a Sequential's "layers.3.gamma" becomes "3.weight".

    A dense layer behind a flattened image still sees its pixels in NHWC order.
    """
    out = {}
    for name, value in state.items():
        array = np.asarray(to_device(raw(value), "cpu"))
        *path, last = [part for part in name.split(".") if part != "layers"]
        key = ".".join([*path, _NAMES.get(last, last)])
        out[key] = np.ascontiguousarray(array.transpose(_axes(name, array.ndim)))
    return out


def from_torch(state: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `to_torch`, under the names of `like` (our module's state_dict()).

    Raises ValueError for a missing name or another shape. PyTorch's num_batches_tracked is dropped.
    """
    out = {}
    for name, mine in like.items():
        (theirs,) = to_torch({name: mine})
        if theirs not in state:
            raise ValueError(f"from_torch: no {theirs} (for {name}) among {sorted(state)}")
        array = np.asarray(state[theirs])
        inverse = np.argsort(_axes(name, array.ndim))
        array = np.ascontiguousarray(array.transpose(inverse)).astype(mine.dtype)
        if array.shape != mine.shape:
            raise ValueError(f"from_torch: {name}: wanted {mine.shape}, got {array.shape}")
        out[name] = array
    return out
