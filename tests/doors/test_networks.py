"""Lines that break and proxies between client and server."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import modelyard as my
from modelyard.domain.errors import Invalid, ServerUnreachable
from modelyard.sdk.cache import Cache
from tests.support.relay import bad_line, http_proxy
from tests.support.server import RunningServer, running_server

MIB = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """With pieces as large as they usually are."""
    with running_server() as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("size", [500_000, 3 * MIB, 6 * MIB], ids=str)
def test_files_of_any_size_go_over_a_line_that_breaks(server: RunningServer, tmp_path: Path, size: int) -> None:
    (tmp_path / "m.bin").write_bytes(os.urandom(size))
    with bad_line(server.port, min(2 * MIB, size // 2)) as url:
        began = time.monotonic()
        with my.Client(url, server.token, cache=Cache(tmp_path / "cache")) as client:
            version = client.push(tmp_path / "m.bin", f"lines/m{size}", capture=False)
            pulled = client.pull(version.reference, tmp_path / "back")
    assert time.monotonic() - began < 60
    sent = hashlib.sha256((tmp_path / "m.bin").read_bytes()).digest()
    assert hashlib.sha256((pulled / "m.bin").read_bytes()).digest() == sent


def test_giving_up_names_the_cuts_and_not_the_address(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.bin").write_bytes(os.urandom(3 * MIB))
    with bad_line(server.port, MIB) as url, my.Client(url, server.token, patience_seconds=0.05) as client:
        monkeypatch.setattr("modelyard.sdk.http.Patience.progress", lambda self: None)
        with pytest.raises(ServerUnreachable) as given_up:
            client.push(tmp_path / "m.bin", "lines/gone", capture=False)
    assert "broke" in given_up.value.message
    assert "again" in given_up.value.fix
    assert "MODELYARD_URL" not in str(given_up.value)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}", "HTTP://localhost:{}/"])
def test_the_proxy_of_the_environment_is_used(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, variable: str, form: str
) -> None:
    with http_proxy() as proxy:
        monkeypatch.setenv(variable, form.format(proxy.port))
        with server.client() as client:
            assert client.whoami().name
        assert proxy.asked == [f"GET {server.url}/api/v1/whoami HTTP/1.1"]


def test_a_proxy_gets_its_credentials_and_the_server_does_not(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_proxy("ann:p@ss word") as proxy:
        monkeypatch.setenv("http_proxy", f"http://ann:p%40ss%20word@127.0.0.1:{proxy.port}")
        with server.client() as client:
            assert client.whoami().name
        monkeypatch.setenv("http_proxy", f"http://ann:wrong@127.0.0.1:{proxy.port}")
        with server.client() as client, pytest.raises(my.ModelyardError) as refused:
            client.whoami()
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize(
    "rule", ["*", "127.0.0.1", "127.0.0.0/8", "example.org, 127.0.0.1", "127.0.0.1:{port}"]
)
def test_no_proxy_leads_there_directly(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", rule.format(port=server.port))
    with server.client() as client:
        assert client.whoami().name


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1", "socks5h://a:b@127.0.0.1:1", "ftp://127.0.0.1:1", "http://"]
)
def test_a_proxy_that_cannot_be_used_is_refused_in_words(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(Invalid, match="ALL_PROXY"):
        server.client()
    done = server.run("whoami", env={"ALL_PROXY": proxy})
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
