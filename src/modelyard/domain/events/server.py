"""The server's own work: jobs, collected bytes, the log itself, and redactions."""

from __future__ import annotations

from typing import Any

from modelyard.domain.events.base import Event


class JobFailed(Event, kind="job.failed", may_change_rights=False):
    """The server gave a background job up. A job that is tried again does not cause an event."""

    job: int
    job_kind: str
    reason: str


class JobCancelled(Event, kind="job.cancelled", may_change_rights=False):
    job: int
    job_kind: str


class JobRetried(Event, kind="job.retried", may_change_rights=False):
    job: int
    job_kind: str


class BytesCollected(Event, kind="bytes.collected"):
    blobs: int
    size_bytes: int


class LogKeyReplaced(Event, kind="log.key_replaced"):
    """The log's signing key was lost; later checkpoints are signed with another one."""

    before: str
    after: str


class RowsWritten(Event, kind="rows.written"):
    """The server recorded rows that no other event covers, and rows that are older than this record."""


class ContentRedacted(Event, kind="content.redacted", may_change_rights=False):
    """A text was removed for good; the event holds neither the text nor a hash of its former surroundings.

    rows: table, column, primary key, and the digest of the remaining content. events: number of a redacted event →
    its leaf in the tree, which stays, and the digest of its remaining content.
    """

    redaction: str
    reason: str
    rows: list[dict[str, Any]]
    events: dict[str, dict[str, str]]


class ContentWithheld(Event, kind="content.withheld", may_change_rights=False):
    """Bytes of a file are no longer served anywhere, because they hold a leaked text.

    holder: the version, run or dataset whose file it is. also: other places in the same namespace that hold the
    same bytes, as `holder path`.
    """

    holder: str
    path: str
    digest: str
    size_bytes: int
    reason: str
    also: list[str]
