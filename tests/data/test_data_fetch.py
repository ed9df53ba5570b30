"""Places on disk, and downloads from servers of every kind on this machine."""

import hashlib
import socket
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from tinygen.data import DataError, fetch, load
from tinygen.data.known import KNOWN, KnownFile

CONTENT = bytes(range(256)) * 1000
FILE = KnownFile("pixels.bin", hashlib.sha256(CONTENT).hexdigest())


class Mirror(BaseHTTPRequestHandler):
    """Answers by the first folder of the path: /good/, /wrong/, /busy/ and so on."""

    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        _, kind, name = self.path.split("/")
        self.asked.append(kind)
        content = self.files.get(name, CONTENT)
        if kind == "busy":
            return self.send_error(503)
        if kind == "slow":
            time.sleep(1)
        self.send_response(200)
        if kind != "unannounced":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        sent = {"wrong": content[::-1], "cut": content[:-1000], "unannounced": content[:-1000]}
        self.wfile.write(sent.get(kind, content))

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(Mirror, "asked", [])
    monkeypatch.setattr(Mirror, "files", {})
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def mirrors(server, *kinds):
    return [f"{server}/{kind}/" for kind in kinds]


def test_file_comes_whole_into_a_new_folder(tmp_path, server):
    folder = tmp_path / "new" / "folder"
    path = fetch.fetch(FILE, mirrors(server, "good", "busy"), folder)
    assert path == folder / "pixels.bin" and path.read_bytes() == CONTENT
    assert Mirror.asked == ["good"] and list(folder.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["wrong", "busy", "cut", "unannounced"])
def test_next_mirror_is_asked(tmp_path, server, kind):
    path = fetch.fetch(FILE, mirrors(server, kind, "good"), tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    assert Mirror.asked == [kind, "good"] and list(path.parent.iterdir()) == [path]


def test_every_mirror_is_quoted_when_all_fail(tmp_path, server):
    closed = "http://127.0.0.1:9/"
    sources = [*mirrors(server, "wrong", "busy", "cut"), closed]
    with pytest.raises(DataError) as caught:
        fetch.fetch(FILE, sources, tmp_path / "cache")
    message = str(caught.value)
    assert f"{server}/wrong/ said: wanted SHA-256 {FILE.sha256[:12]}" in message
    assert f"{server}/busy/ said: HTTP 503 Service Unavailable" in message
    assert f"{server}/cut/ said: " in message and "255000" in message
    assert f"{closed} said: " in message and "refused" in message
    assert "\n" not in message
    assert list((tmp_path / "cache").iterdir()) == []


def test_failed_download_leaves_an_older_file_alone(tmp_path, server):
    (tmp_path / "pixels.bin").write_bytes(b"older")
    with pytest.raises(DataError):
        fetch.fetch(FILE, mirrors(server, "wrong"), tmp_path)
    assert (tmp_path / "pixels.bin").read_bytes() == b"older"


def test_interrupt_leaves_nothing_half_written(tmp_path, server, monkeypatch):
    chunks = fetch._chunks
    seen = []

    def interrupted(response, size):
        yield next(chunks(response, size))
        seen.extend(tmp_path.glob("pixels.bin*.part"))
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "_chunks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch.fetch(FILE, mirrors(server, "good"), tmp_path)
    assert len(seen) == 1, "the interrupt came before anything was written"
    assert not list(tmp_path.glob("pixels.bin*"))


def test_mirror_that_does_not_answer_is_left_soon(tmp_path, server, monkeypatch):
    monkeypatch.setattr(fetch, "CONNECT_SECONDS", 0.1)
    started = time.monotonic()
    with pytest.raises(DataError, match=r"slow/ said: no answer in 0.1 s"):
        fetch.fetch(FILE, mirrors(server, "slow"), tmp_path)
    assert time.monotonic() - started < 0.9


def test_mirror_that_stalls_midway_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "READ_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_half():
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 999\r\n\r\nhalf")
            done.wait(5)
            connection.close()

        done = threading.Event()
        threading.Thread(target=answer_half, daemon=True).start()
        mirror = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(DataError, match=r"said: broke off after .* timed out"):
            fetch.fetch(FILE, [mirror], tmp_path / "cache")
        done.set()
    assert list((tmp_path / "cache").iterdir()) == []


def test_folder_that_cannot_be_made_is_named(tmp_path, server):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"pixels.bin: cannot be written: "):
        fetch.fetch(FILE, mirrors(server, "good"), tmp_path / "file" / "cache")


def publish(monkeypatch, server, files, name):
    """Let the known set `name` be these files, on a mirror that is busy and one that is good."""
    monkeypatch.setattr(Mirror, "files", files)
    known = KNOWN[name]
    downloads = {
        part: tuple(replace(f, sha256=hashlib.sha256(files[f.name]).hexdigest()) for f in wanted)
        for part, wanted in known.downloads.items()
    }
    published = replace(known, downloads=downloads, mirrors=mirrors(server, "busy", "good"))
    monkeypatch.setitem(KNOWN, name, published)


def test_missing_mnist_is_downloaded_once_into_the_cache(tmp_path, server, monkeypatch, write):
    arrays = write.idx_set(tmp_path / "site", seed=3)
    files = {path.name: path.read_bytes() for path in (tmp_path / "site").iterdir()}
    publish(monkeypatch, server, files, "mnist")
    with pytest.raises(DataError, match="not found together"):
        load("mnist", "test", download=False)
    assert Mirror.asked == []
    for _ in range(2):
        np.testing.assert_array_equal(load("mnist", "test").images, arrays["test"][0])
    assert Mirror.asked == ["busy", "good"] * 2, "only the two test files, and once"
    np.testing.assert_array_equal(load("auto", "train+validation").images, arrays["train"][0])
    cached = {path.name for path in (fetch.cache_folder() / "mnist").iterdir()}
    assert cached == set(files)


def test_only_what_is_missing_is_downloaded(tmp_path, server, monkeypatch, write):
    write.idx_set(tmp_path / "site", seed=3)
    files = {path.name: path.read_bytes() for path in (tmp_path / "site").iterdir()}
    publish(monkeypatch, server, files, "mnist")
    cache = fetch.cache_folder() / "mnist"
    cache.mkdir(parents=True)
    (cache / "t10k-images-idx3-ubyte.gz").write_bytes(files["t10k-images-idx3-ubyte.gz"])
    assert len(load("mnist", "test")) == 10
    assert Mirror.asked == ["busy", "good"]


def test_missing_cifar10_is_downloaded_as_one_archive(tmp_path, server, monkeypatch, write):
    batches, (images, _) = write.cifar_files()
    write.tar(tmp_path / "cifar.tar.gz", batches)
    files = {"cifar-10-python.tar.gz": (tmp_path / "cifar.tar.gz").read_bytes()}
    publish(monkeypatch, server, files, "cifar10")
    np.testing.assert_array_equal(load("cifar10", "train+validation").images, images)
    assert len(load("cifar10", "test")) == 4
    assert Mirror.asked == ["busy", "good"]


def test_given_root_is_never_downloaded_into(tmp_path, server, monkeypatch, write):
    write.idx_set(tmp_path / "site")
    files = {path.name: path.read_bytes() for path in (tmp_path / "site").iterdir()}
    publish(monkeypatch, server, files, "mnist")
    (tmp_path / "root").mkdir()
    with pytest.raises(DataError, match="not found together"):
        load("mnist", root=tmp_path / "root")
    assert Mirror.asked == []


def test_failed_download_says_how_to_place_the_files_by_hand():
    with pytest.raises(DataError) as caught:
        load("fashion")
    message = str(caught.value)
    assert "http://127.0.0.1:9/ said: " in message and "\n" not in message
    by_hand = "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz"
    assert f"{by_hand} into {fetch.cache_folder() / 'fashion-mnist'}" in message


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/tinygen"),
        ("linux", {"XDG_CACHE_HOME": "{home}/xdg"}, "home/xdg/tinygen"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache/tinygen"),
        ("darwin", {"XDG_CACHE_HOME": "{home}/xdg"}, "home/Library/Caches/tinygen"),
        ("win32", {"LOCALAPPDATA": "{home}/local"}, "home/local/tinygen"),
        ("win32", {}, "home/AppData/Local/tinygen"),
    ],
)
def test_cache_lies_where_it_should(tmp_path, monkeypatch, platform, variables, expected):
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value.format(home=tmp_path / "home"))
    monkeypatch.setattr(sys, "platform", platform)
    assert fetch.cache_folder() == tmp_path / expected


def test_cache_without_a_home_is_temporary(tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA")
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert fetch.cache_folder() == tmp_path / "tinygen"
