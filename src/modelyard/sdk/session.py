"""The floor of the client: one server, as one account. Every feature of the SDK stands on it and on nothing higher."""

from __future__ import annotations

import threading
from functools import cached_property

from modelyard.domain.errors import NotSignedIn
from modelyard.domain.names import ModelName, Ref
from modelyard.sdk import credentials
from modelyard.sdk.cache import Cache
from modelyard.sdk.http import Transport, at
from modelyard.wire import access as access_wire
from modelyard.wire import versions as wire

DEFAULT_PARALLEL = 4


class Session:
    """One server, as one account. Safe in threads."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout_seconds: float = 60.0,
        patience_seconds: float = 30.0,
        parallel: int = DEFAULT_PARALLEL,
        cache: Cache | None = None,
        insecure: bool = False,
    ) -> None:
        """url, token: else MODELYARD_URL and MODELYARD_TOKEN, else what `modelyard login` or `serve` stored.
        timeout_seconds: the longest silence of the server. patience_seconds: how long to repeat what may
        succeed later (a restart, a busy database); four times as long for each file's bytes. parallel: files
        moved at once. insecure: send the token over http:// to another machine too.
        """
        url, token = credentials.choose(url, token)
        self.parallel = max(1, parallel)
        self.transport = Transport(
            url,
            token,
            timeout_seconds=timeout_seconds,
            patience_seconds=patience_seconds,
            max_connections=max(16, 2 * self.parallel),
            insecure=insecure or credentials.is_insecure(url),
        )
        self.cache = cache or Cache.default()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.url}>"

    def close(self) -> None:
        self.transport.close()

    @property
    def url(self) -> str:
        return self.transport.url

    # --- the account -----------------------------------------------------------------------------

    def whoami(self) -> access_wire.WhoAmI:
        """Raises NotSignedIn without a token."""
        if not self.transport.has_token:
            raise NotSignedIn(url=self.url)
        return self.transport.call("GET", at("whoami"), returns=access_wire.WhoAmI)

    @cached_property
    def default_namespace(self) -> str | None:
        """The account's own; None when it has none, or without a token. Asked once."""
        return self.whoami().default_namespace if self.transport.has_token else None

    # --- names -----------------------------------------------------------------------------------

    def model_name(self, name: str) -> ModelName:
        """With the account's default namespace when it lacks one. Raises InvalidName."""
        return ModelName.parse(name, None if "/" in name else self.default_namespace)

    def ref(self, ref: str) -> Ref:
        """A reference, parsed but not resolved."""
        return Ref.parse(ref, None if "/" in ref else self.default_namespace)

    def resolve(self, ref: str, *, serving: bool = False) -> wire.Resolved:
        """What a reference means now. serving: `warning` says when that may change by itself."""
        query = wire.ResolveQuery(ref=ref, serving=serving)
        return self.transport.call("GET", at("resolve"), query=query, returns=wire.Resolved)

    def version_of(self, ref: str) -> tuple[ModelName, int]:
        """Return the model and the number that a reference means now; a number is not asked for."""
        parsed = self.ref(ref)
        if isinstance(parsed.selector, int):
            return parsed.model, parsed.selector
        resolved = self.resolve(ref)
        return self.model_name(resolved.model), resolved.version

    # --- paths of the API ------------------------------------------------------------------------

    def model_path(self, model: str, *more: object) -> str:
        """Return the path of a model, or of a part of it."""
        name = self.model_name(model)
        return at("models", name.namespace, name.name, *more)

    def version_path(self, ref: str, *more: object) -> str:
        """Return the path of the version that a reference means now, or of a part of it."""
        name, number = self.version_of(ref)
        return at("models", name.namespace, name.name, "versions", number, *more)


class Feature:
    """One part of the API, reached through a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._transport = session.transport


_shared: dict[tuple[str, str | None], Session] = {}
_shared_lock = threading.Lock()


def shared_session() -> Session:
    """Return the session behind `my.push` and its like: one for each server and account in use."""
    key = credentials.choose(None, None)
    with _shared_lock:
        if key not in _shared:
            _shared[key] = Session(*key)
        return _shared[key]
