"""The base of the client: one server, as one account. Every feature of the SDK builds on it."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TypeVar, Unpack

import msgspec

from modelyard.domain.errors import NotSignedIn
from modelyard.domain.names import ModelName, Ref
from modelyard.sdk import credentials
from modelyard.sdk.cache import Cache
from modelyard.sdk.http import Options, Transport, at
from modelyard.sdk.paging import Items, PageOf, items
from modelyard.wire import access as access_wire
from modelyard.wire import versions as wire
from modelyard.wire.base import PageQuery

R = TypeVar("R")
T = TypeVar("T")

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
        """Use the given address and token, otherwise those of the environment, otherwise the stored ones.

        Args:
            url: Address of the server; None: MODELYARD_URL, otherwise the one stored by `modelyard login` or `serve`.
            token: Secret of a token; None: MODELYARD_TOKEN, otherwise the stored one.
            timeout_seconds: Longest time to wait for data from the server.
            patience_seconds: How long to repeat a request that may succeed later (a restart, a busy database);
                four times as long for each file's bytes.
            parallel: Number of files transferred at once.
            cache: Cache of pulled files; None: the cache folder of this user.
            insecure: Send the token over `http://` even to another machine, where others can read it in transit.

        Raises:
            Invalid: The address is not valid, or it is not encrypted and `insecure` is False.

        Example:
            >>> client = my.Client("http://127.0.0.1:8470", token)
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
        """Close the connections to the server. The session stays usable and opens new ones when needed.

        Never raises.

        Example:
            >>> client.close()
        """
        self.transport.close()

    @property
    def url(self) -> str:
        return self.transport.url

    # --- the account -----------------------------------------------------------------------------

    def whoami(self) -> access_wire.WhoAmI:
        """Return the account of this session.

        Returns:
            The account, its groups, and the limits of the token in use.

        Raises:
            NotSignedIn: There is no token.
            TokenInvalid: The server does not accept the token.

        Example:
            >>> client.whoami().name
            'ada'
        """
        if not self.transport.has_token:
            raise NotSignedIn(url=self.url)
        return self.transport.call("GET", at("whoami"), returns=access_wire.WhoAmI)

    @cached_property
    def default_namespace(self) -> str | None:
        """Default namespace of the account; None if it has none. Requested once. Raises NotSignedIn."""
        return self.whoami().default_namespace

    # --- names -----------------------------------------------------------------------------------

    def model_name(self, name: str) -> ModelName:
        """Return the full name of a model, without asking whether it exists.

        Args:
            name: The name; without a namespace it gets the account's default one.

        Returns:
            The name.

        Raises:
            InvalidName: The name is not valid, or it needs a namespace.

        Example:
            >>> str(client.model_name("scorer"))
            'fraud/scorer'
        """
        return ModelName.parse(name, None if "/" in name else self.default_namespace)

    def ref(self, ref: str) -> Ref:
        """Split a reference into its parts, without resolving it.

        Args:
            ref: The reference; without a namespace it gets the account's default one.

        Returns:
            The model and the selector.

        Raises:
            InvalidReference: The reference is not valid.

        Example:
            >>> client.ref("scorer:12").selector
            12
        """
        return Ref.parse(ref, None if "/" in ref else self.default_namespace)

    def resolve(self, ref: str, *, serving: bool = False) -> wire.Resolved:
        """Return the version that a reference means now.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            serving: Add a warning when the reference may mean another version later.

        Returns:
            The version, with its digests and its state.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.
            VersionNotFound: There is no such version, or you may not see it.
            AliasNotFound: The model has no such alias.

        Example:
            >>> client.resolve("fraud/scorer@champion").version
            12
        """
        query = wire.ResolveQuery(ref=ref, serving=serving)
        return self.transport.call("GET", at("resolve"), query=query, returns=wire.Resolved)

    def version_of(self, ref: str) -> tuple[ModelName, int]:
        """Return the model and the number of the version that a reference means now.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The name and the number. For a number nothing is asked, so the version need not exist.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            AliasNotFound: The model has no such alias.

        Example:
            >>> client.version_of("fraud/scorer@champion")[1]
            12
        """
        parsed = self.ref(ref)
        if isinstance(parsed.selector, int):
            return parsed.model, parsed.selector
        resolved = self.resolve(ref)
        return self.model_name(resolved.model), resolved.version

    # --- paths of the API ------------------------------------------------------------------------

    def model_path(self, model: str, *more: object) -> str:
        """Return the path of a model in the API, or of a part of it.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            more: Additional parts of the path.

        Returns:
            The path.

        Raises:
            InvalidName: The name is not valid, or it needs a namespace.

        Example:
            >>> client.model_path("fraud/scorer", "stages")
            '/api/v1/models/fraud/scorer/stages'
        """
        name = self.model_name(model)
        return at("models", name.namespace, name.name, *more)

    def version_path(self, ref: str, *more: object) -> str:
        """Return the path in the API of the version that a reference means now, or of a part of it.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            more: Additional parts of the path.

        Returns:
            The path.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            AliasNotFound: The model has no such alias.

        Example:
            >>> client.version_path("fraud/scorer@champion", "files")
            '/api/v1/models/fraud/scorer/versions/12/files'
        """
        name, number = self.version_of(ref)
        return at("models", name.namespace, name.name, "versions", number, *more)


class Feature:
    """One part of the API, reached through a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._transport = session.transport
        self._call = session.transport.call
        self._model, self._version = session.model_path, session.version_path

    def _get(self, path: str, returns: type[R], query: msgspec.Struct | None = None) -> R:
        return self._call("GET", path, query=query, returns=returns)

    def _post(
        self, path: str, returns: type[R], body: msgspec.Struct | None = None, **options: Unpack[Options]
    ) -> R:
        return self._call("POST", path, returns=returns, body=body, **options)

    def _put(
        self, path: str, returns: type[R], body: msgspec.Struct | None = None, **options: Unpack[Options]
    ) -> R:
        return self._call("PUT", path, returns=returns, body=body, **options)

    def _items(self, path: str, query: PageQuery, page: type[PageOf[T]], limit: int | None) -> Items[T]:
        return items(self._transport, path, query, page, limit)


_shared: dict[tuple[str, str | None], Session] = {}
_shared_lock = threading.Lock()


def shared_session() -> Session:
    """Return the session behind `my.push` and others: one for each server and account in use."""
    key = credentials.choose(None, None)
    with _shared_lock:
        if key not in _shared:
            _shared[key] = Session(*key)
        return _shared[key]
