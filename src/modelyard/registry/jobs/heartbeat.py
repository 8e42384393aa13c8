"""What a handler and the process that runs it tell each other while a job runs."""

from __future__ import annotations

from modelyard.registry.jobs.nouns import JobCancelled, JobInterrupted, LeaseLost, Standing


class Heartbeat:
    """Given to a handler with its job. The process renews the lease by itself, also while the handler is silent."""

    def __init__(self) -> None:
        self.progress = 0.0
        self.note = ""
        self.standing = Standing.HELD
        """As it was a moment ago; set by the process."""
        self.is_interrupted = False
        """The process is about to end; set by it."""

    def __call__(self, progress: float | None = None, note: str | None = None) -> None:
        """Say how far the work is, and learn whether it is still wanted. Call it between steps, as often as you like.

        progress: 0 to 1; None: as before. note: a line for people; None: as before.
        Raises JobCancelled, JobInterrupted, LeaseLost; let them pass, and nothing of the attempt is kept.
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
        """The same as a question, for a handler that keeps what it did so far: it returns its ending soon."""
        return self.is_interrupted or self.standing is not Standing.HELD
