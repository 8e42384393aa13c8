"""Bytes come and go whole with our protocol on the tested release of the web server, and with its own on any other."""

from __future__ import annotations

import copy
import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelyard.blobs.filesystem import FilesystemStore
from modelyard.server.app import build_app
from modelyard.server.connections import TESTED_UVICORN, CarefulProtocol, choose_protocol
from tests.support.door import digest_of, open_door
from tests.support.registry import Registry, unique


def test_the_installed_release_is_the_tested_one(caplog: pytest.LogCaptureFixture) -> None:
    assert choose_protocol() is CarefulProtocol
    assert choose_protocol(f"{TESTED_UVICORN}.99") is CarefulProtocol
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert choose_protocol("0.5.4") is HttpToolsProtocol
        assert choose_protocol("1.54.0") is HttpToolsProtocol
    assert [TESTED_UVICORN in record.getMessage() for record in caplog.records] == [True, True]


@pytest.fixture(params=[f"{TESTED_UVICORN}.0", "0.99.0"])
def served(
    request: pytest.FixtureRequest, registry: Registry, tmp_path: Path
) -> Iterator[tuple[http.client.HTTPConnection, str]]:
    """A connection to the whole application, and a token; its files lie in a folder."""
    own = copy.copy(registry)
    own.blobs = FilesystemStore(tmp_path / "blobs")
    with open_door(own) as door, socket.create_server(("127.0.0.1", 0)) as listener:
        protocol = choose_protocol(request.param)
        config = uvicorn.Config(
            build_app(door.services), http=protocol, ws="none", lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield http.client.HTTPConnection(*listener.getsockname(), timeout=30), door.token
        finally:
            server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


def test_bytes_come_and_go_whole(served: tuple[http.client.HTTPConnection, str]) -> None:
    connection, token = served

    def ask(method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        kind = "application/json" if path.endswith("versions") else "application/octet-stream"
        sent = {"Authorization": f"Bearer {token}", "Host": "127.0.0.1:8470", "Content-Type": kind, **headers}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return answer.status, answer.read()

    data = bytes(range(256)) * (3 << 12)
    digest = digest_of(data)
    assert ask("PUT", f"/api/v1/blobs/{digest}", data)[0] == 201
    version = {"files": [{"path": "w.bin", "digest": digest, "size_bytes": len(data)}], "facts": {}}
    model = f"/api/v1/models/{unique('served')}/scorer/versions"
    status, made = ask("POST", model, json.dumps(version).encode())
    assert status == 201, made
    file = f"{model}/1/files/w.bin"
    assert ask("GET", file) == (200, data)
    assert ask("GET", file, Range="bytes=1000000-2000000") == (206, data[1_000_000:2_000_001])
    assert ask("HEAD", file) == (200, b"")
    assert ask("GET", file, Range=f"bytes={len(data)}-")[0] == 416
