"""Run agents as jobs of a Slurm cluster, by its own commands.

A job carries the name of its task, by which it is found again. The script is sent on standard input and holds no secret;
the variables of the agent, its token among them, travel as the environment of the job, which `scontrol show job` does not show.
Accounting (`sacct`) is not needed. A cluster forgets a job some minutes after its end (`MinJobAge`).
"""

from __future__ import annotations

import contextlib
import math
import os
import pwd
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelyard.domain.errors import TaskRefused
from modelyard.engines.cluster import (
    AGENT_BYTES,
    AGENT_SECONDS,
    DEFAULT_COMMAND,
    DEFAULT_FOLDER,
    NOTE,
    Outage,
    delete_folder,
    end_of_file,
    start_script,
    variables_of,
)
from modelyard.engines.executor import MEMORY_SUSPECTED, Look, State, Task

_COMMAND_SECONDS = 30.0
_WAITING = frozenset("PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD SPECIAL_EXIT RESV_DEL_HOLD".split())
_RUNNING = frozenset("RUNNING COMPLETING SUSPENDED STOPPED SIGNALING STAGE_OUT RESIZING".split())
_GONE = frozenset(
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED REVOKED TIMEOUT".split()
)
_HOPELESS = frozenset("BadConstraints PartitionConfig PartitionNodeLimit PartitionTimeLimit".split())
"""Reasons for waiting that no free node ends."""
_PASSING = (
    "Unable to contact slurm controller",
    "Socket timed out",
    "Connection refused",
    "Connection timed out",
    "not responding",
    "temporarily unable",
    "temporarily unavailable",
    "Zero Bytes",
    "Transport endpoint",
    "Unexpected message",
    "authentication",
    "Munge",
    "Unable to resolve",
    "Could not establish a configuration source",
    "job submit limit",
)
"""What the commands say of faults that may pass; everything else that `sbatch` says is a refusal."""
_EXIT_CODE = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class _Job:
    id: str
    state: str
    reason: str


class SlurmExecutor:
    """name: of the pool. partition: "": the cluster's default. options: more words for `sbatch`, which win over ours. command:
    that starts the agent on a node. folder: on the nodes, in which builds work; if this machine sees it too, the last lines of an
    agent that did not start are known. memory: whether to ask for memory. programs: folder of Slurm's commands; "": look for
    them in the usual places."""

    def __init__(
        self,
        name: str,
        *,
        partition: str = "",
        options: Sequence[str] = (),
        command: str = DEFAULT_COMMAND,
        folder: str = DEFAULT_FOLDER,
        memory: bool = True,
        programs: str = "",
        quiet_seconds: float | None = None,
    ) -> None:
        self._name, self._partition, self._options = name, partition, list(options)
        self._command, self._folder, self._memory, self._programs = command, folder, memory, programs
        self._outage = Outage(self.kind, quiet_seconds)
        self._log_folder = Path(folder).expanduser()

    @property
    def kind(self) -> str:
        return "slurm"

    @property
    def place(self) -> str:
        return f"{self.kind}:{self._name}"

    @property
    def is_isolated(self) -> bool:
        return False

    @property
    def note(self) -> str:
        return NOTE

    # --- the protocol --------------------------------------------------------------------------------

    def submit(self, task: Task) -> None:
        job = self._find(task.name)
        if job is not None and job.state not in _GONE:
            return
        with contextlib.suppress(OSError):
            self._log_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        script = "#!/bin/sh\n" + start_script(task, self._folder, self._command)
        self._call("sbatch", *self._asked_of(task), stdin=script, variables=variables_of(task))

    def _asked_of(self, task: Task) -> list[str]:
        words = [
            "--parsable",
            "--no-requeue",
            "--export=ALL",
            "--chdir=/",
            f"--job-name={task.name}",
            f"--output={self._log_of(task.name)}",
        ]
        if self._partition:
            words.append(f"--partition={self._partition}")
        if task.timeout_seconds is not None:
            words.append(f"--time={math.ceil((task.timeout_seconds + AGENT_SECONDS) / 60)}")
        if task.cpu is not None:
            words.append(f"--cpus-per-task={math.ceil(task.cpu)}")
        if task.gpu:
            words.append(f"--gres=gpu:{task.gpu}")
        if task.memory_bytes is not None and self._memory:
            words.append(f"--mem={math.ceil((task.memory_bytes + AGENT_BYTES) / (1 << 20))}M")
        return words + self._options

    def look(self, name: str) -> Look:
        job = self._find(name)
        if job is None:
            return Look(State.UNKNOWN, reason="Slurm: the job is no longer known")
        if job.state in _WAITING:
            words = f"Slurm: {_words_of(job.state, job.reason)}"
            return Look(State.WAITING, reason=words, can_start=job.reason not in _HOPELESS)
        if job.state in _RUNNING:
            return Look(State.RUNNING)
        return self._ending_of(job)

    def cancel(self, name: str) -> None:
        # What ignores SIGTERM is killed by Slurm itself, after the cluster's KillWait.
        job = self._find(name)
        if job is not None and job.state not in _GONE and job.state != "COMPLETING":
            self._call("scancel", job.id)

    def log_tail(self, name: str) -> str:
        return end_of_file(self._log_of(name))

    def clean(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._log_of(name).unlink()
        delete_folder(self._folder, name)

    # --- commands ------------------------------------------------------------------------------------

    def _log_of(self, name: str) -> Path:
        return self._log_folder / f"{name}.log"

    def _find(self, name: str) -> _Job | None:
        """Return the newest job of a name; None: the cluster knows none, or no longer."""
        told = self._call("squeue", "--noheader", "--me", "--states=all", f"--name={name}", "--format=%i|%T|%r")
        jobs = []
        for line in told.splitlines():
            words = line.strip().split("|", 2)
            if len(words) != 3 or not words[0].isdigit() or words[1] not in _WAITING | _RUNNING | _GONE:
                raise self._outage.error(f"squeue answered {line[:200]!r}")
            jobs.append(_Job(*words))
        return max(jobs, key=lambda job: int(job.id), default=None)

    def _ending_of(self, job: _Job) -> Look:
        told = self._call("scontrol", "--oneliner", "show", "job", job.id)
        state, reason = _value(told, "JobState"), _value(told, "Reason", until=" Dependency=")
        found = _EXIT_CODE.fullmatch(_value(told, "ExitCode"))
        if state not in _GONE or found is None:
            raise self._outage.error(f"scontrol answered {told[:200]!r}")
        code, number = int(found[1]), int(found[2])
        words = f"Slurm: {_words_of(state, reason)}"
        if number == signal.SIGKILL and state not in ("CANCELLED", "TIMEOUT", "PREEMPTED"):
            words += MEMORY_SUSPECTED
        elif code:
            words += f"; exit code {code}"
        return Look(State.GONE, -number if number else code, words)

    def _call(self, program: str, *words: str, stdin: str = "", variables: dict[str, str] | None = None) -> str:
        """Run a command of Slurm and return what it prints. Raises ExecutorUnavailable, TaskRefused."""
        path = f"{self._programs}/{program}" if self._programs else program
        with self._outage.noted():
            try:
                done = subprocess.run(
                    [path, *words],
                    input=stdin,
                    env={**_own_variables(), **(variables or {})},
                    cwd="/",
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=_COMMAND_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise self._outage.error(f"{program} did not answer within {_COMMAND_SECONDS:.0f} s") from None
            except OSError as exc:
                raise self._outage.error(f"{program} cannot be run: {exc.strerror or exc}") from exc
            if done.returncode == 0:
                return done.stdout
            told = " ".join(done.stderr.split())[:500] or f"{program} ended with exit code {done.returncode}"
            if program != "sbatch" or done.returncode < 0 or any(each in told for each in _PASSING):
                raise self._outage.error(told)
        raise TaskRefused(executor=self.kind, reason=told)


def _own_variables() -> dict[str, str]:
    """Return the variables of Slurm's commands, which become those of the job: none of the server's, which may hold its key."""
    account = pwd.getpwuid(os.getuid())
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("SLURM_CONF", "TZ") or name.startswith("SBATCH_")
    }
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        **kept,
    }


def _value(told: str, name: str, until: str = " ") -> str:
    """Return a value of a line of `scontrol`; "": it has none."""
    return told.partition(f" {name}=")[2].partition(until)[0]


def _words_of(state: str, reason: str) -> str:
    words = state.lower().replace("_", " ")
    return words if reason in ("", "None", "(null)") else f"{words} ({reason.strip('()')})"
