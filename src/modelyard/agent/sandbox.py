"""What keeps the programs of a build apart: a read-only system, processes of their own, and no network unless it is asked for.

A program without a network still reaches the registry. Inside its network, a socket listens at the registry's address; it
is handed out to the agent, which passes its connections on to the registry and to nothing else.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakSet

from modelyard.agent import inside

BWRAP = "MODELYARD_BWRAP"
"""Variable with the path of a bubblewrap that can cut the network, which the executor has tried."""
_KEPT_VARIABLES = frozenset(
    "PATH LANG LANGUAGE TZ TERM USER LOGNAME SHELL LD_LIBRARY_PATH SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE "
    "HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy CUDA_VISIBLE_DEVICES "
    "NVIDIA_VISIBLE_DEVICES CUDA_HOME MODELYARD_TASK OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS".split()
)
_KEPT_PREFIXES = ("LC_", "PIP_", "UV_", "SLURM_")
"""Variables of the agent that its steps get too: all others may hold credentials of the machine."""
_HIDDEN = Path("/run")
"""Holds sockets of the machine's services, which no cut of the network closes."""
_BLOCK_BYTES = 1 << 16
_CONNECT = 30.0
"""Seconds until an attempt to reach the registry is given up; its client tries again."""
_FIRST_FREE_PORT = 1024
"""Ports below it are for privileged programs; the registry then stands at `_OTHER_PORT` inside."""
_OTHER_PORT = 8470
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Confined:
    """How a program is started. handed: files that it inherits, and that are closed here when it has started."""

    command: list[str]
    handed: tuple[int, ...] = ()
    is_confined: bool = False

    def started(self) -> None:
        for number in self.handed:
            os.close(number)


def kept_variables(*, network: bool) -> dict[str, str]:
    """Return the agent's variables that programs get too. network: whether they have one, to reach a proxy by."""
    return {
        name: value
        for name, value in os.environ.items()
        if (name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES))
        and (network or not name.lower().endswith("_proxy"))
    }


class Sandbox:
    """workspace: the folder that programs may change, next to their temporary files. environments: folder that only
    installers may change, since other builds use it too. url: of the registry."""

    def __init__(self, bwrap: str, workspace: Path, environments: Path, url: str) -> None:
        self._bwrap, self._workspace, self._environments = bwrap, workspace, environments
        parts = urlsplit(url)
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._port_inside = self._port if self._port >= _FIRST_FREE_PORT else _OTHER_PORT

    @property
    def url(self) -> str:
        """Return the registry's address inside a sandbox without a network."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self._port_inside}"

    @contextlib.contextmanager
    def confine(
        self, command: Sequence[str], folder: Path, *, network: bool, installs: bool = False
    ) -> Iterator[Confined]:
        """Give a program its sandbox, which lasts as long as the context. installs: it may change the environments."""
        options = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", "/tmp", "/tmp"]  # noqa: S108
        options += ["--bind", str(self._workspace), str(self._workspace)]
        if self._environments.is_dir():
            environments = str(self._environments)
            options += ["--bind" if installs else "--ro-bind", environments, environments]
        options += ["--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL", "--die-with-parent"]
        if network:
            yield Confined([self._bwrap, *options, "--chdir", str(folder), "--", *command], is_confined=True)
            return
        if _HIDDEN.is_dir() and not self._workspace.is_relative_to(_HIDDEN):
            options += ["--tmpfs", str(_HIDDEN)]
        options += ["--unshare-net", "--chdir", str(folder), *self._hosts()]
        address = "::1" if self._host == "::1" else "127.0.0.1"
        ours, theirs = socket.socketpair()
        relay = _Relay(ours, (self._host, self._port))
        start = [sys.executable, "-I", "-S", inside.__file__, str(theirs.fileno())]
        start += [address, str(self._port_inside)]
        try:
            yield Confined(
                [self._bwrap, *options, "--", *start, *command], (theirs.detach(),), is_confined=True
            )
        finally:
            relay.close()

    def _hosts(self) -> list[str]:
        """Return the options that let the registry's name mean the socket inside."""
        if self._host in _LOOPBACK or not Path("/etc/hosts").is_file():
            return []
        hosts = self._workspace / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {self._host}\n::1 localhost\n")
        return ["--ro-bind", str(hosts), "/etc/hosts"]


class _Relay:
    """Passes connections on to one address, as long as the program runs. ours: by it the listening socket is handed out."""

    def __init__(self, ours: socket.socket, address: tuple[str, int]) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._open: WeakSet[socket.socket] = WeakSet()
        self._is_closed = False
        self._start(self._accept, ours)

    def close(self) -> None:
        """End all connections, and accept no more."""
        with self._lock:
            self._is_closed = True
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _start(self, work: Callable[[socket.socket], None], opened: socket.socket) -> None:
        threading.Thread(target=work, args=(opened,), name="modelyard-relay", daemon=True).start()

    def _note(self, opened: socket.socket) -> socket.socket:
        """Have a socket shut down with the relay. Raises OSError if that is closed already."""
        with self._lock:
            if self._is_closed:
                opened.close()
                raise OSError("the program has ended")
            self._open.add(opened)
        return opened

    def _accept(self, ours: socket.socket) -> None:
        with contextlib.suppress(OSError), ours:
            _, numbers, _, _ = socket.recv_fds(self._note(ours), 1, 1)
            # None: the program could not be started.
            for number in numbers:
                with self._note(socket.socket(fileno=number)) as listener:
                    while True:
                        connection, _ = listener.accept()
                        self._start(self._pass_on, connection)

    def _pass_on(self, inside: socket.socket) -> None:
        with contextlib.suppress(OSError), inside, socket.create_connection(self._address, _CONNECT) as outside:
            outside.settimeout(None)
            self._note(outside)
            back = threading.Thread(target=_copy, args=(outside, self._note(inside)), daemon=True)
            back.start()
            _copy(inside, outside)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(_BLOCK_BYTES):
            target.sendall(block)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
