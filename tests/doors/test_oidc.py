"""Signing in and exchanging tokens with a real OpenID Connect provider on loopback."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import urllib3
from oidc_provider_mock import run_server_in_thread

from modelyard.domain.errors import IdTokenRefused
from tests.support.server import RunningServer, running_server

HTTP = urllib3.PoolManager(retries=False)


class ProviderAtHand:
    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def set_user(self, subject: str, **claims: object) -> None:
        answer = HTTP.request("PUT", f"{self.issuer}/users/{subject}", json=claims)
        assert answer.status == 204

    def authorize(self, place: str, subject: str) -> str:
        """Agree as this user; where the provider sends the browser back to."""
        answer = HTTP.request("POST", place, fields={"sub": subject}, encode_multipart=False, redirect=False)
        assert answer.status == 302, answer.data
        return str(answer.headers["location"])

    def id_token(self, audience: str, subject: str) -> str:
        """As a CI system would hand it to a job."""
        query = {
            "response_type": "code",
            "client_id": audience,
            "redirect_uri": "http://127.0.0.1/x",
            "scope": "openid",
            "nonce": "n",
            "state": "s",
        }
        back = self.authorize(f"{self.issuer}/oauth2/authorize?{urlencode(query)}", subject)
        code = parse_qs(urlsplit(back).query)["code"][0]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": "http://127.0.0.1/x",
            "client_id": audience,
            "client_secret": "x",
        }
        answer = HTTP.request("POST", f"{self.issuer}/oauth2/token", fields=form, encode_multipart=False)
        assert answer.status == 200, answer.data
        return str(json.loads(answer.data)["id_token"])


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderAtHand]:
    with run_server_in_thread() as running:
        yield ProviderAtHand(f"http://localhost:{running.server_port}")


@pytest.fixture(scope="module")
def server(provider: ProviderAtHand) -> Iterator[RunningServer]:
    with running_server(
        webhook_allowed_hosts="localhost",
        oidc_issuer=provider.issuer,
        oidc_client_id="modelyard",
        oidc_client_secret="secret: with odd/characters",
        oidc_groups="ds=science",
    ) as running:
        yield running


class Browser:
    """Keeps cookies for one server and follows nothing by itself."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}

    def get(self, place: str) -> urllib3.BaseHTTPResponse:
        target = place if place.startswith("http") else self.server.url + place
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = HTTP.request("GET", target, headers={"cookie": cookie}, redirect=False)
        for line in answer.headers.getlist("set-cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0].strip('"')
            assert "HttpOnly" in line or "Max-Age=0" in line
        return answer

    def whoami(self) -> str:
        answer = self.get("/api/v1/whoami")
        return str(json.loads(answer.data)["name"]) if answer.status == 200 else ""


def test_signing_in_by_browser(server: RunningServer, provider: ProviderAtHand) -> None:
    provider.set_user("1", preferred_username="Ada", email="ada@x.test", groups=["ds"])
    browser = Browser(server)
    there = browser.get("/login/oidc?next=/models/fraud").headers["location"]
    query = parse_qs(urlsplit(there).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["state"][0]) == len(query["nonce"][0]) == 43
    back = provider.authorize(there, "1")
    assert back.startswith(f"{server.url}/login/oidc/callback?")
    done = browser.get(back)
    assert (done.status, done.headers["location"]) == (303, "/models/fraud")
    assert browser.whoami() == "ada"
    assert server.client().groups.members("science") == ["ada"]


@pytest.mark.parametrize("place", ["https://evil.test/", "//evil.test", "/\\evil.test", "evil", "/%0d%0aX: y"])
def test_nobody_is_sent_to_another_site(server: RunningServer, provider: ProviderAtHand, place: str) -> None:
    browser = Browser(server)
    there = browser.get(f"/login/oidc?{urlencode({'next': place})}").headers["location"]
    target = browser.get(provider.authorize(there, "2")).headers["location"]
    assert target in ("/", "/%0d%0aX:%20y")


def test_attacks_on_the_way_back_are_refused(server: RunningServer, provider: ProviderAtHand) -> None:
    victim, attacker = Browser(server), Browser(server)
    victims_way = victim.get("/login/oidc").headers["location"]
    attackers_way = attacker.get("/login/oidc").headers["location"]
    attackers_back = provider.authorize(attackers_way, "attacker")
    # The attacker's answer in the victim's browser; without any attempt; with a forged state.
    assert victim.get(attackers_back).status == 401
    assert victim.whoami() == ""
    assert Browser(server).get(attackers_back).status == 401
    code = parse_qs(urlsplit(attackers_back).query)["code"][0]
    again = Browser(server)
    state = parse_qs(urlsplit(again.get("/login/oidc").headers["location"]).query)["state"][0]
    # The attacker's code with the victim's own state: the nonce inside the token gives it away.
    assert again.get(f"/login/oidc/callback?{urlencode({'code': code, 'state': state})}").status in (401, 503)
    assert again.whoami() == ""
    # An answer counts once.
    assert attacker.get(provider.authorize(attacker.get("/login/oidc").headers["location"], "a")).status == 303
    replayed = Browser(server)
    replayed.cookies = dict(attacker.cookies)
    assert replayed.get(attackers_back).status == 401
    assert victims_way


def test_an_address_of_another_domain_is_refused_in_words(provider: ProviderAtHand) -> None:
    with running_server(
        webhook_allowed_hosts="localhost",
        oidc_issuer=provider.issuer,
        oidc_client_id="modelyard",
        oidc_client_secret="secret: with odd/characters",
        oidc_email_domains="acme.test",
    ) as closed:
        provider.set_user("domain-1", email="eve@evil.test", email_verified=True)
        provider.set_user("domain-2", preferred_username="fay", email="fay@acme.test", email_verified=True)
        stranger, member = Browser(closed), Browser(closed)
        refused = stranger.get(provider.authorize(stranger.get("/login/oidc").headers["location"], "domain-1"))
        assert refused.status == 401
        assert b"eve@evil.test" in refused.data
        assert b"only verified addresses at acme.test" in refused.data
        assert stranger.whoami() == ""
        assert (
            member.get(provider.authorize(member.get("/login/oidc").headers["location"], "domain-2")).status
            == 303
        )
        assert member.whoami() == "fay"


def test_the_provider_says_no(server: RunningServer) -> None:
    browser = Browser(server)
    there = browser.get("/login/oidc").headers["location"]
    answer = HTTP.request("POST", there, fields={"action": "deny"}, encode_multipart=False, redirect=False)
    assert browser.get(str(answer.headers["location"])).status == 401


def in_job(server: RunningServer, home: Path, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command as a CI job runs it: no stored token, only what its system gave it."""
    environment = {"MODELYARD_HOME": str(home), "MODELYARD_URL": server.url, "MODELYARD_ID_TOKEN": token}
    return server.run(*arguments, env=environment)


def test_a_ci_job_signs_in_by_what_it_is_and_pushes(
    server: RunningServer, provider: ProviderAtHand, tmp_path: Path
) -> None:
    server.client().namespaces.create("churn")
    trusted = server.run(
        "publisher",
        "trust",
        "churn",
        "--issuer",
        provider.issuer,
        "--repository",
        "acme/churn",
        "--owner-id",
        "4711",
        "--workflow",
        "train.yml",
        "--json",
    )
    assert trusted.returncode == 0, trusted.stderr
    account = json.loads(trusted.stdout)["account"]
    job = {
        "repository": "acme/churn",
        "repository_owner_id": "4711",
        "ref": "refs/heads/main",
        "job_workflow_ref": "acme/churn/.github/workflows/train.yml@refs/heads/main",
    }
    provider.set_user("job", **job)
    provider.set_user("fork", **{**job, "repository": "evil/churn", "repository_owner_id": "666"})
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"weights")
    token = provider.id_token(server.url, "job")
    done = in_job(server, tmp_path, token, "publisher", "login", "--namespace", "churn")
    assert done.returncode == 0, done.stderr
    assert account in done.stdout
    pushed = in_job(server, tmp_path, token, "push", str(tmp_path / "model"), "churn/scorer", "--json")
    assert pushed.returncode == 0, pushed.stderr
    assert server.client().models.get("churn/scorer").newest_version == 1
    assert in_job(server, tmp_path, token, "push", str(tmp_path / "model"), "other/scorer").returncode != 0
    assert in_job(server, tmp_path, token, "publisher", "login", "--namespace", "churn").returncode == 5
    with pytest.raises(IdTokenRefused, match="no trusted publisher"):
        server.client().publishers.exchange(provider.id_token(server.url, "fork"), "churn")
    with pytest.raises(IdTokenRefused, match="audience"):
        server.client().publishers.exchange(provider.id_token("https://elsewhere.test", "job"), "churn")
    events = json.loads(server.run("audit", "log", "--kind", "token.exchanged", "--json").stdout)
    assert events[0]["data"]["job"]["repository"] == "acme/churn"
    assert server.run("publisher", "remove", "churn", str(json.loads(trusted.stdout)["id"])).returncode == 0
    assert in_job(server, tmp_path, token, "ls").returncode == 5
