"""Published weights: fetched once, whole, checked, resumed; and what is said without a network."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganlore.cli.main import app
from ganlore.errors import GanloreError
from ganlore.study import declarations, weights
from ganlore.study.weights import Weights

CONTENT = bytes(range(256)) * 9000  # over two of the blocks that are read at a time


class Server(http.server.ThreadingHTTPServer):
    """Serves one file on this machine.

    Attributes:
        content: the file.
        cut: bytes of an answer after which the connection ends, None for never.
        ranges: whether it can begin in the middle.
        asked: the Range of each request, "" for the whole.
    """

    content, cut, ranges = CONTENT, None, True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the server's file, or the rest of it."""

    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if not self.server.ranges:
            start = 0
        rest = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as actual:
        threading.Thread(target=actual.serve_forever, daemon=True).start()
        yield actual
        actual.shutdown()


@pytest.fixture
def wanted(server: Server) -> Weights:
    url = f"http://127.0.0.1:{server.server_port}/folder/network.pt"
    return Weights("inception", url, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


def test_it_is_fetched_once(server: Server, wanted: Weights, tmp_path: Path) -> None:
    path = weights.fetch(wanted, tmp_path)
    assert path == tmp_path / "weights/network.pt" and path.read_bytes() == CONTENT
    assert weights.fetch(wanted, tmp_path) == path
    assert server.asked == [""]
    assert [actual.name for actual in path.parent.iterdir()] == ["network.pt"]
    assert wanted.check(tmp_path) == (path, wanted.sha256)


def test_a_cut_download_goes_on_where_it_was(server: Server, wanted: Weights, tmp_path) -> None:
    server.cut = 1_500_000
    with pytest.raises(GanloreError) as caught:
        weights.fetch(wanted, tmp_path)
    reported = str(caught.value)
    assert "the connection was cut; 1,500,000 bytes are kept" in reported
    assert f"ganlore fetch inception --data {tmp_path}" in reported
    assert not wanted.path(tmp_path).exists()  # nothing that could be taken for the file
    server.cut = None
    assert weights.fetch(wanted, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["", "bytes=1500000-"]


def test_a_server_that_begins_anew_is_followed(server: Server, wanted: Weights, tmp_path) -> None:
    server.cut = 700_000
    with pytest.raises(GanloreError, match="cut"):
        weights.fetch(wanted, tmp_path)
    server.cut, server.ranges = None, False
    assert weights.fetch(wanted, tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_whole_is_only_checked(server: Server, wanted: Weights, tmp_path) -> None:
    part = tmp_path / "weights/network.pt.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT)
    assert weights.fetch(wanted, tmp_path).read_bytes() == CONTENT
    part.write_bytes(CONTENT + b"more than there is")
    wanted.path(tmp_path).unlink()
    assert weights.fetch(wanted, tmp_path).read_bytes() == CONTENT
    assert server.asked == [""]


def test_an_altered_file_is_refused_and_not_kept(server: Server, wanted: Weights, tmp_path) -> None:
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(GanloreError) as caught:
        weights.fetch(wanted, tmp_path)
    for part in ("not the file that was published", wanted.sha256, wanted.url):
        assert part in str(caught.value)
    assert list((tmp_path / "weights").iterdir()) == []
    server.content = CONTENT
    assert weights.fetch(wanted, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("damage", [CONTENT[:-1], b"", CONTENT[:-1] + b"x"])
def test_a_damaged_file_is_named(wanted: Weights, tmp_path: Path, damage: bytes) -> None:
    path = weights.fetch(wanted, tmp_path)
    path.write_bytes(damage)
    for use in (wanted.check, lambda data: weights.fetch(wanted, data)):
        with pytest.raises(GanloreError) as caught:
            use(tmp_path)
        for part in (str(path), "truncated or altered", wanted.sha256, "ganlore fetch inception"):
            assert part in str(caught.value)


def test_without_a_network_it_says_what_to_do(wanted: Weights, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    gone = replace(wanted, url=f"http://127.0.0.1:{port}/network.pt")
    with pytest.raises(GanloreError) as caught:
        weights.fetch(gone, tmp_path)
    for part in (
        gone.url, str(tmp_path / "weights/network.pt"), gone.sha256, f"{len(CONTENT):,} bytes",
        "refused", "GANLORE_INCEPTION", "`ganlore plan STUDY` names",
    ):  # fmt: skip
        assert part in str(caught.value), part


def test_a_server_without_the_file_is_told(server: Server, wanted: Weights, tmp_path) -> None:
    def missing(handler: Handler) -> None:
        handler.send_error(404)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handler, "do_GET", missing)
        with pytest.raises(GanloreError, match=r"cannot be fetched \(Not Found\)"):
            weights.fetch(wanted, tmp_path)


def test_the_command(server: Server, wanted: Weights, tmp_path: Path, monkeypatch) -> None:
    plugin = tmp_path / "plugins/features/mine.py"
    plugin.parent.mkdir(parents=True)
    text = (declarations.PACKAGE / "features/coordinates.py").read_text(encoding="utf-8")
    fact = (
        f"weights = {{'url': {wanted.url!r}, 'sha256': {wanted.sha256!r}, 'bytes': {len(CONTENT)}}}"
    )
    plugin.write_text(text.replace("    paper = ", f"    {fact}\n    paper = "), encoding="utf-8")
    monkeypatch.setenv("GANLORE_PLUGINS", str(tmp_path / "plugins"))
    done = CliRunner().invoke(app, ["fetch", "mine", "--data", str(tmp_path)])
    assert done.exit_code == 0 and (tmp_path / "weights/network.pt").read_bytes() == CONTENT
    own = tmp_path / "own.pt"
    own.write_bytes(b"mine")
    monkeypatch.setenv("GANLORE_MINE", str(own))
    actual = weights.required("mine")
    assert actual.check(tmp_path) == (own, hashlib.sha256(b"mine").hexdigest())
    server.asked.clear()
    assert CliRunner().invoke(app, ["fetch", "mine", "--data", str(tmp_path)]).exit_code == 0
    assert server.asked == []


def test_an_extractor_without_weights_is_told() -> None:
    assert weights.of("classifier") is None
    with pytest.raises(GanloreError, match="needs no weights\n  those that do: inception"):
        weights.required("classifier")
