"""An emulator of the parts of Kubernetes that builds use: Jobs, their pods and logs, and events.

It follows the reference of the interface and keeps state as a cluster does: a Job makes a pod a moment later, a suspended or
deleted Job ends its pod politely and then by force, labels and conditions are those of the Job controller. Containers run as
processes of this machine. No real cluster can be installed where the tests run, so none was tried.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_emulator import served

JOBS, PODS, EVENTS = (
    "/apis/batch/v1/namespaces/ml/jobs",
    "/api/v1/namespaces/ml/pods",
    "/api/v1/namespaces/ml/events",
)
GRACE_SECONDS = 0.75
"""In place of the grace that a pod asks for."""


@dataclass
class Pod:
    name: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    waiting: dict[str, str] | None = None
    leaving: bool = False

    def code(self) -> int | None:
        code = self.process.poll() if self.process is not None else None
        return None if code is None else code if code >= 0 else 128 - code


@dataclass
class Job:
    manifest: dict[str, Any]
    pod: Pod | None = None
    events: list[str] = field(default_factory=list)

    @property
    def work(self) -> str:
        return f"/{self.manifest['metadata']['name']}/work"


class KubernetesEmulator:
    """folder: of the logs. cpus: what asks for more is never placed on a node."""

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder, self.cpus = folder, cpus
        self.token_file = folder / "kubernetes-token"
        self.token_file.write_text("emulated\n")
        self.jobs: dict[str, Job] = {}
        self.requests: list[str] = []
        self.answers: list[tuple[int, str]] = []
        """Given, in their order, in place of those that belong to the next requests."""
        self.quota = 100
        """Pods that the namespace may have."""
        self.address = ""
        self._lock = threading.Lock()

    def answer(self, method: str, target: str, authorization: str, body: dict[str, Any]) -> tuple[int, str]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        with self._lock:
            self.requests.append(f"{method} {path.rpartition('namespaces/ml/')[2].partition('/')[0]}")
            if self.answers:
                return self.answers.pop(0)
            if authorization != "Bearer emulated":
                return _status(401, "Unauthorized")
            if path == PODS:
                return self._pods(query["labelSelector"][0])
            if path.startswith(PODS) and path.endswith("/log"):
                return self._log(path.removeprefix(PODS + "/").removesuffix("/log"), int(query["tailLines"][0]))
            if path == EVENTS:
                return self._events(query["fieldSelector"][0])
            if path == JOBS:
                return self._create(body)
            name = path.removeprefix(JOBS + "/")
            if name not in self.jobs:
                return _status(404, f'jobs.batch "{name}" not found')
            if method == "PATCH":
                self.jobs[name].manifest["spec"].update(body["spec"])
                self._end(self.jobs[name])
            elif method == "DELETE":
                self._end(self.jobs.pop(name))
                return _status(200, "")
            return 200, json.dumps(self._job(self.jobs[name]))

    def _create(self, body: dict[str, Any]) -> tuple[int, str]:
        name = body["metadata"]["name"]
        if name in self.jobs:
            return _status(409, f'jobs.batch "{name}" already exists')
        cpu = self._cpu(body)
        if cpu < 0:
            return _status(
                422, f'Job.batch "{name}" is invalid: limits[cpu]: must be greater than or equal to 0'
            )
        job = self.jobs[name] = Job(body)
        if sum(1 for each in self.jobs.values() if each.pod is not None) >= self.quota:
            job.events.append(f'Error creating: pods "{name}-abcde" is forbidden: exceeded quota: compute')
        else:
            self._start(job, name, cpu)
        return 201, json.dumps(self._job(job))

    @staticmethod
    def _cpu(body: dict[str, Any]) -> float:
        limits = body["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        return float(limits.get("cpu", "0m").removesuffix("m")) / 1000

    def _start(self, job: Job, name: str, cpu: float) -> None:
        [container] = job.manifest["spec"]["template"]["spec"]["containers"]
        job.pod = pod = Pod(f"{name}-abcde", self.folder / f"{name}.pod")
        if cpu > self.cpus or container["image"].startswith("nowhere/"):
            return
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MODELYARD_")}
        with pod.log.open("wb") as log:
            pod.process = subprocess.Popen(
                container["command"],
                env={**kept, **{each["name"]: each["value"] for each in container["env"]}},
                cwd="/",
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, job: Job) -> None:
        pod = job.pod
        if pod is None or pod.leaving:
            return
        pod.leaving = True
        if pod.process is None:
            job.pod = None
            return
        if pod.process.poll() is None:
            # Only the first process of a container is asked politely.
            with suppress(OSError):
                os.kill(pod.process.pid, signal.SIGTERM)
        threading.Thread(target=self._remove, args=(job, pod), daemon=True).start()

    def _remove(self, job: Job, pod: Pod) -> None:
        assert pod.process is not None
        end = time.monotonic() + GRACE_SECONDS
        while pod.process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        # Then everything in the container ends; here it is what works in the folder of the task.
        with suppress(OSError):
            pod.process.kill()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if job.work in str((entry / "cwd").readlink()):
                    os.kill(int(entry.name), signal.SIGKILL)
        pod.process.wait()
        with self._lock:
            job.pod = None

    def _job(self, job: Job) -> dict[str, Any]:
        code = job.pod.code() if job.pod is not None and not job.pod.leaving else None
        conditions = []
        if code is not None:
            reason = {} if code == 0 else {"reason": "BackoffLimitExceeded"}
            conditions = [{"type": "Failed" if code else "Complete", "status": "True", **reason}]
        elif job.manifest["spec"].get("suspend"):
            conditions = [{"type": "Suspended", "status": "True", "reason": "JobSuspended"}]
        return {**job.manifest, "status": {"conditions": conditions} if conditions else {}}

    def _pods(self, selector: str) -> tuple[int, str]:
        job = self.jobs.get(selector.removeprefix("job-name="))
        pods = [] if job is None or job.pod is None else [self._pod(job.pod)]
        return 200, json.dumps({"kind": "PodList", "items": pods})

    def _pod(self, pod: Pod) -> dict[str, Any]:
        metadata = {"name": pod.name, "creationTimestamp": "2026-01-01T00:00:00Z"}
        if pod.leaving:
            metadata["deletionTimestamp"] = "2026-01-01T00:00:10Z"
        state: dict[str, Any] = {}
        status: dict[str, Any] = {"phase": "Pending", "conditions": []}
        code = pod.code()
        if pod.waiting is not None:
            state = {"waiting": pod.waiting}
        elif pod.process is None:
            status["conditions"] = [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/1 nodes are available: 1 Insufficient cpu.",
                }
            ]
        elif code is None:
            status["phase"], state = "Running", {"running": {"startedAt": "2026-01-01T00:00:01Z"}}
        else:
            status["phase"] = "Failed" if code else "Succeeded"
            state = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}
        status["containerStatuses"] = [{"name": "agent", "ready": False, "state": state}] if state else []
        return {"metadata": metadata, "status": status}

    def _log(self, name: str, lines: int) -> tuple[int, str]:
        for job in self.jobs.values():
            if job.pod is not None and job.pod.name == name and job.pod.log.exists():
                text = job.pod.log.read_text(errors="replace")
                return 200, "".join(text.splitlines(keepends=True)[-lines:])
        return _status(404, f'pods "{name}" not found')

    def _events(self, selector: str) -> tuple[int, str]:
        job = self.jobs.get(selector.rpartition("=")[2])
        messages = [] if job is None else job.events
        events = [{"type": "Warning", "message": message, "lastTimestamp": None} for message in messages]
        return 200, json.dumps({"kind": "EventList", "items": events})


def _status(code: int, message: str) -> tuple[int, str]:
    kind = "Success" if code < 300 else "Failure"
    return code, json.dumps({"kind": "Status", "status": kind, "message": message, "code": code})


@contextmanager
def emulated_kubernetes(folder: Path) -> Iterator[KubernetesEmulator]:
    emulator = KubernetesEmulator(folder)
    with served(emulator.answer) as emulator.address:
        yield emulator
