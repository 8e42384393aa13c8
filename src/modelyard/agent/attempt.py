"""One attempt of a build, from its claim to its end: the steps of the plan, in order, until one fails."""

from __future__ import annotations

import json
import math
import os
import platform
import secrets
import shlex
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelyard.agent.environments import Environment, Needed, NotMade, prepare
from modelyard.agent.hiding import Hidden
from modelyard.agent.processes import Ended, Limits, Stop, run_process
from modelyard.agent.repeating import REPEATED_VARIABLES, repeatable, result_of
from modelyard.agent.reports import AWAY_SECONDS, Reports
from modelyard.domain.digest import Digest
from modelyard.domain.errors import IdempotencyConflict, Invalid, Kind, ModelyardError
from modelyard.domain.names import Ref
from modelyard.domain.secrets import mask, mask_arguments
from modelyard.domain.sizes import size_words
from modelyard.domain.texts import readable
from modelyard.sdk import environment as environments
from modelyard.sdk.checks import Checks, read_junit
from modelyard.sdk.datasets import describe
from modelyard.sdk.evaluations import Evaluations
from modelyard.sdk.files import BLOCK_BYTES
from modelyard.sdk.http import BROKEN, Patience, at
from modelyard.sdk.promotion import Promotions
from modelyard.sdk.pull import pull
from modelyard.sdk.runs import offline, registration
from modelyard.sdk.runs.block import run as begin_run
from modelyard.sdk.runs.command import recorded_variables
from modelyard.sdk.runs.handle import Run
from modelyard.sdk.runs.reading import Runs
from modelyard.sdk.runs.results import Made, made_files, named_files
from modelyard.sdk.session import Session
from modelyard.sdk.source_bundle import unpack_bundle
from modelyard.sdk.versions import Versions
from modelyard.wire import builds as wire
from modelyard.wire import promotion as promotion_wire

_KEPT_VARIABLES = frozenset(
    "PATH LANG LANGUAGE TZ TERM USER LOGNAME SHELL LD_LIBRARY_PATH SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE "
    "HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy CUDA_VISIBLE_DEVICES "
    "NVIDIA_VISIBLE_DEVICES CUDA_HOME OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS".split()
)
_KEPT_PREFIXES = ("LC_", "PIP_", "UV_", "SLURM_")
"""Variables of the agent that its steps get too: all others may hold credentials of the machine."""
_FACTS = (
    "import json; from modelyard.sdk.environment import *; own = environment_facts(); "
    "print(json.dumps({'environment': own, 'image': image_facts() or image_recipe(own)}))"
)
_ASK_SECONDS = 60.0
_LOCK = "environment/lock.txt"
"""The file of a run with the lock of its environment."""
_WARM, _RETRAINED = "finetune", "retrained"
"""Relations to the version whose record a build was made from: its files were given to the training, or not."""
_BUILD_TAG = "build"
"""Tag of a version: the build that registered it."""
_MAX_REPORT_BYTES = 4 * 1024 * 1024
_MAX_METRICS = 1000
_GONE = ("superseded", "away")


class StepFailed(Exception):
    """A step failed; the text says why."""

    def __init__(self, reason: str, ended: Ended | None = None) -> None:
        super().__init__(reason)
        self.ended = ended


class Attempt:
    """One attempt. Its folder holds the source, what the training left, a home and temporary files of its own."""

    def __init__(
        self, session: Session, build: str, number: int, workspace: Path, environments: Path, stop: Stop
    ) -> None:
        self._session, self._build, self._number, self._stop = session, build, number, stop
        self._workspace, self._environments = workspace, environments
        self._source = workspace / "source"
        self._learned = workspace / "learned"
        self._word = secrets.token_hex(32)
        """Unlike the token, the steps do not know it."""
        self._hidden = Hidden()
        self._hidden.add([os.environ.get("MODELYARD_TOKEN", "")])
        self._environment = Environment(Path(sys.executable))
        self._run: Run | None = None
        self._run_status = "failed"
        self._exit_code: int | None = None
        self._trained_at = 0.0
        self._made: Made | None = None
        self._check: tuple[str, str, dict[str, Any]] | None = None
        self._metrics: dict[str, float | str] = {}
        self._version: str | None = None
        self._promotion: int | None = None
        self._result: wire.AttemptResult | None = None
        self._ended: Ended | None = None
        """How the last program of the present step ended."""
        self._step = ""

    def carry_out(self) -> int:
        """Carry out the attempt and return 0 if the server knows how it ended."""
        claim = wire.ClaimAttempt(word=self._word)
        self._plan = self._session.transport.call("POST", self._at("claim"), body=claim, returns=wire.BuildPlan)
        # A cluster may show the variables of its jobs. What it was told is worth nothing from now on.
        os.environ["MODELYARD_TOKEN"] = self._plan.token
        self._hidden.add([self._plan.token])
        self._session = Session(self._session.url, self._plan.token, patience_seconds=AWAY_SECONDS)
        self._deadline = (
            None if self._plan.timeout_seconds is None else time.monotonic() + self._plan.timeout_seconds
        )
        for folder in (self._source, self._learned, self._workspace / "home", self._workspace / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        sender = Session(
            self._session.url,
            self._plan.token,
            patience_seconds=0,
            timeout_seconds=30,
            insecure=True,
        )
        self._reports = Reports(
            sender, self._build, self._number, self._workspace / "frames.jsonl", self._stop.ask
        )
        end = self._steps()
        self._end_run()
        if self._stop.cause in _GONE:
            return 1
        self._reports.end(end)
        return 0 if self._reports.close(AWAY_SECONDS) else 1

    def _steps(self) -> wire.AttemptEnd:
        end: wire.AttemptEnd | None = None
        for step in self._plan.steps:
            end = end or self._asked_end()
            if end is not None:
                self._reports.event(step.name, "skipped")
                continue
            self._step, self._ended = step.name, None
            self._reports.event(step.name, "running")
            reason = ""
            try:
                state, reason = self._carry_out_step(step)
            except StepFailed as failure:
                state, reason = "failed", str(failure)
                self._ended = failure.ended or self._ended
            except (ModelyardError, OSError) as error:
                state, reason = "failed", str(error)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, the attempt says so and ends
                self._say("".join(traceback.format_exception(error)))
                state, reason = "failed", f"{type(error).__name__}: {error}"
            reason = self._hidden.mask(reason)
            resources = self._ended.resources if self._ended is not None else {}
            code = self._ended.exit_code if self._ended is not None else None
            self._reports.event(step.name, state, reason=reason, exit_code=code, resources=resources)
            if state == "failed":
                end = self._asked_end(self._ended) or wire.AttemptEnd(
                    status="failed", reason=mask(f"step {step.name}: {reason}")[:2000]
                )
        end = end or wire.AttemptEnd(status="succeeded")
        end.version, end.promotion, end.result = self._version, self._promotion, self._result
        return end

    def _asked_end(self, ended: Ended | None = None) -> wire.AttemptEnd | None:
        """Return the end that somebody or a time limit asked for; None: the attempt goes on."""
        if not self._stop.asked and self._deadline is not None and time.monotonic() > self._deadline:
            self._stop.ask("timed-out", "the build ran for longer than its timeout")
        cause, reason = self._stop.cause, self._stop.reason
        if not cause and ended is not None and ended.cause == "timed-out":
            cause, reason = ended.cause, f"step {self._step}: {ended.reason}"
        if not cause:
            return None
        status = cause if cause in ("cancelled", "timed-out") else "failed"
        return wire.AttemptEnd(status=status, reason=mask(reason)[:2000])

    def _carry_out_step(self, step: wire.PlannedStep) -> tuple[str, str]:
        """Return (state, reason) of a step that did not fail."""
        kinds: dict[str, Callable[[wire.PlannedStep], tuple[str, str] | None]] = {
            "provision": self._provision,
            "source": self._fetch_source,
            "data": self._check_data,
            "environment": self._prepare_environment,
            "command": self._own_step,
            "train": self._train,
            "test": self._test,
            "evaluate": self._evaluate,
            "package": self._package,
            "push": self._push,
            "gate": self._gate,
            "compare": self._compare,
        }
        if step.kind not in kinds:
            raise StepFailed(
                f"this agent knows no step of the kind {step.kind!r}; install the server's release"
            )
        return kinds[step.kind](step) or ("ok", "")

    def _say(self, text: str) -> None:
        self._reports.log(self._step, mask(self._hidden.mask(text)))

    def _say_used(self, resources: dict[str, Any]) -> None:
        self._reports.event(self._step, "running", resources=resources)

    def _at(self, *parts: str) -> str:
        return at("builds", self._build, "attempts", self._number, *parts)

    # --- programs ----------------------------------------------------------------------------------------

    def _variables(self) -> dict[str, str]:
        """Return the variables of the steps."""
        found = {
            name: value
            for name, value in os.environ.items()
            if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
        }
        found = repeatable(found | self._plan.environment)
        programs = str(self._environment.programs)
        found["PATH"] = os.pathsep.join(part for part in (programs, found.get("PATH", os.defpath)) if part)
        return found | {
            "HOME": str(self._workspace / "home"),
            "TMPDIR": str(self._workspace / "tmp"),
            "PYTHONUNBUFFERED": "1",
            "MODELYARD_URL": self._session.url,
            "MODELYARD_TOKEN": os.environ.get("MODELYARD_TOKEN", ""),
            "MODELYARD_HOME": os.environ.get("MODELYARD_HOME", ""),
            "MODELYARD_BUILD": self._build,
        }

    def _shell(
        self,
        step: wire.PlannedStep,
        more: dict[str, str] | None = None,
        log: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Run the command of a step in the source. log: gets its output as well. Raises StepFailed."""
        name = step.name

        def pass_on(text: str) -> None:
            self._reports.log(name, text)
            log(text)

        ended = run_process(
            ["/bin/sh", "-c", step.command],
            folder=self._source,
            variables=self._variables() | (more or {}) | self._secrets_of(step),
            log=pass_on,
            used=self._say_used,
            hidden=self._hidden,
            stop=self._stop,
            limits=Limits(step.timeout_seconds, self._deadline, self._plan.memory_bytes),
        )
        self._ended = ended
        if not ended.is_ok:
            raise StepFailed(ended.reason, ended)

    def _secrets_of(self, step: wire.PlannedStep) -> dict[str, str]:
        """Return the secrets that a step gets as variables."""
        if not step.secrets:
            return {}
        asked = wire.RevealBuildSecrets(step=step.name, word=self._word)
        found = self._session.transport.call(
            "POST", self._at("secrets"), body=asked, returns=wire.BuildSecretValues
        )
        self._hidden.add(found.values.values())
        return found.values

    def _tool(self, command: Sequence[str], folder: Path) -> Ended:
        """Run a program of the agent's own, such as the installer of packages."""
        # Caches of packages are shared between builds; a Python is never downloaded.
        caches = self._environments / "cache"
        variables = {"PIP_CACHE_DIR": str(caches / "pip"), "UV_CACHE_DIR": str(caches / "uv")}
        variables |= self._variables() | {"UV_PYTHON_DOWNLOADS": "never"}
        name = self._step
        self._ended = run_process(
            command,
            folder=folder,
            variables=variables,
            log=lambda text: self._reports.log(name, text),
            used=self._say_used,
            hidden=self._hidden,
            stop=self._stop,
            limits=Limits(deadline=self._deadline),
        )
        return self._ended

    # --- before the training -----------------------------------------------------------------------------

    def _provision(self, _: wire.PlannedStep) -> None:
        memory = ""
        with suppress(ValueError, OSError, AttributeError):
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            memory = f"memory      {size_words(total)}\n"
        self._say(
            f"build       {self._build}, attempt {self._number}\n"
            f"host        {platform.node()}\n"
            f"platform    {platform.platform()}\n"
            f"python      {platform.python_version()}\n"
            f"processors  {os.cpu_count()}\n{memory}"
            f"disk        {size_words(shutil.disk_usage(self._workspace).free)} free\n"
        )

    def _fetch_source(self, _: wire.PlannedStep) -> None:
        if self._plan.bundle is None:
            self._say("The build has no source.\n")
            return
        digest = Digest.parse(self._plan.bundle)
        target = self._workspace / "source.tar"
        self._fetch(at("builds", self._build, "bundle"), target)
        count = unpack_bundle(target, digest, self._source)
        size = target.stat().st_size
        target.unlink()
        commit = self._plan.source.get("commit")
        state = " with changes" if self._plan.source.get("dirty") else ""
        self._say(f"{count} files, {size_words(size)}, {digest}\n")
        if commit:
            self._say(f"commit {commit}{state}\n")

    def _fetch(self, path: str, target: Path) -> None:
        patience = Patience(AWAY_SECONDS)
        while True:
            try:
                with (
                    self._session.transport.stream("GET", path, 60.0) as answer,
                    target.open("wb") as file,
                ):
                    while block := answer.read(BLOCK_BYTES):
                        file.write(block)
                return
            except ModelyardError as error:
                if self._stop.asked or error.kind not in (Kind.BUSY, Kind.UNAVAILABLE):
                    raise
                patience.wait(error)
            except BROKEN as exc:
                if isinstance(exc, OSError) and exc.filename:
                    raise
                patience.wait(Invalid(reason=f"the source could not be fetched: {exc}", fix="Try again"))

    def _check_data(self, _: wire.PlannedStep) -> None:
        noted = self._started_run()
        for data in self._plan.inputs:
            name = data.dataset.partition("@")[0].partition(":")[0]
            if not data.path:
                self._say(f"{data.name}: {data.dataset} has no path, so its bytes are not compared\n")
                continue
            path = Path(os.path.expandvars(data.path))
            path = path if path.is_absolute() else self._source / path
            if not path.exists():
                raise StepFailed(
                    f"{data.name}: {data.path} does not exist where the build runs. Correct its path in the recipe"
                )
            described = describe(path, name=name, source=data.path, expect=data.digest)
            noted.log_input(described, name=name)
            self._say(
                f"{data.name}: {data.dataset} is {described.digest}, {described.entry.get('rows')} rows\n"
            )

    def _prepare_environment(self, _: wire.PlannedStep) -> tuple[str, str]:
        needed = self._needed()
        try:
            self._environment = prepare(
                needed, self._environments, self._tool, self._say, lambda: self._stop.asked
            )
        except NotMade as error:
            raise StepFailed(str(error)) from None
        return ("reused" if self._environment.reused else "ok"), ""

    def _needed(self) -> Needed:
        plan = self._plan
        if plan.lock_run:
            # What was made of these requirements then, since the index may have newer packages now.
            Runs(self._session).pull(plan.lock_run, self._workspace / "kept", [_LOCK])
            place = (self._source / plan.requirements).parent
            return Needed(plan.python, lock=self._workspace / "kept" / _LOCK, folder=place)
        if plan.lock:
            return Needed(plan.python, lock=self._source / plan.lock)
        return Needed(plan.python, requirements=self._source / plan.requirements if plan.requirements else None)

    def _own_step(self, step: wire.PlannedStep) -> None:
        self._shell(step, {"MODELYARD_RUN": self._plan.run})

    # --- the training ------------------------------------------------------------------------------------

    def _started_run(self) -> Run:
        if self._run is None:
            self._run = begin_run(
                f"build {self._build[:12]}", experiment=self._plan.model, id=self._plan.run, capture=False
            ).start()
            self._run.log_params(self._plan.params)
        return self._run

    def _train(self, step: wire.PlannedStep) -> None:
        noted = self._started_run()
        code = self._code_facts(step.command)
        noted.add_facts({"code": code} | self._environment_facts())
        if self._environment.lock:
            noted.log_bytes(self._environment.lock.encode(), _LOCK)
        path = self._plan.environment.get("PYTHONPATH", "")
        self._trained_at = time.time()
        try:
            variables = recorded_variables(noted, self._learned, path) | self._parent()
            self._shell(step, variables, noted.log_text)
            self._run_status = "finished"
        finally:
            if self._ended is not None:
                noted.add_facts({"resources": self._ended.totals})
                self._exit_code = self._ended.exit_code
                if self._ended.cause:
                    self._run_status = "killed"
            # A program that begins a run of its own describes its folder here, which is only a copy.
            noted.add_facts({"code": code})

    def _code_facts(self, command: str) -> dict[str, Any]:
        code: dict[str, Any] = {**self._plan.source}
        if self._plan.bundle:
            code["bundle"] = self._plan.bundle
        try:
            words = shlex.split(command)
        except ValueError:
            words = command.split()
        for position, word in enumerate(words[:20]):
            if word.endswith(".py") and (self._source / word).is_file():
                program = self._source / word
                code["entry_point"] = os.path.normpath(word)
                code["entry_point_digest"] = str(Digest.of(program.read_bytes()))
                if arguments := words[position + 1 :]:
                    code["arguments"] = mask_arguments(arguments)
                break
        code["command"] = mask_arguments(words)
        code["variables"] = {
            name: value for name, value in self._variables().items() if name in REPEATED_VARIABLES
        }
        found: dict[str, Any] = readable(code)
        return found

    def _environment_facts(self) -> dict[str, Any]:
        """Return the facts of the Python that the steps use."""
        if self._environment.python == Path(sys.executable):
            own = environments.environment_facts()
            return {
                "environment": own,
                "image": environments.image_facts() or environments.image_recipe(own),
            }
        told: list[str] = []
        run_process(
            [str(self._environment.python), "-c", _FACTS],
            folder=self._source,
            variables=self._variables(),
            log=told.append,
            stop=self._stop,
            limits=Limits(_ASK_SECONDS),
        )
        for line in "".join(told).splitlines():
            with suppress(ValueError):
                found: dict[str, Any] = json.loads(line)
                return found
        return {}

    def _end_run(self) -> None:
        if self._run is not None:
            self._run.end(self._run_status, exit_code=self._exit_code)

    # --- after the training ------------------------------------------------------------------------------

    def _result_variables(self) -> dict[str, str]:
        """Return the variables that tell later steps about the run, and where its result is."""
        found = {"MODELYARD_RUN": self._plan.run}
        with suppress(ModelyardError):
            found["MODELYARD_RESULT"] = str(self._find_result().path)
        return found

    def _test(self, step: wire.PlannedStep) -> tuple[str, str]:
        report = self._source / step.report if step.report else self._workspace / "tests.xml"
        variables = self._result_variables()
        if not step.report:
            options = self._plan.environment.get("PYTEST_ADDOPTS", "")
            variables["PYTEST_ADDOPTS"] = f"{options} --junitxml={shlex.quote(str(report))}".strip()
        before = _stamp(report)
        try:
            self._shell(step, variables)
        except StepFailed as failure:
            if failure.ended is not None and not failure.ended.cause and _stamp(report) != before:
                with suppress(ModelyardError, OSError):
                    raise StepFailed(f"{failure}: {read_junit(report)[1]}", failure.ended) from None
            raise
        if _stamp(report) != before:
            self._check = read_junit(report)
        elif step.report:
            raise StepFailed(f"it did not write {step.report}. Correct test.report in the recipe")
        else:
            self._check = ("pass", "the command ended with exit code 0", {"command": step.command[:1000]})
        if self._check[0] != "pass":
            raise StepFailed(self._check[1])
        return "ok", self._check[1]

    def _evaluate(self, step: wire.PlannedStep) -> tuple[str, str]:
        report = self._source / step.report
        before = _stamp(report)
        self._shell(step, self._result_variables())
        if _stamp(report) == before:
            raise StepFailed(f"it did not write {step.report}. Correct evaluate.report in the recipe")
        self._metrics = read_metrics(report)
        words = ", ".join(f"{name} {value}" for name, value in list(self._metrics.items())[:5])
        self._say(f"{words}\n")
        return "ok", words

    def _find_result(self) -> Made:
        if self._plan.result:
            return named_files(self._source / self._plan.result, self._trained_at)[0]
        return made_files(self._learned, self._trained_at, self._source)

    def _package(self, _: wire.PlannedStep) -> tuple[str, str]:
        try:
            made = self._find_result()
        except Invalid as error:
            raise StepFailed(f"{error.message}. Name the file or folder under `result` in the recipe") from None
        if made.unsaved:
            raise StepFailed(
                f"the model cannot be saved: {made.unsaved}. Let the training write files and name them under `result`"
            )
        self._made = made
        place = made.path
        for top in (self._source, self._learned):
            if place.is_relative_to(top):
                place = place.relative_to(top)
        words = str(place) if self._plan.result else "the files of the trained model"
        self._say(f"{words}\n")
        return "ok", words

    def _facts(self) -> tuple[dict[str, Any], Made]:
        """Return the facts of the version that the training made, with its files."""
        noted = self._started_run()
        if self._made is None:
            raise StepFailed("there is no result: no step made a package")
        if not noted.flush():
            self._say("The run's records are still on their way.\n")
        # Send the records that the programs could not send themselves.
        offline.sync(lambda _: self._session, run=noted.id)
        facts = registration.facts_of(Runs(self._session).get(noted.id), self._made.learned)
        if self._plan.parent:
            relation = _WARM if self._plan.warm else _RETRAINED
            facts["parents"] = [
                *facts.get("parents", ()),
                {"ref": self._plan.parent, "relation": relation},
            ]
        return facts, self._made

    def _compare(self, _: wire.PlannedStep) -> tuple[str, str]:
        """Report what the training made; the server compares it with the version."""
        facts, made = self._facts()
        split, dataset = self._plan.evaluate_split, self._plan.evaluate_dataset
        evaluation = [
            {"name": name, "value": value, "split": split, "dataset": dataset}
            for name, value in self._metrics.items()
        ]
        self._result = result_of(
            self._session, self._plan.reproduces, made.path, facts, evaluation, self._workspace / "recorded"
        )
        words = f"the result is compared with {self._plan.reproduces}"
        self._say(f"{words}\n")
        return "ok", words

    def _parent(self) -> dict[str, str]:
        """Fetch the files of the parent, read-only, and return the variable that names their folder."""
        if not self._plan.warm:
            return {}
        folder = self._workspace / "parent"
        pull(self._session, self._plan.parent, folder)
        for path in folder.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        self._say(f"The files of {self._plan.parent} are in {folder}\n")
        return {"MODELYARD_PARENT": str(folder)}

    def _push(self, step: wire.PlannedStep) -> tuple[str, str]:
        facts, made = self._facts()
        # An earlier attempt may have pushed, and been lost before it could say so.
        reference = self._find_version() if self._number > 1 else ""
        if not reference:
            try:
                version = registration.register(
                    self._session,
                    made.path,
                    self._plan.model,
                    facts=facts,
                    tags={_BUILD_TAG: self._build},
                    capture=False,
                    idempotency_key=f"build-{self._build}-{step.name}",
                )
                reference = version.reference
                self._say(registration.words_for(version) + "\n")
            except IdempotencyConflict:
                reference = self._find_version()
                if not reference:
                    raise
        self._version = reference
        self._say(f"{reference}\n")
        if self._check is not None:
            state, summary, details_of_check = self._check
            Checks(self._session).report(
                reference,
                self._plan.check,
                state,
                summary=self._hidden.mask(summary)[:500],
                details=self._hidden.mask_json(details_of_check),
            )
            self._say(f"check {self._plan.check}: {state}: {summary}\n")
        if self._metrics:
            split, dataset = self._plan.evaluate_split, self._plan.evaluate_dataset
            Evaluations(self._session).report(reference, self._metrics, split=split, dataset=dataset)
            self._say(f"evaluation of {len(self._metrics)} metrics on {split or 'no split'}\n")
        return "ok", reference

    def _find_version(self) -> str:
        """Return the version that an attempt of this build has registered; "": none has."""
        found = Versions(self._session).list(self._plan.model, tags=[f"{_BUILD_TAG}={self._build}"], limit=1)
        return next((version.reference for version in found), "")

    def _gate(self, _: wire.PlannedStep) -> tuple[str, str]:
        """Propose the version to the stage. A refusal is an outcome, and does not make the build fail."""
        if not self._plan.stage or self._version is None:
            return "skipped", ""
        promotions = Promotions(self._session)
        attempt = promotions.request(self._version, self._plan.stage, reason=f"build {self._build}")
        self._promotion = attempt.promotion.id if attempt.promotion is not None else None
        place = f"version {Ref.parse(self._version).selector} to {attempt.stage}"
        rules = _unmet(attempt)
        told = "; ".join(
            f"{rule.rule}: {rule.say or f'{rule.measured}, needed {rule.needed}'}" for rule in rules
        )
        if attempt.outcome == "done":
            words = f"promoted {place}"
        elif not rules:
            words = (
                f"the promotion of {place} meets all rules, and a maintainer completes it: "
                f"modelyard promote {self._version} {attempt.stage}"
            )
        elif all(rule.may_change for rule in rules) or self._promotion is None:
            words = f"the promotion of {place} waits: {told}"
        else:
            # No answer can help, so it does not stay open.
            words = f"the promotion of {place} was refused: {told}"
            promotions.withdraw(self._promotion, reason=f"build {self._build}: {told}"[:1000])
        self._say(f"{words}\n")
        return "ok", words


def _unmet(attempt: promotion_wire.Attempt) -> list[promotion_wire.RuleResult]:
    return [rule for rule in attempt.verdict.results if rule.outcome in ("fail", "unknown")]


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
