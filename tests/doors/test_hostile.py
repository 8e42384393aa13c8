"""A server that is not to be trusted, made by hand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    DownloadCorrupt,
    InvalidManifest,
    InvalidPath,
    ModelyardError,
    ServerUnreachable,
    TokenInvalid,
    UnexpectedAnswer,
)
from modelyard.sdk.cache import Cache
from modelyard.sdk.client import Client

Answer = tuple[int, dict[str, str], bytes]
DATA = b"weights" * 1000
DIGEST = Digest.of(DATA)


class Answering(ThreadingHTTPServer):
    """Answers by a function and remembers what it was asked."""

    def __init__(self, answer: Callable[[str, dict[str, str]], Answer]) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.rfile.read(int(headers.get("content-length", "0")))
                outer.asked.append((self.path, headers))
                status, extra, body = answer(self.path, headers)
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **extra}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                return

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def answering(answer: Callable[[str, dict[str, str]], Answer]) -> Iterator[Answering]:
    server = Answering(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def manifest(path: str, digest: str = DIGEST, size: int = len(DATA)) -> bytes:
    layer = {"annotations": {"org.cncf.model.filepath": path}, "digest": digest, "size": size}
    return json.dumps({"layers": [layer]}).encode()


def registry(body: bytes, file: Answer = (200, {}, DATA), digest: str | None = None) -> Callable[..., Answer]:
    resolved = {
        "model": "a/b",
        "version": 1,
        "reference": "a/b:1",
        "digest": digest or f"sha256:{hashlib.sha256(body).hexdigest()}",
        "record_digest": DIGEST,
        "state": "ready",
        "size_bytes": 1,
        "created_at": "2026-01-01T00:00:00Z",
    }

    def answer(path: str, _: dict[str, str]) -> Answer:
        if path.startswith("/api/v1/resolve"):
            return 200, {"content-type": "application/json"}, json.dumps(resolved).encode()
        if path.endswith("/manifest"):
            return 200, {}, body
        return file

    return answer


def client_of(server: Answering, tmp_path: Path) -> Client:
    return Client(server.url, "mdy_user_secret", cache=Cache(tmp_path / "cache"), patience_seconds=0.2)


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "path",
    [
        "../out.bin",
        "/etc/evil",
        "a/../../b",
        "a\\b",
        "a\0b",
        "a\nb",
        "",
        ".",
        "a//b",
        ".cache/modelyard/pulled.json",
    ],
)
def test_files_land_nowhere_but_in_the_folder(path: str, tmp_path: Path) -> None:
    with answering(registry(manifest(path))) as server, pytest.raises(InvalidPath):
        client_of(server, tmp_path).pull("a/b:1", tmp_path / "deep" / "out")
    assert everything(tmp_path) == set()


def test_two_names_for_one_place_are_refused(tmp_path: Path) -> None:
    layers = [json.loads(manifest(path))["layers"][0] for path in ("A.bin", "a.bin")]
    body = json.dumps({"layers": layers}).encode()
    with answering(registry(body)) as server, pytest.raises(InvalidPath):
        client_of(server, tmp_path).pull("a/b:1", tmp_path / "out")


def test_links_in_the_target_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    with answering(registry(manifest("sub/w.bin"))) as server, pytest.raises(InvalidPath):
        client_of(server, tmp_path).pull("a/b:1", tmp_path / "out", force=True)
    assert everything(tmp_path / "elsewhere") == set()


def test_a_link_at_the_file_itself_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "w.bin").symlink_to(tmp_path / "precious")
    with answering(registry(manifest("w.bin"))) as server:
        client_of(server, tmp_path).pull("a/b:1", tmp_path / "out", force=True)
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "out" / "w.bin").read_bytes() == DATA


def test_a_manifest_that_is_not_the_version_is_refused(tmp_path: Path) -> None:
    with answering(registry(manifest("w.bin"), digest=DIGEST)) as server, pytest.raises(DownloadCorrupt):
        client_of(server, tmp_path).pull("a/b:1", tmp_path / "out")


def test_another_version_than_the_digest_asked_for_is_refused(tmp_path: Path) -> None:
    with answering(registry(manifest("w.bin"))) as server, pytest.raises(DownloadCorrupt):
        client_of(server, tmp_path).pull(f"a/b@{DIGEST}", tmp_path / "out")


def test_a_manifest_without_shape_is_refused(tmp_path: Path) -> None:
    with answering(registry(b'{"layers": "x"}')) as server, pytest.raises(InvalidManifest):
        client_of(server, tmp_path).pull("a/b:1", tmp_path / "out")


@pytest.mark.parametrize("body", [b"x" * len(DATA), DATA + b"more"])
def test_other_bytes_never_appear_under_the_name(body: bytes, tmp_path: Path) -> None:
    with answering(registry(manifest("w.bin"), (200, {}, body))) as server, pytest.raises(DownloadCorrupt):
        client_of(server, tmp_path).pull("a/b:1", tmp_path / "out")
    assert not (tmp_path / "out" / "w.bin").exists()


def test_a_redirect_is_followed_without_the_token(tmp_path: Path) -> None:
    with answering(lambda path, headers: (200, {}, DATA)) as bucket:
        redirect = (302, {"location": f"{bucket.url}/w?signature=1"}, b"")
        with answering(registry(manifest("w.bin"), redirect)) as server:
            out = client_of(server, tmp_path).pull("a/b:1", tmp_path / "out")
        assert (out / "w.bin").read_bytes() == DATA
        assert [path for path, _ in bucket.asked] == ["/w?signature=1"]
        assert all("authorization" not in headers for _, headers in bucket.asked)
        assert all("authorization" in headers for _, headers in server.asked)


def test_calls_of_the_api_follow_no_redirect(tmp_path: Path) -> None:
    with (
        answering(lambda path, headers: (200, {}, b"{}")) as other,
        answering(lambda path, headers: (302, {"location": other.url}, b"")) as server,
        pytest.raises(UnexpectedAnswer),
    ):
        client_of(server, tmp_path).whoami()
    assert other.asked == []


def test_what_is_busy_is_asked_again_as_long_as_patience_lasts(tmp_path: Path) -> None:
    answers = iter([503, 502, 200])

    def answer(path: str, headers: dict[str, str]) -> Answer:
        status = next(answers)
        body = b'{"status": "ok", "release": "x"}' if status == 200 else b"<h1>busy</h1>"
        return status, {"retry-after": "0"}, body

    with answering(answer) as server:
        client = Client(server.url, "t", cache=Cache(tmp_path), patience_seconds=10)
        assert client.admin.health().release == "x"
        assert len(server.asked) == 3


def test_a_refusal_is_asked_once_and_a_write_keeps_its_key(tmp_path: Path) -> None:
    problem = {
        "type": "x", "title": "x", "status": 401, "detail": "no", "code": "token_invalid",
        "kind": "unauthenticated", "fix": "",
    }  # fmt: skip
    body = json.dumps(problem).encode()
    with answering(lambda *_: (401, {"content-type": "application/problem+json"}, body)) as server:
        with pytest.raises(TokenInvalid):
            client_of(server, tmp_path).namespaces.create("a")
        assert len(server.asked) == 1
    with answering(lambda *_: (503, {"retry-after": "0"}, b"")) as server:
        with pytest.raises(ModelyardError):
            Client(server.url, "t", cache=Cache(tmp_path), patience_seconds=1).namespaces.create("a")
        keys = {headers["idempotency-key"] for _, headers in server.asked}
        assert len(server.asked) > 2
        assert len(keys) == 1


def test_a_token_is_made_once_and_never_asked_for_again(tmp_path: Path) -> None:
    with answering(lambda *_: (503, {"retry-after": "0"}, b"")) as server:
        with pytest.raises(ModelyardError):
            client_of(server, tmp_path).tokens.create("x")
        assert len(server.asked) == 1


def test_nobody_there_is_said_soon(tmp_path: Path) -> None:
    with pytest.raises(ServerUnreachable) as refused:
        Client("http://127.0.0.1:9", "mdy_user_secretsecret", cache=Cache(tmp_path)).whoami()
    assert "secret" not in str(refused.value)
