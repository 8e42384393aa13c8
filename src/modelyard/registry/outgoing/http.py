"""Send HTTP requests to addresses that users name, but not to addresses that only the server can reach.

A name is resolved once. If all its addresses are public or allowed by the operator, the connection goes to a checked
address; otherwise none is made. There are no redirects and no proxies from the environment; one deadline covers the
whole exchange, and the size of the answer is limited.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from modelyard.domain.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
Dial = Callable[[str, int, float], socket.socket]

# Entries of the IANA special-purpose address registries that Python's `is_global` accepts in some release.
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24 2001::/23 2001:db8::/32 2002::/16 "
        "2620:4f:8000::/48 3fff::/20"
    ).split()
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Below 1024 only these two; above it all except ports of databases, queues, remote desktops and control planes.
_WEB_PORTS = frozenset({80, 443})
_OTHER_SERVICES = frozenset(
    (1080, 1433, 1434, 1521, 1723, 1883, 2049, 2082, 2083, 2181, 2375, 2376, 2379, 2380, 3128, 3268, 3269, 3306, 3389, 4369,
     4444, 5060, 5061, 5432, 5433, 5439, 5601, 5671, 5672, 5900, 5901, 5902, 5984, 5985, 5986, 6379, 6380, 6432, 6443, 6566,
     6697, 7000, 7001, 7199, 7474, 7687, 8086, 8123, 8300, 8301, 8302, 8500, 8529, 8883, 9042, 9092, 9160, 9200, 9300, 9418,
     10250, 10255, 11211, 11434, 15672, 16010, 26257, 27017, 27018, 27019, 28015, 28017, 33060, 50000, 50070, 61613, 61616,
     *range(6000, 6064), *range(6665, 6670))
)  # fmt: skip
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_MAX_ANSWER_BYTES = 64 * 1024
_MOST_ADDRESSES = 3


class OutgoingFailed(Exception):
    """There was no answer. The reason goes into a delivery log and does not name a resolved address."""


class Reply(msgspec.Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Allowed:
    """The names, addresses and networks that the operator allows beyond public addresses, comma-separated."""

    def __init__(self, text: str = "") -> None:
        """Parse the setting. Raises Invalid for an entry that is neither a name nor a network."""
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for part in filter(None, (each.strip().lower() for each in text.split(","))):
            try:
                self._networks.append(ipaddress.ip_network(part.strip("[]"), strict=False))
            except ValueError:
                if "/" in part or ":" in part:
                    raise Invalid(
                        reason=f"webhook_allowed_hosts has {part[:60]!r}, which is neither a host nor a network",
                        fix="Write for example hooks.example.org,10.1.0.0/16",
                    ) from None
                self._names.add(part)

    def names(self, host: str, address: Address) -> bool:
        """Return whether the operator named the host or its network."""
        return host.lower().rstrip(".") in self._names or any(address in network for network in self._networks)


def is_public(address: Address) -> bool:
    """Return whether the address is on the public internet, also as an IPv4 address inside an IPv6 one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    if any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_web_port(port: int) -> bool:
    """Return whether web servers use the port, and not another service that could misread a web request."""
    return port in _WEB_PORTS or (port >= 1024 and port not in _OTHER_SERVICES)


def check_url(url: str) -> SplitResult:
    """Return the parts of an address that may be requested. Raises Invalid."""
    reason = None
    try:
        parts = urlsplit(url)
        port = parts.port
        if parts.scheme not in ("http", "https") or not parts.hostname:
            reason = "it must begin with https:// or http:// and name a host"
        elif parts.username is not None or parts.password is not None:
            reason = "it must not contain a user name or password"
        elif port == 0 or len(url) > 2000 or any(ord(char) <= 32 or ord(char) > 126 for char in url):
            reason = "it is too long, or has characters that are not valid in an address"
    except ValueError:
        reason = "it is malformed"
    if reason is not None:
        raise Invalid(
            reason=f"{url[:80]!r} is not a valid address to send to: {reason}", fix="Correct the address"
        )
    return parts


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _dial(address: str, port: int, timeout_seconds: float) -> socket.socket:
    connection = socket.create_connection((address, port), timeout_seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Outgoing:
    """Makes the server's outgoing requests. Safe in threads."""

    def __init__(
        self, allowed: Allowed | None = None, *, resolve: Resolve = _resolve, dial: Dial = _dial
    ) -> None:
        self._allowed = allowed or Allowed()
        self._resolve = resolve
        self._dial = dial

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def checked_addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses to dial. Raises OutgoingFailed unless all addresses of the name are allowed."""
        try:
            found = self._resolve(host, port)
            addresses = [ipaddress.ip_address(each.partition("%")[0]) for each in found]
        except (OSError, UnicodeError, ValueError) as exc:
            raise OutgoingFailed(f"the name {host} cannot be resolved") from exc
        if not addresses:
            raise OutgoingFailed(f"the name {host} has no address")
        strange = [each for each in addresses if not self._allowed.names(host, each)]
        if not all(map(is_public, strange)):
            raise OutgoingFailed(
                f"{host} is not a public address, and the setting webhook_allowed_hosts does not allow it"
            )
        if strange and not is_web_port(port):
            raise OutgoingFailed(
                f"port {port} belongs to a service other than the web, and the setting webhook_allowed_hosts does not "
                f"allow {host}"
            )
        return found

    def open(self, host: str, port: int, *, tls: bool, timeout_seconds: float) -> socket.socket:
        """Dial one checked address after another until one answers."""
        failure: Exception | None = None
        for address in self.checked_addresses(host, port)[:_MOST_ADDRESSES]:
            try:
                connection = self._dial(address, port, timeout_seconds)
                if tls:
                    connection.settimeout(timeout_seconds)
                    connection = self._tls.wrap_socket(connection, server_hostname=host)
            except OSError as exc:
                failure = exc
            else:
                return connection
        assert failure is not None
        raise OutgoingFailed(f"{host} cannot be reached: {_reason(failure)}") from failure

    def session(self, url: str) -> Session:
        """Open a session for several requests to one address, over one connection while it lasts."""
        return Session(self, check_url(url))

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float = 10.0,
        max_answer_bytes: int = _MAX_ANSWER_BYTES,
    ) -> Reply:
        """Make one request. Raises Invalid for an address that is not allowed, OutgoingFailed without an answer."""
        with self.session(url) as session:
            return session.request(
                method,
                headers=headers,
                body=body,
                timeout_seconds=timeout_seconds,
                max_answer_bytes=max_answer_bytes,
            )


class Session:
    """One connection to one address; opened when needed, and again after the other side closed it."""

    def __init__(self, outgoing: Outgoing, parts: SplitResult) -> None:
        self._outgoing = outgoing
        self._parts = parts
        self._connection: _Connection | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def request(
        self,
        method: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float = 10.0,
        max_answer_bytes: int = _MAX_ANSWER_BYTES,
    ) -> Reply:
        """Make one request. timeout_seconds: for the whole exchange. Raises OutgoingFailed."""
        deadline = time.monotonic() + timeout_seconds
        reused = self._connection is not None
        try:
            return self._exchange(method, headers, body, deadline, max_answer_bytes)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as exc:
            self.close()
            if not reused:
                raise OutgoingFailed(f"{self._parts.hostname} closed the connection") from exc
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            raise OutgoingFailed(f"{self._parts.hostname} did not answer: {_reason(exc)}") from exc
        # The other side had closed the open connection, so it did not read this request.
        try:
            return self._exchange(method, headers, body, deadline, max_answer_bytes)
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            raise OutgoingFailed(f"{self._parts.hostname} did not answer: {_reason(exc)}") from exc

    def _exchange(
        self,
        method: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        deadline: float,
        max_answer_bytes: int,
    ) -> Reply:
        connection = self._connection
        if connection is None:
            connection = self._connection = _Connection(self._outgoing, self._parts)
        connection.deadline = deadline
        path = self._parts.path or "/"
        if self._parts.query:
            path += f"?{self._parts.query}"
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        data = response.read(max_answer_bytes + 1)
        reply = Reply(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            data[:max_answer_bytes],
        )
        if len(data) > max_answer_bytes or response.will_close or not response.isclosed():
            self.close()
        return reply


class _Connection(http.client.HTTPConnection):
    """http.client on a socket that was dialled after the check and that keeps to a deadline."""

    def __init__(self, outgoing: Outgoing, parts: SplitResult) -> None:
        self._tls_wanted = parts.scheme == "https"
        host = parts.hostname or ""
        port = parts.port or (443 if self._tls_wanted else 80)
        super().__init__(host, port)
        # The Host header omits a default port.
        self.default_port = 443 if self._tls_wanted else 80
        self._outgoing = outgoing
        self.deadline = 0.0

    def connect(self) -> None:
        opened = self._outgoing.open(
            self.host, self.port, tls=self._tls_wanted, timeout_seconds=_left(self.deadline)
        )
        self.sock = _DeadlineSocket(opened, self)


def _left(deadline: float) -> float:
    """Return the remaining time. Raises TimeoutError when the time is up."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _DeadlineSocket:
    """The part of a socket that http.client uses, with a deadline that slow bytes cannot extend."""

    def __init__(self, opened: socket.socket, connection: _Connection) -> None:
        self._opened = opened
        self._connection = connection

    def sendall(self, data: Any) -> None:
        self._opened.settimeout(_left(self._connection.deadline))
        self._opened.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._opened, self._connection))

    def close(self) -> None:
        self._opened.close()


class _DeadlineReader(io.RawIOBase):
    def __init__(self, opened: socket.socket, connection: _Connection) -> None:
        self._opened = opened
        self._connection = connection
        # http.client closes the socket before it reads the last answer; the socket's own file keeps it open.
        self._file = opened.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._opened.settimeout(_left(self._connection.deadline))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _reason(exc: BaseException) -> str:
    """Return a short reason without addresses."""
    if isinstance(exc, TimeoutError):
        return "it took too long"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({exc.verify_message})"
    if isinstance(exc, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(exc, http.client.HTTPException):
        return "its answer is not HTTP"
    return type(exc).__name__
