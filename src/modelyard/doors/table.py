"""Route tables: what a request must look like, who handles it and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from modelyard.doors.call import Call

Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One row of the table."""

    method: str
    path: str
    handler: Handler
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    returns: type[msgspec.Struct] | str | None = None
    """A wire type, a media type, or None for an empty answer."""
    status: int = 200
    public: bool = False
    """Answers without a token."""
    tells_secret: bool = False
    """The answer holds a secret that is shown this once, so no cache keeps it."""
    has_etag: bool = False
    """Answers with an ETag, and with 304 to an If-None-Match that names it."""

    @property
    def summary(self) -> str:
        """The first paragraph of what the handler promises."""
        return " ".join((self.handler.__doc__ or "").strip().partition("\n\n")[0].split())

    @property
    def operation(self) -> str:
        return self.handler.__name__


@dataclass(slots=True)
class RouteTable:
    """Collects the routes of one feature."""

    tag: str
    specs: list[RouteSpec] = field(default_factory=list)

    def route(self, method: str, path: str, **options: Any) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self.specs.append(RouteSpec(method, path, handler, **options))
            return handler

        return add
