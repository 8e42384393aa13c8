"""Requests to the HTTP interface of a cluster: bounded in time and size, with the cluster's faults as ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from modelyard.domain.errors import ExecutorUnavailable
from modelyard.engines.cluster import Outage

MOST_WORDS = 500
"""Characters of a message that are kept."""
# A kept connection may have been closed by the other side. All of our requests are safe to repeat.
_RETRIES = urllib3.Retry(connect=0, read=1, redirect=0, status=0, other=0, allowed_methods=None)
_TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)
_MAX_ANSWER_BYTES = 8 << 20


class Rest:
    """address: of the interface. token_file: file with a bearer token, read for each request, since it may be renewed; "": none.
    ca_file: certificates that the cluster is checked with; "": those of this machine."""

    def __init__(self, outage: Outage, address: str, token_file: str = "", ca_file: str = "") -> None:
        self._outage, self._address, self._token_file = outage, address.rstrip("/"), token_file
        self._http = urllib3.PoolManager(
            retries=_RETRIES, timeout=_TIMEOUT, maxsize=8, ca_certs=ca_file or None
        )

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        query: Mapping[str, str | int] | None = None,
        kind: str = "application/json",
    ) -> tuple[int, str]:
        """Return (status, text) of an answer. kind: the content type of the body.

        Raises ExecutorUnavailable if none comes, if it is one of somebody else, or if it does not accept the token."""
        url = f"{self._address}{path}{'?' + urlencode(query) if query else ''}"
        with self._outage.noted():
            headers = {"Accept": "application/json"}
            if self._token_file:
                headers["Authorization"] = f"Bearer {self._token()}"
            if body is not None:
                headers["Content-Type"] = kind
            data = None if body is None else json.dumps(body)
            try:
                answer = self._http.request(
                    method, url, body=data, headers=headers, redirect=False, preload_content=False
                )
                raw = answer.read(_MAX_ANSWER_BYTES + 1)
                if len(raw) > _MAX_ANSWER_BYTES:
                    answer.close()
                answer.release_conn()
            except (HTTPError, OSError, ValueError) as exc:
                raise self._outage.error(f"{self._address} does not answer: {_short(exc)}") from exc
            text = raw.decode("utf-8", "replace")
            if answer.status == 401 or (answer.status == 403 and not says_why(text)):
                raise self._outage.error(
                    f"{self._address} does not accept the token of the pool (HTTP {answer.status}); correct token_file"
                )
            return answer.status, text

    def nonsense(self, status: int, text: str) -> ExecutorUnavailable:
        """Return the error for an answer that cannot be used."""
        return self._outage.error(f"it answered HTTP {status}: {says_why(text) or last_words(text)!r}")

    def found(self, status: int, text: str, good: tuple[int, ...] = (200,)) -> dict[str, Any]:
        """Return the object of an answer. Raises ExecutorUnavailable for a bad status, and if it holds none."""
        value = _object_of(text) if status in good else None
        if value is None:
            raise self.nonsense(status, text)
        return value

    def _token(self) -> str:
        try:
            return Path(self._token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise self._outage.error(f"{self._token_file} cannot be read: {exc}") from exc


def _object_of(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def says_why(text: str) -> str:
    """Return the message of an error in JSON, as Kubernetes sends; "": there is none."""
    message = (_object_of(text) or {}).get("message")
    return message[:MOST_WORDS] if isinstance(message, str) else ""


def last_words(text: str) -> str:
    """Return the last line of an answer about a fault, which is a trace."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")[:MOST_WORDS]


def _short(exc: Exception) -> str:
    return str(exc).rpartition(">: ")[2][:MOST_WORDS]
