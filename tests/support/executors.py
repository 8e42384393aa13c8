"""An executor in memory, whose agents are the tests themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelyard.domain.errors import ExecutorUnavailable, TaskRefused
from modelyard.engines.executor import Look, State, Task


@dataclass
class ScriptedExecutor:
    """Tasks run until a test says that they are gone; each call is noted."""

    place: str = "here"
    is_isolated: bool = True
    note: str = ""
    tasks: dict[str, Task] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    looks: dict[str, Look] = field(default_factory=dict)
    tails: dict[str, str] = field(default_factory=dict)
    obeys: bool = True
    """Whether a task ends when it is cancelled."""
    is_away: bool = False
    """Whether it does not answer now."""
    refuses: str = ""
    """Why it will never run what is submitted."""

    @property
    def kind(self) -> str:
        return "scripted"

    def submit(self, task: Task) -> None:
        self.calls.append(f"submit {task.name}")
        self._answer()
        if self.refuses:
            raise TaskRefused(executor=self.kind, reason=self.refuses)
        if self.look(task.name).state not in (State.WAITING, State.RUNNING):
            self.tasks[task.name] = task
            self.looks[task.name] = Look(State.RUNNING)

    def _answer(self) -> None:
        if self.is_away:
            raise ExecutorUnavailable(executor=self.kind, reason="it is away")

    def look(self, name: str) -> Look:
        self._answer()
        return self.looks.get(name, Look(State.UNKNOWN))

    def cancel(self, name: str) -> None:
        self._answer()
        self.calls.append(f"cancel {name}")
        if self.obeys:
            self.looks[name] = Look(State.GONE, -15)

    def log_tail(self, name: str) -> str:
        return self.tails.get(name, "")

    def clean(self, name: str) -> None:
        self._answer()
        self.calls.append(f"clean {name}")
        self.looks.pop(name, None)

    def end(self, name: str, exit_code: int | None = 0, reason: str = "") -> None:
        self.looks[name] = Look(State.GONE, exit_code, reason)
