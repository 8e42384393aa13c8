"""Run agents as jobs of a Ray cluster, by the HTTP interface of its dashboard (Ray Jobs).

The submission id of a job is the name of its task. Ray shows the variables of a job to everybody who may open its dashboard,
so the cluster should demand a token (`RAY_AUTH_MODE=token`). The token of an attempt is among these variables, is good for that
attempt alone, and ends with it.
"""

from __future__ import annotations

import signal
from typing import Any
from urllib.parse import quote

from modelyard.domain.errors import TaskRefused
from modelyard.engines.cluster import (
    AGENT_BYTES,
    DEFAULT_COMMAND,
    DEFAULT_FOLDER,
    NOTE,
    Outage,
    delete_folder,
    last_lines,
    start_script,
    variables_of,
)
from modelyard.engines.executor import GRACE_SECONDS, MEMORY_SUSPECTED, Look, State, Task
from modelyard.engines.rest import MOST_WORDS, Rest, last_words

_STATES = {
    "PENDING": State.WAITING,
    "RUNNING": State.RUNNING,
    "STOPPED": State.GONE,
    "SUCCEEDED": State.GONE,
    "FAILED": State.GONE,
}
_STOP_SECONDS = 5
"""Time that an agent gets for its last words, beyond the grace of its steps."""


class RayExecutor:
    """name: of the pool. address: of the dashboard. token_file: file with the cluster's token; "": it demands none. command: that
    starts the agent on a node. folder: on the nodes, in which builds work."""

    def __init__(
        self,
        name: str,
        address: str,
        *,
        token_file: str = "",
        command: str = DEFAULT_COMMAND,
        folder: str = DEFAULT_FOLDER,
        quiet_seconds: float | None = None,
    ) -> None:
        self._name = name
        self._command, self._folder = command, folder
        self._outage = Outage(self.kind, quiet_seconds)
        self._rest = Rest(self._outage, address, token_file)

    @property
    def kind(self) -> str:
        return "ray"

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
        # Ray answers a second submission of an id with an error of the server, so it is looked for first.
        state = self.look(task.name).state
        if state in (State.WAITING, State.RUNNING):
            return
        if state is State.GONE:
            self.clean(task.name)
        variables = variables_of(task)
        variables["RAY_JOB_STOP_WAIT_TIME_S"] = str(int(GRACE_SECONDS) + _STOP_SECONDS)
        body: dict[str, Any] = {
            "submission_id": task.name,
            "entrypoint": start_script(task, self._folder, self._command).strip(),
            # Nothing but variables: Ray's own environments need an installer and a network on the node.
            "runtime_env": {"env_vars": variables},
            "entrypoint_num_cpus": task.cpu or 1,
        }
        if task.gpu:
            body["entrypoint_num_gpus"] = task.gpu
        if task.memory_bytes is not None:
            body["entrypoint_memory"] = task.memory_bytes + AGENT_BYTES
        status, text = self._call("POST", "", body)
        if status == 400:
            raise TaskRefused(executor=self.kind, reason=last_words(text))
        if status != 200 and "already exists" not in text:
            raise self._rest.nonsense(status, text)

    def look(self, name: str) -> Look:
        status, text = self._call("GET", name)
        if status == 404:
            return Look(State.UNKNOWN, reason="Ray: the job is no longer known")
        found = self._rest.found(status, text)
        state = _STATES.get(str(found.get("status")))
        if state is None:
            raise self._rest.nonsense(status, text)
        if state is State.RUNNING:
            return Look(state)
        message = _first_words(str(found.get("message") or ""))
        words = f"Ray: {message or str(found.get('status')).lower()}"
        if state is State.WAITING:
            return Look(state, reason=words)
        code = found.get("driver_exit_code")
        if not isinstance(code, int):
            code = 0 if found.get("status") == "SUCCEEDED" else None
        if code == -signal.SIGKILL:
            words += MEMORY_SUSPECTED
        return Look(state, code, words)

    def cancel(self, name: str) -> None:
        status, text = self._call("POST", f"{name}/stop")
        # One that has ended meanwhile cannot be stopped.
        if status not in (200, 400, 404) and "not running" not in text:
            raise self._rest.nonsense(status, text)

    def log_tail(self, name: str) -> str:
        status, text = self._call("GET", f"{name}/logs")
        if status != 200:
            return ""
        # Ray's own lines come first, and end with the command.
        before, marker, after = str(self._rest.found(status, text).get("logs") or "").partition(
            f"Running entrypoint for job {name}: "
        )
        return last_lines(after.partition("\n")[2] if marker else before)

    def clean(self, name: str) -> None:
        # A job that Ray does not give up is refused here, and stays in its list.
        self._call("DELETE", name)
        delete_folder(self._folder, name)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
        return self._rest.call(method, f"/api/jobs/{quote(path)}", body)


def _first_words(text: str) -> str:
    """Return the first line of a message; the rest is a trace or the log, which is read apart."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line.partition(", last available logs")[0][:MOST_WORDS]
