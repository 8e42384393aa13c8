"""Who may predict: the registry is asked with the caller's own token, and its answer is remembered for a short time.

While the registry cannot be reached, a remembered yes holds on, for an hour at most; an unknown caller is refused with 503.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

import urllib3

from modelyard.scorer.refusals import Refusal, unavailable

YES_SECONDS = 30.0
NO_SECONDS = 5.0
AWAY_SECONDS = 3600.0
_MOST = 10_000
_MOST_ASKING = 64
_THREADS = 4
_TIMEOUT = urllib3.Timeout(connect=2.0, read=5.0)


@dataclass(slots=True)
class _Known:
    """until: when it must be asked again. asked_at: when the registry last answered."""

    refusal: Refusal | None
    until: float
    asked_at: float


class Access:
    """registry: its address; None: there is none to ask, so only a public deployment answers."""

    def __init__(self, registry: str | None, deployment: str, *, is_public: bool) -> None:
        self.is_public = is_public
        self._registry = registry.rstrip("/") if registry else None
        self._path = f"/api/v1/deployments/{quote(deployment, safe='/')}/predicting"
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Refusal | None]] = {}
        # Of its own: a registry that does not answer must not hold up revisions.
        self._threads = ThreadPoolExecutor(_THREADS, "modelyard-access")
        self._http = urllib3.PoolManager(num_pools=1, maxsize=_THREADS, retries=False, timeout=_TIMEOUT)

    def remembered(self, authorization: bytes) -> bool:
        """Return whether this caller is known to be allowed; anything else must be asked."""
        if self.is_public:
            return True
        known = self._known.get(hashlib.sha256(authorization).digest())
        return known is not None and known.refusal is None and time.monotonic() < known.until

    async def ask(self, authorization: bytes) -> Refusal | None:
        """Return why this caller may not predict; None: they may."""
        key = hashlib.sha256(authorization).digest()
        known = self._known.get(key)
        if known is not None and time.monotonic() < known.until:
            return known.refusal
        task = self._asking.get(key)
        if task is None and len(self._asking) >= _MOST_ASKING:
            return unavailable(
                "too many callers are being checked. Send the request again later", "too_many_callers"
            )
        if task is None:
            # Many requests of one caller wait for one answer.
            task = asyncio.get_running_loop().create_task(self._ask(key, authorization))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: bytes, authorization: bytes) -> Refusal | None:
        if not authorization:
            return Refusal(401, "unauthenticated", "send a token of the registry: Authorization: Bearer TOKEN")
        if self._registry is None:
            return unavailable("this scorer has no registry that could tell who may predict", "registry_away")
        present = time.monotonic()
        try:
            refusal = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._answer, self._registry, authorization.decode("latin-1")
            )
        except (urllib3.exceptions.HTTPError, OSError):
            return self._away(key, present)
        self._known[key] = _Known(refusal, present + (NO_SECONDS if refusal else YES_SECONDS), present)
        self._known.move_to_end(key)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return refusal

    def _away(self, key: bytes, present: float) -> Refusal | None:
        known = self._known.get(key)
        if known is not None and known.refusal is None and present - known.asked_at < AWAY_SECONDS:
            known.until = present + YES_SECONDS
            return None
        return unavailable(
            "the registry cannot be reached, and it has not said that you may predict", "registry_away"
        )

    def _answer(self, registry: str, authorization: str) -> Refusal | None:
        answer = self._http.request(
            "GET", registry + self._path, headers={"authorization": authorization}, redirect=False
        )
        if answer.status == 204:
            return None
        if answer.status in (401, 403, 404):
            words = {
                401: ("unauthenticated", "the registry does not accept this token"),
                403: ("denied", "you may not predict with this deployment; a reader of its namespace may"),
                404: ("not_found", "there is no such deployment, or you may not see it"),
            }
            return Refusal(answer.status, *words[answer.status])
        raise urllib3.exceptions.HTTPError(f"the registry answered {answer.status}")
