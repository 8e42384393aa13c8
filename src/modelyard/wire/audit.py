"""The event log and its proofs."""

from __future__ import annotations

from modelyard.wire.base import Answer, Items, Request, Text, Whole


class Checkpoint(Answer, kw_only=True):
    """`note` is the signed checkpoint (C2SP tlog-checkpoint); `key` the public key that signed it."""

    origin: str
    size: int
    root: str
    """Hexadecimal."""
    note: str
    key: str


class ExportQuery(Request, kw_only=True):
    """No filter exports the whole log. since, until: RFC 3339; until is exclusive. kind: * stands for any text."""

    model: Text | None = None
    namespace: Text | None = None
    actor: Text | None = None
    kind: Items[Text] = []
    since: Text | None = None
    until: Text | None = None
    version: Whole | None = None
    """Number of a version of the model."""
    since_size: Whole | None = None
    """Size of an older checkpoint; the export then includes a proof that the log continues it."""


class ConsistencyQuery(Request, kw_only=True):
    old: Whole
    new: Whole | None = None
    """None: the current size of the log."""


class Consistency(Answer, kw_only=True):
    """Proof (RFC 6962) that the log of `old` events is the beginning of the log of `new` events; hexadecimal."""

    old: int
    new: int
    proof: list[str]


class LogDamage(Answer, kw_only=True):
    seq: int | None
    problem: str


class LogCheck(Answer, kw_only=True):
    """A check that the server carries out by itself. state: waiting, running, done, failed or cancelled.

    checked, size: numbers of events; approximate while it runs. damage: what was found, once it is done.
    """

    job: int
    state: str
    by: str
    asked_at: str
    finished_at: str | None
    checked: int
    size: int
    damage: list[LogDamage]
    failure: str | None


class LastLogCheck(Answer, kw_only=True):
    """check None: none was asked for lately."""

    check: LogCheck | None


class LogCheckProgress(Answer, kw_only=True):
    """One server-sent event of a check; the last one has finished = true."""

    checked: int
    size: int
    damage: list[LogDamage]
    finished: bool
