"""Limit the contents of a run, decide when it counts as silent, and make its records storable. Pure."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.domain.actor import Actor
from modelyard.domain.canonical import canonical_json
from modelyard.domain.errors import Invalid, InvalidRequest
from modelyard.domain.metric_names import MetricCondition
from modelyard.domain.names import ModelName
from modelyard.domain.record import NON_FINITE
from modelyard.domain.secrets import mask, mask_json
from modelyard.domain.times import MICROSECONDS, to_datetime
from modelyard.registry.runs.series import Points
from modelyard.registry.scan.nouns import Release

RUNNING = "running"
ENDED = ("finished", "failed", "killed")
STATUSES = (RUNNING, *ENDED)
STALE = "stale"
"""Not a stored status: running, and silent for too long."""

SILENT_MICROSECONDS = 300 * MICROSECONDS
"""Clients send a message every half minute."""
SKEW_MICROSECONDS = 60 * MICROSECONDS
"""Clocks that differ by less count as equal."""

MAX_METRICS = 20_000
MAX_PARAMS = 20_000
MAX_TAGS = 1_000
MAX_INPUTS = 1_000
MAX_ARTIFACTS = 10_000
MAX_NOTES = 100
MAX_NAME = 500
MAX_PARAM = 20_000
MAX_TAG = 5_000
MAX_RUN_NAME = 200
MAX_LOG_BYTES = 16 * 1024 * 1024
MAX_FACTS_BYTES = 2 * 1024 * 1024
MAX_FRAMES = 1_000
MAX_WRITER = 64
MAX_BATCH_POINTS = 200_000

_BEGINNING = re.compile(r"[0-9a-f]{4,31}\Z")
_UID = re.compile(r"[0-9a-f]{32}\Z")
_LEAST_INT, _MOST_INT = -(2**63), 2**63 - 1


def parse_uid(text: str) -> str:
    """Parse a run id. Raises Invalid."""
    if not _UID.match(text):
        raise Invalid(
            reason=f"{text[:60]!r} is not a run id",
            fix="A run id is 32 hex digits, chosen by the client that starts the run",
        )
    return text


def is_beginning(text: str) -> bool:
    """Return whether the text may be the beginning of a run id and is long enough to search for."""
    return bool(_BEGINNING.match(text))


def parse_experiment(text: str, namespace: str) -> ModelName:
    """Parse `namespace/name`, or a name in `namespace`; "" is the experiment `default`. Raises InvalidName."""
    return ModelName.parse(text or "default", None if "/" in text else namespace)


def home_namespace(actor: Actor) -> str:
    """Return the namespace for an account's runs without one: a training must not fail for lack of a name."""
    return actor.default_namespace or actor.name


def is_silent(status: str, heard_at: int, now: int) -> bool:
    """Return whether a running run has had no heartbeat for too long."""
    return status == RUNNING and heard_at < now - SILENT_MICROSECONDS


# --- frames ----------------------------------------------------------------------------------------------


class RunEnd(msgspec.Struct, frozen=True):
    status: str
    exit_code: int | None
    at: int


class Artifact(msgspec.Struct, frozen=True):
    path: str
    digest: str
    size_bytes: int
    media_type: str
    released: Release | None = None
    """From the quarantine; None: it was not released."""
    logged_by: str | None = None
    """None: before this was noted."""


class BatchHeader(msgspec.Struct, frozen=True):
    """The header of a batch from a writer of a run."""

    writer: str
    first: int
    """Number of the first frame; the writer numbers its frames from 1 on, without a gap."""
    count: int
    clock: int | None
    """The writer's clock when it sent this, whole microseconds."""


def check_header(header: BatchHeader, points: int) -> BatchHeader:
    """Check the limits of a batch. points: the number over all metrics. Raises InvalidRequest if it is too large."""
    if not 0 < len(header.writer) <= MAX_WRITER or not 0 < header.first <= 2**53:
        raise InvalidRequest(reason=f"a writer has 1 to {MAX_WRITER} characters and counts from 1")
    if header.count > MAX_FRAMES:
        raise InvalidRequest(reason=f"there are more than {MAX_FRAMES} frames", fix="Send fewer at once")
    if points > MAX_BATCH_POINTS:
        raise InvalidRequest(reason=f"there are more than {MAX_BATCH_POINTS} points", fix="Send fewer at once")
    return header


def check_end(end: RunEnd) -> RunEnd:
    """Check the end of a run. Raises InvalidRequest for an invalid status, exit code or time."""
    if end.status not in ENDED:
        raise InvalidRequest(reason=f"{end.status[:40]!r} does not end a run", fix=f"Use {', '.join(ENDED)}")
    if end.exit_code is not None and not -(2**31) <= end.exit_code < 2**31:
        raise InvalidRequest(reason=f"{end.exit_code} is not an exit code", fix="An exit code has 32 bits")
    try:
        to_datetime(end.at)
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest(
            reason=f"{end.at} is not a time", fix="Times are whole microseconds since 1970"
        ) from None
    return end


class RecordBatch(msgspec.Struct):
    """All new frames of a batch together, in storable form."""

    points: dict[str, Points] = msgspec.field(default_factory=dict)
    params: dict[str, str] = msgspec.field(default_factory=dict)
    """Name → JSON; of several values of a name the last one."""
    tags: dict[str, str | None] = msgspec.field(default_factory=dict)
    """None removes a tag."""
    inputs: list[dict[str, Any]] = msgspec.field(default_factory=list)
    artifacts: dict[str, Artifact] = msgspec.field(default_factory=dict)
    facts: dict[str, Any] = msgspec.field(default_factory=dict)
    versions: list[str] = msgspec.field(default_factory=list)
    log: str = ""
    notes: list[str] = msgspec.field(default_factory=list)
    end: RunEnd | None = None
    resumed: bool = False

    def note(self, words: str) -> None:
        words = mask(words)
        if words not in self.notes:
            self.notes.append(words)

    def name(self, text: str, what: str) -> str:
        """Return a name that fits, cut if necessary."""
        clean = text.strip() or "unnamed"
        if len(clean) > MAX_NAME:
            self.note(f"The name of {what} that begins with {clean[:40]!r} was cut to {MAX_NAME} characters.")
        return clean[:MAX_NAME]

    def add_points(
        self, name: str, steps: Sequence[int], times: Sequence[int], values: Sequence[float | str]
    ) -> None:
        """Add points of a metric. Raises InvalidRequest for columns of different lengths."""
        if not len(steps) == len(times) == len(values):
            raise InvalidRequest(
                reason=f"the columns of metric {name[:60]!r} have {len(steps)} steps, {len(times)} times and "
                f"{len(values)} values",
                fix="Send as many of each",
            )
        name = self.name(name, "a metric")
        told = Points(_whole(steps), _whole(times), _numbers(values))
        if name in self.points:
            self.points[name].extend(told)
        else:
            self.points[name] = told

    def add_param(self, name: str, value: Any) -> None:
        value = mask_json(value, name)
        text = canonical_json(_finite(value)).decode()
        length = len(value) if isinstance(value, str) else len(text)
        if length > MAX_PARAM:
            self.note(f"The value of param {name[:60]!r} has {length} characters and was cut to {MAX_PARAM}.")
            whole = value if isinstance(value, str) else text
            text = canonical_json(whole[: MAX_PARAM - 1] + "…").decode()
        self.params[self.name(name, "a param")] = text

    def add_tag(self, key: str, value: str | None) -> None:
        if value is not None and len(value) > MAX_TAG:
            self.note(f"The value of tag {key[:60]!r} was cut to {MAX_TAG} characters.")
            value = value[:MAX_TAG]
        self.tags[self.name(key, "a tag")] = mask_json(value, key)


def _whole(values: Sequence[int]) -> array[int]:
    try:
        return array("q", values)
    except OverflowError:
        return array("q", [min(_MOST_INT, max(_LEAST_INT, value)) for value in values])


def _numbers(values: Sequence[float | str]) -> array[float]:
    try:
        return array("d", values)  # type: ignore[arg-type]
    except TypeError:
        return array("d", [_number(value) for value in values])


def _number(value: float | str) -> float:
    """Return a value as a number. Raises InvalidRequest."""
    if not isinstance(value, str):
        return float(value)
    if value not in NON_FINITE:
        raise InvalidRequest(
            reason=f"{value[:60]!r} is not a number", fix='Send a number, "NaN", "Infinity" or "-Infinity"'
        )
    return NON_FINITE[value]


def _finite(value: Any) -> Any:
    """Return a number, or text for one that is not finite, which JSON cannot express."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def merge_facts(known: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Merge facts: objects are merged by key, all other values are replaced."""
    merged = dict(known)
    for name, value in told.items():
        before = merged.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[name] = {**before, **value}
        else:
            merged[name] = value
    return merged


def cut_utf8(text: str, room_bytes: int) -> str:
    """Return the beginning of the text that fits into this many bytes."""
    return text.encode("utf-8")[: max(0, room_bytes)].decode("utf-8", "ignore")


# --- searching -------------------------------------------------------------------------------------------


class RunSearch(msgspec.Struct, frozen=True):
    """All given conditions hold at once."""

    uid: str | None = None
    """What the id begins with."""
    namespace: str | None = None
    experiment: str | None = None
    status: str | None = None
    """One of STATUSES, or STALE."""
    name: str | None = None
    """What the name begins with, whatever the case."""
    parent: str | None = None
    """Uid of the parent run; "": only runs without one."""
    tags: tuple[tuple[str, str | None], ...] = ()
    params: tuple[tuple[str, str | None], ...] = ()
    """(name, value as text; None: any)."""
    metrics: tuple[MetricCondition, ...] = ()
    """Of the newest value."""
    dataset: str | None = None
    """Digest of an input."""
    created_by: str | None = None


def check_status(word: str) -> str:
    """Check the name of a status. Raises Invalid."""
    if word not in (*STATUSES, STALE):
        raise Invalid(reason=f"{word[:40]!r} is not a run status", fix=f"Use {', '.join((*STATUSES, STALE))}")
    return word
