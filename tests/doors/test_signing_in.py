"""Signing in at a running server: by form, by link and by password on the command line, and what is refused."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

import pytest
import urllib3

from modelyard.domain.errors import FullSignInNeeded
from tests.support.server import RunningServer, running_server

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


def link_of(server: RunningServer, name: str) -> str:
    with server.client() as client:
        return client.accounts.sign_in_link(name)


class Browser:
    """Keeps the cookies of one browser."""

    def __init__(self, server: RunningServer) -> None:
        self.url = server.url
        self.cookies: dict[str, str] = {}

    def send(self, method: str, target: str, **headers: str) -> urllib3.BaseHTTPResponse:
        sent = {"cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), **headers}
        body = None
        if method == "POST":
            target, _, body = target.partition("?")
            sent["content-type"] = "application/x-www-form-urlencoded"
        found = urllib3.request(method, self.url + target, headers=sent, body=body, redirect=False)
        for line in found.headers.getlist("set-cookie"):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        return found


def form(browser: Browser, link: str, **headers: str) -> urllib3.BaseHTTPResponse:
    secret = link.partition("link=")[2]
    shown = browser.send("GET", f"/login?{urlencode({'link': secret})}")
    field = shown.data.decode().partition('name="form" value="')[2].partition('"')[0]
    return browser.send("POST", f"/login?{urlencode({'link': secret, 'form': field})}", **headers)


def test_the_form_signs_in_the_browser_that_it_was_shown_in(server: RunningServer) -> None:
    me = server.client().whoami().name
    here = Browser(server)
    done = form(here, link_of(server, me), **{"sec-fetch-site": "same-origin"})
    assert done.status == 303
    assert "modelyard_session" in here.cookies


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "same-site"},
        {},
    ],
    ids=str,
)
def test_a_form_of_another_site_signs_nobody_in(server: RunningServer, headers: dict[str, str]) -> None:
    victim = Browser(server)
    refused = form(victim, link_of(server, server.client().whoami().name), **headers)
    assert refused.status == 403
    assert "modelyard_session" not in victim.cookies


def test_a_form_that_was_shown_elsewhere_signs_nobody_in(server: RunningServer) -> None:
    attacker, victim = Browser(server), Browser(server)
    link = link_of(server, server.client().whoami().name)
    secret = link.partition("link=")[2]
    shown = attacker.send("GET", f"/login?link={secret}").data.decode()
    field = shown.partition('name="form" value="')[2].partition('"')[0]
    target = f"/login?{urlencode({'link': secret, 'form': field})}"
    assert victim.send("POST", target, **{"sec-fetch-site": "same-origin"}).status == 401
    # The link is still good where it was opened.
    assert attacker.send("POST", target, **{"sec-fetch-site": "same-origin"}).status == 303


def test_a_person_signs_in_on_the_command_line(server: RunningServer) -> None:
    made = server.run("user", "create", "ann", "--password", input=PASSWORD + "\n", stdin=None)
    assert made.returncode == 0, made.stderr
    home = {"MODELYARD_HOME": str(server.folder / "ann")}
    wrong = server.run("login", server.url, "--user", "ann", input="wrong password\n", stdin=None, env=home)
    assert wrong.returncode != 0
    done = server.run("login", server.url, "--user", "ann", input=PASSWORD + "\n", stdin=None, env=home)
    assert done.returncode == 0, done.stderr
    child = server.run("token", "create", "ci", env=home)
    assert child.returncode == 0, child.stderr
    with server.client(child.stdout.strip()) as client, pytest.raises(FullSignInNeeded):
        client.tokens.create("more")
    assert server.run("logout", server.url, "--revoke", env=home).returncode == 0
    # What was made with it went with it.
    assert server.run("whoami", env={**home, "MODELYARD_TOKEN": child.stdout.strip()}).returncode != 0


def test_a_link_signs_in_on_the_command_line(server: RunningServer) -> None:
    assert server.run("user", "create", "bea").returncode == 0
    link = link_of(server, "bea")
    home = {"MODELYARD_HOME": str(server.folder / "bea")}
    done = server.run("login", input=link + "\n", stdin=None, env=home)
    assert done.returncode == 0, done.stderr
    assert "as bea" in done.stdout
    assert server.run("login", input=link + "\n", stdin=None, env=home).returncode != 0


@pytest.mark.parametrize(
    "head",
    [
        "GET /api/v1/whoami HTTP/1.1\r\nHost: {host}\r\nHost: evil.example",
        "GET /api/v1/whoami HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nAuthorization: Bearer x",
        "GET /api/v1/whoami HTTP/2.0\r\nHost: {host}\r\nAuthorization: Bearer {token}",
    ],
    ids=["two hosts", "two proofs", "another HTTP"],
)
def test_requests_that_can_be_read_in_two_ways_are_refused(server: RunningServer, head: str) -> None:
    host = urlsplit(server.url)
    with socket.create_connection((host.hostname or "", host.port or 0), timeout=10) as connection:
        text = head.format(host=host.netloc, token=server.token)
        connection.sendall(f"{text}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.split(b" ")[1] == b"400", answer[:200]


def test_a_restart_keeps_the_local_token_and_makes_one_where_it_no_longer_does(server: RunningServer) -> None:
    before = server.token
    server.restart()
    assert server.token == before
    assert server.login_url is not None
