"""One revision of a deployment: its files are brought, its environment is made, its workers load it and answer a first time.

    pulling → preparing → starting → warm ⇄ ready → draining → stopped
A step that fails ends in `failed`, with a reason in words. `ready` answers callers; `warm` is loaded and answers no one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from modelyard.domain.names import ModelName, Ref
from modelyard.domain.times import time_text, to_moment
from modelyard.scorer.columns import Columns, Entry
from modelyard.scorer.figures import Figures
from modelyard.scorer.flavours import PREDICT
from modelyard.scorer.frames import Tensor
from modelyard.scorer.launch import launch, working_bwrap
from modelyard.scorer.pool import Answer, Link, Pending, Pool
from modelyard.scorer.preparing import CannotPrepare, Files, Home, bring, make_home
from modelyard.scorer.protocols.base import Names
from modelyard.scorer.refusals import Refusal
from modelyard.wire.scorer import RevisionState, ShadowFigures, Wanted, WantedRevision

START_SECONDS = 180.0
"""A worker that is not loaded after this time has failed."""
TOUCH_SECONDS = 3600.0


class Revision:
    """changed: called after each change of state. token: reads the deployment's own token."""

    def __init__(
        self,
        wanted: Wanted,
        told: WantedRevision,
        *,
        token: Callable[[], str],
        say: Callable[[str], None],
        changed: Callable[[Revision], None],
    ) -> None:
        self.number, self.told = told.number, told
        self._wanted, self._token, self._changed = wanted, token, changed
        self._log = say
        self.state, self.reason, self.failed_at = "pulling", "", 0.0
        self.ready_at: str | None = None
        self.figures = Figures()
        self.shadow_figures = ShadowFigures()
        self.pool: Pool | None = None
        self.columns = Columns(None)
        self.methods: list[str] = [PREDICT]
        self.outputs: list[Entry] = []
        self.framework = ""
        self.names = _names(wanted.deployment, told)
        self.headers = _headers(wanted.deployment, told)
        self._home: Home | None = None
        self._is_stopped = False
        self._touched_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def is_loaded(self) -> bool:
        """Return whether it could answer at once; one that drains before it rests still can."""
        return self.state in ("warm", "ready", "draining") and not self._is_stopped

    @property
    def is_starting(self) -> bool:
        return self.state in ("pulling", "preparing", "starting")

    # --- starting ------------------------------------------------------------------------------------

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._start())

    async def _start(self) -> None:
        try:
            files = await asyncio.to_thread(bring, self._wanted, self.told, self._token(), self._say)
            if self._has_ended():
                return
            self._become("preparing")
            bwrap = await asyncio.to_thread(working_bwrap)
            self._home = home = await asyncio.to_thread(
                make_home,
                files,
                Path(self._wanted.cache),
                self._say,
                self._has_ended,
                bwrap=bwrap,
                unisolated=self._wanted.unisolated,
            )
            if self._has_ended():
                return
            self._become("starting")
            await self._load(files, home, bwrap)
        except (CannotPrepare, Refusal) as error:
            self.fail(str(error))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a revision that cannot start must say so, whatever it was
            self.fail(f"{type(error).__name__}: {error}")

    async def _load(self, files: Files, home: Home, bwrap: str | None) -> None:
        limits = self._wanted.limits
        signature = files.record.get("signature")
        start = {
            "folder": str(files.folder),
            "signature": signature,
            "memory_bytes": limits.memory_bytes,
        }
        self.pool = pool = Pool(
            partial(launch, home.python, files.folder, bwrap),
            start,
            limits,
            1,
            self.fail,
            START_SECONDS,
        )
        pool.batch_rows = self.figures.batch_rows.add
        link, told = await pool.add_worker()
        self._learn(signature, told)
        await self._warm_up(pool, link)
        if self._has_ended():
            pool.close()
            return
        pool.scale(self._wanted.replicas)
        self.ready_at = now()
        self._become("warm")

    def _learn(self, signature: Mapping[str, Any] | None, told: Mapping[str, Any]) -> None:
        """Take what the worker says of the model; it decides nothing but how inputs are refused."""
        signature = signature or told.get("signature")
        features = told.get("features")
        self.columns = Columns(
            signature,
            missing=bool(told.get("missing")),
            features=features if isinstance(features, int) else None,
            max_rows=self._wanted.limits.rows,
        )
        self.methods = [str(method) for method in told.get("methods") or [PREDICT]]
        self.framework = str(told.get("framework") or "")
        self.outputs = [Entry.of(entry) for entry in (signature or {}).get("outputs") or []]

    async def _warm_up(self, pool: Pool, link: Link) -> None:
        """Predict one made-up row, on the process that will serve. Raises Refusal."""
        blank = self.columns.blank()
        if blank is None:
            pool.idle(link)
            return
        inputs, is_decisive = blank
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        pool.idle(link)
        pool.submit(Pending(inputs, PREDICT, answer.set_result))
        found = await answer
        if isinstance(found, Refusal):
            if is_decisive or found.code != "model_failed":
                raise Refusal(500, "warm_up_failed", f"the first prediction failed: {found.text}")
            self._say(f"the first prediction, of a made-up row, was refused by the model: {found.text}")
            return
        self._check_outputs(found)

    def _check_outputs(self, found: list[Tensor]) -> None:
        """Raise Refusal if the model answers in another form than its signature says."""
        if len(self.outputs) != 1 or len(found) != 1:
            return
        wanted, tensor = self.outputs[0], found[0]
        if len(wanted.tail) != len(tensor.tail) or any(
            size is not None and size != actual for size, actual in zip(wanted.tail, tensor.tail, strict=True)
        ):
            raise Refusal(
                500,
                "warm_up_failed",
                f"the first prediction has rows of shape {list(tensor.tail)}; the signature says {list(wanted.tail)}",
            )

    # --- serving -------------------------------------------------------------------------------------

    def serve(self) -> None:
        self._become("ready")

    def step_back(self) -> None:
        """Get no more requests, and answer those that it has."""
        self._become("draining")

    def rest(self) -> None:
        """Stay loaded, and answer no one."""
        self._become("warm")

    def update(self, wanted: Wanted, told: WantedRevision) -> None:
        """Take new limits, replicas and role."""
        self._wanted, self.told = wanted, told
        self.columns.max_rows = wanted.limits.rows
        if self.pool is not None:
            self.pool.limits = wanted.limits
            # Of workers that are started from now on.
            self.pool.start_with["memory_bytes"] = wanted.limits.memory_bytes
            if self.is_loaded:
                self.pool.scale(wanted.replicas)

    def fail(self, reason: str) -> None:
        if self._is_stopped:
            return
        self.reason, self.failed_at = reason, time.monotonic()
        if self.pool is not None and self.state == "starting":
            self.pool.close()
        self._become("failed")

    async def drain(self, seconds: float) -> None:
        """Let the requests that it has be answered, then end the workers."""
        was_loaded = self.is_loaded
        self._is_stopped = True
        if was_loaded:
            self._become("draining")
        until = time.monotonic() + seconds
        while self.pool is not None and not self.pool.is_idle and time.monotonic() < until:
            await asyncio.sleep(0.01)
        self.stop()

    def stop(self) -> None:
        self._is_stopped = True
        if self.pool is not None:
            self.pool.close()
        if self.state != "failed":
            self._become("stopped")

    def sweep(self) -> None:
        if self.pool is None:
            return
        self.pool.sweep()
        present = time.monotonic()
        if self._home is not None and self._home.key and present - self._touched_at > TOUCH_SECONDS:
            # Environments that are not used for a month are deleted.
            self._touched_at = present
            (self._home.python.parent.parent / ".complete").touch()

    def _has_ended(self) -> bool:
        return self._is_stopped

    def _say(self, text: str) -> None:
        self._log(f"revision {self.number}: {text}")

    def _become(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._say(f"{state}: {self.reason}" if state == "failed" else state)
            self._changed(self)

    # --- what people see -----------------------------------------------------------------------------

    def to_state(self) -> RevisionState:
        figures, pool = self.figures, self.pool
        memory = [link.process.memory_bytes() for link in pool.links] if pool is not None else []
        return RevisionState(
            number=self.number,
            state=self.state,
            reference=self.told.reference,
            digest=self.told.digest,
            role=self.told.role,
            weight=self.told.weight,
            reason=self.reason or None,
            ready_at=self.ready_at,
            isolation=pool.isolation or None if pool is not None else None,
            environment=self._home.key if self._home is not None else None,
            requests=figures.requests,
            errors=figures.errors,
            dropped=pool.lost_requests if pool is not None else 0,
            restarts=pool.restarts if pool is not None else 0,
            p50_ms=figures.milliseconds(0.5),
            p99_ms=figures.milliseconds(0.99),
            memory_bytes=sum(each or 0 for each in memory) or None,
            minutes=figures.last_minutes(),
            shadow=self.shadow_figures if self.told.role == "shadow" or self.shadow_figures.sent else None,
        )


def url_name(deployment: str) -> str:
    """Return the deployment's name as it stands in paths, like that of models at the MLflow door (DESIGN.md 3)."""
    return deployment.replace("/", "--")


def _names(deployment: str, told: WantedRevision) -> Names:
    ref = Ref.parse(told.reference, default_namespace=ModelName.parse(deployment).namespace)
    return Names(deployment, url_name(deployment), told.reference, str(ref.selector), told.number)


def _headers(deployment: str, told: WantedRevision) -> bytes:
    return (
        f"modelyard-deployment: {deployment}\r\nmodelyard-revision: {told.number}\r\n"
        f"modelyard-version: {told.reference}\r\nmodelyard-digest: {told.digest}\r\n"
    ).encode("latin-1")


def now() -> str:
    return time_text(to_moment(datetime.now(UTC)))
