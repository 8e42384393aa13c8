"""Paths of a deployment: who may call them, which protocol they speak, and what is answered when there is no prediction.

A request is answered without a task of its own, unless the registry must be asked who the caller is. Every answer names the
revision, the version and its digest in headers. The deployment's name stands in paths as `namespace--name`; the form with a
slash is understood too, since clients write it.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from modelyard import __version__
from modelyard.scorer import openapi
from modelyard.scorer.access import Access
from modelyard.scorer.figures import CONTENT_TYPE, Text
from modelyard.scorer.fleet import Fleet
from modelyard.scorer.http import JSON_TYPE, Request
from modelyard.scorer.pool import Answer, Pending
from modelyard.scorer.protocols import rows, v2
from modelyard.scorer.protocols.base import Call, Target, Told
from modelyard.scorer.refusals import Refusal, failed, unavailable
from modelyard.scorer.revision import Revision, url_name

_encode = msgspec.json.Encoder().encode
_OF_MODEL = re.compile(r"(?:/versions/(?P<version>[^/]+))?(?P<what>/ready|/infer)?")
"""What follows the name in a path of v2."""


@dataclass(frozen=True, slots=True)
class _Protocol:
    read: Callable[[Told, Target], Call]
    refusal: Callable[[Refusal], Any] | None = None


_TYPED = _Protocol(rows.read_typed)
_V1 = _Protocol(rows.read_v1)
_INVOCATIONS = _Protocol(rows.read_invocations, rows.mlflow_refusal)
_OPEN = _Protocol(v2.read)


class Door:
    """access: who may call; replaced when the order changes that."""

    def __init__(self, fleet: Fleet, deployment: str, access: Access) -> None:
        self._fleet, self.access = fleet, access
        self._deployment, self._url = deployment, url_name(deployment)
        self.is_leaving = False
        """Whether it still answers, and says that nothing more should be sent."""
        self._prefix, self._count = os.urandom(8).hex(), 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._models = [f"/v2/models/{name}" for name in (self._url, deployment)]
        self._open_paths: dict[str, Callable[[Request], None]] = {
            "/v2/health/live": lambda request: self._json(request, {"live": True}),
            "/v2/health/ready": self._ready,
            "/ping": self._ready,
            "/health": self._ready,
            "/version": lambda request: self._send(request, 200, __version__.encode(), "text/plain"),
        }
        self._paths: dict[str, Callable[[Request], None]] = {
            "/v2": lambda request: self._json(request, v2.server()),
            "/v2/": lambda request: self._json(request, v2.server()),
            "/v2/repository/index": self._index,
            "/v1/models": lambda request: self._json(request, {"models": [self._url]}),
            "/metrics": self._metrics,
            "/openapi.json": self._openapi,
        }
        self._predicting = {"/predict": _TYPED, "/invocations": _INVOCATIONS}
        for name in (self._url, deployment):
            self._predicting |= {f"/v2/models/{name}/infer": _OPEN, f"/v1/models/{name}:predict": _V1}
            self._paths[f"/v1/models/{name}"] = self._ready_v1

    # --- access --------------------------------------------------------------------------------------

    def __call__(self, request: Request) -> None:
        path = request.path
        handler = self._open_paths.get(path)
        if handler is not None:
            self._read(request, handler)
        elif self.access.remembered(request.headers.get(b"authorization", b"")):
            self._route(request, path)
        else:
            task = asyncio.get_running_loop().create_task(self._ask(request, path))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, request: Request, path: str) -> None:
        refusal = await self.access.ask(request.headers.get(b"authorization", b""))
        if refusal is None:
            self._route(request, path)
            return
        more = b'www-authenticate: Bearer realm="modelyard"\r\n' if refusal.status == 401 else b""
        request.refuse(refusal, self._headers + more)

    # --- routes --------------------------------------------------------------------------------------

    def _route(self, request: Request, path: str) -> None:
        protocol = self._predicting.get(path)
        if protocol is not None:
            self._predict(request, protocol)
        elif (handler := self._paths.get(path)) is not None:
            self._read(request, handler, also_post=path == "/v2/repository/index")
        elif (match := self._match(path)) is not None:
            self._of_model(request, match["version"], match["what"])
        else:
            words = f"there is no path {path[:200]}"
            if path.startswith(("/v1/models/", "/v2/models/")):
                words = f"this scorer serves the model {self._url!r}, and no other one"
            request.refuse(Refusal(404, "not_found", f"{words}; /openapi.json lists the paths"), self._headers)

    def _read(self, request: Request, handler: Callable[[Request], None], *, also_post: bool = False) -> None:
        if request.method in ("GET", "HEAD") or (also_post and request.method == "POST"):
            handler(request)
        else:
            self._wrong_method(request, "GET")

    def _wrong_method(self, request: Request, allowed: str) -> None:
        refusal = Refusal(405, "wrong_method", f"{request.method} is not possible here; use {allowed}")
        request.refuse(refusal, self._headers + f"allow: {allowed}\r\n".encode())

    def _match(self, path: str) -> re.Match[str] | None:
        """Return the parts of a path of this deployment's model."""
        for model in self._models:
            if path.startswith(model) and (match := _OF_MODEL.fullmatch(path, len(model))) is not None:
                return match
        return None

    def _of_model(self, request: Request, version: str | None, what: str | None) -> None:
        serving, canary = self._fleet.serving, self._fleet.canary
        pinned = None
        if version is not None:
            # A caller who names a version gets that one, whatever the split says.
            live = [each for each in (serving, canary) if each is not None and each.names.version == version]
            pinned = live[0] if live else None
        if version is not None and pinned is None:
            present = "none" if serving is None else serving.names.version
            request.refuse(
                Refusal(404, "not_found", f"version {version[:40]} does not serve here; {present} does"),
                self._headers,
            )
        elif what == "/infer":
            self._predict(request, _OPEN, pinned)
        elif what == "/ready":
            self._read(request, self._ready)
        else:
            self._read(request, lambda request: self._describe(request, pinned))

    # --- predictions ---------------------------------------------------------------------------------

    def _predict(self, request: Request, protocol: _Protocol, pinned: Revision | None = None) -> None:
        """pinned: the revision that the caller named; None: the split decides."""
        if request.method != "POST":
            self._wrong_method(request, "POST")
            return
        if request.headers.get(b"content-encoding", b"identity") != b"identity":
            refusal = Refusal(
                415, "unknown_encoding", "compressed bodies are not read here; send the body as it is"
            )
            self._refuse(request, protocol, refusal, None)
            return
        fleet = self._fleet
        revision = pinned or fleet.choose(request.headers, request.body)
        if revision is None or revision.pool is None or revision.state == "failed":
            self._refuse(request, protocol, fleet.refusal(), None)
            return
        self._count += 1
        told = Told(
            request.body,
            request.header,
            request.target.partition(b"?")[2].decode("latin-1"),
            f"{self._prefix}{self._count:x}",
            revision.names,
        )
        try:
            call = protocol.read(told, revision)

            def done(answer: Answer) -> None:
                self._answer(request, protocol, call, answer, revision)
                if fleet.shadow is not None and not isinstance(answer, Refusal):
                    fleet.shadow.offer(told, protocol.read, answer)

            revision.pool.submit(Pending(call.inputs, call.method, done))
        except Refusal as refusal:
            self._refuse(request, protocol, refusal, revision)

    def _answer(
        self, request: Request, protocol: _Protocol, call: Call, answer: Answer, revision: Revision
    ) -> None:
        if isinstance(answer, Refusal):
            self._refuse(request, protocol, answer, revision)
            return
        try:
            body, content_type, headers = call.write(answer)
        except Refusal as refusal:
            self._refuse(request, protocol, refusal, revision)
            return
        except (ValueError, TypeError, KeyError) as error:
            self._refuse(
                request, protocol, failed(f"the answer cannot be written: {error}", "wrong_answer"), revision
            )
            return
        revision.figures.add(200, time.monotonic() - request.began)
        request.respond(200, body, content_type, revision.headers + headers)

    def _refuse(
        self, request: Request, protocol: _Protocol, refusal: Refusal, revision: Revision | None
    ) -> None:
        headers = self._headers
        if revision is not None:
            headers = revision.headers
            revision.figures.add(refusal.status, time.monotonic() - request.began)
        request.refuse(refusal, headers, protocol.refusal(refusal) if protocol.refusal else None)

    # --- what there is to read -----------------------------------------------------------------------

    @property
    def _headers(self) -> bytes:
        serving = self._fleet.serving
        return (
            b"modelyard-deployment: %b\r\n" % self._deployment.encode() if serving is None else serving.headers
        )

    @property
    def _is_ready(self) -> bool:
        serving = self._fleet.serving
        return serving is not None and serving.state == "ready" and bool(serving.pool and serving.pool.links)

    def _ready(self, request: Request) -> None:
        if self._is_ready and not self.is_leaving:
            self._json(request, {"ready": True})
        else:
            leaving = unavailable("this scorer is about to end", "leaving")
            refusal = leaving if self.is_leaving else self._fleet.refusal()
            request.refuse(refusal, self._headers, {"ready": False, "error": refusal.text})

    def _ready_v1(self, request: Request) -> None:
        self._json(request, {"name": self._url, "ready": self._is_ready})

    def _describe(self, request: Request, pinned: Revision | None = None) -> None:
        serving = pinned or self._fleet.serving
        if serving is None:
            request.refuse(self._fleet.refusal(), self._headers)
            return
        names = serving.names
        told = v2.model(names.url, names.version, serving.framework, serving.columns, serving.outputs)
        self._json(request, told)

    def _index(self, request: Request) -> None:
        found = []
        for revision in self._fleet.revisions.values():
            is_ready = (revision is self._fleet.serving and self._is_ready) or revision is self._fleet.canary
            found.append(
                {
                    "name": self._url,
                    "version": revision.names.version,
                    "state": "READY" if is_ready else "UNAVAILABLE",
                    "reason": revision.reason or ("" if is_ready else revision.state),
                }
            )
        self._json(request, found)

    def _openapi(self, request: Request) -> None:
        serving = self._fleet.serving
        if serving is None:
            request.refuse(self._fleet.refusal(), self._headers)
            return
        self._json(request, openapi.document(serving.names, serving.columns, serving.outputs, serving.methods))

    def _metrics(self, request: Request) -> None:
        fleet, text = self._fleet, Text()
        about = {"deployment": self._deployment}
        every = [
            (revision, {**about, "revision": revision.number, "version": revision.names.model})
            for revision in fleet.revisions.values()
        ]
        text.head("modelyard_scorer_requests_total", "counter", "Answers by status code.")
        for revision, labels in every:
            for code, count in sorted(revision.figures.codes.items()):
                text.value("modelyard_scorer_requests_total", {**labels, "code": code}, count)
        text.head(
            "http_server_request_duration_seconds",
            "histogram",
            "Time from the last byte of a request to its answer.",
        )
        for revision, labels in every:
            text.histogram("http_server_request_duration_seconds", labels, revision.figures.durations)
        text.head("modelyard_scorer_batch_rows", "histogram", "Rows of the batches that workers got.")
        for revision, labels in every:
            text.histogram("modelyard_scorer_batch_rows", labels, revision.figures.batch_rows)
        for name, kind, words in (
            ("queue", "gauge", "Requests that wait for a worker."),
            ("restarts_total", "counter", "Workers that ended and were started again."),
            ("lost_requests_total", "counter", "Requests that were lost with their worker."),
        ):
            text.head(f"modelyard_scorer_{name}", kind, words)
            for revision, labels in every:
                pool = revision.pool
                values = (0, 0, 0) if pool is None else (pool.queued, pool.restarts, pool.lost_requests)
                value = values[("queue", "restarts_total", "lost_requests_total").index(name)]
                text.value(f"modelyard_scorer_{name}", labels, value)
        text.head(
            "modelyard_scorer_shadow_total",
            "counter",
            "Copies of requests for a shadow, by what became of them.",
        )
        for revision, labels in every:
            if revision.told.role == "shadow":
                for outcome in ("sent", "dropped", "errors", "different"):
                    count = getattr(revision.shadow_figures, outcome)
                    text.value("modelyard_scorer_shadow_total", {**labels, "outcome": outcome}, count)
        text.head("modelyard_scorer_swaps_total", "counter", "Times that another revision began to serve.")
        text.value("modelyard_scorer_swaps_total", about, fleet.swap_count)
        text.head("modelyard_scorer_dropped_total", "counter", "Requests that were lost in swaps.")
        text.value("modelyard_scorer_dropped_total", about, fleet.dropped)
        self._send(request, 200, text.encode(), CONTENT_TYPE)

    def _json(self, request: Request, value: Any) -> None:
        self._send(request, 200, _encode(value), JSON_TYPE)

    def _send(self, request: Request, status: int, body: bytes, content_type: str) -> None:
        request.respond(status, body, content_type, self._headers)
