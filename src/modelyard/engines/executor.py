"""The protocol of executors: programs or clusters that run the agents of builds.

The server calls `submit` with a task under a name, then `look` again and again. A crash between submitting and noting
it costs nothing, since a task that runs under the name is adopted. The agent itself says what happened; an executor is
the second witness, for an agent that died before its first word. While an executor does not answer, nothing is known,
and nothing is decided.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

GRACE_SECONDS = 15.0
"""Time between the polite request to end and the end by force: an agent gives its steps ten seconds of it."""


@dataclass(frozen=True, slots=True)
class Task:
    """The agent of one attempt.

    name: `[a-z0-9-]{1,80}`, the same for the same attempt. environment: variables of the agent, which are all that it is
    told. share: tasks of the same share, a namespace, use the same folder of Python environments. cpu: processors;
    gpu: accelerators; memory_bytes: of each process; None: no limit. timeout_seconds: the longest that it runs; None: not
    known.
    """

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    share: str = ""
    cpu: float | None = None
    gpu: int | None = None
    memory_bytes: int | None = None
    timeout_seconds: int | None = None


class State(enum.StrEnum):
    UNKNOWN = "unknown"
    """No task of the name was submitted here, or nothing is left of it."""
    WAITING = "waiting"
    """The cluster has it, and starts it when it can."""
    RUNNING = "running"
    GONE = "gone"
    """It has ended, with everything that it started."""


@dataclass(frozen=True, slots=True)
class Look:
    """exit_code: negative for a signal; None: not known. reason: why it waits, ended or is unknown, in the engine's words. can_start:
    False: it waits for what the cluster does not have. has_agent: False: what runs is not
    the agent: that has not started yet, or has ended and left processes behind."""

    state: State
    exit_code: int | None = None
    reason: str = ""
    can_start: bool = True
    has_agent: bool = True


MEMORY_SUSPECTED = "; perhaps the machine was out of memory"
"""What is added to the words about a SIGKILL that this server did not send."""


class Executor(Protocol):
    """Safe to use from several threads."""

    @property
    def kind(self) -> str:
        """Return the word for this sort of executor."""

    @property
    def place(self) -> str:
        """Return the machine or cluster; an executor sees only tasks of its own place."""

    @property
    def is_isolated(self) -> bool:
        """Return whether steps cannot read the server's data."""

    @property
    def note(self) -> str:
        """Return what people should know about it; "": nothing."""

    def submit(self, task: Task) -> None:
        """Start a task, or adopt the one of this name that waits or runs.

        Raises ExecutorUnavailable; TaskRefused if what it asks for can never be had here."""

    def look(self, name: str) -> Look:
        """Return the state of a task. Raises ExecutorUnavailable."""

    def cancel(self, name: str) -> None:
        """Ask a task to end, and everything that it started; by force when `GRACE_SECONDS` have passed since the first
        request. Returns at once: call it again until `look` says that it is gone. Raises ExecutorUnavailable."""

    def log_tail(self, name: str) -> str:
        """Return the last lines that the agent itself wrote; "": none."""

    def clean(self, name: str) -> None:
        """Delete everything that is left of a task. Only for one that is gone or unknown. Raises ExecutorUnavailable."""
