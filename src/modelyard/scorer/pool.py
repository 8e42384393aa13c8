"""The workers of one revision: one queue, one batch at a time to each worker, and what comes meanwhile is the next batch.

There is no waiting time: an idle worker gets what has arrived by the end of this turn of the loop. Only requests with equal
tensors share a batch. A worker that answers too late or not in the form of frames is killed; its batch fails once and is
never sent again. A worker that ends is started again, later each time; too many ends in a row are a crash loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from modelyard.scorer.columns import Inputs
from modelyard.scorer.frames import (
    JSON,
    PREFIX,
    BadFrame,
    Tensor,
    joined,
    lengths,
    read_tensors,
)
from modelyard.scorer.launch import Process, Worker
from modelyard.scorer.refusals import Refusal, failed, unavailable
from modelyard.wire.scorer import ScorerLimits

CRASHES = 5
"""This many ends in a row, none after a minute of work, are a crash loop."""
_HEALTHY_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

Answer = list[Tensor] | Refusal


class Pending:
    """A request that waits. done: called once, with the outputs or a refusal."""

    __slots__ = ("at", "done", "inputs", "is_done", "key", "method")

    def __init__(self, inputs: Inputs, method: str, done: Callable[[Answer], None]) -> None:
        self.inputs, self.method, self.done = inputs, method, done
        self.key = (method, inputs.key)
        self.at = time.monotonic()
        self.is_done = False

    def finish(self, answer: Answer) -> None:
        """Answer, unless that was done already."""
        if not self.is_done:
            self.is_done = True
            self.done(answer)


class Link(asyncio.Protocol):
    """The front's end of a worker's socket. process: what runs at the other end."""

    def __init__(self, pool: Pool, process: Process) -> None:
        self.pool, self.process = pool, process
        self.batch: list[Pending] = []
        self.left: set[int] = set()
        """Requests of the batch without an answer, by position."""
        self.sent_at = self.ready_at = 0.0
        self.number = 0
        self.reason = ""
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.is_open = True

    # --- starting ------------------------------------------------------------------------------------

    async def start(self, told: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Tell the worker what to load; return what it says of the model. Raises Refusal."""
        assert self._transport is not None
        self._transport.write(_frame(told, []))
        try:
            ready = await asyncio.wait_for(self._ready, seconds)
        except TimeoutError:
            self.kill(f"it was not ready after {seconds:g} s")
            raise failed(f"the worker was not ready after {seconds:g} s", "start_failed") from None
        self.ready_at = time.monotonic()
        return ready

    # --- batches -------------------------------------------------------------------------------------

    def send(self, batch: list[Pending]) -> None:
        assert self._transport is not None
        self.batch, self.left = batch, set(range(len(batch)))
        self.sent_at = time.monotonic()
        self.number += 1
        parts = [each.inputs.rows for each in batch]
        tensors = joined([each.inputs.tensors for each in batch])
        self._transport.write(_frame({"id": self.number, "method": batch[0].method, "parts": parts}, tensors))

    def kill(self, reason: str) -> None:
        """End the worker; its batch fails when the socket closes."""
        self.reason = self.reason or reason
        self.process.kill()
        if self._transport is not None:
            self._transport.abort()

    # --- protocol ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an instance of it where uvloop runs.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        try:
            while len(buffer) >= PREFIX.size:
                head, body = lengths(memoryview(buffer)[: PREFIX.size])
                end = PREFIX.size + head + body
                if len(buffer) < end:
                    return
                told = bytes(buffer[PREFIX.size : PREFIX.size + head])
                rest = bytes(buffer[PREFIX.size + head : end])
                del buffer[:end]
                self._take(_decode(told), rest)
        except (BadFrame, msgspec.MsgspecError, KeyError, TypeError, RecursionError) as error:
            self.kill(f"its answer was not valid: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self.process.collect()
        reason = self.reason or self.process.words()
        if not self._ready.done():
            self._ready.set_exception(
                failed(f"the worker ended while it was starting: {reason}", "start_failed")
            )
            self._ready.exception()
        self.pool.lost(self, reason)

    def _take(self, head: dict[str, Any], body: bytes) -> None:
        if not self._ready.done():
            if head.get("kind") == "ready":
                self._ready.set_result(head)
            else:
                reason = str(head.get("reason") or "it does not say why")
                self._ready.set_exception(failed(reason, "start_failed"))
            return
        if head["id"] != self.number or not self.left:
            raise BadFrame("it answers a batch that was not sent")
        if "part" in head:
            self._answer_part(head, body)
        else:
            self._answer_batch(read_tensors(head["outputs"], body))
        if not self.left:
            self.batch = []
            self.pool.idle(self)

    def _answer_part(self, head: dict[str, Any], body: bytes) -> None:
        part = head["part"]
        if part not in self.left:
            raise BadFrame("it answers a part of the batch twice, or one that was not sent")
        self.left.remove(part)
        pending = self.batch[part]
        if "error" in head:
            pending.finish(failed(f"the model failed: {head['error']}", "model_failed"))
            return
        pending.finish(_checked(read_tensors(head["outputs"], body), pending.inputs.rows))

    def _answer_batch(self, outputs: list[Tensor]) -> None:
        batch, self.left = self.batch, set()
        if len(batch) == 1:
            batch[0].finish(_checked(outputs, batch[0].inputs.rows))
            return
        checked = _checked(outputs, sum(each.inputs.rows for each in batch))
        start = 0
        for pending in batch:
            stop = start + pending.inputs.rows
            if isinstance(checked, Refusal):
                pending.finish(checked)
            else:
                pending.finish([tensor.part(start, stop) for tensor in checked])
            start = stop


def _checked(outputs: list[Tensor], rows: int) -> Answer:
    """Return the outputs; a refusal if they do not have one row for each row that was sent: never a wrong answer."""
    if not outputs:
        return failed("the model returned nothing", "wrong_answer")
    for tensor in outputs:
        if tensor.rows != rows:
            return failed(
                f"the model returned {tensor.rows} rows in {tensor.name!r} for {rows} rows of input",
                "wrong_answer",
            )
    return outputs


def _frame(head: dict[str, Any], tensors: Sequence[Tensor]) -> bytes:
    """Do the same as `frames.pack`, faster."""
    pieces = [_encode(tensor.data) if tensor.dtype == JSON else tensor.data for tensor in tensors]
    if tensors:
        head["tensors"] = [
            (name, dtype, tail, len(piece))
            for (name, dtype, tail, _), piece in zip(tensors, pieces, strict=True)
        ]
    told = _encode(head)
    return b"".join([PREFIX.pack(len(told), sum(map(len, pieces))), told, *pieces])


class Pool:
    """The queue and the workers of a revision. launch: starts a process. start: what each worker is told. failed: called with
    the reason when the workers are in a crash loop."""

    def __init__(
        self,
        launch: Callable[[], Worker],
        start: dict[str, Any],
        limits: ScorerLimits,
        replicas: int,
        failed: Callable[[str], None],
        start_seconds: float,
    ) -> None:
        self._launch, self.start_with, self._failed = launch, start, failed
        self._start_seconds = start_seconds
        self.limits, self.replicas = limits, replicas
        self.links: list[Link] = []
        self._idle: list[Link] = []
        self._queue: deque[Pending] = deque()
        self._is_asked = self._is_closed = False
        self._crashes, self._starting = 0, 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.restarts = self.lost_requests = 0
        self.batch_rows: Callable[[int], None] = lambda _: None
        self.isolation = ""

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def is_idle(self) -> bool:
        return not self._queue and not any(link.batch for link in self.links)

    # --- workers -------------------------------------------------------------------------------------

    async def add_worker(self) -> tuple[Link, dict[str, Any]]:
        """Start one more worker; it gets batches once `idle` is called with it. Raises Refusal."""
        self._starting += 1
        try:
            worker = self._launch()
            self.isolation = worker.process.isolation
            loop = asyncio.get_running_loop()
            _, link = await loop.create_connection(lambda: Link(self, worker.process), sock=worker.sock)
            self.links.append(link)
            return link, await link.start(self.start_with, self._start_seconds)
        except OSError as error:
            raise failed(f"the worker does not start: {error.strerror or error}", "start_failed") from None
        finally:
            self._starting -= 1

    def scale(self, replicas: int) -> None:
        """Have this many workers; those that are too many end after their batch."""
        self.replicas = replicas
        while len(self.links) > replicas and self._idle:
            self._end(self._idle.pop())
        for _ in range(replicas - len(self.links) - self._starting):
            self._do(self._restart(0.0))

    def lost(self, link: Link, reason: str) -> None:
        """A worker has ended: fail its batch, and start another one unless it was told to end."""
        was_serving = link in self.links and link.ready_at > 0
        for group in (self.links, self._idle):
            if link in group:
                group.remove(link)
        for part in link.left:
            pending = link.batch[part]
            self.lost_requests += not pending.is_done
            pending.finish(
                failed(f"the worker of this revision was lost: {reason}. Send the request again", "lost")
            )
        link.left = set()
        link.batch = []
        if self._is_closed or not was_serving:
            return
        self.restarts += 1
        self._crashes = 1 if time.monotonic() - link.ready_at > _HEALTHY_SECONDS else self._crashes + 1
        if self._crashes >= CRASHES:
            self._give_up(f"its workers ended {self._crashes} times in a row; the last one: {reason}")
        elif len(self.links) + self._starting < self.replicas:
            self._do(self._restart(min(_LONGEST_PAUSE, _FIRST_PAUSE * 4 ** (self._crashes - 1))))

    async def _restart(self, pause: float) -> None:
        await asyncio.sleep(pause)
        if self._is_closed or len(self.links) + self._starting >= self.replicas:
            return
        try:
            link, _ = await self.add_worker()
        except Refusal as refusal:
            self._give_up(refusal.text)
            return
        self.idle(link)

    def _give_up(self, reason: str) -> None:
        self._failed(reason)
        self.close(unavailable(f"this revision has failed: {reason}", "revision_failed"))

    def _do(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end(self, link: Link) -> None:
        if link in self.links:
            self.links.remove(link)
        link.kill("it was told to end")

    def close(self, refusal: Refusal | None = None) -> None:
        """End the workers, and refuse what still waits."""
        self._is_closed = True
        for pending in self._queue:
            self.lost_requests += not pending.is_done
            pending.finish(
                refusal or unavailable("this revision has been stopped. Send the request again", "stopped")
            )
        self._queue.clear()
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        for link in [*self.links]:
            link.kill("it was told to end")

    # --- requests ------------------------------------------------------------------------------------

    def submit(self, pending: Pending) -> None:
        """Queue a request. Raises Refusal at once if the queue is full."""
        if self._is_closed:
            raise unavailable("this revision has been stopped. Send the request again", "stopped")
        if len(self._queue) >= self.limits.queue:
            raise unavailable(
                f"{len(self._queue)} requests wait already, which is the limit. Send the request again later",
                "queue_full",
            )
        self._queue.append(pending)
        if self._idle and not self._is_asked:
            # What else arrives in this turn of the loop goes into the same batch.
            self._is_asked = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def idle(self, link: Link) -> None:
        """A worker is free: give it the next batch."""
        if len(self.links) > self.replicas:
            self._end(link)
            return
        self._idle.append(link)
        if self._queue:
            self._dispatch()

    def _dispatch(self) -> None:
        self._is_asked = False
        while self._idle and (batch := self._next_batch()):
            self._idle.pop().send(batch)

    def _next_batch(self) -> list[Pending]:
        """Take the oldest requests that fit together."""
        queue, rows = self._queue, 0
        batch: list[Pending] = []
        while queue:
            first = queue[0]
            if first.is_done:
                queue.popleft()
                continue
            if batch and (first.key != batch[0].key or rows + first.inputs.rows > self.limits.rows):
                break
            rows += first.inputs.rows
            batch.append(queue.popleft())
        if batch:
            self.batch_rows(rows)
        return batch

    def sweep(self) -> None:
        """Refuse what has waited for too long, and end workers that hang. Called a few times a second."""
        seconds, present = self.limits.timeout_seconds, time.monotonic()
        late = Refusal(504, "timed_out", f"there was no answer within {seconds:g} s")
        while self._queue and (self._queue[0].is_done or present - self._queue[0].at > seconds):
            self._queue.popleft().finish(late)
        for link in [*self.links]:
            for part in link.left:
                if present - link.batch[part].at > seconds:
                    link.batch[part].finish(late)
            if link.batch and present - link.sent_at > seconds:
                link.kill(f"a prediction took longer than {seconds:g} s")
