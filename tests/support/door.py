"""The native door in this process: requests without a network, and a look at what they left behind."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.db.tables import metadata
from modelyard.domain.actor import Actor
from modelyard.doors.browser import SESSION_COOKIE
from modelyard.doors.services import Services
from modelyard.registry.access import usecases as access
from modelyard.registry.keyring import Keyring
from modelyard.server.app import build_app
from modelyard.settings import Settings
from modelyard.web.frame import page_routes
from modelyard.web.signing_in import sign_in_routes
from modelyard.web.tables import TABLES as PAGES
from tests.support.asgi import AppClient, open_client
from tests.support.registry import Registry, unique

HOST = "127.0.0.1:8470"
PROBLEM = "application/problem+json"
_COUNTS = sa.text(
    "SELECT " + ", ".join(f'(SELECT count(*) FROM "{table.name}")' for table in metadata.sorted_tables)
)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Alone:
    """The application without its worker, so that nothing happens but what a test asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})


@dataclass
class Door:
    """Requests as one account; `as_` gives the same door for another."""

    client: AppClient
    registry: Registry
    services: Services
    token: str

    def call(self, method: str, path: str, *, token: str | None = "own", **options: Any) -> Any:
        """One request; token None: without any. `headers` and all else as the HTTP client takes them."""
        headers = dict(options.pop("headers", {}))
        chosen = self.token if token == "own" else token
        if chosen is not None:
            headers.setdefault("authorization", f"Bearer {chosen}")
        target = path if path.startswith("/") else f"/api/v1/{path}"
        return self.client.request(method, target, headers=headers, follow_redirects=False, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, **options)

    def as_(self, token: str) -> Door:
        return replace(self, token=token)

    def token_of(self, actor: Actor, **options: Any) -> str:
        made = self.registry.db.write(lambda tx: access.create_token(tx, actor, name="test", **options))
        return made.secret

    # --- what is there ---------------------------------------------------------------------------

    def rows(self) -> dict[str, int]:
        """How many rows each table holds, and how many blobs the store."""

        row = self.registry.db.read(lambda tx: tx.execute(_COUNTS).one())
        tables = metadata.sorted_tables
        found = {table.name: count for table, count in zip(tables, row, strict=True)}
        return {**found, "(bytes)": sum(1 for _ in self.registry.blobs.list())}

    # --- making things ---------------------------------------------------------------------------

    def send(self, data: bytes) -> dict[str, Any]:
        """Upload bytes; returns the entry for a registration."""
        digest = digest_of(data)
        answer = self.call("PUT", f"blobs/{digest}", content=data)
        assert answer.status_code == 201, answer.text
        return {"path": f"{digest[7:15]}.bin", "digest": digest, "size_bytes": len(data)}

    def register(self, model: str, data: bytes | None = None, **body: Any) -> dict[str, Any]:
        """A version of one file; its record."""
        content = unique("bytes").encode() if data is None else data
        files = [self.send(content)]
        answer = self.call("POST", f"models/{model}/versions", json={"files": files, **body})
        assert answer.status_code in (200, 201), answer.text
        made: dict[str, Any] = answer.json()
        return made


@dataclass
class Visitor:
    """The pages as one person, in this process and without scripts. session None: not signed in."""

    door: Door
    session: str | None

    @classmethod
    def of(cls, door: Door, actor: Actor | None) -> Visitor:
        if actor is None:
            return cls(door, None)
        return cls(door, door.registry.db.write(lambda tx: access.open_session(tx, actor.id)))

    def see(self, path: str) -> Any:
        return self._send("GET", path)

    def html(self, path: str) -> str:
        answer = self.see(path)
        assert answer.status_code == 200, answer.text[:2000]
        return str(answer.text)

    def send(self, page: str, action: str, **fields: Any) -> Any:
        """Send a form, which the page need not have, with the proof that the page gave."""
        proof = re.search(r'name="csrf" value="([^"]+)"', self.html(page))
        assert proof is not None
        return self.post(action, {"csrf": proof[1], **fields})

    def post(self, action: str, fields: Mapping[str, Any]) -> Any:
        return self._send("POST", action, data=dict(fields))

    def _send(self, method: str, path: str, **options: Any) -> Any:
        headers = {"sec-fetch-site": "same-origin"}
        if self.session is not None:
            headers["cookie"] = f"{SESSION_COOKIE}={self.session}"
        return self.door.client.request(method, path, headers=headers, follow_redirects=False, **options)


@contextmanager
def open_door(
    registry: Registry, public_url: str = f"http://{HOST}", *, pages: bool = False, **settings: Any
) -> Iterator[Door]:
    """pages: serve the pages too."""
    services = Services(
        registry.db,
        registry.blobs,
        Settings(**settings),
        "0.test",
        public_url,
        Keyring(b"k" * 32, "registry.test/log"),
    )
    app = Alone(
        build_app(services, [*sign_in_routes(services), *page_routes(PAGES, services)] if pages else ())
    )
    with open_client(app, f"http://{HOST}") as client:
        yield Door(client, registry, services, registry.root_token)
    services.lanes.close()


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The answer is a problem of this kind, with all that every problem carries."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["type"] == f"urn:modelyard:error:{code}"
    assert body["detail"]
    assert body["fix"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body
