"""A run that is going on, as the code that trains holds it.

What is called here never fails because of the server, the network or the disk; what is wrong with a value is
warned of once and noted on the run.
"""

from __future__ import annotations

import hashlib
import logging
import mimetypes
import os
import secrets
import threading
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelyard.domain.digest import Digest
from modelyard.domain.errors import DatasetMismatch, Invalid, InvalidPath, ModelyardError
from modelyard.domain.paths import check_path
from modelyard.domain.secrets import mask, mask_json
from modelyard.sdk import credentials
from modelyard.sdk.files import find_files
from modelyard.sdk.runs.recorder import Recorder, clean_value
from modelyard.sdk.runs.spool import Header
from modelyard.sdk.secret_files import refuse_secret_files
from modelyard.sdk.session import Session
from modelyard.sdk.values import metric_facts, now, plain
from modelyard.wire import runs as wire

logger = logging.getLogger("modelyard")

MAX_PARAM = 20_000
MAX_NAME = 500
_WAIT_SECONDS = 20.0
_TRUE = ("1", "true", "yes", "on")
_COPY_BYTES = 1 << 20


class Run:
    """A run that is going on. Safe in threads. Made by `my.run` or by the first `my.log_…`."""

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
        """begins False: somebody else began the run of this uid, and ends it."""
        self._on_end = on_end
        self.id = uid or uuid.uuid4().hex
        self.name = name or self.id[:8]
        self.experiment = experiment
        self.parent = parent
        self.status = "running"
        self.params: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}
        """The value logged last, by name."""
        self.inputs: list[dict[str, Any]] = []
        self.versions: list[str] = []
        self.known_facts: dict[str, Any] = {}
        """What `add_facts` was given."""
        self.began_at = now()
        self.offline = _offline(offline)
        self.begins = begins
        self._warned: set[str] = set()
        self._closing = threading.Lock()
        self._last_words: list[Callable[[], object]] = []
        self._if_finished: list[Callable[[], object]] = []
        url, token = credentials.choose(None, None) if client is None else (client.url, None)
        start = None
        if begins:
            started = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            start = wire.StartRun(experiment=experiment, name=self.name, parent=parent, started_at=started)
        writer = secrets.token_hex(8)
        header = Header(run=self.id, writer=writer, server=url, start=start)

        def connect() -> Session:
            if client is not None:
                return client
            # Asked anew each time: a token may have been renewed meanwhile.
            return Session(
                url, credentials.choose(url, None)[1] or token, patience_seconds=0, timeout_seconds=30
            )

        self.server = url
        """Where the run goes; None: that is not known yet."""
        self.client = connect
        """Makes a client for the run's server."""
        self._recorder = Recorder(header, None if self.offline else connect)
        self._add = self._recorder.add

    # --- saying things ---------------------------------------------------------------------------

    def log_metric(self, name: str, value: Any, step: int | None = None) -> None:
        """One point of a metric. step None: one after the last one of this metric."""
        if type(value) is not float:
            number = self._number(name, value)
            if number is None:
                return
            value = number
        self.metrics[name] = value
        self._add(("point", name, value, step if step is None else int(step), now()))

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        for name, value in metrics.items():
            self.log_metric(name, value, step)

    def log_param(self, name: str, value: Any) -> None:
        """What the training was set to; the last value of a name counts."""
        told = mask_json(clean_value(plain(value)), str(name))
        if isinstance(told, str) and len(told) > MAX_PARAM:
            self.note(
                f"The value of param {str(name)[:60]!r} has {len(told)} characters and was cut to {MAX_PARAM}."
            )
            told = told[: MAX_PARAM - 1] + "…"
        self.params[str(name)] = told
        self._add(("param", self._name(name, "a param"), told))

    def log_params(self, params: Mapping[str, Any]) -> None:
        for name, value in params.items():
            self.log_param(name, value)

    def set_tag(self, key: str, value: Any) -> None:
        """value None takes the tag away."""
        self._add(("tag", self._name(key, "a tag"), None if value is None else mask_json(str(value), key)))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        for key, value in tags.items():
            self.set_tag(key, value)

    def note(self, words: str) -> None:
        """Something a reader of the run should know: shown with it, once."""
        words = mask(words)
        if words not in self._warned:
            self._warned.add(words)
            self._add(("note", words))

    def add_facts(self, facts: Mapping[str, Any]) -> None:
        """code, environment, image, resources and what else is known of the run; objects grow by their keys."""
        facts = mask_json(facts)
        for name, value in facts.items():
            before = self.known_facts.get(name)
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                value = {**before, **value}
            self.known_facts[name] = value
        self._add(("facts", dict(facts)))

    def log_text(self, text: str) -> None:
        """A piece of the run's log."""
        self._add(("log", mask(text)))

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep a file, or all files of a folder, as they are now. name: path in the run; None: the file's own."""
        source = Path(path)
        try:
            found = find_files(source)
            refuse_secret_files(found)
        except (ModelyardError, OSError) as error:
            self._warn(f"{source} is not kept: {error}")
            return
        for file in found:
            inside = file.path if source.is_dir() else None
            target = "/".join(part for part in (name or source.name, inside) if part)
            self._keep(target, file.source)

    def log_bytes(self, data: bytes, name: str) -> str | None:
        """Keep bytes as a file of the run; their digest, None when they could not be kept."""
        return self._keep(name, data)

    def keep_source(self, source: bytes, name: str) -> str | None:
        """Keep the text of a program without its credentials; a program that is no text is kept as it is."""
        try:
            text = source.decode("utf-8")
        except UnicodeDecodeError:
            return self._keep(f"code/{name}", source)
        return self._keep(f"code/{name}", mask(text).encode())

    def log_figure(self, figure: Any, name: str) -> None:
        """Keep a figure of Matplotlib, Plotly or Altair, or a picture of Pillow, as a file of this name."""
        from modelyard.sdk.figures import figure_bytes

        try:
            data, name = figure_bytes(figure, name)
        except Exception as error:  # noqa: BLE001 - a drawing library can raise anything, and training goes on
            self._warn(f"The figure {name} is not kept: {error}")
            return
        self._keep(name, data)

    def log_version(self, reference: str) -> None:
        """A version that came out of the run."""
        self.versions.append(reference)
        self._add(("version", reference))

    def _keep(self, name: str, source: Path | bytes) -> str | None:
        """Copy the bytes to the spool at once, because files change; they are sent later."""
        try:
            check_path(name)
            digest, size = self._spooled(source)
        except (InvalidPath, OSError) as error:
            self._warn(f"The file {name} is not kept: {error}")
            return None
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        self._add(("artifact", wire.RunArtifact(path=name, digest=digest, size=size, media_type=media_type)))
        return digest

    def _spooled(self, source: Path | bytes) -> tuple[str, int]:
        folder = self._recorder.folder / "files"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = folder / f"{uuid.uuid4().hex}.tmp"
        digest, size = hashlib.sha256(), 0
        try:
            with temporary.open("wb") as target:
                if isinstance(source, bytes):
                    target.write(source)
                    digest.update(source)
                    size = len(source)
                else:
                    with source.open("rb") as file:
                        while block := file.read(_COPY_BYTES):
                            target.write(block)
                            digest.update(block)
                            size += len(block)
            temporary.replace(folder / digest.hexdigest())
        finally:
            temporary.unlink(missing_ok=True)
        return Digest.parse(f"sha256:{digest.hexdigest()}"), size

    def log_input(
        self,
        data: Any,
        *,
        name: str,
        source: str | None = None,
        columns: Sequence[str] | None = None,
        filter: Any = None,
        window: Any = None,
        split: str | None = None,
        expect: str | None = None,
        keys: Sequence[str] | None = None,
    ) -> dict[str, Any] | None:
        """Note which data the training reads, by its digest and a profile; no row of it is kept.

        data: a frame, an array, a path or a query (see `modelyard.sdk.datasets.describe`). columns, filter,
        window: what was taken of it, in words. Returns the entry that a version will carry; None when the data
        could not be described, which is warned of. Raises DatasetMismatch when `expect` is another digest.
        """
        from modelyard.sdk.datasets import describe

        try:
            described = describe(
                data,
                name=name,
                source=source,
                columns=columns,
                filter=filter,
                window=window,
                split=split,
                expect=expect,
                keys=keys,
            )
        except DatasetMismatch:
            raise
        except Exception as error:  # noqa: BLE001 - a frame's library can raise anything, and training goes on
            self._warn(f"The input {str(name)[:60]!r} could not be described: {error}")
            return None
        entry: dict[str, Any] = mask_json(described.entry)
        if described.profile:
            self._keep(f"inputs/{entry['digest'].removeprefix('sha256:')[:16]}.profile", described.profile)
        if entry not in self.inputs:
            self.inputs.append(entry)
            self._add(("input", entry))
        return entry

    def facts(self) -> dict[str, Any]:
        """What the run says of itself, as facts of a version that comes out of it."""
        found: dict[str, Any] = {"run": {"id": self.id, "name": self.name}}
        found |= {name: self.known_facts[name] for name in _CAPTURED if self.known_facts.get(name)}
        if self.params:
            found["params"] = dict(self.params)
        if self.metrics:
            found["metrics"] = metric_facts(self.metrics)
        if self.inputs:
            found["data"] = list(self.inputs)
        return found

    # --- values ----------------------------------------------------------------------------------

    def _number(self, name: str, value: Any) -> float | None:
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            self._warn(f"Metric {str(name)[:60]!r} was given what is no number: {error}")
            return None

    def _name(self, text: Any, what: str) -> str:
        name = str(text)
        if len(name) > MAX_NAME:
            self.note(f"The name of {what} beginning with {name[:40]!r} was cut to {MAX_NAME} characters.")
        return name[:MAX_NAME]

    def _warn(self, words: str) -> None:
        if words not in self._warned:
            logger.warning("run %s: %s", self.name, mask(words))
            self.note(words)

    # --- the end ---------------------------------------------------------------------------------

    @property
    def is_active(self) -> bool:
        return self.status == "running"

    @property
    def folder(self) -> Path:
        """Of what the run says until the server has it."""
        return self._recorder.folder

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until the server has all that was said; whether it has. None: as long as at the end of a run."""
        return self._recorder.flush(_wait_seconds() if seconds is None else seconds)

    def before_end(self, work: Callable[[], object]) -> None:
        """Have something said right before the run ends; what it raises is noted."""
        self._last_words.append(work)

    def when_finished(self, work: Callable[[], object]) -> None:
        """The same, only when the run finishes as it should, and after everything else."""
        self._if_finished.append(work)

    def end(
        self, status: str = "finished", *, exit_code: int | None = None, wait_seconds: float | None = None
    ) -> None:
        """status: finished, failed or killed. What the server could not be told by then stays in the spool."""
        if status not in ("finished", "failed", "killed"):
            raise Invalid(reason=f"{status!r} is no end of a run", fix="Use finished, failed or killed")
        with self._closing:
            if not self.is_active:
                return
            if status == "finished":
                self._last_words += self._if_finished
            self._say_last_words()
            self.status = status
            if self.begins:
                self._add(("end", wire.RunEnd(status=status, exit_code=exit_code, at=now())))
            self._on_end(self)
            wait = _wait_seconds() if wait_seconds is None else wait_seconds
            if not self._recorder.close(0 if self.offline else wait) and not self.offline:
                logger.warning(
                    "run %s: the server does not have all of it (%s). Send the rest with: modelyard sync",
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
        """End as the exception says: killed by Ctrl-C, finished by sys.exit(0), else failed."""
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

    def abandon(self) -> None:
        """In a forked process: the run is its parent's."""
        self.status = "abandoned"
        self._recorder.abandon()


def _offline(wanted: bool | None) -> bool:
    return os.environ.get("MODELYARD_OFFLINE", "").lower() in _TRUE if wanted is None else wanted


def _wait_seconds() -> float:
    """How long the end of a run waits for the server."""
    try:
        return float(os.environ.get("MODELYARD_RUN_WAIT", _WAIT_SECONDS))
    except ValueError:
        return _WAIT_SECONDS


_CAPTURED = ("code", "environment", "image")
