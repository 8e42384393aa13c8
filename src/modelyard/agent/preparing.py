"""The steps before the training: the source, the data, and the Python environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from modelyard.agent.workplace import StepFailed, Workplace
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid, Kind, ModelyardError
from modelyard.domain.sizes import size_words
from modelyard.sdk.datasets import describe
from modelyard.sdk.environments import Needed, NotMade, prepare
from modelyard.sdk.files import BLOCK_BYTES
from modelyard.sdk.http import BROKEN, at
from modelyard.sdk.runs.handle import Run
from modelyard.sdk.runs.lock import RUN_LOCK
from modelyard.sdk.runs.reading import Runs
from modelyard.sdk.source_bundle import unpack_bundle
from modelyard.wire import builds as wire


class Preparation:
    """begin_run: begins the run that records the training, on which the data is noted."""

    def __init__(self, place: Workplace, begin_run: Callable[[], Run]) -> None:
        self._place, self._begin_run = place, begin_run

    def fetch_source(self, _: wire.PlannedStep) -> None:
        if self._place.plan.bundle is None:
            self._place.say("The build has no source.\n")
            return
        digest = Digest.parse(self._place.plan.bundle)
        target = self._place.folder / "source.tar"
        self._fetch(at("builds", self._place.build, "bundle"), target)
        count = unpack_bundle(target, digest, self._place.source)
        size = target.stat().st_size
        target.unlink()
        commit = self._place.plan.source.get("commit")
        state = " with changes" if self._place.plan.source.get("dirty") else ""
        self._place.say(f"{count} files, {size_words(size)}, {digest}\n")
        if commit:
            self._place.say(f"commit {commit}{state}\n")

    def _fetch(self, path: str, target: Path) -> None:
        patience = self._place.session.transport.patience()
        while True:
            try:
                with (
                    self._place.session.transport.stream("GET", path, 60.0) as answer,
                    target.open("wb") as file,
                ):
                    while block := answer.read(BLOCK_BYTES):
                        file.write(block)
                return
            except ModelyardError as error:
                if self._place.stop.asked or error.kind not in (Kind.BUSY, Kind.UNAVAILABLE):
                    raise
                patience.wait(error)
            except BROKEN as exc:
                if isinstance(exc, OSError) and exc.filename:
                    raise
                patience.wait(Invalid(reason=f"the source could not be fetched: {exc}", fix="Try again"))

    def check_data(self, _: wire.PlannedStep) -> None:
        noted = self._begin_run()
        for data in self._place.plan.inputs:
            name = data.dataset.partition("@")[0].partition(":")[0]
            if not data.path:
                self._place.say(f"{data.name}: {data.dataset} has no path, so its bytes are not compared\n")
                continue
            path = Path(os.path.expandvars(data.path))
            path = path if path.is_absolute() else self._place.source / path
            if not path.exists():
                own = self._place.sandbox is not None and path.is_relative_to("/tmp")  # noqa: S108 - no file is made
                where = "here, since builds have a /tmp of their own" if own else "where the build runs"
                raise StepFailed(
                    f"{data.name}: {data.path} does not exist {where}. Correct its path in the recipe"
                )
            described = describe(path, name=name, source=data.path)
            if described.digest != data.digest:
                raise StepFailed(
                    f"{data.name}: {data.path} has the digest {described.digest}, not that of {data.dataset}. "
                    f"If it is right, register it: modelyard dataset push {data.path} {name}"
                )
            noted.log_input(described, name=name)
            self._place.say(
                f"{data.name}: {data.dataset} is {described.digest}, {described.entry.get('rows')} rows\n"
            )

    def prepare_environment(self, _: wire.PlannedStep) -> tuple[str, str]:
        needed = self._needed()
        try:
            self._place.environment = prepare(
                needed,
                self._place.environments,
                self._place.tool,
                self._place.say,
                lambda: self._place.stop.asked,
            )
        except NotMade as error:
            raise StepFailed(str(error)) from None
        return ("reused" if self._place.environment.reused else "ok"), ""

    def _needed(self) -> Needed:
        plan = self._place.plan
        if plan.lock_run:
            # What was made of these requirements then, since the index may have newer packages now.
            Runs(self._place.session).pull(plan.lock_run, self._place.folder / "kept", [RUN_LOCK])
            place = (self._place.source / plan.requirements).parent
            return Needed(plan.python, lock=self._place.folder / "kept" / RUN_LOCK, folder=place)
        if plan.lock:
            return Needed(plan.python, lock=self._place.source / plan.lock)
        return Needed(
            plan.python, requirements=self._place.source / plan.requirements if plan.requirements else None
        )
