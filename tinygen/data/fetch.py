"""Where sets lie on disk, and how a missing one is downloaded.

A download is written aside, checked by its SHA-256 and only then given its name, so a file that
carries a set's name is always whole.
"""

import hashlib
import os
import queue
import secrets
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tinygen.cache import cache_folder
from tinygen.data.dataset import DataError
from tinygen.data.known import PARTS, KnownFile, KnownSet, find_part

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
_CHUNK = 1 << 16


class _Refused(Exception):
    """A mirror did not give the file; the message says what it did instead."""


def existing_path(name: str | os.PathLike[str]) -> Path | None:
    """Return the path with ~ expanded, or None if nothing is there."""
    try:
        path = Path(name).expanduser()
        return path if os.fspath(name) and path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None  # no possible path: too long, an unknown ~user, a NUL


def search_places(root: str | os.PathLike[str] | None) -> tuple[Path, ...]:
    """Return the folders to look in: only `root` if given, else $TINYGEN_DATA and the cache.

    Raises DataError if `root` or $TINYGEN_DATA is not a folder.
    """
    if root is not None:
        return (_require_folder(root, "root"),)
    data = os.environ.get("TINYGEN_DATA")
    if not data:
        return (cache_folder(),)
    return (_require_folder(data, "$TINYGEN_DATA"), cache_folder())


def locate(known: KnownSet, part: str, places: Sequence[Path], download: bool) -> Path:
    """Find a part of a set in the places, or download it into the cache.

    Returns the folder or archive that holds it. Raises DataError if it cannot be had.
    """
    for place in places:
        where = find_part(known, part, place)
        if where is not None:
            return where
    try:
        if download:
            return _download_part(known, part)
        reason = _not_found(known, part, places)
    except DataError as error:
        reason = str(error)
    files = dict.fromkeys(file.name for part in PARTS for file in known.downloads[part])
    by_hand = f"put {', '.join(files)} into {places[-1] / known.folders[0]}"
    raise DataError(f"{known.name}: {reason}; to place it by hand, {by_hand}")


def _not_found(known: KnownSet, part: str, places: Sequence[Path]) -> str:
    wanted = ", ".join(known.members[part]) + (f" or {known.archive}" if known.archive else "")
    looked = ", ".join(str(place / folder) for place in places for folder in known.folders)
    return f"wanted {wanted}, not found together in any of: {looked}"


def _download_part(known: KnownSet, part: str) -> Path:
    cache = cache_folder()
    folder = cache / known.folders[0]
    for file in known.downloads[part]:
        if not (folder / file.name).is_file():
            fetch(file, known.mirrors, folder)
    where = find_part(known, part, cache)
    if where is None:
        raise DataError(f"{folder}: wanted the files of {known.name}, found those of another set")
    return where


def fetch(file: KnownFile, mirrors: Sequence[str], folder: Path) -> Path:
    """Download a file into a folder from the first mirror that gives it with the right SHA-256.

    mirrors: addresses that end in "/". Returns the path of the file. Raises DataError if no
    mirror gives it, saying what each one did, or if it cannot be written.
    """
    target = folder / file.name
    refusals = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for mirror in mirrors:
            try:
                _fetch_from(mirror + file.name, file.sha256, target)
                return target
            except _Refused as refusal:
                refusals.append(f"{mirror} said: {refusal}")
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error}") from error
    raise DataError(f"{file.name} could not be downloaded: {'; '.join(refusals)}")


def _fetch_from(url: str, sha256: str, target: Path) -> None:
    aside = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        _save(url, sha256, aside)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _save(url: str, sha256: str, aside: Path) -> None:
    from tqdm.auto import tqdm

    digest = hashlib.sha256()
    with _open(url) as response, aside.open("xb") as out:
        size = _announced_size(response)
        label = url.rpartition("/")[2]
        with tqdm(total=size, unit="B", unit_scale=True, desc=label, leave=False) as bar:
            for chunk in _chunks(response, size):
                out.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
    if digest.hexdigest() != sha256:
        raise _Refused(f"wanted SHA-256 {sha256[:12]}..., found {digest.hexdigest()[:12]}...")


def _open(url: str) -> Any:
    """Ask for `url`, but wait only so long.

    In a thread, because the look-up of a host name knows no time-out and a host with many
    addresses gets the time-out once for each: without a network that could take minutes.
    """
    answers: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_ask, args=(url, answers), daemon=True).start()
    try:
        answer = answers.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        raise _Refused(f"no answer in {CONNECT_SECONDS:g} s") from None
    if isinstance(answer, Exception):
        raise _Refused(_reason(answer)) from answer
    return answer


def _ask(url: str, answers: "queue.Queue[Any]") -> None:
    from urllib.request import Request, urlopen

    try:
        request = Request(url, headers={"User-Agent": "tinygen"})
        answers.put(urlopen(request, timeout=READ_SECONDS))
    except Exception as error:  # handed over: an error raised in a thread reaches nobody
        answers.put(error)


def _chunks(response: Any, size: int | None) -> Iterator[bytes]:
    from http.client import HTTPException

    received = 0
    try:
        while chunk := response.read(_CHUNK):
            received += len(chunk)
            yield chunk
    except (OSError, HTTPException) as error:
        raise _Refused(f"broke off after {received} bytes: {_reason(error)}") from error
    if size is not None and received != size:
        raise _Refused(f"wanted {size} bytes, found {received}")


def _announced_size(response: Any) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _reason(error: Exception) -> str:
    code = getattr(error, "code", None)
    text = f"HTTP {code} {error.reason}" if code else str(getattr(error, "reason", error))  # type: ignore[attr-defined]
    return " ".join(text.split()) or type(error).__name__


def _require_folder(name: str | os.PathLike[str], what: str) -> Path:
    path = existing_path(name)
    if path is None or not path.is_dir():
        raise DataError(f"{what} is {os.fspath(name)!r}: wanted a folder, found none")
    return path
