"""Run agents as Jobs of a Kubernetes cluster, by its HTTP interface.

A Job carries the name of its task, and makes one pod, once. It is ended by suspending it: Kubernetes then ends the pod politely
and keeps the Job, so that its state can still be asked. The account of the pool needs `create`, `get`, `patch` and `delete` for
jobs, and `get` and `list` for pods, `pods/log` and events, in its namespace. The pods themselves get no account.

Sources: the reference of the interface (batch/v1 Job, v1 Pod); Kubernetes enhancement 2232, for suspending.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from modelyard.domain.errors import TaskRefused
from modelyard.engines.cluster import (
    AGENT_BYTES,
    AGENT_SECONDS,
    DEFAULT_COMMAND,
    Outage,
    last_lines,
    start_script,
    variables_of,
)
from modelyard.engines.executor import GRACE_SECONDS, MEMORY_SUSPECTED, Look, State, Task
from modelyard.engines.rest import MOST_WORDS, Rest, says_why

IN_CLUSTER_ADDRESS = "https://kubernetes.default.svc"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
IN_CLUSTER_TOKEN, IN_CLUSTER_CA = f"{_ACCOUNT}/token", f"{_ACCOUNT}/ca.crt"
DEFAULT_FOLDER = "/tmp/modelyard-builds"  # noqa: S108 - in a container of its own
_LAST_WORDS_SECONDS = 5
_KEPT_SECONDS = 24 * 3600
"""How long a Job that has ended is kept, should no one clean up."""
_MERGE = "application/merge-patch+json"
_HOPELESS = frozenset({"InvalidImageName", "CreateContainerConfigError"})
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")

_T = TypeVar("_T")


class KubernetesExecutor:
    """name: of the pool. image: with Python and the client. namespace: of the Jobs. node_selector: labels that a node must have.
    gpu_resource: by which a node offers accelerators. environments_claim: volume claim that keeps Python environments for later
    builds; "": each build makes its own. user: number of the account in the container."""

    def __init__(
        self,
        name: str,
        image: str,
        *,
        address: str = IN_CLUSTER_ADDRESS,
        token_file: str = IN_CLUSTER_TOKEN,
        ca_file: str = IN_CLUSTER_CA,
        namespace: str = "default",
        command: str = DEFAULT_COMMAND,
        folder: str = DEFAULT_FOLDER,
        node_selector: Mapping[str, str] | None = None,
        gpu_resource: str = "nvidia.com/gpu",
        environments_claim: str = "",
        user: int = 1000,
        quiet_seconds: float | None = None,
    ) -> None:
        self._name, self._image, self._command, self._folder = name, image, command, folder
        self._node_selector, self._gpu_resource = dict(node_selector or {}), gpu_resource
        self._claim, self._user = environments_claim, user
        self._outage = Outage(self.kind, quiet_seconds)
        self._rest = Rest(self._outage, address, token_file, ca_file if address.startswith("https:") else "")
        self._jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._core = f"/api/v1/namespaces/{namespace}"

    @property
    def kind(self) -> str:
        return "kubernetes"

    @property
    def place(self) -> str:
        return f"{self.kind}:{self._name}"

    @property
    def is_isolated(self) -> bool:
        return not self._claim

    @property
    def note(self) -> str:
        return (
            f"Builds of a namespace share the Python environments of the claim {self._claim}"
            if self._claim
            else ""
        )

    # --- the protocol --------------------------------------------------------------------------------

    def submit(self, task: Task) -> None:
        state = self.look(task.name).state
        if state in (State.WAITING, State.RUNNING):
            return
        if state is State.GONE:
            self.clean(task.name)
        status, text = self._rest.call("POST", self._jobs, self.manifest(task))
        if status in (400, 422):
            raise TaskRefused(executor=self.kind, reason=says_why(text))
        # 409: another server was faster, or the Job of this name is still being deleted. The next look tells.
        if status == 409 and self.look(task.name).state in (State.WAITING, State.RUNNING):
            return
        self._rest.found(status, text, good=(200, 201, 202))

    def look(self, name: str) -> Look:
        status, text = self._rest.call("GET", f"{self._jobs}/{_checked(name)}")
        job = None if status == 404 else self._read(_Job, status, text)
        pod = self._newest_pod(name)
        if pod is not None and pod.status.phase not in ("Succeeded", "Failed"):
            # "Unknown": its node does not answer, so it may still run.
            if pod.status.phase == "Pending" and pod.metadata.deletion_timestamp is None and job is not None:
                return _waiting(pod)
            return Look(State.RUNNING)
        if job is None:
            return Look(State.UNKNOWN, reason="Kubernetes: the job is no longer known")
        for condition in job.status.conditions or ():
            if condition.type in ("Complete", "Failed") and condition.status == "True":
                return _ending(condition, pod)
        if job.spec.suspend:
            return Look(State.GONE, reason="Kubernetes: cancelled")
        if pod is not None:
            # The pod has ended, and Kubernetes has not counted it yet.
            return Look(State.RUNNING)
        return Look(State.WAITING, reason=f"Kubernetes: {self._newest_event(name) or 'the job has no pod yet'}")

    def cancel(self, name: str) -> None:
        # After the grace of the pod Kubernetes itself ends it by force.
        path = f"{self._jobs}/{_checked(name)}"
        status, text = self._rest.call("PATCH", path, {"spec": {"suspend": True}}, kind=_MERGE)
        if status != 404:
            self._rest.found(status, text)

    def log_tail(self, name: str) -> str:
        pod = self._newest_pod(name)
        if pod is None:
            return ""
        path = f"{self._core}/pods/{pod.metadata.name}/log"
        status, text = self._rest.call("GET", path, query={"container": "agent", "tailLines": 50})
        return last_lines(text) if status == 200 else ""

    def clean(self, name: str) -> None:
        path = f"{self._jobs}/{_checked(name)}"
        status, text = self._rest.call("DELETE", path, query={"propagationPolicy": "Background"})
        if status != 404:
            self._rest.found(status, text, good=(200, 202))

    # --- what is asked for ---------------------------------------------------------------------------

    def manifest(self, task: Task) -> dict[str, Any]:
        """Return the Job of a task, as batch/v1 describes it."""
        limits: dict[str, str] = {}
        if task.cpu is not None:
            limits["cpu"] = f"{round(task.cpu * 1000)}m"
        if task.memory_bytes is not None:
            limits["memory"] = str(task.memory_bytes + AGENT_BYTES)
        if task.gpu:
            limits[self._gpu_resource] = str(task.gpu)
        volumes: list[dict[str, Any]] = [{"name": "work", "emptyDir": {}}]
        mounts = [{"name": "work", "mountPath": self._folder}]
        if self._claim:
            volumes.append({"name": "environments", "persistentVolumeClaim": {"claimName": self._claim}})
            mounts.append({"name": "environments", "mountPath": f"{self._folder}/environments"})
        container = {
            "name": "agent",
            "image": self._image,
            "command": ["/bin/sh", "-c", start_script(task, self._folder, self._command).strip()],
            "env": [
                {"name": name, "value": value}
                for name, value in {"HOME": self._folder, **variables_of(task)}.items()
            ],
            "resources": {"limits": limits, "requests": limits},
            "volumeMounts": mounts,
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        labels = {"app.kubernetes.io/name": "modelyard-build", "app.kubernetes.io/managed-by": "modelyard"}
        pod: dict[str, Any] = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": int(GRACE_SECONDS) + _LAST_WORDS_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": self._user,
                "fsGroup": self._user,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": volumes,
        }
        if task.timeout_seconds is not None:
            # Of the pod and not of the Job, whose time runs while it waits for a node.
            pod["activeDeadlineSeconds"] = task.timeout_seconds + AGENT_SECONDS
        if self._node_selector:
            pod["nodeSelector"] = self._node_selector
        spec: dict[str, Any] = {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": _checked(task.name), "labels": labels},
            "spec": spec,
        }

    # --- pods and events -----------------------------------------------------------------------------

    def _newest_pod(self, name: str) -> _Pod | None:
        query: dict[str, str | int] = {"labelSelector": f"job-name={_checked(name)}", "limit": 100}
        status, text = self._rest.call("GET", f"{self._core}/pods", query=query)
        pods = self._read(_Pods, status, text).items or ()
        return max(pods, key=lambda pod: pod.metadata.creation_timestamp or "", default=None)

    def _newest_event(self, name: str) -> str:
        """Return why a Job has no pod, such as a quota; "": nothing is known, or the account may not read events."""
        selector = f"involvedObject.kind=Job,involvedObject.name={name}"
        query: dict[str, str | int] = {"fieldSelector": selector, "limit": 100}
        status, text = self._rest.call("GET", f"{self._core}/events", query=query)
        if status != 200:
            return ""
        events = [event for event in self._read(_Events, status, text).items or () if event.type == "Warning"]
        newest = max(events, key=lambda event: event.last_timestamp or "", default=None)
        return (newest.message or "")[:MOST_WORDS] if newest is not None else ""

    def _read(self, kind: type[_T], status: int, text: str) -> _T:
        """Return an answer as an object of the interface. Raises ExecutorUnavailable."""
        if status == 200:
            with contextlib.suppress(msgspec.MsgspecError, RecursionError):
                return msgspec.json.decode(text, type=kind)
        raise self._rest.nonsense(status, text)


def _checked(name: str) -> str:
    assert _NAME.match(name), f"{name!r} is not the name of a Job"
    return name


# --- what is read of the answers, which hold much more ---------------------------------------------------


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _Metadata(_Object, frozen=True):
    name: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class _Condition(_Object, frozen=True):
    type: str
    status: str
    reason: str | None = None
    message: str | None = None


class _JobSpec(_Object, frozen=True):
    suspend: bool | None = None


class _JobStatus(_Object, frozen=True):
    conditions: list[_Condition] | None = None


class _Job(_Object, frozen=True, kw_only=True):
    kind: Literal["Job"]
    spec: _JobSpec
    status: _JobStatus = _JobStatus()


class _Waiting(_Object, frozen=True):
    reason: str | None = None
    message: str | None = None


class _Terminated(_Object, frozen=True):
    exit_code: int
    reason: str | None = None


class _ContainerState(_Object, frozen=True):
    waiting: _Waiting | None = None
    terminated: _Terminated | None = None


class _ContainerStatus(_Object, frozen=True):
    name: str
    state: _ContainerState = _ContainerState()


class _PodStatus(_Object, frozen=True):
    phase: Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"] = "Pending"
    reason: str | None = None
    conditions: list[_Condition] | None = None
    container_statuses: list[_ContainerStatus] | None = None

    @property
    def agent(self) -> _ContainerState:
        found = (each.state for each in self.container_statuses or () if each.name == "agent")
        return next(found, _ContainerState())


class _Pod(_Object, frozen=True, kw_only=True):
    metadata: _Metadata
    status: _PodStatus = _PodStatus()


class _Pods(_Object, frozen=True):
    items: list[_Pod] | None


class _Event(_Object, frozen=True):
    type: str | None = None
    message: str | None = None
    last_timestamp: str | None = None


class _Events(_Object, frozen=True):
    items: list[_Event] | None


def _waiting(pod: _Pod) -> Look:
    cause: _Waiting | _Condition = pod.status.agent.waiting or _Waiting()
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            cause = condition
    words = ": ".join(part for part in (cause.reason, cause.message) if part)
    return Look(
        State.WAITING,
        reason=f"Kubernetes: {words or 'the pod is not placed on a node yet'}"[:MOST_WORDS],
        can_start=cause.reason not in _HOPELESS,
    )


def _ending(condition: _Condition, pod: _Pod | None) -> Look:
    ended = pod.status.agent.terminated if pod is not None else None
    if ended is None:
        told = (pod.status.reason if pod is not None else None, condition.message or condition.reason)
        words = ": ".join(part for part in told if part) or condition.type.lower()
        return Look(State.GONE, None, f"Kubernetes: {words}"[:MOST_WORDS])
    # A container reports a signal as a shell does.
    signal = ended.exit_code - 128
    exit_code = -signal if 0 < signal <= 64 else ended.exit_code
    if ended.reason == "OOMKilled":
        return Look(State.GONE, exit_code, "Kubernetes: OOMKilled, the container was out of memory")
    words = f"Kubernetes: {ended.reason or condition.reason or 'ended'}; exit code {ended.exit_code}"
    return Look(State.GONE, exit_code, words + (MEMORY_SUSPECTED if signal == 9 else ""))
