"""`modelyard run`: an unchanged program as a run, with its log, its end and what it cost."""

from __future__ import annotations

import codecs
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any

from modelyard.domain.errors import Invalid, ModelyardError
from modelyard.domain.names import ModelName
from modelyard.domain.secrets import LineMasker, mask_arguments
from modelyard.sdk import capture, environment
from modelyard.sdk.runs import offline, registration
from modelyard.sdk.runs.block import WRAPPED, experiment_of, run
from modelyard.sdk.runs.handle import Run
from modelyard.sdk.runs.reading import Runs
from modelyard.sdk.session import Session
from modelyard.sdk.views import Version

MAX_LOG_BYTES = 8 * 1024 * 1024
TAIL_BYTES = 64 * 1024
MAX_LINE = 20_000
_BLOCK_BYTES = 1 << 16
_GPU_SECONDS = 5.0
_PIPE_SECONDS = 2.0
_MODEL_SUFFIXES = frozenset(
    ".pkl .pickle .joblib .skops .onnx .safetensors .pt .pth .gguf .h5 .keras .ubj .cbm .bst .model".split()
)
_NOT_SEARCHED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__"})
_MOST_SEARCHED = 100_000


@dataclass(slots=True)
class Outcome:
    run: str
    name: str
    status: str
    exit_code: int
    """As a shell gives it: 128 + number for a program that a signal ended."""
    seconds: float
    version: Version | None = None
    error: ModelyardError | None = None
    """Why no version was registered."""
    kept: bool = False
    """What was to be registered waits for `modelyard sync`."""
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
    """Run a program and note what there is to note of it; it never fails because of that.

    register: the model whose next version the program's result becomes; where the server cannot be asked, it is
    kept for `modelyard sync`. files: what to register; None: the model that was fitted last, else the model files
    that the program wrote. output: where the program's standard output goes; None: to ours.
    Raises InvalidName before the program is begun.
    """
    if register is not None:
        ModelName.parse(register, "default" if "/" not in register else None)
    place = _place_of(command)
    # A program of a wrapped program is a run of its own, nested in the other one.
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
    return program.stem if program is not None else Path(command[0]).name


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


def _own_facts(place: capture.Place, command: Sequence[str]) -> dict[str, Any]:
    """Return what is known from outside. A Python that is not ours reports its environment itself."""
    code = capture.code_facts(place)
    code["command"] = mask_arguments([*command])
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


# --- the child -------------------------------------------------------------------------------------------


class _Child:
    """The program, its two streams, and the signals that are meant for it."""

    def __init__(self, command: Sequence[str], noted: Run, folder: Path, output: IO[bytes]) -> None:
        self.signalled = 0
        self.started_at = time.time()
        self._began = time.monotonic()
        self._usage: Any = None
        self._log = BoundedLog(noted.log_text, noted.note)
        startup = Path(__file__).parents[1] / "startup"
        child_environment = {
            **os.environ,
            "MODELYARD_RUN": noted.id,
            "MODELYARD_RUN_FOLDER": str(folder),
            "MODELYARD_RUN_CAPTURE": "1",
            WRAPPED: "1",
            # Else a pipe would hold the program's output back until it ends.
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(
                part for part in (str(startup), os.environ.get("PYTHONPATH", "")) if part
            ),
        }
        if noted.experiment:
            child_environment["MODELYARD_EXPERIMENT"] = noted.experiment
        if noted.offline:
            child_environment["MODELYARD_OFFLINE"] = "1"
        before = self._forward_signals()
        try:
            self._process = subprocess.Popen(
                [*command], env=child_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
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
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while block := os.read(stream.fileno(), _BLOCK_BYTES):
            # The person who read our output may have gone; the program goes on.
            with suppress(OSError, ValueError):
                target.write(block)
                target.flush()
            self._log.feed(decoder.decode(block))

    def _forward_signals(self) -> dict[int, Any]:
        before: dict[int, Any] = {}
        for each in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)):
            if each is not None and threading.current_thread() is threading.main_thread():
                before[each] = signal.signal(each, self._forward)
        return before

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        self.signalled = number
        # A terminal sends Ctrl-C to the program by itself.
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
        """Wait for the program and return its exit code; below 0, the signal that ended it."""
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
            # What the program left behind may hold its streams open for ever.
            thread.join(_PIPE_SECONDS)
        self._log.finish()
        return int(process.returncode)

    def resources(self) -> dict[str, Any]:
        """Of the program and the children it waited for."""
        found: dict[str, Any] = {"wall_seconds": round(self.seconds, 3)}
        if self._usage is not None:
            unit = 1 if sys.platform == "darwin" else 1024
            found |= {
                "cpu_seconds": round(self._usage.ru_utime + self._usage.ru_stime, 3),
                "peak_memory_bytes": self._usage.ru_maxrss * unit,
            }
        return found | self._gpu.found()


class _GpuWatch:
    """The most memory and the mean use of the accelerators, where nvidia-smi tells."""

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


class BoundedLog:
    """Passes text on without credentials, lines and the whole cut to what fits; of a long log the beginning and
    the end. A line is passed on when it ends, since a credential may come in pieces."""

    def __init__(self, say: Callable[[str], object], note: Callable[[str], object]) -> None:
        self._say, self._note = say, note
        self._lock = threading.Lock()
        self._line, self._masker = "", LineMasker()
        self._cut = self._passed = self._left_out = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0

    def feed(self, text: str) -> None:
        with self._lock:
            for piece in text.splitlines(keepends=True):
                ends = piece.endswith(("\n", "\r"))
                body, end = (piece[:-1], piece[-1]) if ends else (piece, "")
                room = MAX_LINE - len(self._line)
                self._line += body[:room]
                self._cut += len(body[room:])
                if ends:
                    self._end_line(end)

    def _end_line(self, end: str) -> None:
        text = self._masker.mask(self._line)
        if self._cut:
            end = f"… ({self._cut} characters cut)\n"
            self._note(f"Lines of the log longer than {MAX_LINE} characters were cut.")
        self._line, self._cut = "", 0
        self._pass(text + end)

    def _pass(self, text: str) -> None:
        if not text:
            return
        if self._passed < MAX_LOG_BYTES:
            self._passed += len(text.encode("utf-8", "replace"))
            self._say(text)
            return
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail_size > TAIL_BYTES and len(self._tail) > 1:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._left_out += gone

    def finish(self) -> None:
        with self._lock:
            self._end_line("")
            if self._left_out:
                self._say(f"\n… ({self._left_out} characters of the log are left out here)\n")
                self._note(
                    f"The log is longer than {MAX_LOG_BYTES} bytes; only its beginning and its end are here."
                )
            for text in self._tail:
                self._say(text)
            self._tail.clear()


# --- registering -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Made:
    """What there is to register."""

    path: Path
    learned: dict[str, Any]


def _made_files(folder: Path, since: float) -> _Made:
    """Return the model that was fitted last, else the model files written since then.

    Raises Invalid when there is neither.
    """
    left: list[tuple[int, _Made]] = []
    errors: list[str] = []
    for told in folder.glob("*/learned.json"):
        value = json.loads(told.read_text())
        if "error" in value:
            errors.append(value["error"])
        else:
            left.append((value["at"], _Made(told.parent / "model", value["facts"])))
    if left:
        return max(left, key=lambda pair: pair[0])[1]
    written = _written_models(Path.cwd(), since)
    if written:
        return _Made(_together(written, folder, since), {})
    reason = (
        f"the model that was fitted cannot be saved ({errors[0]})"
        if errors
        else "no model was fitted or written"
    )
    raise Invalid(
        reason=f"{reason}, so there is nothing to register", fix="Name what to register with --files PATH"
    )


def _written_models(top: Path, since: float) -> list[Path]:
    found: list[Path] = []
    seen = 0
    for place, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name not in _NOT_SEARCHED]
        seen += len(names)
        if seen > _MOST_SEARCHED:
            break
        for name in names:
            path = Path(place) / name
            with suppress(OSError):
                # File systems keep times less exactly than the clock does.
                if path.suffix.lower() in _MODEL_SUFFIXES and path.stat().st_mtime >= since - 1:
                    found.append(path)
    return sorted(found)


def _together(written: Sequence[Path], folder: Path, since: float) -> Path:
    """Return what to register: a folder of its own that the program filled, or single files with their names."""
    if len(written) == 1 and written[0].parent == Path.cwd():
        return written[0]
    parents = {path.parent for path in written}
    if len(parents) == 1:
        parent = parents.pop()
        with suppress(OSError):
            if parent != Path.cwd() and all(
                p.stat().st_mtime >= since - 1 for p in parent.rglob("*") if p.is_file()
            ):
                return parent
    target = folder / "written"
    for path in written:
        place = target / path.relative_to(Path.cwd())
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return target


def _register(noted: Run, model: str, files: Path | None, folder: Path, since: float, outcome: Outcome) -> None:
    """Register with all that the run knows, now or later; what goes wrong is told, and the run ends as it would."""
    try:
        made = _made_files(folder, since) if files is None else _Made(files, {})
        if noted.offline:
            _keep(noted, model, made, outcome)
        else:
            _register_now(noted, model, made, outcome)
    except ModelyardError as error:
        outcome.error = error
    if outcome.error is not None and not outcome.kept:
        noted.note(f"No version was registered: {outcome.error}")


def _register_now(noted: Run, model: str, made: _Made, outcome: Outcome) -> None:
    try:
        client = noted.client()
        noted.flush()
        # What the program could not send itself.
        offline.sync(lambda _: client, run=noted.id)
        facts = registration.facts_of(Runs(client).get(noted.id), made.learned)
        outcome.version = registration.register(client, made.path, model, facts=facts, capture=False)
    except ModelyardError as error:
        outcome.error = error
        if registration.may_pass(error):
            _keep(noted, model, made, outcome)


def _keep(noted: Run, model: str, made: _Made, outcome: Outcome) -> None:
    try:
        offline.keep(noted, model, made.path, made.learned)
        outcome.kept = True
    except OSError as error:
        outcome.notes.append(f"What was to be registered could not be kept: {error}")
