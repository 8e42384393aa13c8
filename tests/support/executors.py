"""An executor in memory, whose agents are the tests themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelyard.domain.errors import ExecutorUnavailable
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
    """Whether it cannot start anything now."""

    @property
    def kind(self) -> str:
        return "scripted"

    def submit(self, task: Task) -> None:
        self.calls.append(f"submit {task.name}")
        if self.is_away:
            raise ExecutorUnavailable(executor=self.kind, reason="it is away")
        if self.look(task.name).state is not State.RUNNING:
            self.tasks[task.name] = task
            self.looks[task.name] = Look(State.RUNNING)

    def look(self, name: str) -> Look:
        return self.looks.get(name, Look(State.UNKNOWN))

    def cancel(self, name: str) -> None:
        self.calls.append(f"cancel {name}")
        if self.obeys:
            self.looks[name] = Look(State.GONE, -15)

    def log_tail(self, name: str) -> str:
        return self.tails.get(name, "")

    def clean(self, name: str) -> None:
        self.calls.append(f"clean {name}")
        self.looks.pop(name, None)

    def end(self, name: str, exit_code: int | None = 0, reason: str = "") -> None:
        self.looks[name] = Look(State.GONE, exit_code, reason)
