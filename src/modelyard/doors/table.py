"""Route tables: the shape of a request, its handler and the shape of its answer.

The signature of a handler states all of this. Its first parameter is the `Call`; a parameter `query` or `body` is a
wire type, parsed before the handler runs. It returns one of: a wire type; `Json` of one, with a status or headers of
its own; `Tagged` of one, with an ETag; `Answer` of one, from a change; None, or a bare `Response`, for an answer
without a body; or `Annotated[Response, media_type]` for bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from starlette.responses import Response

from modelyard.doors.answers import Json, Tagged
from modelyard.registry.idempotency import Answer

Handler = Callable[..., Awaitable[object]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One row of the table."""

    method: str
    path: str
    handler: Handler
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    returns: tuple[type[msgspec.Struct], ...] | str = ()
    """Possible wire types; a media type; or empty for an answer without a body."""
    status: int = 200
    public: bool = False
    """The route needs no token."""
    tells_secret: bool = False
    """The answer holds a secret that is shown only once, so no cache may keep it."""
    has_etag: bool = False
    """Answers with an ETag, and with 304 to an If-None-Match that names it."""
    has_large_body: bool = False
    """The JSON body may have as many bytes as the setting max_request_bytes allows."""
    takes_bytes: bool = False
    """The body is bytes, which the handler reads itself."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Required headers → the JSON type of their value."""
    also: Mapping[int, str] = field(default_factory=dict)
    """Other statuses of the same answer → their meaning."""

    @property
    def summary(self) -> str:
        """Return the first paragraph of the handler's docstring."""
        return " ".join((self.handler.__doc__ or "").strip().partition("\n\n")[0].split())

    @property
    def operation(self) -> str:
        return self.handler.__name__


@dataclass(slots=True)
class RouteTable:
    """The routes of one feature. module: `__name__` of their file, which has the feature's name."""

    module: str
    specs: list[RouteSpec] = field(default_factory=list)

    def route(self, method: str, path: str, **options: Any) -> Callable[[H], H]:
        """Add a handler. options: the fields of RouteSpec that its signature does not state."""

        def add(handler: H) -> H:
            self.specs.append(RouteSpec(method, path, handler, **{**_read_signature(handler), **options}))
            return handler

        return add

    @property
    def tag(self) -> str:
        """Return the name of the feature, which is its tag in the OpenAPI document."""
        return self.module.rpartition(".")[2]


def _read_signature(handler: Handler) -> dict[str, Any]:
    """Return the fields of RouteSpec that a handler's signature states. Raises TypeError."""
    hints = get_type_hints(handler, include_extras=True)
    found: dict[str, Any] = {name: hints[name] for name in ("query", "body") if name in hints}
    returned = hints["return"]
    kind = get_origin(returned)
    if kind is Annotated:
        found["returns"] = get_args(returned)[1]
    elif kind is Tagged:
        found |= {"returns": _structs(get_args(returned)[0]), "has_etag": True}
    elif kind in (Answer, Json):
        found["returns"] = _structs(get_args(returned)[0])
    elif returned is not Response:
        found["returns"] = _structs(returned)
    return found


def _structs(kind: Any) -> tuple[type[msgspec.Struct], ...]:
    """Return the wire types in a type or a union. Raises TypeError for another type."""
    if kind is type(None):
        return ()
    kinds = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    for one in kinds:
        if not (isinstance(one, type) and issubclass(one, msgspec.Struct)):
            raise TypeError(f"{one} is not an answer of a route")
    return kinds
