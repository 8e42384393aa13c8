"""How a worker process is started and kept apart.

It gets one socket by number, few variables, and none of our dependencies. Where bubblewrap works it sees its environment, the
model and the system's libraries, has no network, and no other processes. Otherwise it runs as the front does, with limits.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import modelyard

BUBBLEWRAP, LIMITS = "bubblewrap", "limits"
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/opt", "/sys", "/etc/ld.so.cache", "/etc/ld.so.conf",
           "/etc/ld.so.conf.d", "/etc/localtime", "/etc/alternatives")  # fmt: skip
"""What programs need of the system; neither accounts nor homes nor services."""
_TRIAL = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", "true")
_PROGRAM = "import sys; sys.path.append({code!r}); from modelyard.scorer.worker import main; main({number})"
_CODE = "/run/modelyard"


class Process:
    """A started worker."""

    def __init__(self, process: subprocess.Popen[bytes], isolation: str) -> None:
        self._process, self.isolation = process, isolation

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()

    def collect(self) -> None:
        """Wait for the end of a process whose socket is closed; it is made to end."""
        for _ in range(2):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
                return
            self._process.kill()

    def words(self) -> str:
        """Say how it ended."""
        code = self._process.returncode
        number = -code if code is not None and code < 0 else (code or 0) - 128
        if number > 0:
            with contextlib.suppress(ValueError):
                return f"it was ended by {signal.Signals(number).name}"
        return f"it ended with exit code {code}"

    def memory_bytes(self) -> int | None:
        """Return the resident memory of the process and its children; None where the system does not tell."""
        total = None
        for pid in _family(self.pid):
            with contextlib.suppress(OSError, ValueError, IndexError):
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                total = (total or 0) + pages * os.sysconf("SC_PAGE_SIZE")
        return total


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))


@dataclass(frozen=True, slots=True)
class Worker:
    """sock: the front's end."""

    process: Process
    sock: socket.socket


@cache
def working_bwrap() -> str | None:
    """Return the path of a bubblewrap that can isolate here; None: there is none."""
    path = shutil.which("bwrap")
    if path is None:
        return None
    try:
        tried = subprocess.run([path, *_TRIAL], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return path if tried.returncode == 0 else None


def launch(python: Path, folder: Path, bwrap: str | None) -> Worker:
    """Start a worker, which waits for its first frame. python: of its environment. folder: of the model. Raises OSError."""
    ours, theirs = socket.socketpair()
    package = Path(modelyard.__file__).parent
    with theirs:
        number = theirs.fileno()
        code = _CODE if bwrap else str(_code_folder(folder, package))
        program = [str(python), "-I", "-B", "-c", _PROGRAM.format(code=code, number=number)]
        command = program if bwrap is None else _isolated(bwrap, program, python, folder, package)
        try:
            # Not by a fork of the front, whose threads and locks would come along.
            process = subprocess.Popen(
                command,
                cwd="/" if bwrap else folder,
                env=_variables(python),
                stdin=subprocess.DEVNULL,
                pass_fds=(number,),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
    return Worker(Process(process, BUBBLEWRAP if bwrap else LIMITS), ours)


def _variables(python: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("LANG", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **dict.fromkeys(_THREADS, "1"),
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108 - its own where it is isolated
        # There are no accounts to look it up in.
        "USER": "modelyard",
        "HF_HUB_OFFLINE": "1",
        **kept,
    }


def _code_folder(folder: Path, package: Path) -> Path:
    """Return a folder in which our package alone can be imported, next to the model's."""
    code = folder.parent / "code"
    code.mkdir(exist_ok=True)
    link = code / "modelyard"
    if not (link.is_symlink() and link.readlink() == package):
        new = code / f"new-{os.getpid()}"
        new.unlink(missing_ok=True)
        new.symlink_to(package)
        new.replace(link)
    return code


def _isolated(bwrap: str, program: Sequence[str], python: Path, folder: Path, package: Path) -> list[str]:
    options = ["--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"]
    options += ["--tmpfs", "/tmp"]  # noqa: S108 - its own
    for path in SYSTEM:
        options += ["--ro-bind-try", path, path]
    for path in python_folders(python):
        options += ["--ro-bind", path, path]
    options += ["--ro-bind", str(folder), str(folder), "--ro-bind", str(package), f"{_CODE}/modelyard"]
    return [bwrap, *options, "--chdir", str(folder), "--", *program]


def python_folders(python: Path) -> list[str]:
    """Return the folders of an environment, of the Python that it was made from, and of packages linked into it."""
    environment = python.parent.parent
    found = {str(environment), os.path.realpath(environment)}
    real = Path(os.path.realpath(python))
    found.add(str(real.parent.parent))
    if python == Path(sys.executable):
        found |= {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix) if path}
    return sorted(path for path in found if path != "/" and Path(path).is_dir())
