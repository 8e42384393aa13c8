"""What a target tells the scorer of a deployment (`wanted.json`), and what the scorer says about itself (`state.json`).

Both are JSON, in the folder of the deployment and on its control socket. Times are text as everywhere.
"""

from __future__ import annotations

import msgspec

from modelyard.wire.base import Answer, Items, Request, Text, Whole

ROLES = ("serving", "warm", "canary", "shadow")
REVISION_STATES = ("pulling", "preparing", "starting", "warm", "ready", "draining", "failed", "stopped")
WANTED_FILE, STATE_FILE, TOKEN_FILE = "wanted.json", "state.json", "token"
CONTROL_SOCKET, LOG_FILE = "control.sock", "front.log"


class ScorerLimits(Request, kw_only=True):
    """body_bytes: of a request. rows: of a request, and of a batch. timeout_seconds: from the last byte of a request to its
    answer. queue: requests that wait for one revision; the next one is refused. memory_bytes: of each worker; None: no limit."""

    body_bytes: Whole = 1 << 20
    rows: Whole = 1024
    timeout_seconds: float = 30.0
    queue: Whole = 1024
    memory_bytes: Whole | None = None


class WantedRevision(Request, kw_only=True):
    """number: of the deployment's revision. reference, digest: the version; the digest is what counts. environment: key that
    the server expects, for display; None: not known before the environment is made. role: one of ROLES. weight: of a canary:
    percent of the requests that it answers; serving has what the canary leaves. Of a shadow: percent of the answered requests
    that it gets as well. sticky: of a canary: name of the header whose value decides the side of a request, or `body.NAME`, a
    field of its JSON body; None: each request by itself. image: made of the version, by digest; None: there is none that can be
    pulled. Only clusters need it."""

    number: Whole
    reference: Text
    digest: Text
    environment: Text | None = None
    role: Text = "serving"
    weight: Whole = 100
    sticky: Text | None = None
    image: Text | None = None


class Wanted(Request, kw_only=True):
    """generation: grows with each change; an older one is ignored. registry: address; None: versions come from the cache only.
    cache: folder of models and environments that deployments of one host share. port: 0: any free one, kept from then on.
    public: no token is asked for. unisolated: packages of
    versions may be installed and run although nothing keeps them apart from the rest of the machine. replicas: workers of each revision.
    window_seconds: length of the windows in which answers are observed; None: they are not."""

    generation: Whole
    deployment: Text
    registry: Text | None
    cache: Text
    revisions: Items[WantedRevision]
    host: Text = "127.0.0.1"
    port: Whole = 0
    public: bool = False
    unisolated: bool = False
    replicas: Whole = 1
    window_seconds: Whole | None = None
    limits: ScorerLimits = msgspec.field(default_factory=ScorerLimits)


class MinuteFigures(Answer, kw_only=True):
    """start: clock minute, in minutes since 1970. errors: answers 5xx. latency: bucket → answers; buckets are those of
    `domain/judging.py`: 20 a decade, from 0.1 ms on."""

    start: int
    requests: int
    errors: int
    latency: dict[str, int]


class ShadowFigures(Answer, kw_only=True):
    """Of a shadow, whose answers reach no one. sent: requests that it got. dropped: those that it did not get, since too many were
    open. errors: it did not answer, refused the request, or failed. compared: rows whose answers were compared with those given;
    agreed: rows with equal ones (numbers: up to a millionth). different: answers of another form. largest_difference: of numbers;
    None: none were compared."""

    sent: int = 0
    dropped: int = 0
    errors: int = 0
    compared: int = 0
    agreed: int = 0
    different: int = 0
    largest_difference: float | None = None


class RevisionState(Answer, kw_only=True):
    """state: one of REVISION_STATES. reason: why it is failed; None otherwise. isolation: bubblewrap or limits; None: no
    worker yet. environment: key of the worker's environment. requests, errors: since the scorer started; errors are those of
    the revision (5xx), not those of its callers. dropped: accepted and never answered. p50_ms, p99_ms: of the last requests;
    None: there were none. memory_bytes: of all its workers; None: not known. weight: as in the order. minutes: figures of the last
    hour, oldest first; minutes without a request are left out. shadow: what became of its copies; None: it is not one."""

    number: int
    state: str
    reference: str = ""
    digest: str = ""
    role: str = "serving"
    reason: str | None = None
    ready_at: str | None = None
    isolation: str | None = None
    environment: str | None = None
    requests: int = 0
    errors: int = 0
    dropped: int = 0
    restarts: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    memory_bytes: int | None = None
    weight: int = 100
    minutes: list[MinuteFigures] = []
    shadow: ShadowFigures | None = None


class Swap(Answer, kw_only=True):
    """before, after: numbers of revisions; None: none served. generation: that asked for it. milliseconds: from the order to
    the moved pointer. dropped: requests of the earlier revision that were lost. why: `wanted`, or why `after` never served."""

    before: int | None = msgspec.field(name="from")
    after: int | None = msgspec.field(name="to")
    generation: int
    at: str
    milliseconds: float
    dropped: int = 0
    why: str = "wanted"


class ScorerState(Answer, kw_only=True):
    """generation: the last one acted upon, also when it failed. settled: nothing is being changed any more. serving: number of
    the revision that answers; None: none. swaps: the last 50, oldest first."""

    generation: int
    host: str
    port: int
    pid: int
    started_at: str
    serving: int | None = None
    settled: bool = True
    revisions: list[RevisionState] = []
    swaps: list[Swap] = []
