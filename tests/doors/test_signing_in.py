"""Signing in at a running server: by form, by link and by password on the command line, and what is refused."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest
import urllib3

import modelyard as my
from modelyard.domain.errors import FullSignInNeeded, Invalid
from tests.support.browser import Browser
from tests.support.server import RunningServer, running_server

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


def link_of(server: RunningServer, name: str) -> str:
    with server.client() as client:
        return client.accounts.sign_in_link(name)


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


def test_a_form_without_a_link_takes_account_and_password(server: RunningServer) -> None:
    made = server.run("user", "create", "cleo", "--password", input=PASSWORD + "\n", stdin=None)
    assert made.returncode == 0, made.stderr
    assert "password" in made.stderr
    assert "/login" in made.stderr
    for password, status in (("wrong password", 401), (PASSWORD, 303)):
        browser = Browser(server)
        shown = browser.send("GET", "/login").data.decode()
        field = shown.partition('name="form" value="')[2].partition('"')[0]
        assert 'type="password"' in shown
        target = f"/login?{urlencode({'name': 'cleo', 'password': password, 'form': field})}"
        assert browser.send("POST", target, **{"sec-fetch-site": "same-origin"}).status == status
        assert ("modelyard_session" in browser.cookies) == (status == 303)


@pytest.mark.parametrize("token", ["", "\n", "  \n", "two words\n", "caf\u00e9\n"], ids=repr)
def test_what_is_no_token_signs_nobody_in_and_leaves_the_good_one(server: RunningServer, token: str) -> None:
    home = {"MODELYARD_HOME": str(server.folder / "kept")}
    assert server.run("login", server.url, input=server.token, stdin=None, env=home).returncode == 0
    refused = server.run("login", server.url, input=token, stdin=None, env=home)
    assert refused.returncode == 2, refused.stdout
    assert "token" in refused.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODELYARD_HOME", home["MODELYARD_HOME"])
        with pytest.raises(Invalid):
            my.login(server.url, token)
    assert server.run("whoami", env=home).returncode == 0


def test_an_empty_variable_signs_nobody_in(server: RunningServer) -> None:
    home = {"MODELYARD_HOME": str(server.folder / "unset"), "MODELYARD_TOKEN": " "}
    assert server.run("login", server.url, env=home).returncode == 2
    assert not (server.folder / "unset" / "credentials.json").exists()


@pytest.mark.parametrize(
    "command",
    [["ls"], ["search", "x"], ["runs", "ls"], ["promotions", "review"], ["ls", "--json"], ["show", "scorer"]],
    ids=" ".join,
)
def test_lists_say_that_no_one_is_signed_in(server: RunningServer, command: list[str]) -> None:
    home = {"MODELYARD_HOME": str(server.folder / "stranger"), "MODELYARD_URL": server.url}
    shown = server.run(*command, env=home)
    assert f"modelyard login {server.url}" in shown.stderr
    assert "not signed in" in shown.stderr or "no token" in shown.stderr
    assert "not signed in" not in server.run(*command).stderr
