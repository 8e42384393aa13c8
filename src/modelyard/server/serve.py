"""Run the server: one process on SQLite, N processes on PostgreSQL."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import uvicorn

from modelyard.domain.errors import Invalid
from modelyard.doors.services import Services
from modelyard.server.bootstrap import (
    Application,
    DataFolder,
    check_settings,
    local_url,
    open_services,
    uses_data_folder,
)
from modelyard.server.certificates import check_certificate
from modelyard.server.connections import choose_protocol
from modelyard.server.logs import set_up_logs
from modelyard.server.shared_figures import SharedFigures
from modelyard.settings import Settings, load_settings


def listen(settings: Settings) -> socket.socket:
    """Return a listening socket with TCP_NODELAY, shared by every process of this server."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        found.bind((settings.host, settings.port))
    except OSError as exc:
        found.close()
        raise Invalid(
            reason=f"cannot listen on {settings.host}:{settings.port}: {exc.strerror}",
            fix="Choose another --port, or stop the program that listens there",
        ) from exc
    found.listen(2048)
    return found


class _Server(uvicorn.Server):
    """uvicorn's server, changed so that it does not wait for endless streams."""

    def __init__(self, config: uvicorn.Config, services: Services, announce: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._services = services
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit and self._announce is not None:
            # In a thread: it writes to the database, which answers through this loop.
            await asyncio.to_thread(self._announce)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._services.stopping.set()
        super().handle_exit(sig, frame)


def _uvicorn(
    app: Application, services: Services, announce: Callable[[], None] | None = None
) -> uvicorn.Server:
    settings = services.settings
    config = uvicorn.Config(
        app,
        http=choose_protocol(),
        ws="none",
        loop="auto",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips="*" if settings.behind_proxy else None,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=30,
        lifespan="on",
    )
    return _Server(config, services, announce)


def _settle_memory() -> None:
    """Exempt the program itself from garbage collection: it never becomes garbage.

    A full collection walks all that requests have in hand, and stops the event loop meanwhile: about 100 ms for the files
    of the largest version. Cycles of requests are short-lived, so the frequent collections of young objects find them.
    """
    gc.freeze()
    gc.set_threshold(10_000, 10, 100)
    gc.enable()


def run_process(
    services: Services,
    listener: socket.socket,
    announce: Callable[[], None] | None = None,
    shared: SharedFigures | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. announce: called once the server answers. shared: see `Application`."""
    _settle_memory()
    try:
        _uvicorn(Application(services, shared), services, announce).run(sockets=[listener])
    finally:
        services.close()


def serve(settings: Settings, announce: Callable[[Services, str], None]) -> int:
    """Run a whole server and return its exit code.

    announce: called once, with the address for commands on this machine, when the server answers; with several
    processes, before they start, because by then the parent has opened and checked everything that they will open.
    """
    check_settings(settings)
    set_up_logs(settings.log_level)
    # Files that this process creates are for its own user only.
    os.umask(0o077)
    if settings.tls_cert and settings.tls_key:
        check_certificate(settings.tls_cert, settings.tls_key)
    folder = DataFolder(Path(settings.data)) if uses_data_folder(settings) else None
    if folder is not None:
        folder.open()
    try:
        listener = listen(settings)
        port = listener.getsockname()[1]
        services = open_services(settings, port=port)
        address = local_url(settings, port)
        if settings.workers == 1:
            run_process(services, listener, lambda: announce(services, address))
            return 0
        announce(services, address)
        services.close()
        with tempfile.TemporaryDirectory(prefix="modelyard-figures-") as figures:
            return _supervise(settings, listener, port, figures)
    finally:
        if folder is not None:
            folder.close()


def _supervise(settings: Settings, listener: socket.socket, port: int, figures: str) -> int:
    """Start N processes on one listening socket, and restart those that die. figures: see `SharedFigures`."""
    _settle_memory()
    environment = {**os.environ, **_as_environment(settings, port)}
    command = [sys.executable, "-m", "modelyard.server.serve", str(listener.fileno()), figures]
    stopping = False

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()])

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    processes = [start() for _ in range(settings.workers)]
    while not stopping:
        time.sleep(0.2)
        for index, process in enumerate(processes):
            if process.poll() is not None and not stopping:
                time.sleep(0.5)
                processes[index] = start()
    for process in processes:
        process.terminate()
    return max((process.wait() for process in processes), default=0)


def _as_environment(settings: Settings, port: int) -> dict[str, str]:
    values = {**asdict(settings), "port": port}
    return {f"MODELYARD_{name.upper()}": str(value) for name, value in values.items()}


def _run_child(descriptor: int, figures: Path) -> None:
    """Run one of N processes, set up from the environment, the inherited socket and the folder of figures."""
    gc.disable()
    settings = load_settings(environment=os.environ)
    set_up_logs(settings.log_level)
    listener = socket.socket(fileno=descriptor)
    run_process(open_services(settings, port=settings.port), listener, shared=SharedFigures(figures))


if __name__ == "__main__":
    _run_child(int(sys.argv[1]), Path(sys.argv[2]))
