"""What the steps of an attempt share: the plan, the folders, and how they run programs and tell what happens."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from modelyard.agent.hiding import Hidden
from modelyard.agent.opening import Opening
from modelyard.agent.processes import Ended, Limits, Stop, run_process
from modelyard.agent.repeating import repeatable
from modelyard.agent.reports import AWAY_SECONDS, Reports
from modelyard.agent.sandbox import BWRAP, Sandbox, kept_variables
from modelyard.domain.secrets import mask
from modelyard.domain.sizes import size_words
from modelyard.sdk.environments import Environment
from modelyard.sdk.http import at
from modelyard.sdk.session import Session
from modelyard.wire import builds as wire

_LITTLE_BYTES = 1 << 20


class StepFailed(Exception):
    """A step failed; the text says why."""

    def __init__(self, reason: str, ended: Ended | None = None) -> None:
        super().__init__(reason)
        self.ended = ended


class Workplace:
    """The folder of an attempt holds the source, what the training left, a home and temporary files of its own."""

    plan: wire.BuildPlan
    reports: Reports

    def __init__(
        self, session: Session, opening: Opening, folder: Path, environments: Path, stop: Stop
    ) -> None:
        """session: with the ticket of the attempt. environments: kept for later builds."""
        self.session, self.opening, self.stop = session, opening, stop
        self.build, self.number = opening.build, opening.attempt
        self.folder, self.environments = folder, environments
        self.source = folder / "source"
        self.learned = folder / "learned"
        self.hidden = Hidden()
        self.hidden.add([os.environ.get("MODELYARD_TOKEN", "")])
        bwrap = os.environ.get(BWRAP)
        self.sandbox = Sandbox(bwrap, folder, environments, session.url) if bwrap else None
        """None: the steps run like the agent itself, with its network."""
        self.environment = Environment(Path(sys.executable))
        self.deadline: float | None = None
        self.step = ""
        self.ended: Ended | None = None
        """How the last program of the present step ended."""

    def claim(self) -> None:
        """Begin the attempt: fetch its plan and its token. From now on what happens is reported."""
        opening = self.opening
        if opening.plan:
            self.plan = msgspec.json.decode(opening.plan, type=wire.BuildPlan)
        else:
            asked = wire.ClaimAttempt(word=opening.word)
            self.plan = self.session.transport.call(
                "POST", self.at("claim"), body=asked, returns=wire.BuildPlan
            )
        # A cluster may show the variables of its jobs. What it was told is worth nothing from now on.
        os.environ["MODELYARD_TOKEN"] = token = self.plan.token
        self.hidden.add([token])
        url = self.session.url
        self.session = Session(url, token, patience_seconds=AWAY_SECONDS)
        self.session.transport.trust_address(lambda: self.stop.asked)
        if self.plan.timeout_seconds is not None:
            self.deadline = time.monotonic() + self.plan.timeout_seconds
        for folder in (self.source, self.learned, self.folder / "home", self.folder / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        sender = Session(url, token, patience_seconds=0, timeout_seconds=30, insecure=True)
        spool = self.folder / "frames.jsonl"
        if not opening.frame:
            opening.make_frame(self.plan.steps[0].name)
        self.reports = Reports(sender, opening, spool, self.stop.ask)

    @property
    def is_full(self) -> bool:
        """Return whether the disk of the workspace is as good as full."""
        return shutil.disk_usage(self.folder).free < _LITTLE_BYTES

    def make_room(self) -> None:
        """Delete the files of an attempt that failed, if the disk is full: the server may need the same disk to note that."""
        if self.is_full:
            for folder in (self.source, self.learned, self.folder / "tmp"):
                shutil.rmtree(folder, ignore_errors=True)

    @property
    def unsent(self) -> str:
        """Say in words what the server does not know; "": nothing."""
        count = self.reports.unsent if hasattr(self, "reports") else 0
        return f"{count} messages about the steps were not sent" if count else ""

    def say(self, text: str) -> None:
        self.reports.log(self.step, mask(self.hidden.mask(text)))

    def describe_machine(self) -> None:
        """Say what this machine is, after the first lines of the log."""
        memory = ""
        with suppress(ValueError, OSError, AttributeError):
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            memory = f"memory      {size_words(total)}\n"
        self.say(
            f"platform    {platform.platform()}\n"
            f"python      {platform.python_version()}\n"
            f"processors  {os.cpu_count()}\n{memory}"
            f"disk        {size_words(shutil.disk_usage(self.folder).free)} free\n"
        )

    def _say_used(self, resources: dict[str, Any]) -> None:
        self.reports.event(self.step, "running", resources=resources)

    def at(self, *parts: str) -> str:
        return at("builds", self.build, "attempts", self.number, *parts)

    def variables(self, *, network: bool = True) -> dict[str, str]:
        """Return the variables of the steps. network: whether they have one, if it can be cut."""
        is_cut = self.sandbox is not None and not network
        found = kept_variables(network=not is_cut)
        found = repeatable(found | self.plan.environment)
        programs = str(self.environment.programs)
        found["PATH"] = os.pathsep.join(part for part in (programs, found.get("PATH", os.defpath)) if part)
        return found | {
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONUNBUFFERED": "1",
            "MODELYARD_URL": self.sandbox.url if self.sandbox and is_cut else self.session.url,
            "MODELYARD_TOKEN": os.environ.get("MODELYARD_TOKEN", ""),
            "MODELYARD_HOME": os.environ.get("MODELYARD_HOME", ""),
            "MODELYARD_BUILD": self.build,
        }

    def shell(
        self,
        step: wire.PlannedStep,
        more: dict[str, str] | None = None,
        log: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Run the command of a step in the source. log: gets its output as well. Raises StepFailed."""
        name = step.name

        def pass_on(text: str) -> None:
            self.reports.log(name, text)
            log(text)

        ended = run_process(
            ["/bin/sh", "-c", step.command],
            folder=self.source,
            variables=self.variables(network=step.network) | (more or {}) | self._secrets_of(step),
            log=pass_on,
            used=self._say_used,
            hidden=self.hidden,
            stop=self.stop,
            limits=Limits(step.timeout_seconds, self.deadline, self.plan.memory_bytes),
            sandbox=self.sandbox,
            network=step.network,
        )
        network = "asked" if step.network else "open" if self.sandbox is None else "cut"
        ended = replace(ended, resources={**ended.resources, "network": network})
        self.ended = ended
        if not ended.is_ok:
            full = "; the disk is full" if self.is_full and not ended.cause else ""
            raise StepFailed(f"{ended.reason}{full}", ended)

    def _secrets_of(self, step: wire.PlannedStep) -> dict[str, str]:
        """Return the secrets that a step gets as variables."""
        if not step.secrets:
            return {}
        asked = wire.RevealBuildSecrets(step=step.name, word=self.opening.word)
        found = self.session.transport.call(
            "POST", self.at("secrets"), body=asked, returns=wire.BuildSecretValues
        )
        self.hidden.add(found.values.values())
        return found.values

    def tool(self, command: Sequence[str], folder: Path) -> Ended:
        """Run a program of the agent's own, such as the installer of packages."""
        # Caches of packages are shared between builds; a Python is never downloaded.
        caches = self.environments / "cache"
        variables = {"PIP_CACHE_DIR": str(caches / "pip"), "UV_CACHE_DIR": str(caches / "uv")}
        variables |= self.variables() | {"UV_PYTHON_DOWNLOADS": "never"}
        if self.sandbox is None:
            # Steps could change a file of all environments that share it.
            variables["UV_LINK_MODE"] = "copy"
        name = self.step
        self.ended = run_process(
            command,
            folder=folder,
            variables=variables,
            log=lambda text: self.reports.log(name, text),
            used=self._say_used,
            hidden=self.hidden,
            stop=self.stop,
            limits=Limits(deadline=self.deadline),
            sandbox=self.sandbox,
            installs=True,
        )
        return self.ended
