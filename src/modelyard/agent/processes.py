"""One program of a step: in a process group of its own, read as it writes, bounded, and ended for certain."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from modelyard.agent.descendants import CAN_ADOPT, children_of, descendants_of, end_with_parent
from modelyard.agent.hiding import Hidden, HidingStream
from modelyard.agent.sampling import Sampler, memory_of
from modelyard.agent.sandbox import Confined, Sandbox
from modelyard.domain.sizes import size_words
from modelyard.sdk.runs.bounded_log import BoundedLog

GRACE_SECONDS = 10.0
"""Time between SIGTERM and SIGKILL."""
LAST_SECONDS = 4.0
"""An agent that was asked to end by a signal has this long for its last words, after its steps have ended."""
MAX_LOG_BYTES = 128 << 20
"""Beginning of the log of one program; beyond it, only the end is kept."""
_BLOCK_BYTES = 1 << 16
_LOOK_SECONDS = 0.1
_PIPE_SECONDS = 5.0
_SAMPLE_SECONDS = 1.0
USED_SECONDS = 4.0
"""Time between two reports of what a program has used so far."""
_KILL_SECONDS = 60.0
_KEPT_BLOCKS = 3
_SHELLS = frozenset({"sh", "dash", "bash", "ash", "busybox", "ksh", "zsh", "fish"})
_END_CHARACTERS = 4000
_NO_MEMORY = re.compile(r"\bMemoryError\b|\bbad_alloc\b|cannot allocate memory|out of memory", re.IGNORECASE)


class Stop:
    """Why the steps must end; the first cause counts."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self.cause = self.reason = ""
        self.hurried_at: float | None = None
        """When the agent was told to end soon, as of time.monotonic(); None: it may take its time."""

    def hurry(self) -> None:
        """Let the agent end soon: who sent it a signal ends it by force otherwise."""
        self.hurried_at = self.hurried_at or time.monotonic()

    def is_late(self, since: float) -> bool:
        """Return whether the time for last words is over, which began then, or later with the signal."""
        return self.hurried_at is not None and time.monotonic() > max(since, self.hurried_at) + LAST_SECONDS

    def ask(self, cause: str, reason: str) -> None:
        """cause: cancelled, timed-out, superseded, away, abandoned or ended."""
        # Called by a signal handler too, in the thread that may hold the lock: then another cause came first.
        if self._lock.acquire(blocking=False):
            try:
                if not self._asked.is_set():
                    self.cause, self.reason = cause, reason
                    self._asked.set()
            finally:
                self._lock.release()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. cause: "" by itself; a cause of `Stop`, `timed-out`, or `memory`. exit_code: as in a shell."""

    exit_code: int
    cause: str
    reason: str
    resources: dict[str, Any] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        return not self.cause and self.exit_code == 0

    @property
    def totals(self) -> dict[str, Any]:
        """Return the resources without their course."""
        return {name: value for name, value in self.resources.items() if not isinstance(value, list)}


@dataclass(frozen=True, slots=True)
class Limits:
    """deadline: of the build, as of time.monotonic(). timeout_seconds: of this program."""

    timeout_seconds: float | None = None
    deadline: float | None = None
    memory_bytes: int | None = None


def run_process(
    command: Sequence[str],
    *,
    folder: Path,
    variables: Mapping[str, str],
    log: Callable[[str], object],
    stop: Stop,
    limits: Limits,
    note: Callable[[str], object] = lambda _: None,
    used: Callable[[dict[str, Any]], object] = lambda _: None,
    hidden: Hidden | None = None,
    sandbox: Sandbox | None = None,
    network: bool = True,
    installs: bool = False,
) -> Ended:
    """Run a program to its end and return how it ended; whatever it started is gone then.

    log: receives its output in lines, without credentials and bounded. note: receives what was cut. used: receives what
    the program has used so far, every few seconds. hidden: the secrets that the program knows. sandbox: None: it runs like
    the agent itself, always with the network. network, installs: as for `Sandbox.confine`.
    """
    if sandbox is None:
        return _run(Confined([*command]), folder, variables, log, note, used, stop, limits, hidden)
    with sandbox.confine(command, folder, network=network, installs=installs) as program:
        return _run(program, folder, variables, log, note, used, stop, limits, hidden)


def _run(
    program: Confined,
    folder: Path,
    variables: Mapping[str, str],
    log: Callable[[str], object],
    note: Callable[[str], object],
    used: Callable[[dict[str, Any]], object],
    stop: Stop,
    limits: Limits,
    hidden: Hidden | None,
) -> Ended:
    end = _End()

    def pass_on(text: str) -> None:
        end.add(text)
        log(text)

    bounded = BoundedLog(pass_on, note, MAX_LOG_BYTES)
    before = set(children_of(os.getpid()))
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            program.command,
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=program.handed,
            preexec_fn=end_with_parent if CAN_ADOPT else None,
        )
    except OSError as error:
        return Ended(127, "", f"{program.command[0]} cannot be run: {error.strerror}")
    finally:
        program.started()
    readers = [
        threading.Thread(target=_read, args=(stream, bounded, hidden or Hidden()), daemon=True)
        for stream in (process.stdout, process.stderr)
    ]
    for reader in readers:
        reader.start()
    watch = _Watch(process, before, limits.memory_bytes, is_confined=program.is_confined)
    cause, reason = _wait(watch, stop, limits, began, used)
    code = watch.end()
    for reader in readers:
        reader.join(_PIPE_SECONDS)
    bounded.finish()
    shown = 128 - code if code < 0 else code
    resources = watch.resources(time.monotonic() - began)
    return Ended(shown, cause, reason or _words_for(code, end.text), resources)


def _wait(
    watch: _Watch, stop: Stop, limits: Limits, began: float, used: Callable[[dict[str, Any]], object]
) -> tuple[str, str]:
    """Wait for the end of the program, or for a reason to end it; return that as (cause, reason)."""
    told = began
    while not watch.has_ended(_LOOK_SECONDS):
        present = time.monotonic()
        if present >= told + USED_SECONDS:
            told = present
            used(watch.resources(present - began))
        if stop.asked:
            return stop.cause, stop.reason
        if limits.timeout_seconds is not None and present - began > limits.timeout_seconds:
            return "timed-out", f"the step ran for longer than its {limits.timeout_seconds:g} s"
        if limits.deadline is not None and present > limits.deadline:
            return "timed-out", "the build ran for longer than its timeout"
        if watch.is_too_large():
            assert limits.memory_bytes is not None
            return (
                "memory",
                f"it used {size_words(watch.peak_bytes)}, more than the {size_words(limits.memory_bytes)} of resources.memory",
            )
    return "", ""


class _End:
    """The end of what a program printed."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, text: str) -> None:
        self.text = (self.text + text[-_END_CHARACTERS:])[-_END_CHARACTERS:]


def _words_for(code: int, end: str) -> str:
    """Say how the program ended by itself; "": well. end: of what it printed."""
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if number == signal.SIGKILL:
        return "it was killed by SIGKILL, and not by the build: out of memory suspected"
    if number:
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(number).name}"
    if code and _NO_MEMORY.search(end):
        return f"exit code {code}: out of memory suspected"
    return f"exit code {code}" if code else ""


# --- watching --------------------------------------------------------------------------------------------


class _Watch:
    """A program with all of its descendants."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        before: set[int],
        memory_bytes: int | None,
        *,
        is_confined: bool = False,
    ) -> None:
        self._process, self._before, self._memory_bytes = process, before, memory_bytes
        self._is_confined = is_confined
        self._told: set[int] = set()
        """Those inside of bubblewrap that were asked to end."""
        self._held: set[int] = set()
        """Shells among them that do not run until their program has ended."""
        self._usages: list[Any] = []
        self.peak_bytes = 0
        self._sampler = Sampler()
        self._handle: int | None = None
        self._next_sample = time.monotonic() + _SAMPLE_SECONDS
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._handle = os.pidfd_open(process.pid)

    def has_ended(self, seconds: float) -> bool:
        """Return whether the program has ended, after at most this many seconds."""
        if self._reap():
            return True
        if self._handle is not None:
            select.select([self._handle], [], [], seconds)
        else:
            time.sleep(seconds)
        return self._reap()

    def _reap(self) -> bool:
        if self._process.returncode is None:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                self._usages.append(usage)
                if self._handle is not None:
                    os.close(self._handle)
                    self._handle = None
        return self._process.returncode is not None

    def is_too_large(self) -> bool:
        """Sample what the program and its descendants use, once a second; where there is a limit, their memory each time."""
        present = time.monotonic()
        if present >= self._next_sample:
            self._next_sample = present + _SAMPLE_SECONDS
            self._sampler.sample(self._living())
            self.peak_bytes = max(self.peak_bytes, self._sampler.peak_memory)
        elif self._memory_bytes is not None:
            self.peak_bytes = max(self.peak_bytes, sum(map(memory_of, self._living())))
        return self._memory_bytes is not None and self.peak_bytes > self._memory_bytes

    def _living(self) -> list[int]:
        """Return the program's processes: its descendants, and those that the agent adopted from it."""
        return descendants_of(os.getpid(), but=self._before)

    def end(self) -> int:
        """End everything that still runs, first by SIGTERM, and return the exit code of the program."""
        ended_by_itself = self._reap()
        if self._anything_left():
            self._signal(signal.SIGTERM)
            until = time.monotonic() + GRACE_SECONDS
            while time.monotonic() < until and self._anything_left():
                if self._is_confined:
                    self._ask_confined()
                self.has_ended(0.02) if not ended_by_itself else time.sleep(0.02)
            until = time.monotonic() + _KILL_SECONDS
            while self._anything_left() and time.monotonic() < until:
                self._signal(signal.SIGKILL)
                time.sleep(0.01)
        # A process that waits in the kernel, for example for a disk, ends when that answers.
        return -signal.SIGKILL if self._process.returncode is None else int(self._process.returncode)

    def _anything_left(self) -> bool:
        self._reap()
        left = [pid for pid in self._living() if pid != self._process.pid]
        for pid in left:
            # Adopted ones that have ended are ours to collect.
            with contextlib.suppress(OSError):
                collected, _, usage = os.wait4(pid, os.WNOHANG)
                if collected:
                    self._usages.append(usage)
        return self._process.returncode is None or any(map(_is_alive, left))

    def _signal(self, number: int) -> None:
        """Send a signal once to each process: a second SIGTERM would end a program while it saves its work."""
        if self._is_confined and number != signal.SIGKILL:
            self._ask_confined()
            return
        group = None
        living = self._living()
        # After its leader has ended, a group is known to be the same only where nothing else finds its members.
        if self._process.returncode is None or not CAN_ADOPT:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, number)
                group = self._process.pid
        for pid in living:
            with contextlib.suppress(OSError):
                if os.getpgid(pid) != group:
                    os.kill(pid, number)

    def _ask_confined(self) -> None:
        """Send SIGTERM to the processes inside of bubblewrap that have not got it, later ones too.

        bubblewrap itself would end at once, and by force everything in it. So it would with the shell that waits for the
        program: a shell ends at once too. It is stopped until then, and gets the signal before it can print anything.
        """
        # Parents come first, so a shell is stopped before its program is asked.
        for pid in self._living():
            if pid == self._process.pid or pid in self._told:
                continue
            self._told.add(pid)
            with contextlib.suppress(OSError):
                if _is_waiting_shell(pid):
                    self._held.add(pid)
                    os.kill(pid, signal.SIGSTOP)
                else:
                    os.kill(pid, signal.SIGTERM)
        for pid in [pid for pid in self._held if not _has_living_child(pid)]:
            self._held.discard(pid)
            with contextlib.suppress(OSError):
                # In this order: what waits for a stopped process is delivered before it goes on.
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)

    def resources(self, seconds: float) -> dict[str, Any]:
        found: dict[str, Any] = {"wall_seconds": round(seconds, 3)}
        peak = self.peak_bytes
        if self._usages:
            found["cpu_seconds"] = round(sum(each.ru_utime + each.ru_stime for each in self._usages), 3)
            largest = max(each.ru_maxrss for each in self._usages)
            peak = max(peak, largest * (1 if sys.platform == "darwin" else 1024))
        return found | {"peak_memory_bytes": peak} | self._sampler.to_json()


def _is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and was not collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def _is_waiting_shell(pid: int) -> bool:
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return False
    return name in _SHELLS and _has_living_child(pid)


def _has_living_child(pid: int) -> bool:
    return any(map(_is_alive, children_of(pid)))


# --- reading ---------------------------------------------------------------------------------------------


def _read(stream: IO[bytes], log: BoundedLog, hidden: Hidden) -> None:
    """Pass a stream on. Beyond the log's bound only the last blocks are kept, so endless output costs little."""
    feed = log.stream()
    hiding = HidingStream(hidden)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    kept: deque[bytes] = deque()
    with contextlib.suppress(OSError, ValueError):
        while block := os.read(stream.fileno(), _BLOCK_BYTES):
            if not log.is_full:
                feed(hiding.feed(decoder.decode(block)))
                continue
            kept.append(block)
            if len(kept) > _KEPT_BLOCKS:
                log.leave_out(len(kept.popleft()))
    if kept:
        text = b"".join(kept).decode("utf-8", "replace")
        # What was left out may have begun a line, or a private key.
        start = max(text.find("\n"), _end_of_key(text))
        log.leave_out(max(0, start))
        feed(hiding.feed(text[start + 1 :]))
    feed(hiding.rest())


def _end_of_key(text: str) -> int:
    end, begin = text.find("-----END "), text.find("-----BEGIN ")
    return text.find("\n", end) if end >= 0 and not 0 <= begin < end else -1
