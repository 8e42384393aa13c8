"""Limit the contents of builds, decide what follows the end of an attempt, and which build is next. Pure."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from modelyard.domain.actor import Permission
from modelyard.domain.canonical import canonical_json
from modelyard.domain.errors import Invalid, InvalidRequest
from modelyard.domain.secrets import LineMasker, mask, mask_json
from modelyard.domain.texts import nearest
from modelyard.domain.times import seconds
from modelyard.registry.builds.nouns import (
    CANCELLED,
    FAILED,
    QUEUED,
    STATUSES,
    STEP_STATES,
    SUCCEEDED,
    TIMED_OUT,
    AttemptResult,
    Build,
    BuildStep,
    Input,
    StepReport,
)
from modelyard.registry.builds.recipe import Recipe, Step

LOST_AFTER = seconds(60)
"""Silence of an agent after which its attempt is lost."""
START_WITHIN = seconds(120)
"""An agent that has not said its first word by then, although its executor has started it, is lost."""
HELD_AT_MOST = seconds(7 * 86_400)
"""An attempt that its executor has not started by then is lost."""
HOPELESS_AFTER = seconds(60)
"""A task that asks for what the cluster does not have is given up after this long: a node may just be starting."""
OVERTIME = seconds(60)
"""An agent ends its steps at the time limit by itself, and gets this long for its last words."""
DAY = seconds(86_400)
_TOKEN_MARGIN = seconds(3600)

ATTEMPT_PERMISSIONS = (
    Permission.NAMESPACE_READ,
    Permission.MODEL_READ,
    Permission.MODEL_PULL,
    Permission.MODEL_CREATE,
    Permission.VERSION_REGISTER,
    Permission.VERSION_EDIT,
    Permission.RUN_LOG,
    Permission.DATASET_PUSH,
    Permission.CHECK_REPORT,
    Permission.EVALUATION_REPORT,
    Permission.PROMOTION_PROPOSE,
    Permission.BUILD_REPORT,
)
"""What the token of an attempt includes, in the namespace of its model."""
TICKET_PERMISSIONS = (Permission.BUILD_REPORT,)
"""What the token includes that an executor is told, and that clusters may show: it begins the attempt, and nothing else."""
TICKET_DAYS = (HELD_AT_MOST + seconds(86_400)) / seconds(86_400)

_REGISTERING = {
    Permission.MODEL_CREATE,
    Permission.VERSION_REGISTER,
    Permission.VERSION_EDIT,
    Permission.CHECK_REPORT,
    Permission.EVALUATION_REPORT,
    Permission.PROMOTION_PROPOSE,
}
COMPARE = "compare"
"""The step of a build that repeats a version, in place of push and gate."""

BUILD_TAG = "build"
"""Tag of a version: the build whose agent registered it."""
WEEK = DAY * 7
MOST_COUNTED = 1_000
"""Most builds of a week that are counted."""
MAX_OPEN = 1_000
MAX_RECIPE_BYTES = 256 * 1024
MAX_PARAMS_BYTES = 64 * 1024
MAX_SOURCE_BYTES = 64 * 1024
MAX_BUNDLE_BYTES = 4 << 30
MAX_REASON = 2_000
MOST_OF_A_RESOURCE = 1e18
MAX_RESOURCES_BYTES = 4 * 1024
MAX_FRAMES = 1_000
PIECE_BYTES = 64 * 1024
CHUNK_BYTES = 1 << 20
"""Text of a chunk in the blob store, about."""
OPEN_BYTES = 128 * 1024
"""End of the log of each step that always stays in rows."""
LOG_HEAD_BYTES = 512 << 20
LOG_TAIL_BYTES = 8 << 20
"""Above the sum of both, the middle of a log is left out."""
MAX_LINE = 8 * 1024
"""A longer line is stored before it is complete."""
LAST_LINES = 50
LONGEST_WAIT_SECONDS = 30
PAGE_LOG_BYTES = 32 * 1024
"""End of the log that a page shows."""

CUT, ASKED, OPEN = "cut", "asked", "open"
"""The network of a step: it had none, the recipe asks for it, or it could not be cut."""

_UID = re.compile(r"[0-9a-f]{32}\Z")
_BEGINNING = re.compile(r"[0-9a-f]{4,31}\Z")
_DATASET = re.compile(r"(?:(?P<namespace>[^/@:]+)/)?(?P<name>[^@:]+)(?:@(?P<digest>[a-z0-9:]+))?\Z")


def is_uid(text: str) -> bool:
    return bool(_UID.match(text))


def is_beginning(text: str) -> bool:
    """Return whether the text may be the beginning of a build's id and is long enough to search for."""
    return bool(_BEGINNING.match(text))


def run_of(uid: str, attempt: int) -> str:
    """Return the id of the run as which an attempt records its training."""
    return hashlib.sha256(f"{uid}/{attempt}".encode()).hexdigest()[:32]


def attempt_permissions(build: Build) -> frozenset[Permission]:
    """Return what the token of an attempt includes: one that repeats a version registers and reports nothing."""
    return frozenset(ATTEMPT_PERMISSIONS) - (_REGISTERING if build.reproduces is not None else set())


def steps_of(build: Build, recipe: Recipe) -> Sequence[Step]:
    """Return the steps of a build. One that repeats a version compares its package, and does nothing after that."""
    if build.reproduces is None:
        return recipe.steps
    names = [step.name for step in recipe.steps]
    return [*recipe.steps[: names.index("push")], Step(COMPARE, COMPARE)]


def attempt_name(uid: str, attempt: int) -> str:
    """Return the name under which an executor knows an attempt."""
    return f"{uid}-{attempt}"


def check_request(recipe: str, params: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    """Raise Invalid for texts that are too long, for params that are not plain values, and for credentials."""
    if len(recipe.encode()) > MAX_RECIPE_BYTES:
        raise Invalid(
            reason=f"the recipe has more than {MAX_RECIPE_BYTES} bytes", fix="Move scripts into files"
        )
    for what, value, limit in (("params", params, MAX_PARAMS_BYTES), ("source", source, MAX_SOURCE_BYTES)):
        if len(canonical_json(dict(value))) > limit:
            raise Invalid(reason=f"the {what} of the build have more than {limit} bytes", fix="Give fewer")
    for name, value in params.items():
        if not isinstance(value, bool | int | float | str):
            raise Invalid(
                reason=f"param {name[:80]!r} is not a number, a text or a truth value", fix="Give one of these"
            )
    kept = mask_json(dict(params))
    for name in params:
        if kept[name] != params[name]:
            raise Invalid(
                reason=f"param {name[:80]!r} looks like a credential, and everybody who reads the model sees params",
                fix="Let the training read it from its own environment",
            )
    if mask(recipe) != recipe:
        raise Invalid(
            reason="the recipe seems to contain a credential, and everybody who reads the model sees recipes",
            fix="Remove it from the recipe",
        )


def check_status(word: str) -> str:
    """Check the name of a state. Raises Invalid."""
    if word not in STATUSES:
        raise Invalid(reason=f"{word[:40]!r} is not a state of a build", fix=f"Use {', '.join(STATUSES)}")
    return word


def check_pool(name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise Invalid(
            reason=f"there is no pool {name[:80]!r}{nearest(name, known)}",
            fix=f"The pools are: {', '.join(known)}",
        )
    return name


def parse_dataset(text: str, home: str) -> tuple[str, str, str | None]:
    """Return (namespace, name, digest or its beginning; None: the newest content). Raises Invalid."""
    found = _DATASET.match(text)
    if found is None:
        raise Invalid(
            reason=f"{text[:100]!r} does not name a dataset",
            fix="Write namespace/name, or namespace/name@sha256:… for one content of it",
        )
    return found["namespace"] or home, found["name"], found["digest"]


# --- reports of an agent ---------------------------------------------------------------------------------


def check_step(report: StepReport) -> StepReport:
    if report.state is not None and report.state not in STEP_STATES:
        raise InvalidRequest(
            reason=f"{report.state[:40]!r} is not a state of a step", fix=f"Use {', '.join(STEP_STATES)}"
        )
    if report.exit_code is not None and not -(2**31) <= report.exit_code < 2**31:
        raise InvalidRequest(reason=f"{report.exit_code} is not an exit code", fix="An exit code has 32 bits")
    if len(canonical_json(report.resources)) > MAX_RESOURCES_BYTES:
        raise InvalidRequest(reason=f"the resources of step {report.step[:60]!r} are too long", fix="Send less")
    for name, value in report.resources.items():
        for each in value if isinstance(value, list) else [value]:
            # Pages and commands draw and round them.
            if isinstance(each, int | float) and not abs(each) < MOST_OF_A_RESOURCE:
                raise InvalidRequest(
                    reason=f"{name[:60]!r} of step {report.step[:60]!r} is too large", fix="Send less than 1e18"
                )
    return report


def check_end(end: AttemptResult) -> AttemptResult:
    allowed = (SUCCEEDED, FAILED, CANCELLED, TIMED_OUT)
    if end.status not in allowed:
        raise InvalidRequest(
            reason=f"{end.status[:40]!r} does not end an attempt", fix=f"Use {', '.join(allowed)}"
        )
    return end


def reason_text(text: str) -> str:
    """Return a reason as it is stored: without credentials, and cut if it is too long."""
    masked = mask(text)
    return masked if len(masked) <= MAX_REASON else masked[: MAX_REASON - 1] + "…"


def add_log(step: BuildStep, text: str, *, is_last: bool) -> str:
    """Return the text that may be shown now: whole lines, masked. The rest stays in the step.

    is_last: nothing follows, so that an incomplete line is shown too.
    """
    lines = (step.open_line + text).splitlines(keepends=True)
    step.open_line = ""
    if lines and not is_last and lines[-1].splitlines()[0] == lines[-1] and len(lines[-1]) <= MAX_LINE:
        step.open_line = lines.pop()
    masker = LineMasker(in_key=step.in_key)
    shown = masker.mask_lines("".join(lines))
    step.in_key = masker.in_key
    return shown


def network_words(steps: Iterable[BuildStep]) -> str:
    """Say which steps had a network, as their agent reported it; "": none has run yet."""
    found = [(step.name, step.resources.get("network")) for step in steps]
    names = ", ".join(name for name, network in found if network == ASKED)
    asked = f"{names} had the network, for which the recipe asks" if names else ""
    if any(network == OPEN for _, network in found):
        words = "the network was not cut: steps are not isolated where it ran"
    elif any(network == CUT for _, network in found):
        words = "the other steps had none" if names else "the steps had none"
    else:
        words = ""
    return "; ".join(part for part in (asked, words) if part)


def kept_log_bytes(log_bytes: int) -> int:
    """Return how much of a log is kept, about."""
    return min(log_bytes, LOG_HEAD_BYTES + LOG_TAIL_BYTES)


def cut_pieces(text: str) -> list[str]:
    """Cut a text into pieces of at most PIECE_BYTES."""
    data, pieces, start = text.encode(), [], 0
    while start < len(data):
        end = min(len(data), start + PIECE_BYTES)
        # Not within a character.
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end].decode())
        start = end
    return pieces


# --- what follows ----------------------------------------------------------------------------------------


def status_after(status: str, attempt: int, attempts_by_status: Mapping[str, int], *, cancelled: bool) -> str:
    """Return the state of the build after an attempt ended: queued if another one is due."""
    if cancelled:
        return status if status == SUCCEEDED else CANCELLED
    return QUEUED if attempt < attempts_by_status.get(status, 0) else status


PRIORITIES = {"low": -1, "normal": 0, "high": 1}


def check_priority(word: str) -> str:
    """Check the name of a priority. Raises Invalid."""
    if word not in PRIORITIES:
        raise Invalid(
            reason=f"{word[:40]!r} is not a priority{nearest(word, PRIORITIES)}",
            fix=f"Use {', '.join(PRIORITIES)}",
        )
    return word


def priority_word(priority: int) -> str:
    return next(word for word, number in PRIORITIES.items() if number == priority)


class OpenBuild(msgspec.Struct, frozen=True):
    """A build that has not ended, in the order of their ids."""

    id: int
    uid: str
    namespace: str
    status: str
    priority: int = 0


def choose_next(builds: Iterable[OpenBuild], slots: int) -> list[OpenBuild]:
    """Return the queued builds that may start now: namespaces with fewer running builds first, then higher priorities, then the
    older ones. Those below normal come after everything else."""
    waiting: list[OpenBuild] = []
    running: Counter[str] = Counter()
    for build in builds:
        if build.status == QUEUED:
            waiting.append(build)
        else:
            running[build.namespace] += 1
    chosen: list[OpenBuild] = []
    while waiting and running.total() < slots:
        following = min(
            waiting, key=lambda build: (build.priority < 0, running[build.namespace], -build.priority, build.id)
        )
        waiting.remove(following)
        running[following.namespace] += 1
        chosen.append(following)
    return chosen


def token_days(timeout_seconds: int) -> float:
    """Return how long the token of an attempt may be needed; it is revoked when the attempt ends."""
    return (seconds(timeout_seconds) + _TOKEN_MARGIN) / seconds(86_400)


def deadline(build: Build, timeout_seconds: int) -> int:
    """Return the time by which all attempts of a build must have ended."""
    assert build.started_at is not None
    return build.started_at + seconds(timeout_seconds)


class Change(msgspec.Struct, frozen=True):
    """A difference between two builds. before, after: "": there was nothing."""

    what: str
    before: str
    after: str


def list_changes(before: Build, after: Build) -> list[Change]:
    """Return what differs between two builds of a model: params, commit, source and recipe."""
    old, new = before.params.value, after.params.value
    found = [
        Change(f"param {name}", _shown(old.get(name)), _shown(new.get(name)))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    commits = [_shown(build.source.value.get("commit"))[:12] for build in (before, after)]
    if commits[0] != commits[1]:
        found.append(Change("commit", *commits))
    if before.bundle != after.bundle:
        found.append(Change("source", _shown(before.bundle)[:19], _shown(after.bundle)[:19]))
    if before.recipe != after.recipe:
        found.append(Change("recipe", "", "changed"))
    return found


def list_data_changes(before: Sequence[Input], after: Sequence[Input]) -> list[Change]:
    """Return what differs between the data of two attempts."""
    old, new = ({each.name: each.dataset for each in inputs} for inputs in (before, after))
    return [
        Change(f"data {name}", _dataset(old.get(name)), _dataset(new.get(name)))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _dataset(reference: str | None) -> str:
    name, _, digest = _shown(reference).partition("@")
    return f"{name}@{digest[:19]}" if digest else name


def list_environment_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return what differs between the environments that two runs recorded: the Python and the packages."""
    found = []
    if before.get("python") != after.get("python"):
        found.append(Change("python", _shown(before.get("python")), _shown(after.get("python"))))
    old, new = (environment.get("packages") or {} for environment in (before, after))
    return found + [
        Change(f"package {name}", _shown(old.get(name)), _shown(new.get(name)))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _shown(value: Any) -> str:
    return "" if value is None else str(value)[:200]
