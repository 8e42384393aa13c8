"""Executors of builds: one suite for each implementation, with agents that are small programs."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from modelyard.domain.errors import ExecutorUnavailable, TaskRefused
from modelyard.engines.cluster import AGENT_BYTES, AGENT_SECONDS, start_script
from modelyard.engines.executor import Executor, Look, State, Task
from modelyard.engines.kubernetes import KubernetesExecutor
from modelyard.engines.local import LocalExecutor
from modelyard.engines.ray import RayExecutor
from modelyard.engines.slurm import SlurmExecutor
from tests.support import ray_cluster, slurm_cluster
from tests.support.isolation import working_bwrap
from tests.support.kubernetes_emulator import KubernetesEmulator, emulated_kubernetes
from tests.support.ray_emulator import RayEmulator, emulated_ray
from tests.support.registry import unique
from tests.support.services import free_ports

PATIENCE_SECONDS = 60
"""Far more than anything here takes, so that a slow machine fails no test."""


class Bench:
    """An executor whose agents run a program of the test's choice. folder: holds FOLDER/NAME/work, in which they begin."""

    is_local = True
    bwrap = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def executor(self, program: str) -> Executor:
        raise NotImplementedError

    def run(self, program: str, **options: Any) -> tuple[Executor, str, Look]:
        """Run a program to its end."""
        executor, task = self.executor(program), Task(unique("task-"), **options)
        executor.submit(task)
        look = wait_for(lambda: gone(executor, task.name))
        assert look is not None
        return executor, task.name, look


class LocalBench(Bench):
    grace_seconds = 600.0

    def __init__(self, data: Path, bwrap: str) -> None:
        super().__init__(data / "builds")
        data.mkdir()
        self.secret = data / "key"
        self.secret.write_text("the server's key")
        self.bwrap = bwrap

    def executor(self, program: str) -> LocalExecutor:
        return LocalExecutor(
            self.folder,
            hidden=[self.secret.parent],
            command=[sys.executable, "-c", program],
            bwrap=self.bwrap,
            grace_seconds=self.grace_seconds,
        )


class SlurmBench(Bench):
    is_local = False

    def __init__(self, folder: Path, programs: Path) -> None:
        super().__init__(folder)
        self.programs = programs

    def executor(self, program: str) -> SlurmExecutor:
        return SlurmExecutor(
            "test",
            programs=str(self.programs),
            folder=str(self.folder),
            command=shlex.join([sys.executable, "-c", program]),
        )


class RayBench(Bench):
    is_local = False

    def __init__(self, folder: Path, address: str, token_file: Path) -> None:
        super().__init__(folder)
        self.address, self.token_file = address, token_file

    def executor(self, program: str) -> RayExecutor:
        return RayExecutor(
            "test",
            self.address,
            token_file=str(self.token_file),
            folder=str(self.folder),
            command=shlex.join([sys.executable, "-c", program]),
        )


class KubernetesBench(Bench):
    is_local = False

    def __init__(self, folder: Path, emulator: KubernetesEmulator) -> None:
        super().__init__(folder)
        self.emulator = emulator

    def executor(self, program: str) -> KubernetesExecutor:
        return kubernetes_of(
            self.emulator, folder=str(self.folder), command=shlex.join([sys.executable, "-c", program])
        )


def kubernetes_of(emulator: KubernetesEmulator, **options: Any) -> KubernetesExecutor:
    """An executor that asks again at once."""
    options = {
        "address": emulator.address,
        "token_file": str(emulator.token_file),
        "folder": str(emulator.folder / "jobs"),
        "quiet_seconds": 0.0,
        **options,
    }
    return KubernetesExecutor("test", "an/image:1", namespace="ml", **options)


T = TypeVar("T")


def wait_for(condition: Callable[[], T]) -> T:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("nothing happened")


def processes_in(folder: Path) -> list[str]:
    """The processes whose present folder is this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == folder and "State:\tZ" not in (entry / "status").read_text():
                found.append(entry.name)
    return found


def gone(executor: Executor, name: str) -> Look | None:
    look = executor.look(name)
    return look if look.state is State.GONE else None


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm_cluster.Cluster]:
    lacking = slurm_cluster.lacking()
    if lacking:
        pytest.skip(f"no Slurm cluster can be started here: {lacking}")
    with slurm_cluster.cluster(tmp_path_factory.mktemp("slurm") / "cluster") as running:
        yield running


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ray_cluster.Cluster]:
    lacking = ray_cluster.lacking()
    if lacking:
        pytest.skip(f"no Ray cluster can be started here: {lacking}")
    with ray_cluster.cluster(tmp_path_factory.mktemp("ray")) as running:
        yield running


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[RayEmulator]:
    with emulated_ray(tmp_path) as running:
        yield running


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[KubernetesEmulator]:
    with emulated_kubernetes(tmp_path) as running:
        yield running


def _end_all(executor: Executor, folder: Path) -> None:
    for entry in folder.iterdir() if folder.is_dir() else ():
        while entry.is_dir() and executor.look(entry.name).state in (State.WAITING, State.RUNNING):
            executor.cancel(entry.name)
            time.sleep(0.05)


@pytest.fixture(params=["plain", "bubblewrap"])
def local(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalBench]:
    found = working_bwrap() if request.param == "bubblewrap" else ""
    if found is None:
        pytest.skip("bubblewrap does not work here")
    bench = LocalBench(tmp_path / "data", found)
    yield bench
    bench.grace_seconds = 0
    _end_all(bench.executor(""), bench.folder)


@pytest.fixture(params=["plain", "bubblewrap", "slurm", "ray", "ray-emulator", "kubernetes-emulator"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    found: Bench
    if request.param == "ray-emulator":
        emulator = request.getfixturevalue("emulator")
        found = RayBench(tmp_path / "jobs", emulator.address, emulator.token_file)
    elif request.param == "kubernetes-emulator":
        found = KubernetesBench(tmp_path / "jobs", request.getfixturevalue("kubernetes"))
    elif request.param == "slurm":
        found = SlurmBench(tmp_path / "jobs", request.getfixturevalue("slurm").programs)
    elif request.param == "ray":
        cluster = request.getfixturevalue("ray")
        found = RayBench(tmp_path / "jobs", cluster.address, cluster.token_file)
    else:
        bwrap = working_bwrap() if request.param == "bubblewrap" else ""
        if bwrap is None:
            pytest.skip("bubblewrap does not work here")
        found = LocalBench(tmp_path / "data", bwrap)
    yield found
    if isinstance(found, LocalBench):
        found.grace_seconds = 0
    _end_all(found.executor(""), found.folder)


def test_a_task_runs_with_what_it_is_told_and_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_SECRET_KEY", "a secret of the server")
    program = "import os, json; print(json.dumps(dict(os.environ))); print(os.getcwd()); raise SystemExit(7)"
    executor, name, look = bench.run(program, environment={"MODELYARD_BUILD": "b"})
    assert (look.state, look.exit_code, "7" in look.reason) == (State.GONE, 7, True)
    text = executor.log_tail(name)
    assert '"MODELYARD_BUILD": "b"' in text
    assert "a secret of the server" not in text
    assert text.splitlines()[-1] == str(bench.folder / name / "work")
    assert f'"MODELYARD_WORKSPACE": "{bench.folder / name / "work"}"' in text
    if bench.is_local:
        assert f'"HOME": "{bench.folder / name / "home"}"' in text
    executor.clean(name)
    if bench.is_local:
        assert list(bench.folder.iterdir()) == []
        assert executor.look(name).state is State.UNKNOWN


def test_the_tail_holds_the_last_lines(bench: Bench) -> None:
    executor, name, _ = bench.run("print(*range(5000), sep='\\n'); print(b'\\xff'.decode('latin-1'))")
    lines = executor.log_tail(name).splitlines()
    assert len(lines) == 50
    assert lines[-2] == "4999"
    assert executor.log_tail("never-there") == ""
    look = executor.look("never-there")
    assert look.state is State.UNKNOWN
    # A lost build says it in these words.
    assert bench.is_local or look.reason.endswith(": the job is no longer known")


def test_a_task_is_submitted_once_and_found_again_by_another_server(bench: Bench) -> None:
    program = "import pathlib, time; pathlib.Path('begun').open('a').write('x'); pathlib.Path('ready').touch(); time.sleep(600)"
    first, task = bench.executor(program), Task(unique("task-"))
    first.submit(task)
    wait_for((bench.folder / task.name / "work" / "ready").exists)
    second = bench.executor(program)
    assert second.look(task.name).state is State.RUNNING
    second.submit(task)
    if bench.is_local:
        # Even if the server died before it noted the process.
        (bench.folder / task.name / "process").unlink()
    third = bench.executor(program)
    third.submit(task)
    assert third.look(task.name).state is State.RUNNING
    assert (bench.folder / task.name / "work" / "begun").read_text() == "x"


def test_a_polite_request_comes_first_and_force_after_the_grace(bench: Bench) -> None:
    # A cluster has a grace of its own: KillWait in Slurm, RAY_JOB_STOP_WAIT_TIME_S in Ray.
    stubborn = (
        "import signal, time, pathlib\n"
        "signal.signal(signal.SIGTERM, lambda *_: pathlib.Path('asked').touch())\n"
        "pathlib.Path('ready').touch()\n"
        "while True: time.sleep(0.05)\n"
    )
    executor, task = bench.executor(stubborn), Task(unique("task-"))
    executor.submit(task)
    work = bench.folder / task.name / "work"
    wait_for((work / "ready").exists)
    executor.cancel(task.name)
    wait_for((work / "asked").exists)
    executor.cancel(task.name)
    assert executor.look(task.name).state is State.RUNNING
    if bench.is_local:
        os.utime(bench.folder / task.name / "ending", (0, 0))
    executor.cancel(task.name)
    wait_for(lambda: gone(executor, task.name))
    executor.cancel(task.name)


def test_children_in_sessions_of_their_own_end_too(bench: Bench) -> None:
    child = "import time, pathlib; pathlib.Path('child').touch(); time.sleep(600)"
    parent = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True, env={{}})\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        "import pathlib\n"
        "while not pathlib.Path('child').exists(): time.sleep(0.02)\n"
    )
    if not bench.is_local:
        # A cluster follows the descendants of an agent, which therefore adopts its orphans and outlives them.
        parent += "time.sleep(600)\n"
    executor, task = bench.executor(parent), Task(unique("task-"))
    executor.submit(task)
    work = bench.folder / task.name / "work"
    wait_for((work / "child").exists)
    if bench.is_local and not bench.bwrap:
        # The agent has ended by now or will; what it left behind still counts as the task.
        assert wait_for(lambda: not executor.look(task.name).has_agent)
        assert executor.look(task.name).state is State.RUNNING

    def cancelled() -> Look | None:
        executor.cancel(task.name)
        return gone(executor, task.name)

    wait_for(cancelled)
    wait_for(lambda: processes_in(work) == [])


def test_killed_by_a_signal(bench: Bench) -> None:
    _, _, look = bench.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    if bench.bwrap:
        # bubblewrap reports as a shell does.
        assert look.exit_code == 128 + signal.SIGKILL
    else:
        assert look.exit_code == -signal.SIGKILL
        assert "out of memory" in look.reason


def test_memory_is_limited(local: LocalBench) -> None:
    program = "x = bytearray(400 << 20); print('too much')"
    executor, name, look = local.run(program, memory_bytes=200 << 20)
    assert look.exit_code == 1
    assert "MemoryError" in executor.log_tail(name)


def test_processors_are_limited(local: LocalBench) -> None:
    program = "import os; print(len(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'])"
    executor, name, _ = local.run(program, cpu=0.5)
    assert executor.log_tail(name) == "1 1"


def test_isolated_steps_do_not_see_the_servers_data(local: LocalBench) -> None:
    program = (
        f"import pathlib\nprint(pathlib.Path({str(local.secret)!r}).exists())\n"
        f"print(sorted(p.name for p in pathlib.Path({str(local.folder)!r}).iterdir()))\n"
        "try:\n    pathlib.Path('/usr/written').touch()\n    print('wrote')\nexcept OSError: print('read-only')\n"
        "pathlib.Path('/tmp/own').touch()\n"
    )
    other = local.folder / "another"
    other.mkdir(parents=True)
    if not local.bwrap:
        assert not local.executor(program).is_isolated
        assert "bubblewrap does not work" in local.executor(program).note
        return
    executor, name, look = local.run(program)
    assert look.exit_code == 0
    assert executor.log_tail(name).splitlines() == ["False", f"['{name}']", "read-only"]
    assert (local.folder / name / "tmp" / "own").exists()


def test_modules_below_tmp_are_seen(local: LocalBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test environment or a person has installed them, although an isolated agent has a /tmp of its own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        (Path(place) / "module.py").touch()
        monkeypatch.syspath_prepend(place)
        program = f"import pathlib; print((pathlib.Path({place!r}) / 'module.py').exists())"
        executor, name, _ = local.run(program)
        assert executor.log_tail(name) == "True"


def test_environments_are_kept_for_one_share(bench: Bench) -> None:
    program = "import os, pathlib; p = pathlib.Path(os.environ['MODELYARD_ENVIRONMENTS']); print([*p.glob('x')] != []); (p / 'x').touch()"
    answers = []
    for share in ("one", "one", "two"):
        executor, name, _ = bench.run(program, share=share)
        answers.append(executor.log_tail(name))
        executor.clean(name)
    assert answers == ["False", "True", "False"]


def test_folders_that_a_step_closed_are_deleted(local: LocalBench) -> None:
    program = "import os; os.mkdir('closed'); open('closed/file', 'w').close(); os.chmod('closed', 0o500)"
    executor, name, _ = local.run(program)
    executor.clean(name)
    assert not (local.folder / name).exists()


# --- clusters --------------------------------------------------------------------------------------------


def test_the_script_that_starts_an_agent_quotes_and_expands(tmp_path: Path) -> None:
    task = Task("abc-1", {"MODELYARD_TOKEN": "secret"}, share="team")
    script = start_script(task, "~/my builds", "pwd; env")
    assert "secret" not in script
    home = tmp_path / "a home"
    shell = ["/bin/sh", "-c", script.replace("exec ", "")]
    variables = {"HOME": str(home), "PATH": os.environ["PATH"]}
    told = subprocess.run(shell, env=variables, capture_output=True, text=True, check=True).stdout.splitlines()
    place = home / "my builds"
    assert told[0] == str(place / "abc-1" / "work")
    assert f"MODELYARD_ENVIRONMENTS={place / 'environments' / 'team'}" in told
    assert f"MODELYARD_SCRATCH={place / 'abc-1'}" in told
    assert (place / "abc-1").stat().st_mode & 0o777 == 0o700


def test_slurm_refuses_in_words_and_says_why_a_task_waits(slurm: slurm_cluster.Cluster, tmp_path: Path) -> None:
    bench = SlurmBench(tmp_path / "jobs", slurm.programs)
    executor = bench.executor("import time; time.sleep(600)")
    with pytest.raises(TaskRefused, match="Memory specification can not be satisfied"):
        executor.submit(Task(unique("task-"), memory_bytes=1 << 50))
    with pytest.raises(TaskRefused, match="gres"):
        executor.submit(Task(unique("task-"), gpu=8))
    first, second, never = (Task(unique("task-"), cpu=cpu) for cpu in (2, 2, 100))
    secret = unique("secret")
    executor.submit(replace(first, environment={"MODELYARD_TOKEN": secret}))
    wait_for(lambda: executor.look(first.name).state is State.RUNNING)
    executor.submit(second)
    look = wait_for(
        lambda: look if (look := executor.look(second.name)).reason.endswith("(Resources)") else None
    )
    assert (look.state, look.can_start) == (State.WAITING, True)
    executor.submit(never)
    wait_for(lambda: not executor.look(never.name).can_start)
    # Nobody learns the token from what the cluster shows of its jobs.
    assert secret not in slurm.call("scontrol", "--details", "show", "job") + slurm.call(
        "squeue", "--format=%all"
    )
    for task in (never, second, first):
        executor.cancel(task.name)
    look = wait_for(lambda: gone(executor, first.name))
    assert "cancelled" in look.reason


def test_a_slurm_controller_that_is_away_and_one_that_answers_nonsense(
    slurm: slurm_cluster.Cluster, tmp_path: Path
) -> None:
    executor = SlurmExecutor("test", programs=str(slurm.programs), folder=str(tmp_path), command="sleep 600")
    name = unique("task-")
    executor.submit(Task(name))
    wait_for(lambda: executor.look(name).state is State.RUNNING)
    slurm.stop_controller()
    with pytest.raises(ExecutorUnavailable, match="slurm"):
        wait_for(lambda: executor.look(name).state is State.GONE)
    slurm.start_controller()
    # It is asked again after some seconds of quiet; a controller that was restarted still knows its jobs.
    other = SlurmExecutor("test", programs=str(slurm.programs), folder=str(tmp_path), command="sleep 600")
    assert other.look(name).state is State.RUNNING
    other.submit(Task(name))
    other.cancel(name)
    wait_for(lambda: gone(other, name))
    for program, answer in (("squeue", "12|DANCING|None"), ("squeue", "<html>"), ("squeue", "13|FAILED|None")):
        fake = tmp_path / program
        fake.write_text(f"#!/bin/sh\necho '{answer}'\n")
        fake.chmod(0o755)
        shutil.copy(fake, tmp_path / "scontrol")
        with pytest.raises(ExecutorUnavailable):
            SlurmExecutor("test", programs=str(tmp_path)).look(name)
    with pytest.raises(ExecutorUnavailable, match="cannot be run"):
        SlurmExecutor("test", programs=str(tmp_path / "nowhere")).submit(Task(name))


def ray_of(emulator: RayEmulator, **options: Any) -> RayExecutor:
    """An executor that asks again at once."""
    options = {"token_file": str(emulator.token_file), "quiet_seconds": 0.0, **options}
    return RayExecutor("test", emulator.address, folder=str(emulator.folder / "jobs"), **options)


def test_ray_is_asked_before_a_task_is_submitted(emulator: RayEmulator) -> None:
    executor, task = ray_of(emulator, command="sleep 600"), Task(unique("task-"))
    executor.submit(task)
    assert emulator.requests == ["GET job", "POST jobs"]
    executor.submit(task)
    assert emulator.requests[2:] == ["GET job"]
    # Two servers at once: the second one adopts.
    emulator.answers.append((404, "does not exist"))
    executor.submit(task)
    assert len(emulator.jobs) == 1
    executor.cancel(task.name)
    look = wait_for(lambda: gone(executor, task.name))
    assert look.exit_code is None
    # One that has ended is started again, under the same name.
    executor.submit(task)
    assert executor.look(task.name).state is State.RUNNING
    executor.cancel(task.name)
    wait_for(lambda: gone(executor, task.name))
    executor.clean(task.name)
    assert executor.look(task.name).state is State.UNKNOWN


def test_what_ray_cannot_start_waits_with_its_reason(emulator: RayEmulator) -> None:
    executor, task = ray_of(emulator, command="sleep 600"), Task(unique("task-"), cpu=64)
    executor.submit(task)
    look = executor.look(task.name)
    assert (look.state, look.can_start, "waiting for resources" in look.reason) == (State.WAITING, True, True)
    # Ray says that it stopped it, keeps it, and refuses to forget it.
    executor.cancel(task.name)
    assert executor.look(task.name).state is State.WAITING
    executor.clean(task.name)
    with pytest.raises(TaskRefused, match="may not be negative"):
        executor.submit(Task(unique("task-"), cpu=-1))


def test_a_ray_that_is_away_or_answers_nonsense(emulator: RayEmulator, tmp_path: Path) -> None:
    executor, name = ray_of(emulator), unique("task-")
    for answer in (
        (200, "<html>welcome</html>"),
        (200, "[]"),
        (200, "[" * 100_000),
        (200, '{"status": "DANCING"}'),
        (500, "Traceback\nNo available agent"),
        (502, ""),
        (302, ""),
    ):
        emulator.answers.append(answer)
        with pytest.raises(ExecutorUnavailable):
            executor.look(name)
    emulator.answers += [
        (404, ""),
        (500, "Traceback\nNo available agent to submit job, please try again later."),
    ]
    with pytest.raises(ExecutorUnavailable, match="try again later"):
        executor.submit(Task(name))
    wrong = tmp_path / "wrong"
    with pytest.raises(ExecutorUnavailable, match="cannot be read"):
        ray_of(emulator, token_file=str(wrong)).look(name)
    wrong.write_text("guess")
    with pytest.raises(ExecutorUnavailable, match="token_file"):
        ray_of(emulator, token_file=str(wrong)).look(name)
    closed = RayExecutor("test", f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(ExecutorUnavailable, match="does not answer"):
        closed.look(name)
    # For a while nobody waits for it again.
    before = len(emulator.requests)
    quiet = ray_of(emulator, token_file=str(wrong), quiet_seconds=600)
    for _ in range(5):
        with pytest.raises(ExecutorUnavailable):
            quiet.look(name)
    assert len(emulator.requests) == before + 1


def test_kubernetes_is_asked_before_a_task_is_submitted(kubernetes: KubernetesEmulator) -> None:
    executor, task = kubernetes_of(kubernetes, command="sleep 600"), Task(unique("task-"))
    executor.submit(task)
    assert kubernetes.requests == ["GET jobs", "GET pods", "POST jobs"]
    executor.submit(task)
    assert "POST jobs" not in kubernetes.requests[3:]
    # Two servers at once: the second one adopts.
    kubernetes.answers += [(404, ""), (200, '{"items": []}')]
    executor.submit(task)
    assert len(kubernetes.jobs) == 1
    executor.cancel(task.name)
    executor.cancel(task.name)
    look = wait_for(lambda: gone(executor, task.name))
    assert (look.exit_code, look.reason) == (None, "Kubernetes: cancelled")
    # One that has ended is started again, under the same name.
    executor.submit(task)
    assert executor.look(task.name).state is State.RUNNING
    # Deleted by somebody else: what its pod still does counts.
    executor.clean(task.name)
    executor.cancel(task.name)
    wait_for(lambda: executor.look(task.name).state is State.UNKNOWN)


def test_what_kubernetes_cannot_start_waits_with_its_reason(kubernetes: KubernetesEmulator) -> None:
    executor = kubernetes_of(kubernetes, command="sleep 600")
    large = Task(unique("task-"), cpu=64)
    executor.submit(large)
    look = executor.look(large.name)
    assert (look.state, look.can_start) == (State.WAITING, True)
    assert look.reason == "Kubernetes: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu."
    executor.cancel(large.name)
    assert executor.look(large.name).state is State.GONE
    executor.submit(large)
    for reason, can_start in (("ImagePullBackOff", True), ("InvalidImageName", False)):
        pod = kubernetes.jobs[large.name].pod
        assert pod is not None
        pod.waiting = {"reason": reason, "message": "the image"}
        look = executor.look(large.name)
        assert (look.state, look.reason) == (State.WAITING, f"Kubernetes: {reason}: the image")
        assert look.can_start is can_start
    kubernetes.quota = 0
    poor = Task(unique("task-"))
    executor.submit(poor)
    look = executor.look(poor.name)
    assert (look.state, "exceeded quota" in look.reason) == (State.WAITING, True)
    with pytest.raises(TaskRefused, match="greater than or equal to 0"):
        executor.submit(Task(unique("task-"), cpu=-1))


def test_what_kubernetes_says_of_an_end(kubernetes: KubernetesEmulator) -> None:
    executor, name = kubernetes_of(kubernetes), unique("task-")

    def ended(terminated: dict[str, Any] | None, status: dict[str, Any], condition: dict[str, Any]) -> Look:
        state = [] if terminated is None else [{"name": "agent", "state": {"terminated": terminated}}]
        pod = {"metadata": {"name": "x"}, "status": {"phase": "Failed", "containerStatuses": state, **status}}
        conditions = [{"type": "Failed", "status": "True", **condition}]
        kubernetes.answers += [
            (200, json.dumps({"kind": "Job", "spec": {}, "status": {"conditions": conditions}})),
            (200, json.dumps({"items": [pod]})),
        ]
        return executor.look(name)

    look = ended({"exitCode": 137, "reason": "OOMKilled"}, {}, {})
    assert (look.exit_code, look.reason) == (-9, "Kubernetes: OOMKilled, the container was out of memory")
    look = ended({"exitCode": 137, "reason": "Error"}, {}, {})
    assert (look.exit_code, "perhaps the machine was out of memory" in look.reason) == (-9, True)
    look = ended(None, {"reason": "Evicted"}, {"message": "Job has reached the specified backoff limit"})
    assert (look.exit_code, look.reason) == (
        None,
        "Kubernetes: Evicted: Job has reached the specified backoff limit",
    )


def test_a_kubernetes_that_is_away_or_answers_nonsense(kubernetes: KubernetesEmulator, tmp_path: Path) -> None:
    executor, name = kubernetes_of(kubernetes), unique("task-")
    for answer in (
        (200, "<html>welcome</html>"),
        (200, "[]"),
        (200, "[" * 100_000),
        (200, "{}"),
        (200, '{"kind": "Job", "spec": {}, "status": "DANCING"}'),
        (200, '{"kind": "Job", "spec": {}, "status": {"conditions": [1]}}'),
        (403, '{"message": "jobs.batch is forbidden"}'),
        (500, "etcdserver: leader changed"),
        (302, ""),
    ):
        kubernetes.answers.append(answer)
        with pytest.raises(ExecutorUnavailable):
            executor.look(name)
    kubernetes.answers += [(404, ""), (200, '{"items": [{"metadata": {}, "status": {"phase": "Dancing"}}]}')]
    with pytest.raises(ExecutorUnavailable):
        executor.look(name)
    # Being deleted, as after a cancellation: it is submitted later.
    kubernetes.answers += [
        *[(404, ""), (200, '{"items": []}')],
        (409, '{"message": "object is being deleted: jobs.batch already exists"}'),
        *[(404, ""), (200, '{"items": []}')],
    ]
    with pytest.raises(ExecutorUnavailable, match="is being deleted"):
        executor.submit(Task(name))
    wrong = tmp_path / "wrong"
    wrong.write_text("guess")
    with pytest.raises(ExecutorUnavailable, match="token_file"):
        kubernetes_of(kubernetes, token_file=str(wrong)).look(name)


def test_a_job_of_kubernetes_asks_for_little_and_holds_no_secret() -> None:
    executor = KubernetesExecutor("k", "an/image:1", environments_claim="cache", node_selector={"gpu": "yes"})
    task = Task("b-1", {"MODELYARD_TOKEN": "a ticket"}, "team", 1.5, 1, 1 << 30, 60)
    job = executor.manifest(task)
    pod = job["spec"]["template"]["spec"]
    [container] = pod["containers"]
    limits = {"cpu": "1500m", "memory": str((1 << 30) + AGENT_BYTES), "nvidia.com/gpu": "1"}
    assert container["resources"] == {"limits": limits, "requests": limits}
    assert "a ticket" not in json.dumps(container["command"])
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["activeDeadlineSeconds"] == 60 + AGENT_SECONDS
    assert pod["nodeSelector"] == {"gpu": "yes"}
    assert [each["mountPath"] for each in container["volumeMounts"]] == [
        "/tmp/modelyard-builds",
        "/tmp/modelyard-builds/environments",
    ]
