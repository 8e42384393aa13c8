"""Which proxy the environment names, as curl reads it."""

from __future__ import annotations

import pytest

from modelyard.domain.errors import Invalid
from modelyard.sdk.proxies import find_proxy

HTTPS, HTTP = "https://models.example.org", "http://models.example.org:8470"


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"https_proxy": "http://p:3128"}, "http://p:3128"),
        (HTTPS, {"HTTPS_PROXY": "p:3128"}, "http://p:3128"),
        (HTTPS, {"https_proxy": "p"}, "http://p:1080"),
        (HTTPS, {"https_proxy": "https://p:443"}, "https://p:443"),
        (HTTPS, {"https_proxy": "http://[::1]:3128"}, "http://[::1]:3128"),
        (HTTPS, {"https_proxy": "http://u:s@p:1"}, "http://p:1"),
        (HTTPS, {"http_proxy": "http://p:1"}, None),
        (HTTPS, {"https_proxy": "http://a:1", "all_proxy": "http://b:1"}, "http://a:1"),
        (HTTPS, {"https_proxy": "http://small:1", "HTTPS_PROXY": "http://big:1"}, "http://small:1"),
        (HTTPS, {"https_proxy": "", "ALL_PROXY": "http://b:1"}, None),
        (HTTPS, {"ALL_PROXY": "http://b:1"}, "http://b:1"),
        (HTTP, {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        (HTTP, {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        (HTTPS, {"https_proxy": "p", "no_proxy": "example.org"}, None),
        (HTTPS, {"https_proxy": "p", "no_proxy": ".example.org"}, None),
        (HTTPS, {"https_proxy": "p", "NO_PROXY": "other.org example.org."}, None),
        (HTTPS, {"https_proxy": "p", "no_proxy": "ample.org"}, "http://p:1080"),
        (HTTPS, {"https_proxy": "p", "no_proxy": "models.example.org:443"}, None),
        (HTTPS, {"https_proxy": "p", "no_proxy": "models.example.org:444"}, "http://p:1080"),
        ("http://10.1.2.3", {"http_proxy": "p", "no_proxy": "10.0.0.0/8"}, None),
        ("http://10.1.2.3", {"http_proxy": "p", "no_proxy": "10.2.0.0/16"}, "http://p:1080"),
        ("http://[fd00::1]", {"http_proxy": "p", "no_proxy": "[fd00::1]"}, None),
        ("http://[fd00::1]", {"http_proxy": "p", "no_proxy": "fd00::/8"}, None),
    ],
)
def test_the_proxy_of_an_address(url: str, environment: dict[str, str], proxy: str | None) -> None:
    found = find_proxy(url, environment)
    assert (found.url if found is not None else None) == proxy


@pytest.mark.parametrize(
    "text", ["socks4://p", "socks5h://p:1", "ftp://p", "http://", "http://p:notaport", "://"]
)
def test_other_proxies_are_refused_by_the_name_of_their_variable(text: str) -> None:
    with pytest.raises(Invalid, match="all_proxy"):
        find_proxy(HTTPS, {"all_proxy": text})


def test_credentials_are_not_shown() -> None:
    found = find_proxy(HTTPS, {"https_proxy": "http://u:s3cr3t@p:1"})
    assert found is not None
    assert "s3cr3t" not in repr(found)
    assert found.headers["proxy-authorization"].startswith("Basic ")
