"""An emulator of Ray Jobs with the answers that were recorded from Ray 2.60. It keeps the state of its jobs, and runs their
commands as processes of this machine. `make engines` runs the same tests against Ray itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.http_emulator import served

_PREFIX = "/api/jobs/"


@dataclass
class Job:
    entrypoint: str
    status: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    stopped: bool = False
    env_vars: dict[str, str] = field(default_factory=dict)


class RayEmulator:
    """folder: of the logs. cpus: what asks for more waits for ever, as in Ray."""

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder, self.cpus = folder, cpus
        self.token_file = folder / "ray-token"
        self.token_file.write_text("emulated\n")
        self.jobs: dict[str, Job] = {}
        self.requests: list[str] = []
        self.answers: list[tuple[int, str]] = []
        """Given, in their order, in place of those that belong to the next requests."""
        self.address = ""
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, authorization: str, body: dict[str, Any]) -> tuple[int, str]:
        name, _, verb = path.removeprefix(_PREFIX).partition("/")
        self.requests.append(f"{method} {verb or 'job'}" if name else f"{method} jobs")
        with self._lock:
            if self.answers:
                return self.answers.pop(0)
            if authorization != "Bearer emulated":
                return (403, "Unauthorized: Invalid token") if authorization else (401, "Unauthorized")
            if not name:
                return self._submit(body)
            job = self.jobs.get(name)
            if job is None:
                return 404, f"Job {name} does not exist"
            return {"GET": self._get, "POST": self._stop, "DELETE": self._delete}[method](name, job, verb)

    def _submit(self, body: dict[str, Any]) -> tuple[int, str]:
        name = body["submission_id"]
        if name in self.jobs:
            return (
                500,
                f"Traceback (most recent call last):\nRuntimeError: Job {name} already exists. Please use another.",
            )
        if body["entrypoint_num_cpus"] < 0:
            return (
                400,
                "Traceback (most recent call last):\nValueError: Resource quantities may not be negative",
            )
        job = Job(
            body["entrypoint"], "PENDING", self.folder / f"{name}.ray", env_vars=body["runtime_env"]["env_vars"]
        )
        self.jobs[name] = job
        if body["entrypoint_num_cpus"] <= self.cpus:
            with job.log.open("wb") as log:
                log.write(f"INFO setting up\nRunning entrypoint for job {name}: {job.entrypoint}\n".encode())
                log.flush()
                kept = {key: value for key, value in os.environ.items() if not key.startswith("MODELYARD_")}
                job.process = subprocess.Popen(
                    job.entrypoint,
                    shell=True,
                    env={**kept, **job.env_vars},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            job.status = "RUNNING"
        return 200, json.dumps({"job_id": name, "submission_id": name})

    def _get(self, name: str, job: Job, verb: str) -> tuple[int, str]:
        if verb == "logs":
            text = job.log.read_text(errors="replace") if job.log.exists() else ""
            return 200, json.dumps({"logs": text})
        code = None if job.process is None else job.process.poll()
        message = f"Job has not started yet. It may be waiting for resources ({self.cpus} CPUs)."
        if code is not None:
            job.status = "STOPPED" if job.stopped else "FAILED" if code else "SUCCEEDED"
            message = f"Job entrypoint command failed with exit code {code}, last available logs:\nand so on"
        told = {"submission_id": name, "type": "SUBMISSION", "status": job.status, "message": message}
        return 200, json.dumps({**told, "driver_exit_code": None if job.stopped else code})

    def _stop(self, name: str, job: Job, verb: str) -> tuple[int, str]:
        if job.process is not None and job.process.poll() is None:
            if not job.stopped:
                self._signal(job, signal.SIGTERM)
                wait = float(job.env_vars["RAY_JOB_STOP_WAIT_TIME_S"]) / 20
                threading.Timer(wait, self._signal, (job, signal.SIGKILL)).start()
            job.stopped = True
        # Said of one that waits, too, which then stays as it is.
        return 200, json.dumps({"stopped": True})

    def _signal(self, job: Job, number: int) -> None:
        """Ray finds the descendants of a job; here they are those with its variables, or in its process group."""
        assert job.process is not None
        mark = f"/{job.log.stem}/work"
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str((entry / "cwd").readlink()).endswith(mark):
                    os.kill(int(entry.name), number)

    def _delete(self, name: str, job: Job, verb: str) -> tuple[int, str]:
        if job.process is None or job.process.poll() is None:
            return 500, f"RuntimeError: Attempted to delete job '{name}', but it is in a non-terminal state."
        del self.jobs[name]
        return 200, json.dumps({"deleted": True})


@contextmanager
def emulated_ray(folder: Path, cpus: int = 2) -> Iterator[RayEmulator]:
    emulator = RayEmulator(folder, cpus)
    with served(emulator.answer) as emulator.address:
        yield emulator
