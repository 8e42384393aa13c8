"""An active run, from its start to its end, as the training code holds it.

Calls here never fail because of the server, the network or the disk; a wrong value is logged once as a warning
and recorded as a note of the run.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import traceback
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from modelyard.domain.errors import Invalid
from modelyard.domain.secrets import mask
from modelyard.sdk import credentials
from modelyard.sdk.runs.log import RunLog
from modelyard.sdk.runs.recorder import Record, Recorder
from modelyard.sdk.runs.spool import Header
from modelyard.sdk.session import Session
from modelyard.sdk.values import now
from modelyard.wire import runs as wire

logger = logging.getLogger("modelyard")

_WAIT_SECONDS = 20.0
_TRUE = ("1", "true", "yes", "on")


class Run(RunLog):
    """An active run. Safe in threads. Created by `my.run` or by the first `my.log_…`."""

    def __init__(
        self,
        *,
        name: str,
        experiment: str,
        uid: str | None,
        parent: str | None,
        offline: bool | None,
        begins: bool,
        client: Session | None,
        on_end: Callable[[Run], None],
    ) -> None:
        """begins False: another process began the run of this uid, and ends it."""
        uid = uid or uuid.uuid4().hex
        name = name or uid[:8]
        self._on_end = on_end
        self.experiment = experiment
        self.parent = parent
        self.status = "running"
        self.began_at = now()
        self.offline = _offline(offline)
        self.begins = begins
        self._closing = threading.Lock()
        self._is_silent = threading.Event()
        """Set in the child of a fork that has not logged to the run yet, and so has no writer."""
        self._last_words: list[Callable[[], object]] = []
        self._keep_code: Callable[[], object] | None = None
        self._if_finished: list[Callable[[], object]] = []
        url, token = credentials.choose(None, None) if client is None else (client.url, None)
        start = None
        if begins:
            started = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            start = wire.StartRun(experiment=experiment, name=name, parent=parent, started_at=started)
        header = Header(run=uid, writer=secrets.token_hex(8), server=url, start=start)

        def connect() -> Session:
            if client is not None:
                return client
            # Read again each time, because a token may have been renewed meanwhile.
            return Session(
                url, credentials.choose(url, None)[1] or token, patience_seconds=0, timeout_seconds=30
            )

        self.server = url
        """Address of the run's server; None: not known yet."""
        self.client = connect
        """Makes a client for the run's server."""
        super().__init__(uid, name, Recorder(header, None if self.offline else connect))

    # --- the end ---------------------------------------------------------------------------------

    @property
    def is_active(self) -> bool:
        return self.status == "running"

    @property
    def folder(self) -> Path:
        """Return the folder of the run's records until the server has them."""
        return self._recorder.folder

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until the server has all records logged so far.

        Never raises.

        Args:
            seconds: Wait at most this long; None: as long as at the end of a run (20 seconds, or
                MODELYARD_RUN_WAIT).

        Returns:
            True when the server has everything.

        Example:
            >>> run.flush(5)
            True
        """
        if self._is_silent.is_set():
            return True
        return self._recorder.flush(_wait_seconds() if seconds is None else seconds)

    def before_end(self, work: Callable[[], object]) -> None:
        """Call a function right before the run ends.

        Never raises: an exception of the function is noted on the run.

        Args:
            work: The function; it may log to the run.

        Example:
            >>> run.before_end(lambda: run.log_artifact("summary.json"))
        """
        self._last_words.append(work)

    def keep_code_with(self, work: Callable[[], object]) -> None:
        """Set the function that keeps uncommitted code, before a push and before the run ends.

        Never raises: an exception of the function is noted on the run.

        Args:
            work: The function; it keeps files and adds to the fact `code`.

        Example:
            >>> run.keep_code_with(lambda: run.keep_source(b"print(1)", "train.py"))
        """
        self._keep_code = work
        self._last_words.append(work)

    def keep_code(self) -> None:
        """Keep the uncommitted code that was read so far.

        Never raises: a failure is noted on the run.

        Example:
            >>> run.keep_code()
        """
        if self._keep_code is not None:
            try:
                self._keep_code()
            except Exception as error:  # noqa: BLE001 - what cannot be kept is named, and the push goes on
                self.note(f"The code could not be kept: {error}")

    def when_finished(self, work: Callable[[], object]) -> None:
        """Call a function right before the run ends, after all others, and only if the run succeeds.

        Never raises: an exception of the function is noted on the run.

        Args:
            work: The function; it may log to the run.

        Example:
            >>> run.when_finished(lambda: my.push(model, "fraud/scorer"))
        """
        self._if_finished.append(work)

    def end(
        self, status: str = "finished", *, exit_code: int | None = None, wait_seconds: float | None = None
    ) -> None:
        """End the run. Records that the server has not received by then stay in the spool, for `modelyard sync`.

        Args:
            status: `finished`, `failed` or `killed`.
            exit_code: Exit code of the program; None: it has none.
            wait_seconds: Wait at most this long for the server; None: 20 seconds, or MODELYARD_RUN_WAIT.

        Raises:
            Invalid: There is no such status.

        Example:
            >>> run = my.run("first").start()
            >>> run.end()
        """
        if status not in ("finished", "failed", "killed"):
            raise Invalid(
                reason=f"{status!r} is not a final status of a run", fix="Use finished, failed or killed"
            )
        with self._closing:
            if not self.is_active:
                return
            if status == "finished":
                self._last_words += self._if_finished
            self._say_last_words()
            self.status = status
            if self.begins:
                self._add(("end", wire.RunEnd(status=status, exit_code=exit_code, at=now())))
            if self._is_silent.is_set():
                return
            self._on_end(self)
            wait = _wait_seconds() if wait_seconds is None else wait_seconds
            if not self._recorder.close(0 if self.offline else wait) and not self.offline:
                logger.warning(
                    "run %s: some records were not sent (%s). Send them with: modelyard sync",
                    self.name,
                    self._recorder.failure,
                )

    def _say_last_words(self) -> None:
        while self._last_words:
            try:
                self._last_words.pop(0)()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the run must end
                self._warn(f"Something was not noted at the end: {error}")

    def fail(self, error: BaseException) -> None:
        """End the run as an exception says: killed by Ctrl-C, finished by `sys.exit(0)`, failed otherwise.

        Never raises.

        Args:
            error: The exception.

        Example:
            >>> run.fail(error)
        """
        if isinstance(error, SystemExit) and error.code in (None, 0):
            self.end("finished")
            return
        if not isinstance(error, KeyboardInterrupt | SystemExit):
            words = "".join(traceback.format_exception_only(type(error), error)).strip()
            self.note(f"It ended with {mask(words)[:1000]}")
        self.end("killed" if isinstance(error, KeyboardInterrupt) else "failed")

    def __enter__(self) -> Run:
        return self

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self.end()
        else:
            self.fail(error)

    def __repr__(self) -> str:
        return f"<Run {self.name} ({self.id}) {self.status}>"

    def _repr_html_(self) -> str:
        from modelyard.sdk.views import run_table

        return run_table(self.name, self.id, self.status, self.experiment, self.params, self.metrics)

    def join_after_fork(self, on_join: Callable[[Run], None]) -> None:
        """Continue in the child of a fork as another writer of the same run, from the first record on.

        Never raises.

        Args:
            on_join: Called with the run when the child first logs to it.

        Example:
            >>> run.join_after_fork(lambda run: None)
        """
        self._recorder.abandon()
        self.begins = False
        self._closing = threading.Lock()
        # These functions are for the process that began the run.
        self._last_words, self._if_finished = [], []
        joining = threading.Lock()
        is_silent = self._is_silent = threading.Event()
        is_silent.set()

        def join(record: Record) -> None:
            with joining:
                if is_silent.is_set():
                    before = self._recorder.header
                    header = Header(run=self.id, writer=secrets.token_hex(8), server=before.server, start=None)
                    self._recorder = Recorder(header, None if self.offline else self.client)
                    self._add = self._recorder.add
                    is_silent.clear()
                    on_join(self)
            self._recorder.add(record)

        self._add = join


def _offline(wanted: bool | None) -> bool:
    return os.environ.get("MODELYARD_OFFLINE", "").lower() in _TRUE if wanted is None else wanted


def _wait_seconds() -> float:
    """Return how long the end of a run waits for the server, in seconds."""
    try:
        return float(os.environ.get("MODELYARD_RUN_WAIT", _WAIT_SECONDS))
    except ValueError:
        return _WAIT_SECONDS
