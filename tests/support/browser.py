"""A browser as far as forms and cookies go, without scripts."""

from __future__ import annotations

import re
from html import unescape
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import urllib3

from tests.support.server import RunningServer


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
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return found

    def see(self, path: str, status: int = 200) -> str:
        """The HTML of a page."""
        found = self.send("GET", path)
        html = found.data.decode()
        assert found.status == status, f"{path}: {found.status} {found.headers.get('location')} {html[:2000]}"
        return html

    def act(self, page: str, action: str, /, **fields: str) -> urllib3.BaseHTTPResponse:
        """Send the form of a page as the browser would: its hidden fields, and what was typed."""
        html = self.see(page)
        form = next(
            (text for text in re.findall(r"<form.*?</form>", html, re.S) if f'action="{action}"' in text), None
        )
        assert form is not None, f"{page} has no form to {action}"
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
        sent = {**{name: unescape(value) for name, value in hidden.items()}, **fields}
        return self.send("POST", f"{action}?{urlencode(sent)}", **{"sec-fetch-site": "same-origin"})

    def sign_in(self, link: str) -> None:
        secret = link.partition("link=")[2]
        done = self.act(f"/login?link={secret}", "/login")
        assert done.status == 303, done.data[:2000]
