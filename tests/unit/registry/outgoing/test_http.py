"""Where the server's own requests may go. Forbidden targets meet a connector that records and never dials."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from modelyard.domain.errors import Invalid
from modelyard.registry.outgoing import Allowed, Outgoing, OutgoingFailed
from modelyard.registry.outgoing.http import is_public


class Recorder:
    """Resolves as it is told, notes what would have been dialled, and never dials."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names
        self.dialled: list[tuple[str, int]] = []

    def resolve(self, host: str, port: int) -> list[str]:
        if host in self.names:
            return self.names[host]
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            # As the C library reads numbers, without asking anybody.
            return [socket.inet_ntoa(socket.inet_aton(host))]

    def dial(self, address: str, port: int, timeout_seconds: float) -> socket.socket:
        self.dialled.append((address, port))
        raise ConnectionRefusedError

    def outgoing(self, allowed: str = "") -> Outgoing:
        return Outgoing(Allowed(allowed), resolve=self.resolve, dial=self.dial)


FORBIDDEN = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[fec0::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[100::1]",
    "[2001:2::1]",
    "[2001:20::1]",
    "[2620:4f:8000::1]",
    "[4000::1]",
    "[e000::1]",
    "[2002:5db8:d822::1]",
    "[::ffff:192.0.2.1]",
    "[64:ff9b::10.0.0.1]",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "192.0.0.9",
    "192.31.196.1",
]


@pytest.mark.parametrize("host", FORBIDDEN)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_is_not_public_is_never_dialled(host: str, scheme: str) -> None:
    recorder = Recorder()
    with pytest.raises(OutgoingFailed, match="not a public address"):
        recorder.outgoing().request("POST", f"{scheme}://{host}/hook", body=b"{}")
    assert recorder.dialled == []


@pytest.mark.parametrize(
    "port", [22, 25, 110, 465, 587, 3306, 5432, 6379, 9200, 11211, 27017, 2375, 6443, 6666, 1023]
)
def test_ports_of_other_services_are_never_dialled(port: int) -> None:
    recorder = Recorder(hook=["93.184.216.34"], inside=["10.0.0.1"])
    with pytest.raises(OutgoingFailed, match=f"port {port} "):
        recorder.outgoing("other.test").request("POST", f"http://hook:{port}/x")
    assert recorder.dialled == []
    for host in ("hook", "inside"):
        with pytest.raises(OutgoingFailed, match="refused"):
            recorder.outgoing("hook,10.0.0.0/8").request("POST", f"http://{host}:{port}/x")
    assert [port for _, port in recorder.dialled] == [port, port]


@pytest.mark.parametrize("port", [80, 443, 3000, 5000, 8000, 8080, 8443, 9443, 49152])
def test_ports_of_the_web_are_dialled(port: int) -> None:
    recorder = Recorder(hook=["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
    with pytest.raises(OutgoingFailed, match="refused"):
        recorder.outgoing().request("POST", f"http://hook:{port}/x")
    assert {each for _, each in recorder.dialled} == {port}


@pytest.mark.parametrize(
    "answers", [["93.184.216.34", "127.0.0.1"], ["::1", "93.184.216.34"], ["10.0.0.1"], []]
)
def test_one_bad_answer_of_a_name_is_enough_to_refuse(answers: list[str]) -> None:
    recorder = Recorder(hook=answers)
    with pytest.raises(OutgoingFailed):
        recorder.outgoing().request("POST", "https://hook/x")
    assert recorder.dialled == []


def test_the_checked_address_is_the_one_that_is_dialled() -> None:
    """A name that answers otherwise the second time gains nothing: it is asked once."""
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    recorder = Recorder()
    outgoing = Outgoing(resolve=resolve, dial=recorder.dial)
    with pytest.raises(OutgoingFailed, match="refused"):
        outgoing.request("POST", "http://rebinding.test:8080/x")
    assert (asked, recorder.dialled) == (["rebinding.test"], [("93.184.216.34", 8080)])


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:4700::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("allowed", "url", "dialled"),
    [
        ("hooks.internal", "http://hooks.internal/", True),
        ("hooks.internal", "http://HOOKS.internal/", True),
        ("hooks.internal", "http://other.internal/", False),
        ("10.0.0.0/8", "http://hooks.internal/", True),
        ("10.1.0.0/16", "http://hooks.internal/", False),
        ("10.0.0.7", "http://10.0.0.7:81/", True),
        ("::1,10.0.0.0/8", "http://[::1]/", True),
    ],
)
def test_the_operator_allows_hosts_and_networks(allowed: str, url: str, dialled: bool) -> None:
    recorder = Recorder(**{"hooks.internal": ["10.0.0.7"], "other.internal": ["10.0.0.7"]})
    with pytest.raises(OutgoingFailed):
        recorder.outgoing(allowed).request("GET", url)
    assert bool(recorder.dialled) is dialled


def test_a_wrong_allow_list_is_refused() -> None:
    with pytest.raises(Invalid, match="neither a host nor a network"):
        Allowed("10.0.0.0/99")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/",
        "file:///etc/passwd",
        "http://",
        "http://user@host/",
        "http://user:pw@host/",
        "http://host:99999/",
        "http://host:0/",
        "http://host/\r\nX: y",
        "http://host/ä",
        "http://[::1",
        "//host/",
        "gopher://host",
        "unix:/socket",
        "http://" + "a" * 3000,
    ],
)
def test_addresses_that_are_no_addresses(url: str) -> None:
    recorder = Recorder()
    with pytest.raises(Invalid, match="not a valid address to send to"):
        recorder.outgoing("127.0.0.1").request("GET", url)
    assert recorder.dialled == []


# --- receivers that misbehave, on loopback, which these tests allow ----------------------------------

LOOPBACK = Outgoing(Allowed("127.0.0.1"))


def read_request(connection: socket.socket) -> None:
    """All of it: closing with a rest unread would reset the connection, answer and all."""
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(65536)
        if not piece:
            return
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            return
        body += piece


@contextmanager
def receiver(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A listener that does as told with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    read_request(connection)
                    behave(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_a_good_answer() -> None:
    with receiver(lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok")) as url:
        reply = LOOPBACK.request("POST", url, body=b"{}")
    assert (reply.status, reply.headers["x-a"], reply.body) == (200, "b", b"ok")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
)
def test_a_last_answer_is_read_to_its_end(answer: bytes) -> None:
    with receiver(lambda c: c.sendall(answer)) as url, LOOPBACK.session(url) as session:
        for _ in range(2):
            assert session.request("POST", body=b"{}").body == b"ok"


def test_redirects_are_not_followed() -> None:
    asked = []

    def behave(connection: socket.socket) -> None:
        asked.append(1)
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
        )

    with receiver(behave) as url:
        assert LOOPBACK.request("POST", url).status == 302
    assert asked == [1]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with receiver(lambda c: c.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")) as url:
        assert LOOPBACK.request("POST", url).status == 204


def trickle(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


SILENCE_SECONDS = 5


@pytest.mark.parametrize("behave", [lambda c: time.sleep(SILENCE_SECONDS), trickle], ids=["silence", "trickle"])
def test_one_deadline_for_the_whole_exchange(behave: Callable[[socket.socket], None]) -> None:
    started = time.monotonic()
    with receiver(behave) as url:
        with pytest.raises(OutgoingFailed, match="too long"):
            LOOPBACK.request("POST", url, timeout_seconds=0.5)
        assert time.monotonic() - started < SILENCE_SECONDS


@pytest.mark.parametrize(
    "answer",
    [b"", b"rubbish\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n"],
)
def test_garbage_is_no_answer(answer: bytes) -> None:
    with receiver(lambda c: c.sendall(answer)) as url, pytest.raises(OutgoingFailed):
        LOOPBACK.request("POST", url, timeout_seconds=2)


def test_a_huge_answer_is_cut_off() -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"x" * 65536)

    with receiver(behave) as url:
        assert len(LOOPBACK.request("POST", url, max_answer_bytes=1000).body) == 1000


def test_a_connection_serves_several_requests_and_is_opened_anew() -> None:
    answered = []

    def behave(connection: socket.socket) -> None:
        for _ in range(2):
            answered.append(1)
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            connection.recv(65536)

    with receiver(behave) as url, LOOPBACK.session(url) as session:
        assert [session.request("POST", body=b"{}").status for _ in range(4)] == [204] * 4
