"""The logging calls of training code to its run.

Nothing here fails because of the server, the network or the disk; a wrong value is logged once as a warning, and
recorded as a note of the run.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import mimetypes
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelyard.domain.digest import Digest
from modelyard.domain.errors import DatasetMismatch, InvalidPath, ModelyardError
from modelyard.domain.metric_names import MetricName
from modelyard.domain.paths import check_path
from modelyard.domain.secrets import mask, mask_json
from modelyard.sdk.files import find_files
from modelyard.sdk.runs.recorder import LOG_PIECE, Recorder, clean_value
from modelyard.sdk.secret_files import refuse_secret_files
from modelyard.sdk.values import impossible, metric_facts, now, plain
from modelyard.sdk.values import number as measured
from modelyard.wire import runs as wire

logger = logging.getLogger("modelyard")

_CAPTURED = ("code", "environment", "image")
MAX_PARAM = 20_000
MAX_NAME = 500
_COPY_BYTES = 1 << 20


class RunLog:
    """Takes logging calls, and queues them for the recorder."""

    def __init__(self, uid: str, name: str, recorder: Recorder) -> None:
        self.id = uid
        self.name = name
        self.params: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}
        """The last logged value, by name."""
        self.inputs: list[dict[str, Any]] = []
        self.versions: list[str] = []
        self.known_facts: dict[str, Any] = {}
        """The facts from `add_facts`."""
        self._warned: set[str] = set()
        self._recorder = recorder
        self._add = recorder.add

    def log_metric(
        self, name: str, value: Any, step: int | None = None, *, split: str = "", dataset: str = ""
    ) -> None:
        """Log one point of a metric.

        Never raises: a value that is not a number is recorded as a note of the run instead.

        Args:
            name: Name of the metric; `test:f1` is the metric f1 on the split test.
            value: The value; numbers of numpy, torch and the like are taken by their value.
            step: Step of the training; None: one after the last step of this metric.
            split: The split that the value was measured on, for example `test`; "": the one in the name.
            dataset: Name of the dataset that it was measured on; "": the one in the name.

        Example:
            >>> my.log_metric("loss", 0.31, step=10)
            >>> my.log_metric("f1", 0.93, split="test", dataset="holdout")
        """
        if split or dataset:
            parsed = MetricName.parse(name)
            name = str(MetricName(parsed.name, split or parsed.split, dataset or parsed.dataset))
        if type(value) is not float:
            number = self._number(name, value)
            if number is None:
                return
            value = number
        self.metrics[name] = value
        self._add(("point", name, value, step if step is None else int(step), now()))

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log one point each of several metrics.

        Never raises: a value that is not a number is recorded as a note of the run instead.

        Args:
            metrics: Metric → value.
            step: Step of the training; None: one after the last step of each metric.

        Example:
            >>> my.log_metrics({"loss": 0.31, "accuracy": 0.9}, step=10)
        """
        for name, value in metrics.items():
            self.log_metric(name, value, step)

    def log_param(self, name: str, value: Any) -> None:
        """Log one parameter of the training. The last value of a name counts.

        Never raises: a long value is cut, and this is noted on the run.

        Args:
            name: Name of the parameter.
            value: The value; credentials in it are masked.

        Example:
            >>> my.log_param("depth", 6)
        """
        told = mask_json(clean_value(plain(value)), str(name))
        if isinstance(told, str) and len(told) > MAX_PARAM:
            self.note(
                f"The value of param {str(name)[:60]!r} has {len(told)} characters and was cut to {MAX_PARAM}."
            )
            told = told[: MAX_PARAM - 1] + "…"
        self.params[str(name)] = told
        self._add(("param", self._name(name, "a param"), told))

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log several parameters of the training.

        Never raises: a long value is cut, and this is noted on the run.

        Args:
            params: Name → value.

        Example:
            >>> my.log_params({"depth": 6, "trees": 100})
        """
        for name, value in params.items():
            self.log_param(name, value)

    def set_tag(self, key: str, value: Any) -> None:
        """Set a tag of the run.

        Never raises: a long name is cut, and this is noted on the run.

        Args:
            key: Name of the tag.
            value: The value; None removes the tag.

        Example:
            >>> my.set_tag("stage", "final")
        """
        self._add(("tag", self._name(key, "a tag"), None if value is None else mask_json(str(value), key)))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags of the run.

        Never raises: a long name is cut, and this is noted on the run.

        Args:
            tags: Name → value; None removes a tag.

        Example:
            >>> run.set_tags({"stage": "final", "team": "risk"})
        """
        for key, value in tags.items():
            self.set_tag(key, value)

    def note(self, words: str) -> None:
        """Add a note for readers of the run. The same note is added only once.

        Never raises.

        Args:
            words: One or two sentences; credentials in them are masked.

        Example:
            >>> run.note("The learning rate was lowered by hand after epoch 3.")
        """
        words = mask(words)
        if words not in self._warned:
            self._warned.add(words)
            self._add(("note", words))

    def add_facts(self, facts: Mapping[str, Any]) -> None:
        """Add facts about the run, such as its code or its environment.

        Never raises.

        Args:
            facts: Name of the fact → value. A value that is an object is merged with the known one.

        Example:
            >>> run.add_facts({"resources": {"wall_seconds": 120.5}})
        """
        facts = mask_json(facts)
        for name, value in facts.items():
            before = self.known_facts.get(name)
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                value = {**before, **value}
            self.known_facts[name] = value
        self._add(("facts", dict(facts)))

    def log_text(self, text: str, name: str | None = None) -> None:
        """Add text to the log of the run, or keep it as a file of the run. Its credentials are masked.

        Never raises: a text that cannot be kept is noted on the run instead.

        Args:
            text: The text; in the log, lines end with a line feed.
            name: Path of the file in the run, for example `report.md`; None: it goes to the log.

        Example:
            >>> run.log_text("epoch 1 done\\n")
            >>> my.log_text("# Result", "report.md")
        """
        if name is not None:
            self._keep(name, mask(str(text)).encode("utf-8", "replace"))
            return
        text = mask(text)
        for start in range(0, len(text), LOG_PIECE):
            self._add(("log", text[start : start + LOG_PIECE]))

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep a file, or all files of a folder, as they are now.

        Never raises: a file that cannot be read, or that contains credentials, is noted on the run instead.

        Args:
            path: The file or the folder.
            name: Path of the file in the run; None: its own name.

        Example:
            >>> my.log_artifact("report.html")
        """
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
        """Keep bytes as a file of the run.

        Never raises: bytes that cannot be kept are noted on the run instead.

        Args:
            data: The bytes.
            name: Path of the file in the run.

        Returns:
            The digest of the bytes; None when they could not be kept.

        Example:
            >>> run.log_bytes(b"a,b\\n1,2\\n", "sample.csv")
            'sha256:9f5e…'
        """
        return self._keep(name, data)

    def keep_source(self, source: bytes, name: str) -> str | None:
        """Keep the source of a program, with its credentials masked.

        Never raises: a source that cannot be kept is noted on the run instead.

        Args:
            source: The source; bytes that are not text are kept as they are.
            name: Path of the file in the folder `code` of the run.

        Returns:
            The digest of the kept file; None when it could not be kept.

        Example:
            >>> run.keep_source(Path("train.py").read_bytes(), "train.py")
            'sha256:1c0a…'
        """
        try:
            text = source.decode("utf-8")
        except UnicodeDecodeError:
            return self._keep(f"code/{name}", source)
        return self._keep(f"code/{name}", mask(text).encode())

    def log_figure(self, figure: Any, name: str) -> None:
        """Keep a figure of Matplotlib, Plotly or Altair, or a picture of Pillow, as a file of the run.

        Never raises: a figure that cannot be drawn is noted on the run instead.

        Args:
            figure: The figure.
            name: Path of the file in the run, for example `roc.png`.

        Example:
            >>> my.log_figure(figure, "roc.png")
        """
        from modelyard.sdk.figures import figure_bytes

        try:
            data, name = figure_bytes(figure, name)
        except Exception as error:  # noqa: BLE001 - a drawing library can raise anything, and training goes on
            self._warn(f"The figure {name} is not kept: {error}")
            return
        self._keep(name, data)

    def log_image(self, image: Any, name: str) -> None:
        """Keep a picture of Pillow, or a figure, as a file of the run.

        Never raises: a picture that cannot be written is noted on the run instead.

        Args:
            image: The picture.
            name: Path of the file in the run, for example `sample.png`.

        Example:
            >>> my.log_image(picture, "sample.png")
        """
        self.log_figure(image, name)

    def log_table(self, rows: Any, name: str) -> None:
        """Keep a table as a CSV file of the run.

        Never raises: a table that cannot be written is noted on the run instead.

        Args:
            rows: A frame of pandas or polars, or a list of dicts, whose keys are the columns.
            name: Path of the file in the run, for example `errors.csv`.

        Example:
            >>> my.log_table([{"id": 7, "error": 0.3}], "errors.csv")
        """
        try:
            text = _csv_of(rows)
        except Exception as error:  # noqa: BLE001 - a library can raise anything, and training goes on
            self._warn(f"The table {name} is not kept: {error}")
            return
        self._keep(name, mask(text).encode("utf-8", "replace"))

    def log_version(self, reference: str) -> None:
        """Record a version that the run produced. A push inside a run does this automatically.

        Never raises.

        Args:
            reference: The version, for example `fraud/scorer:12`.

        Example:
            >>> run.log_version("fraud/scorer:12")
        """
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
        self._add(
            ("artifact", wire.RunArtifact(path=name, digest=digest, size_bytes=size, media_type=media_type))
        )
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
            kept = folder / digest.hexdigest()
            # An existing copy is left alone, because it may be on its way to the server.
            if not kept.exists():
                temporary.replace(kept)
        finally:
            temporary.unlink(missing_ok=True)
        return Digest.parse(f"sha256:{digest.hexdigest()}"), size

    def log_input(
        self,
        data: Any,
        *,
        name: str,
        target: Any = None,
        source: str | None = None,
        columns: Sequence[str] | None = None,
        filter: Any = None,
        window: Any = None,
        split: str | None = None,
        expect: str | None = None,
        keys: Sequence[str] | None = None,
    ) -> dict[str, Any] | None:
        """Record data that the training reads, by its digest and its profile; no rows are kept.

        Args:
            data: A frame, an array, a path or a query, as `my.describe` takes it.
            name: Name of the dataset.
            target: Labels of the rows, if they are kept separately.
            source: Where the data comes from; None: its path or its query.
            columns: Read only these columns; None: all.
            filter: The filter that was applied, in words.
            window: The time range, in words.
            split: The split, for example `train`.
            expect: The digest that the data must have; None: any.
            keys: Columns that identify a row.

        Returns:
            The entry that a version will carry; None when the data could not be described, which is noted on
            the run.

        Raises:
            DatasetMismatch: The data does not have the digest in `expect`.

        Example:
            >>> my.log_input(frame, name="fraud/transactions", split="train")["rows"]
            120000
        """
        from modelyard.sdk.datasets import describe

        try:
            described = describe(
                data,
                name=name,
                target=target,
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
            # The machine belongs to this reading, not to the data: a version that carries it stays the same elsewhere.
            self._add(("input", {**entry, "host": socket.gethostname()[:200]}))
        return entry

    def facts(self) -> dict[str, Any]:
        """Return the facts of the run for a version that it produces.

        Never raises.

        Returns:
            Name of the fact → value.

        Example:
            >>> sorted(run.facts())
            ['code', 'environment', 'params', 'run']
        """
        found: dict[str, Any] = {"run": {"id": self.id, "name": self.name}}
        found |= {name: self.known_facts[name] for name in _CAPTURED if self.known_facts.get(name)}
        if self.params:
            found["params"] = dict(self.params)
        if self.metrics:
            found["metrics"] = metric_facts(self.metrics)
            for name, value in self.metrics.items():
                if valid := impossible(name, value):
                    self._warn(
                        f"{name} = {value:g} cannot be ({valid}), so it stays with the run: no version has it."
                    )
        if self.inputs:
            found["data"] = list(self.inputs)
        return found

    # --- values ----------------------------------------------------------------------------------

    def _number(self, name: str, value: Any) -> float | None:
        try:
            # Reading a tensor that still has a gradient warns.
            return measured(value.detach() if hasattr(value, "detach") else value)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            self._warn(f"Metric {str(name)[:60]!r} was given a value that is not a number: {error}")
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


def _csv_of(rows: Any) -> str:
    """Write a frame, or a list of dicts, as CSV. Raises TypeError for anything else."""
    if hasattr(rows, "to_csv"):
        return str(rows.to_csv(index=False))
    if hasattr(rows, "write_csv"):
        return str(rows.write_csv())
    listed = [*rows]
    if not all(isinstance(row, Mapping) for row in listed):
        raise TypeError(f"{type(rows).__name__} is neither a frame nor a list of dicts")
    columns = [*dict.fromkeys(key for row in listed for key in row)]
    made = io.StringIO()
    writer = csv.DictWriter(made, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return made.getvalue()
