"""The messages between a handler and the process that runs it while a job runs."""

from __future__ import annotations

from modelyard.registry.jobs.nouns import JobCancelled, JobInterrupted, LeaseLost, Standing


class Heartbeat:
    """Passed to a handler with its job. The process renews the lease by itself, even while the handler is silent."""

    def __init__(self) -> None:
        self.progress = 0.0
        self.note = ""
        self.standing = Standing.HELD
        """Whether cancellation was requested, as of a moment ago; set by the process."""
        self.is_interrupted = False
        """The process is about to end; set by it."""

    def __call__(self, progress: float | None = None, note: str | None = None) -> None:
        """Report progress, and raise if the work is no longer wanted. Call it between steps, as often as you like.

        progress: 0 to 1; None: unchanged. note: a line for people; None: unchanged.
        Raises JobCancelled, JobInterrupted, LeaseLost. Let them propagate; then nothing of the attempt is kept.
        """
        self.progress = self.progress if progress is None else progress
        self.note = self.note if note is None else note
        if self.standing is Standing.LOST:
            raise LeaseLost
        if self.standing is Standing.CANCELLED:
            raise JobCancelled
        if self.is_interrupted:
            raise JobInterrupted

    @property
    def must_end(self) -> bool:
        """Return whether the attempt must end, for a handler that keeps its work so far and then returns its ending."""
        return self.is_interrupted or self.standing is not Standing.HELD
