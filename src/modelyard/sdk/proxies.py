"""The proxy that the environment names for an address, by the rules that curl documents.

Source: curl's manual, "Environment variables" and "--proxy", and its page on NO_PROXY.
"""

from __future__ import annotations

import ipaddress
import os
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from urllib3.util import make_headers

from modelyard.domain.errors import Invalid

_DEFAULT_PORT = 1080
_SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class Proxy:
    """url: without credentials. headers: for the proxy itself, such as its credentials."""

    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def find_proxy(url: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy for an address; None for a direct connection.

    `http_proxy` or `https_proxy` by the address's scheme, otherwise `all_proxy`, each first in lower case; an empty
    value means none. `no_proxy` lists hosts to reach directly. Raises Invalid for a proxy that cannot be used.
    """
    given = os.environ if environment is None else environment
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    if _is_direct(host, port, _first(given, "no_proxy")[1]):
        return None
    name, text = _first(given, f"{parts.scheme}_proxy", "all_proxy")
    if not name and environment is None and sys.platform in ("darwin", "win32"):
        if urllib.request.proxy_bypass(host):
            return None
        name, text = "the system's settings", urllib.request.getproxies().get(parts.scheme, "")
    return _parse(name, text.strip()) if text.strip() else None


def _first(given: Mapping[str, str], *names: str) -> tuple[str, str]:
    """Return the first variable that is set, and its value; two empty texts if none is."""
    for name in names:
        for spelling in (name, name.upper()):
            # In CGI, HTTP_PROXY holds the header `Proxy` of a request (CVE-2016-5385).
            is_header = spelling == "HTTP_PROXY" and "REQUEST_METHOD" in given
            if spelling in given and not is_header:
                return spelling, given[spelling]
    return "", ""


def _parse(name: str, text: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise Invalid(
            reason=f"the proxy in {name} is not an address",
            fix="Write it as http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT",
        )
    if parts.scheme.lower() not in _SCHEMES:
        raise Invalid(
            reason=f"the proxy in {name} speaks {parts.scheme}, which is not supported",
            fix="Name a proxy that begins with http:// or https://, or reach the server directly by NO_PROXY",
        )
    headers: dict[str, str] = {}
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = make_headers(proxy_basic_auth=credentials)
    shown = f"[{host}]" if ":" in host else host
    return Proxy(f"{parts.scheme.lower()}://{shown}:{port or _DEFAULT_PORT}", headers)


def _is_direct(host: str, port: int, rules: str) -> bool:
    """Return whether NO_PROXY covers the host: `*`, a name and its subdomains, an address, a network, host and port."""
    if rules.strip() == "*":
        return True
    return any(_names(rule, host, port) for rule in rules.replace(",", " ").split())


def _names(rule: str, host: str, port: int) -> bool:
    if rule.endswith(f":{port}") and rule.count(":") == 1:
        rule = rule.partition(":")[0]
    rule = rule.lower().strip("[]").strip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(rule) and (host == rule or host.endswith(f".{rule}"))
    try:
        return address in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return False
