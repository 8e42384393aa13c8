"""The steps that run the commands of the recipe, and what they made: training, tests, evaluation, package."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelyard.agent.processes import LAST_SECONDS, Limits, run_process
from modelyard.agent.repeating import REPEATED_VARIABLES
from modelyard.agent.workplace import StepFailed, Workplace
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid, ModelyardError
from modelyard.domain.secrets import mask_arguments
from modelyard.domain.sizes import size_words
from modelyard.domain.texts import readable
from modelyard.sdk import environment as environments
from modelyard.sdk.autolog.base import INPUTS_NAMED
from modelyard.sdk.checks import read_junit
from modelyard.sdk.pull import pull
from modelyard.sdk.runs import offline
from modelyard.sdk.runs.block import run as begin_run
from modelyard.sdk.runs.bounded_log import MAX_LOG_BYTES
from modelyard.sdk.runs.command import recorded_variables
from modelyard.sdk.runs.handle import Run
from modelyard.sdk.runs.lock import RUN_LOCK
from modelyard.sdk.runs.results import Made, made_files, named_files
from modelyard.wire import builds as wire

_FACTS = (
    "import json; from modelyard.sdk.environment import *; own = environment_facts(); "
    "print(json.dumps({'environment': own, 'image': image_facts() or image_recipe(own)}))"
)
_ASK_SECONDS = 60.0
_MAX_REPORT_BYTES = 4 * 1024 * 1024
_MAX_METRICS = 1000


class Training:
    """check: (state, summary, details) of the tests; None: none ran. made: the files that become the version."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._run: Run | None = None
        self._run_status = "failed"
        self._exit_code: int | None = None
        self._trained_at = 0.0
        self.check: tuple[str, str, dict[str, Any]] | None = None
        self.metrics: dict[str, float | str] = {}
        self.made: Made | None = None

    def started_run(self) -> Run:
        if self._run is None:
            self._run = begin_run(
                f"build {self._place.build[:12]}",
                experiment=self._place.plan.model,
                id=self._place.plan.run,
                capture=False,
            ).start()
            self._run.log_params(self._place.plan.params)
        return self._run

    def run_command(self, step: wire.PlannedStep) -> None:
        self._place.shell(step, {"MODELYARD_RUN": self._place.plan.run})

    def train(self, step: wire.PlannedStep) -> None:
        noted = self.started_run()
        code = self._code_facts(step.command)
        noted.add_facts({"code": code} | self._environment_facts())
        if self._place.environment.lock:
            noted.log_bytes(self._place.environment.lock.encode(), RUN_LOCK)
        path = self._place.plan.environment.get("PYTHONPATH", "")
        self._trained_at = time.time()
        try:
            variables = recorded_variables(noted, self._place.learned, path) | self._parent()
            if noted.inputs:
                # The registered datasets that the step `data` has compared.
                variables[INPUTS_NAMED] = "1"
            self._place.shell(step, variables, self._beginning_of_log(noted))
            self._run_status = "finished"
        finally:
            if self._place.ended is not None:
                noted.add_facts({"resources": self._place.ended.totals})
                self._exit_code = self._place.ended.exit_code
                if self._place.ended.cause:
                    self._run_status = "killed"
            # A program that begins a run of its own describes its folder here, which is only a copy.
            noted.add_facts({"code": code})

    def _beginning_of_log(self, noted: Run) -> Callable[[str], None]:
        """Return what copies the log to the run, which keeps less of it than the build."""
        left = MAX_LOG_BYTES

        def copy(text: str) -> None:
            nonlocal left
            if left > 0:
                noted.log_text(text)
                left -= len(text)
                if left <= 0:
                    noted.log_text(f"… (the rest is in the log of build {self._place.build})\n")

        return copy

    def _parent(self) -> dict[str, str]:
        """Fetch the files of the parent, read-only, and return the variable that names their folder."""
        if not self._place.plan.warm:
            return {}
        folder = self._place.folder / "parent"
        pull(self._place.session, self._place.plan.parent, folder)
        for path in folder.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        self._place.say(f"The files of {self._place.plan.parent} are in {folder}\n")
        return {"MODELYARD_PARENT": str(folder)}

    def _code_facts(self, command: str) -> dict[str, Any]:
        code: dict[str, Any] = {**self._place.plan.source}
        if self._place.plan.bundle:
            code["bundle"] = self._place.plan.bundle
        try:
            words = shlex.split(command)
        except ValueError:
            words = command.split()
        for position, word in enumerate(words[:20]):
            if word.endswith(".py") and (self._place.source / word).is_file():
                program = self._place.source / word
                code["entry_point"] = os.path.normpath(word)
                code["entry_point_digest"] = str(Digest.of(program.read_bytes()))
                if arguments := words[position + 1 :]:
                    code["arguments"] = mask_arguments(arguments)
                break
        code["command"] = mask_arguments(words)
        code["variables"] = {
            name: value for name, value in self._place.variables().items() if name in REPEATED_VARIABLES
        }
        found: dict[str, Any] = readable(code)
        return found

    def _environment_facts(self) -> dict[str, Any]:
        """Return the facts of the Python that the steps use."""
        if self._place.environment.python == Path(sys.executable):
            own = environments.environment_facts()
            return {
                "environment": own,
                "image": environments.image_facts() or environments.image_recipe(own),
            }
        told: list[str] = []
        run_process(
            [str(self._place.environment.python), "-c", _FACTS],
            folder=self._place.source,
            variables=self._place.variables(network=False),
            log=told.append,
            stop=self._place.stop,
            limits=Limits(_ASK_SECONDS),
            sandbox=self._place.sandbox,
            network=False,
        )
        for line in "".join(told).splitlines():
            with suppress(ValueError):
                found: dict[str, Any] = json.loads(line)
                return found
        return {}

    def end_run(self) -> None:
        if self._run is not None:
            wait = LAST_SECONDS / 2 if self._place.stop.hurried_at is not None else None
            self._run.end(self._run_status, exit_code=self._exit_code, wait_seconds=wait)
            # Records of programs that could not send them, and all others if the server is away.
            offline.sync(lambda _: self._place.session, run=self._run.id)

    def _result_variables(self) -> dict[str, str]:
        """Return the variables that tell later steps about the run, and where its result is."""
        found = {"MODELYARD_RUN": self._place.plan.run}
        with suppress(ModelyardError):
            found["MODELYARD_RESULT"] = str(self._find_result().path)
        return found

    def test(self, step: wire.PlannedStep) -> tuple[str, str]:
        report = self._place.source / step.report if step.report else self._place.folder / "tests.xml"
        variables = self._result_variables()
        if not step.report:
            options = self._place.plan.environment.get("PYTEST_ADDOPTS", "")
            variables["PYTEST_ADDOPTS"] = f"{options} --junitxml={shlex.quote(str(report))}".strip()
        before = _stamp(report)
        try:
            self._place.shell(step, variables)
        except StepFailed as failure:
            if failure.ended is not None and not failure.ended.cause and _stamp(report) != before:
                with suppress(ModelyardError, OSError):
                    raise StepFailed(f"{failure}: {read_junit(report)[1]}", failure.ended) from None
            raise
        if _stamp(report) != before:
            self.check = read_junit(report)
        elif step.report:
            raise StepFailed(f"it did not write {step.report}. Correct test.report in the recipe")
        else:
            self.check = ("pass", "the command ended with exit code 0", {"command": step.command[:1000]})
        if self.check[0] != "pass":
            raise StepFailed(self.check[1])
        return "ok", self.check[1]

    def evaluate(self, step: wire.PlannedStep) -> tuple[str, str]:
        report = self._place.source / step.report
        before = _stamp(report)
        self._place.shell(step, self._result_variables())
        if _stamp(report) == before:
            raise StepFailed(f"it did not write {step.report}. Correct evaluate.report in the recipe")
        self.metrics = read_metrics(report)
        words = ", ".join(f"{name} {value}" for name, value in list(self.metrics.items())[:5])
        self._place.say(f"{words}\n")
        return "ok", words

    def _find_result(self) -> Made:
        if self._place.plan.result:
            return named_files(self._place.source / self._place.plan.result, self._trained_at)[0]
        return made_files(self._place.learned, self._trained_at, self._place.source)

    def package(self, _: wire.PlannedStep) -> tuple[str, str]:
        try:
            made = self._find_result()
        except Invalid as error:
            raise StepFailed(f"{error.message}. Name the file or folder under `result` in the recipe") from None
        if made.unsaved:
            raise StepFailed(
                f"the model cannot be saved: {made.unsaved}. Let the training write files and name them under `result`"
            )
        self.made = made
        place = made.path
        for top in (self._place.source, self._place.learned):
            if place.is_relative_to(top):
                place = place.relative_to(top)
        words = str(place) if self._place.plan.result else "the files of the trained model"
        self._place.say(f"{words}\n")
        return "ok", words


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_mtime_ns, info.st_ino


def read_metrics(path: Path) -> dict[str, float | str]:
    """Read metrics from a JSON file, name → number. Raises StepFailed for anything else."""
    if path.stat().st_size > _MAX_REPORT_BYTES:
        raise StepFailed(f"{path.name} is larger than {size_words(_MAX_REPORT_BYTES)}")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise StepFailed(f"{path.name} is not JSON: {error}") from None
    if not isinstance(told, dict) or not told or len(told) > _MAX_METRICS:
        raise StepFailed(f"{path.name} must hold 1 to {_MAX_METRICS} metrics, name → number")
    found: dict[str, float | str] = {}
    for name, value in told.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise StepFailed(f"{path.name}: the metric {name[:100]!r} is {str(value)[:50]!r}, not a number")
        number = float(value)
        found[name] = (
            number if math.isfinite(number) else str(number).replace("inf", "Infinity").replace("nan", "NaN")
        )
    return found
