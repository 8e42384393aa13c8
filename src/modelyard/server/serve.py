"""Runs the server: one process on SQLite, N processes on PostgreSQL."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import uvicorn

from modelyard.domain.errors import Invalid
from modelyard.doors.services import Services
from modelyard.server.bootstrap import Application, DataFolder, check_settings, open_services, uses_data_folder
from modelyard.server.certificates import check_certificate
from modelyard.server.connections import choose_protocol
from modelyard.server.logs import set_up_logs
from modelyard.settings import Settings, load_settings


def listen(settings: Settings) -> socket.socket:
    """A listening socket with TCP_NODELAY, which every process of this server shares."""
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
            fix="Choose another --port, or stop what listens there",
        ) from exc
    found.listen(2048)
    return found


class _Server(uvicorn.Server):
    """uvicorn's server, which would otherwise wait for streams that never end."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self._services = services

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._services.stopping.set()
        super().handle_exit(sig, frame)


def _uvicorn(app: Application, services: Services) -> uvicorn.Server:
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
    return _Server(config, services)


def _settle_memory() -> None:
    """The program itself is no garbage: the collector need not look at it again and again."""
    gc.freeze()
    gc.enable()


def run_process(services: Services, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    _settle_memory()
    try:
        _uvicorn(Application(services), services).run(sockets=[listener])
    finally:
        services.close()


def serve(settings: Settings, announce: Callable[[Services], None]) -> int:
    """Run a whole server; returns its exit code.

    announce: called once when the database is open and the address is known.
    """
    check_settings(settings)
    set_up_logs(settings.log_level)
    # Whatever this process makes is its own user's alone.
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
        announce(services)
        if settings.workers == 1:
            run_process(services, listener)
            return 0
        services.close()
        return _supervise(settings, listener, port)
    finally:
        if folder is not None:
            folder.close()


def _supervise(settings: Settings, listener: socket.socket, port: int) -> int:
    """Start N processes on one listening socket and start again those that die."""
    _settle_memory()
    environment = {**os.environ, **_as_environment(settings, port)}
    command = [sys.executable, "-m", "modelyard.server.serve", str(listener.fileno())]
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


def _run_child(descriptor: int) -> None:
    """One of N processes: everything comes from the environment and the inherited socket."""
    gc.disable()
    settings = load_settings(environment=os.environ)
    set_up_logs(settings.log_level)
    listener = socket.socket(fileno=descriptor)
    run_process(open_services(settings, port=settings.port), listener)


if __name__ == "__main__":
    _run_child(int(sys.argv[1]))
