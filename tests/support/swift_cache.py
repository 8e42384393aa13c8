"""The cache of the test Swift's proxy, in its own memory, so that no memcached has to be installed.

A filter for PasteDeploy: it offers the calls that Swift 2.38 makes on `swift.common.memcached.MemcacheRing`
in the pipeline of `tests.support.s3`.
"""

from __future__ import annotations

import json
import time as clock
from collections.abc import Callable
from typing import Any


class MemoryCache:
    """Values go through JSON, as they do on their way to memcached. Nothing is thrown out before its time."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[float, str]] = {}

    def get(self, key: str, raise_on_error: bool = False) -> Any:
        """The value, or None when there is none or its time is over."""
        ends, text = self._values.get(key, (0.0, "null"))
        return json.loads(text) if ends > clock.monotonic() else None

    def set(self, key: str, value: Any, serialize: bool = True, time: float = 0, **options: Any) -> None:
        """Keep a value for `time` seconds; 0 means for good."""
        ends = clock.monotonic() + time if time else float("inf")
        self._values[key] = (ends, json.dumps(value))

    def delete(self, key: str, server_key: str | None = None) -> None:
        self._values.pop(key, None)


def filter_factory(configuration: dict[str, str], **options: str) -> Callable[[Any], Any]:
    """What `paste.filter_factory` names in the proxy's configuration."""
    cache = MemoryCache()

    def with_cache(application: Any) -> Any:
        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            environ["swift.cache"] = cache
            return application(environ, start_response)

        return answer

    return with_cache
