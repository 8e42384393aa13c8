"""A running front: its folder, its listeners, its fleet.

The folder is that of the contract in `wire/scorer.py`: `wanted.json` is read at the start and whenever the control socket
brings a newer one; `state.json` is written at each change, so that it outlives the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from modelyard.domain.errors import Invalid, ModelyardError
from modelyard.scorer.access import Access
from modelyard.scorer.container import Container
from modelyard.scorer.control import Control, socket_path
from modelyard.scorer.door import Door
from modelyard.scorer.fleet import Fleet, checked
from modelyard.scorer.http import Request, Server, listen
from modelyard.scorer.observing import Observer
from modelyard.scorer.revision import now
from modelyard.wire.scorer import CONTROL_SOCKET, STATE_FILE, TOKEN_FILE, WANTED_FILE, ScorerState, Wanted

STOP_SECONDS = 5.0
_BIND_SECONDS = 5.0
_REFRESH_SECONDS = 10.0
_CONTROL_BYTES = 1 << 20
_ORDER_SECONDS = 1.0


class CannotStart(Exception):
    """The front cannot begin; the text says why."""


class Front:
    def __init__(self, folder: Path, container: Container | None = None) -> None:
        self.folder = folder.absolute()
        self._container = container or Container()
        self._started_at = now()
        self._stopping = asyncio.Event()
        self._dirty = asyncio.Event()
        self._written_at = 0.0
        self._writer = ThreadPoolExecutor(1, "modelyard-state")
        self.fleet = Fleet(self._token, say, self._dirty.set)
        self.observer = Observer(self.folder, say)
        self._control = Server(
            Control(self._order, self.state, self._stopping.set), body_bytes=_CONTROL_BYTES, body_seconds=10.0
        )
        self._server: Server | None = None
        self._door: Door | None = None
        self._listener: asyncio.Server | None = None
        self._control_listener: asyncio.Server | None = None
        self._state_listener: asyncio.Server | None = None
        self._host, self._port = "", 0
        self._rebinding: asyncio.Task[None] | None = None

    # --- the run -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until told to stop. Raises CannotStart."""
        wanted = self._stored()
        self._door = Door(self.fleet, wanted.deployment, _access(wanted), self.observer)
        self._server = Server(
            self._door, body_bytes=wanted.limits.body_bytes, body_seconds=wanted.limits.timeout_seconds
        )
        await self._bind(wanted)
        handle = await self._listen_for_control()
        await self._listen_for_state()
        self._act(wanted)
        works = (self._tick(), self._write_states(), self._follow_order(), self.fleet.sweep())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            await self._stopping.wait()
            say("stopping")
            await self._stop()
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(OSError):
                (self.folder / CONTROL_SOCKET).unlink()
            os.close(handle)
            await self._write_state()

    def stop(self) -> None:
        self._stopping.set()

    async def _stop(self) -> None:
        assert self._server is not None
        assert self._door is not None
        if self._container.leave_seconds > 0:
            # The senders of requests hear of it first, and until then send more.
            self._door.is_leaving = True
            await asyncio.sleep(self._container.leave_seconds)
        if self._listener is not None:
            self._listener.close()
        await self._server.drain(STOP_SECONDS)
        await self.fleet.stop(STOP_SECONDS)
        await self.observer.close()
        await self._control.drain(0.2)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for server in (self._server, self._control):
                if server is not None:
                    server.tick()
            self.observer.tick(time.time())
            if time.monotonic() - self._written_at > _REFRESH_SECONDS:
                self._dirty.set()

    # --- orders --------------------------------------------------------------------------------------

    def _stored(self) -> Wanted:
        mounted = self._container.read_order()
        try:
            if mounted is not None:
                # What is mounted may be read-only, and may go before the next start.
                write_file(self.folder / WANTED_FILE, mounted)
            return checked(msgspec.json.decode((self.folder / WANTED_FILE).read_bytes(), type=Wanted))
        except FileNotFoundError:
            raise CannotStart(f"{self.folder} has no {WANTED_FILE}") from None
        except (msgspec.MsgspecError, ModelyardError) as error:
            raise CannotStart(f"{self.folder / WANTED_FILE} is not an order: {error}") from None

    async def _follow_order(self) -> None:
        """Act upon the mounted order when it changes."""
        known = self._container.read_order()
        while known is not None:
            await asyncio.sleep(_ORDER_SECONDS)
            mounted = self._container.read_order()
            if mounted in (None, known):
                continue
            known = mounted
            try:
                self._order(msgspec.json.decode(known, type=Wanted))
            except (msgspec.MsgspecError, ModelyardError, OSError) as error:
                say(f"the mounted order is not followed: {error}")

    def _order(self, wanted: Wanted) -> None:
        """Store a newer order, then act upon it. Raises Invalid."""
        checked(wanted)
        present = self.fleet.wanted
        if present is not None and wanted.generation <= present.generation:
            return
        if present is not None and wanted.deployment != present.deployment:
            raise Invalid(reason=f"this front serves {present.deployment}, not {wanted.deployment}")
        write_file(self.folder / WANTED_FILE, msgspec.json.encode(wanted))
        self._act(wanted)

    def _act(self, wanted: Wanted) -> None:
        assert self._server is not None
        assert self._door is not None
        self._server.body_bytes = wanted.limits.body_bytes
        self._server.body_seconds = wanted.limits.timeout_seconds
        present = self.fleet.wanted
        if present is not None and (present.registry, present.public) != (wanted.registry, wanted.public):
            self._door.access = _access(wanted)
        self.fleet.apply(wanted)
        self.observer.window_seconds = wanted.window_seconds
        if wanted.host != self._host or wanted.port not in (0, self._port):
            self._rebinding = asyncio.get_running_loop().create_task(self._rebind(wanted))
        self._dirty.set()

    async def _rebind(self, wanted: Wanted) -> None:
        """Listen at another address; connections to the earlier one stay."""
        earlier = self._listener
        try:
            await self._bind(wanted)
        except CannotStart as error:
            say(str(error))
            return
        if earlier is not None:
            earlier.close()
        self._dirty.set()

    async def _bind(self, wanted: Wanted) -> None:
        """Listen where it is wanted; at any free port, if none is named, at the one of the last time if possible."""
        assert self._server is not None
        port = wanted.port or self._earlier_port()
        until = time.monotonic() + _BIND_SECONDS
        while True:
            try:
                self._listener = await listen(self._server, wanted.host, port)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise CannotStart(f"{wanted.host}:{port} cannot be used: {error.strerror}") from None
                if time.monotonic() < until:
                    # An earlier front may be about to end.
                    await asyncio.sleep(0.1)
                elif wanted.port:
                    raise CannotStart(f"{wanted.host}:{port} is used by another program") from None
                else:
                    port = 0
        self._host, self._port = wanted.host, self._listener.sockets[0].getsockname()[1]
        say(f"listening at {self._host}:{self._port}")

    def _earlier_port(self) -> int:
        if self._port:
            return self._port
        try:
            return msgspec.json.decode((self.folder / STATE_FILE).read_bytes(), type=ScorerState).port
        except (OSError, msgspec.MsgspecError):
            return 0

    async def _listen_for_control(self) -> int:
        path, handle = socket_path(self.folder)
        with contextlib.suppress(FileNotFoundError):
            (self.folder / CONTROL_SOCKET).unlink()
        # Kept: without a reference, it would be closed.
        self._control_listener = await asyncio.get_running_loop().create_unix_server(
            self._control.connection, path
        )
        (self.folder / CONTROL_SOCKET).chmod(0o600)
        return handle

    async def _listen_for_state(self) -> None:
        """Tell the state to the target of a cluster, which asks from elsewhere and can do nothing else here."""
        if self._container.state is None:
            return
        server = Server(self._tell_state, body_bytes=0, body_seconds=10.0)
        try:
            self._state_listener = await listen(server, *self._container.state)
        except OSError as error:
            raise CannotStart(
                f"the state cannot be told at {self._container.state}: {error.strerror}"
            ) from None

    def _tell_state(self, request: Request) -> None:
        is_state = (request.method, request.path) == ("GET", "/state")
        request.respond(200 if is_state else 404, msgspec.json.encode(self.state()) if is_state else b"{}")

    def _token(self) -> str:
        with contextlib.suppress(OSError):
            return (self.folder / TOKEN_FILE).read_text(encoding="utf-8").strip()
        return self._container.read_token()

    # --- state ---------------------------------------------------------------------------------------

    def state(self) -> ScorerState:
        fleet = self.fleet
        serving = fleet.serving if fleet.serving is not None and fleet.serving.state == "ready" else None
        return ScorerState(
            generation=fleet.wanted.generation if fleet.wanted is not None else 0,
            host=self._host,
            port=self._port,
            pid=os.getpid(),
            started_at=self._started_at,
            serving=None if serving is None else serving.number,
            settled=fleet.is_settled,
            revisions=fleet.states(),
            swaps=[*fleet.swaps],
        )

    async def _write_states(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._write_state()

    async def _write_state(self) -> None:
        self._written_at = time.monotonic()
        data = msgspec.json.encode(self.state())
        try:
            # One after the other, also where a task was cancelled meanwhile: the last one stays.
            await asyncio.get_running_loop().run_in_executor(
                self._writer, write_file, self.folder / STATE_FILE, data
            )
        except OSError as error:
            say(f"{STATE_FILE} cannot be written: {error.strerror}")


def _access(wanted: Wanted) -> Access:
    return Access(wanted.registry, wanted.deployment, is_public=wanted.public)


def write_file(path: Path, data: bytes) -> None:
    """Replace a file, so that it is always whole."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def say(text: str) -> None:
    print(f"{now()} {text}", file=sys.stderr, flush=True)
