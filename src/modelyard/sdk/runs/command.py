"""`modelyard run`: record an unchanged program as a run, with its log, its exit code and its resources."""

from __future__ import annotations

import codecs
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any

from modelyard.domain.errors import Invalid, ModelyardError
from modelyard.domain.names import ModelName
from modelyard.domain.secrets import mask_arguments
from modelyard.domain.texts import readable
from modelyard.sdk import capture, environment, sources
from modelyard.sdk.runs import offline, registration
from modelyard.sdk.runs.block import WRAPPED, experiment_of, run
from modelyard.sdk.runs.bounded_log import BoundedLog
from modelyard.sdk.runs.handle import Run
from modelyard.sdk.runs.reading import Runs
from modelyard.sdk.runs.results import Made, made_files, named_files
from modelyard.sdk.session import Session
from modelyard.sdk.views import Version

_BLOCK_BYTES = 1 << 16
_GPU_SECONDS = 5.0
_PIPE_SECONDS = 2.0


@dataclass(slots=True)
class Outcome:
    run: str
    name: str
    status: str
    exit_code: int
    """The exit code as in a shell: 128 + number for a program that a signal ended."""
    seconds: float
    version: Version | None = None
    error: ModelyardError | None = None
    """Error, if no version was registered."""
    kept: bool = False
    """Whether the registration waits for `modelyard sync`."""
    notes: list[str] = field(default_factory=list)


def run_command(
    command: Sequence[str],
    *,
    name: str = "",
    experiment: str = "",
    register: str | None = None,
    files: Path | None = None,
    offline: bool | None = None,
    client: Session | None = None,
    output: IO[bytes] | None = None,
) -> Outcome:
    """Run a program and record it; the recording never makes it fail.

    register: the model whose next version the program's result becomes; if the server does not answer, the result is
    kept for `modelyard sync`. files: the files to register; None: the last fitted model, otherwise the model files that
    the program wrote. output: receives the program's standard output; None: ours.
    Raises InvalidName before the program starts.
    """
    if register is not None:
        ModelName.parse(register, "default" if "/" not in register else None)
    place = _place_of(command)
    # A wrapped program inside a wrapped program is a separate run, nested in the outer one.
    os.environ.pop(WRAPPED, None)
    block = run(
        name or _name_of(command),
        experiment=experiment or experiment_of(register),
        offline=offline,
        capture=False,
        client=client,
    )
    noted = block.start()
    folder = Path(tempfile.mkdtemp(prefix="modelyard-run-"))
    try:
        noted.add_facts(_own_facts(place, command))
        child = _Child(command, noted, folder, output or sys.stdout.buffer)
        code = child.wait()
        noted.add_facts({"resources": child.resources()})
        _keep_code(noted, place, folder)
        status = "killed" if code < 0 or child.signalled else "failed" if code else "finished"
        shown = 128 - code if code < 0 else code
        outcome = Outcome(noted.id, noted.name, status, shown, child.seconds)
        if register is not None and status == "finished":
            _register(noted, register, files, folder, child.started_at, outcome)
        noted.end(status, exit_code=shown)
        return outcome
    except BaseException:
        noted.end("failed")
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _name_of(command: Sequence[str]) -> str:
    program = _program_of(command)
    return str(readable(program.stem if program is not None else Path(command[0]).name))


def _program_of(command: Sequence[str]) -> Path | None:
    """Return the file of a Python program, or of a script."""
    for part in command[:20]:
        path = Path(part)
        if path.suffix == ".py" and path.is_file():
            return path.absolute()
    return None


def _place_of(command: Sequence[str]) -> capture.Place:
    program = _program_of(command)
    if program is None:
        return capture.Place(Path.cwd(), None, tuple(command[1:]))
    position = next(i for i, part in enumerate(command) if Path(part).absolute() == program)
    return capture.Place(Path.cwd(), program, tuple(command[position + 1 :]))


def _keep_code(noted: Run, place: capture.Place, folder: Path) -> None:
    """Keep the program's own uncommitted files: its script, and the modules that its processes report."""
    try:
        capture.keep_sources(noted, place, sources.left_lists(folder))
    except (OSError, ValueError) as error:
        noted.note(f"The code could not be kept: {error}")


def _own_facts(place: capture.Place, command: Sequence[str]) -> dict[str, Any]:
    """Return the facts that are visible from outside. Another Python reports its environment itself."""
    code = readable(capture.code_facts(place) | {"command": mask_arguments([*command])})
    facts: dict[str, Any] = {"code": code}
    found = shutil.which(command[0])
    if (
        found is not None
        and "python" in Path(found).name
        and Path(found).resolve() != Path(sys.executable).resolve()
    ):
        return facts
    own = environment.environment_facts()
    return {**facts, "environment": own, "image": environment.image_facts() or environment.image_recipe(own)}


def recorded_variables(noted: Run, folder: Path, path: str | None = None) -> dict[str, str]:
    """Return the variables with which a program's training is recorded as this run.

    folder: where the program leaves its model. path: PYTHONPATH of the program; None: this process's.
    """
    startup = Path(__file__).parents[1] / "startup"
    path = os.environ.get("PYTHONPATH", "") if path is None else path
    variables = {
        "MODELYARD_RUN": noted.id,
        "MODELYARD_RUN_FOLDER": str(folder),
        "MODELYARD_RUN_CAPTURE": "1",
        WRAPPED: "1",
        # Otherwise the program would buffer its output in the pipe until it ends.
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(part for part in (str(startup), path) if part),
    }
    if noted.experiment:
        variables["MODELYARD_EXPERIMENT"] = noted.experiment
    if noted.offline:
        variables["MODELYARD_OFFLINE"] = "1"
    return variables


# --- the child -------------------------------------------------------------------------------------------


class _Child:
    """The program, its two streams, and the signals for it."""

    def __init__(self, command: Sequence[str], noted: Run, folder: Path, output: IO[bytes]) -> None:
        self.signalled = 0
        self.started_at = time.time()
        self._began = time.monotonic()
        self._usage: Any = None
        self._log = BoundedLog(noted.log_text, noted.note)
        before = self._forward_signals()
        try:
            self._process = subprocess.Popen(
                [*command],
                env=os.environ | recorded_variables(noted, folder),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            self._restore(before)
            raise Invalid(
                reason=f"{command[0]} cannot be run: {error.strerror}", fix="Name a program after --"
            ) from error
        self._before = before
        self._gpu = _GpuWatch()
        self._threads = [
            threading.Thread(target=self._pass_on, args=pair, daemon=True)
            for pair in ((self._process.stdout, output), (self._process.stderr, sys.stderr.buffer))
        ]
        for thread in self._threads:
            thread.start()

    def _pass_on(self, stream: IO[bytes], target: IO[bytes]) -> None:
        feed = self._log.stream()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while block := os.read(stream.fileno(), _BLOCK_BYTES):
            # The reader of our output may be gone; the program goes on.
            with suppress(OSError, ValueError):
                target.write(block)
                target.flush()
            feed(decoder.decode(block))

    def _forward_signals(self) -> dict[int, Any]:
        before: dict[int, Any] = {}
        for each in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)):
            if each is not None and threading.current_thread() is threading.main_thread():
                before[each] = signal.signal(each, self._forward)
        return before

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        self.signalled = number
        # A terminal sends Ctrl-C to the program directly.
        if number == signal.SIGINT and sys.stdin is not None and sys.stdin.isatty():
            return
        process = getattr(self, "_process", None)
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def _restore(self, before: dict[int, Any]) -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def wait(self) -> int:
        """Wait for the program and return its exit code; a negative one is the signal that ended it."""
        process = self._process
        try:
            if hasattr(os, "wait4"):
                _, status, self._usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            else:
                process.wait()
        finally:
            self.seconds = time.monotonic() - self._began
            self._gpu.stop()
            self._restore(self._before)
        for thread in self._threads:
            # Processes that the program left behind may hold its streams open forever.
            thread.join(_PIPE_SECONDS)
        self._log.finish()
        return int(process.returncode)

    def resources(self) -> dict[str, Any]:
        """Return the resources used by the program and the children that it waited for."""
        found: dict[str, Any] = {"wall_seconds": round(self.seconds, 3)}
        if self._usage is not None:
            unit = 1 if sys.platform == "darwin" else 1024
            found |= {
                "cpu_seconds": round(self._usage.ru_utime + self._usage.ru_stime, 3),
                "peak_memory_bytes": self._usage.ru_maxrss * unit,
            }
        return found | self._gpu.found()


class _GpuWatch:
    """The peak memory and the mean use of the accelerators, if nvidia-smi is available."""

    def __init__(self) -> None:
        self._command = shutil.which("nvidia-smi")
        self._stop = threading.Event()
        self._samples: list[tuple[float, float]] = []
        if self._command is not None:
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while not self._stop.wait(_GPU_SECONDS):
            told = environment.ask_smi(
                "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits"
            )
            with suppress(ValueError):
                rows = [[float(cell) for cell in line.split(",")] for line in told.splitlines()]
                if rows:
                    self._samples.append((sum(r[0] for r in rows), sum(r[1] for r in rows) / len(rows)))

    def stop(self) -> None:
        self._stop.set()

    def found(self) -> dict[str, Any]:
        if not self._samples:
            return {}
        used = [percent for _, percent in self._samples]
        return {
            "gpu_peak_memory_mib": max(mib for mib, _ in self._samples),
            "gpu_mean_percent": round(sum(used) / len(used), 1),
        }


def _register(noted: Run, model: str, files: Path | None, folder: Path, since: float, outcome: Outcome) -> None:
    """Register with all facts of the run, now or later; failures are reported and do not change how the run ends."""
    try:
        if files is None:
            made = made_files(folder, since)
        else:
            made, notes = named_files(files, since)
            outcome.notes += notes
        if made.unsaved:
            outcome.error = Invalid(reason=f"the model cannot be saved: {made.unsaved}")
            _keep(noted, model, made, outcome)
        elif noted.offline:
            _keep(noted, model, made, outcome)
        else:
            _register_now(noted, model, made, outcome)
    except ModelyardError as error:
        outcome.error = error
    if outcome.error is not None and not outcome.kept:
        noted.note(f"No version was registered: {outcome.error}")


def _register_now(noted: Run, model: str, made: Made, outcome: Outcome) -> None:
    try:
        client = noted.client()
        noted.flush()
        # Send the records that the program could not send itself.
        offline.sync(lambda _: client, run=noted.id)
        facts = registration.facts_of(Runs(client).get(noted.id), made.learned)
        outcome.version = registration.register(client, made.path, model, facts=facts, capture=False)
    except ModelyardError as error:
        outcome.error = error
        if registration.may_pass(error):
            _keep(noted, model, made, outcome)


def _keep(noted: Run, model: str, made: Made, outcome: Outcome) -> None:
    try:
        offline.keep(noted, model, made.path, made.learned, unsaved=bool(made.unsaved))
        outcome.kept = True
    except OSError as error:
        outcome.notes.append(f"The registration could not be kept: {error}")
