"""Run agents as processes on the server's own machine, next to the server.

An agent has a session and a process group of its own, so it survives the end of the server, and a later server finds
it again by its name in the environment. Where bubblewrap works, an agent sees a read-only system without the server's
data. Otherwise only the accounts of a system user keep it apart, which is why such builds are for admins.

```
FOLDER/environments/SHARE/   Python environments, kept for later builds
FOLDER/NAME/
├── work/         the workspace, MODELYARD_WORKSPACE
├── home/  tmp/   HOME and TMPDIR
├── agent.log     what the agent itself writes
├── process       pid, start time and boot of its process
└── ending        exists since it was first asked to end; its time is that of the request
```
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from modelyard.domain.errors import ExecutorUnavailable
from modelyard.engines.executor import GRACE_SECONDS, MEMORY_SUSPECTED, Look, State, Task
from modelyard.engines.processes import (
    PROC,
    Stat,
    note_process,
    noted_process,
    read_bytes,
    send,
    stat_of,
    tail,
)

_NAME = re.compile(r"[a-z0-9-]{1,80}\Z")
_MARK = "MODELYARD_TASK"
"""Variable with the folder of the task, by which its processes are found."""
_TAIL_BYTES, _TAIL_LINES = 16 * 1024, 50
_MEMORY_NOTE = (
    "A limit of memory holds for each process by the kernel, and for all of a step together by a look ten times a second; "
    "control groups are not used"
)
_LIMITED = 'ulimit -d "$0" && exec "$@"'
_TRIAL = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class LocalExecutor:
    """folder: of the workspaces. hidden: folders that agents must not see. command: of the agent. bwrap: path of
    bubblewrap; None: look for it; "": do without it."""

    def __init__(
        self,
        folder: Path,
        *,
        hidden: Sequence[Path] = (),
        command: Sequence[str] = (sys.executable, "-m", "modelyard.agent"),
        bwrap: str | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._folder = folder.absolute()
        self._hidden = [path.absolute() for path in hidden]
        self._command = list(command)
        self._bwrap = bwrap
        self._grace_seconds = grace_seconds
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    @property
    def kind(self) -> str:
        return "local"

    @property
    def place(self) -> str:
        return socket.gethostname()

    @property
    def is_isolated(self) -> bool:
        return self._isolation is not None

    @property
    def note(self) -> str:
        if self.cuts_network:
            seen = "Steps see a read-only system without the server's data, and no network unless their recipe asks for it"
        elif self.is_isolated:
            seen = "Steps see a read-only system without the server's data; the network of the machine is open to them"
        else:
            seen = "bubblewrap does not work here, so steps can read everything that the server's system user can read"
        return f"{seen}. {_MEMORY_NOTE}"

    @cached_property
    def _isolation(self) -> str | None:
        """Return the path of a bubblewrap that works on this machine."""
        path = shutil.which("bwrap") if self._bwrap is None else self._bwrap
        # Where it really is: a link in /tmp is not seen in a sandbox.
        path = path and str(Path(path).resolve())
        return path if path and _works([path, *_TRIAL]) else None

    @cached_property
    def cuts_network(self) -> bool:
        """Return whether an isolated agent can start steps without a network."""
        path = self._isolation
        return path is not None and _works([path, *_TRIAL, path, *_TRIAL, "--unshare-net", "--cap-drop", "ALL"])

    # --- the protocol --------------------------------------------------------------------------------

    def submit(self, task: Task) -> None:
        folder = self._folder_of(task.name)
        with self._lock:
            for child in self._children.values():
                # Those whose builds another process of this server looks after would stay as zombies.
                child.poll()
            if self._is_running(task.name):
                return
            try:
                self._start(task, folder)
            except OSError as exc:
                raise ExecutorUnavailable(
                    executor=self.kind, reason=f"the agent of {task.name} does not start: {exc.strerror or exc}"
                ) from exc

    def _start(self, task: Task, folder: Path) -> None:
        for name in ("work", "home", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "ending").unlink(missing_ok=True)
        environments = self._environments_of(task)
        environments.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = self._isolated([*self._command], folder, environments)
        if task.memory_bytes is not None:
            # Before the agent starts, so that everything that it starts has the limit too.
            command = ["/bin/sh", "-c", _LIMITED, str(max(1, task.memory_bytes // 1024)), *command]
        with (folder / "agent.log").open("ab") as log, _on_processors(task.cpu):
            process = subprocess.Popen(
                command,
                env=self._environment(task, folder),
                cwd=folder / "work",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[task.name] = process
        note_process(folder, process.pid)

    def look(self, name: str) -> Look:
        folder = self._folder_of(name)
        child = self._children.get(name)
        code = None if child is None else child.poll()
        if self._is_running(name):
            return Look(State.RUNNING, has_agent=self._has_agent(name))
        if child is not None and code is not None:
            return Look(State.GONE, code, _words_of(code))
        if (folder / "process").exists():
            return Look(State.GONE, None, "its process is gone")
        return Look(State.UNKNOWN)

    def cancel(self, name: str) -> None:
        asked = self._folder_of(name) / "ending"
        pids = self._processes_of(name)
        if not pids:
            return
        if not asked.exists():
            with contextlib.suppress(OSError):
                asked.touch()
            send(pids, signal.SIGTERM)
            return
        if time.time() - asked.stat().st_mtime >= self._grace_seconds:
            # A process may start another one meanwhile; the next call finds it.
            send(pids, signal.SIGKILL)

    def log_tail(self, name: str) -> str:
        return tail(self._folder_of(name) / "agent.log", _TAIL_BYTES, _TAIL_LINES)

    def clean(self, name: str) -> None:
        with self._lock:
            self._children.pop(name, None)
        folder = self._folder_of(name)
        _make_deletable(folder)
        shutil.rmtree(folder, ignore_errors=True)

    # --- processes -----------------------------------------------------------------------------------

    def _folder_of(self, name: str) -> Path:
        assert _NAME.match(name), f"{name!r} is not the name of a task"
        return self._folder / name

    def _environments_of(self, task: Task) -> Path:
        return self._folder / "environments" / task.share if task.share else self._folder_of(task.name) / "home"

    def _environment(self, task: Task, folder: Path) -> dict[str, str]:
        """Return all variables of the agent: none of the server's, which may hold its key."""
        found = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "TMPDIR": "/tmp" if self.is_isolated else str(folder / "tmp"),  # noqa: S108 - its own, by a mount
            "MODELYARD_HOME": str(folder / "home"),
            "MODELYARD_WORKSPACE": str(folder / "work"),
            "MODELYARD_ENVIRONMENTS": str(self._environments_of(task)),
            _MARK: str(folder),
        }
        if self.cuts_network:
            found["MODELYARD_BWRAP"] = str(self._isolation)
        if task.cpu is not None:
            found |= dict.fromkeys(_THREADS, str(math.ceil(task.cpu)))
        return {**found, **task.environment}

    def _isolated(self, command: list[str], folder: Path, environments: Path) -> list[str]:
        if self._isolation is None:
            return command
        options = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        for path in (*self._hidden, self._folder):
            if path.is_dir():
                options += ["--tmpfs", str(path)]
        options += ["--bind", str(folder / "tmp"), "/tmp"]  # noqa: S108 - its own
        for needed in _python_folders():
            options += ["--ro-bind", needed, needed]
        for path in (folder, environments):
            options += ["--bind", str(path), str(path)]
        options += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--chdir", str(folder / "work")]
        return [self._isolation, *options, "--", *command]

    def _is_running(self, name: str) -> bool:
        child = self._children.get(name)
        if child is not None and child.poll() is None:
            return True
        return bool(self._processes_of(name))

    def _has_agent(self, name: str) -> bool:
        """Return whether the agent itself runs; one that was killed leaves processes behind. False also until it has started."""
        if not PROC.is_dir() or noted_process(self._folder_of(name)) is not None:
            return True
        # Its bubblewrap may have been killed, so it is looked for by its arguments. An earlier release may be in another folder.
        words = [os.fsencode(word) for word in self._command[1:]]
        pids = self._processes_of(name)
        return any(read_bytes(PROC / str(pid) / "cmdline").split(b"\0")[1:-1] == words for pid in pids)

    def _processes_of(self, name: str) -> set[int]:
        """Return the living processes of a task: the noted one, those with its folder in the environment, orphans that work in
        its workspace, and the children and sessions of all these."""
        noted = noted_process(self._folder_of(name))
        if not PROC.is_dir():
            return {noted} if noted is not None else set()
        marked = f"{_MARK}={self._folder_of(name)}".encode()
        workspace = str(self._folder_of(name) / "work")
        found: set[int] = set() if noted is None else {noted}
        stats = dict(_list_processes())
        for pid, stat in stats.items():
            if marked in read_bytes(PROC / str(pid) / "environ").split(b"\0") or (
                stat.parent == 1 and _works_in(pid, workspace)
            ):
                found.add(pid)
        while True:
            sessions = {stats[pid].session for pid in found if pid in stats}
            more = {
                pid
                for pid, stat in stats.items()
                if pid not in found and (stat.parent in found or stat.session in sessions)
            }
            if not more:
                return found & set(stats)
            found |= more


def _list_processes() -> Iterator[tuple[int, Stat]]:
    """Yield (pid, stat) of the living processes but this one."""
    for entry in PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            stat = stat_of(int(entry.name))
            if stat is not None and stat.state not in "ZX":
                yield int(entry.name), stat


def _works_in(pid: int, folder: str) -> bool:
    try:
        path = str((PROC / str(pid) / "cwd").readlink())
    except OSError:
        return False
    return path == folder or path.startswith(f"{folder}/")


def _works(bubblewrap: list[str]) -> bool:
    """Return whether a program can be started this way."""
    try:
        tried = subprocess.run([*bubblewrap, "true"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def _python_folders() -> list[str]:
    """Return the folders of this Python and its modules that a /tmp of the agent's own would hide."""
    found = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, *sys.path) if path}
    return sorted(path for path in found if path.startswith("/tmp/") and Path(path).is_dir())  # noqa: S108 - no file is made


def _words_of(code: int) -> str:
    if code >= 0:
        return f"the agent ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    memory = MEMORY_SUSPECTED if -code == signal.SIGKILL else ""
    return f"the agent was ended by {name}{memory}"


@contextlib.contextmanager
def _on_processors(cpu: float | None) -> Iterator[None]:
    """Limit the number of processors that processes started by this thread may use."""
    if cpu is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    own = os.sched_getaffinity(0)
    count = min(len(own), max(1, math.ceil(cpu)))
    os.sched_setaffinity(0, random.sample(sorted(own), count))
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def _make_deletable(folder: Path) -> None:
    """Give back the right to delete: steps may have made folders read-only."""
    for path, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)  # noqa: PTH101 - links are never followed by os.walk
