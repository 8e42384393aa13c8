"""The event log: checkpoints, exports, and their verification without a server.

>>> client.audit.export("log.jsonl")                       # doctest: +SKIP
>>> my.verify_log("log.jsonl", against="checkpoint.txt")   # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from modelyard.domain.bundle import Lines, Report, read_header, verify_bundle
from modelyard.domain.checkpoint import LogKey, SignedCheckpoint, parse_checkpoint
from modelyard.domain.errors import ExtraMissing, Invalid, ServerUnreachable
from modelyard.sdk.http import BROKEN, at, query_text
from modelyard.sdk.session import Feature
from modelyard.sdk.streams import LONG_SECONDS, follow_work
from modelyard.wire import audit as wire
from modelyard.wire import versions as versions_wire


class Audit(Feature):
    """`client.audit`."""

    def checkpoint(self) -> wire.Checkpoint:
        """Return the size and the root of the event log, signed now.

        Keep its `note`: a later export can be checked against it.

        Returns:
            The signed checkpoint.

        Raises:
            Denied: You are neither an auditor nor an admin.

        Example:
            >>> Path("checkpoint.txt").write_text(client.audit.checkpoint().note)
        """
        return self._get(at("audit", "checkpoint"), wire.Checkpoint)

    def events(
        self, query: versions_wire.LogQuery | None = None, limit: int | None = None
    ) -> Iterator[versions_wire.Event]:
        """Return events of the log, newest first.

        Args:
            query: Conditions, for example one model or one account; None: all events of the registry.
            limit: Return at most this many; None: all.

        Returns:
            One event at a time.

        Raises:
            Denied: Your role does not allow this.

        Example:
            >>> [event.kind for event in client.audit.events(limit=2)]
            ['alias.moved', 'version.registered']
        """
        query = query or versions_wire.LogQuery()
        return self._items(at("audit", "events"), query, versions_wire.EventPage, limit)

    def looked_at(self, query: versions_wire.LogQuery) -> int | None:
        """Count the events in the scope of a query, whether or not they match it.

        Args:
            query: The query; its scope is the model or namespace that it names.

        Returns:
            How many events were searched; None: the server did not count them.

        Raises:
            Denied: Your role does not allow this.

        Example:
            >>> client.audit.looked_at(LogQuery(model="fraud/scorer", kind=["version.deleted"]))
            240
        """
        return self._get(at("audit", "events"), versions_wire.EventPage, query).looked_at

    def export(self, to: str | os.PathLike[str], query: wire.ExportQuery | None = None) -> Path:
        """Export the log, or selected events, with everything that is needed to verify them.

        An existing file is replaced only when the export is complete.

        Args:
            to: The file to write.
            query: Conditions; None: the whole log.

        Returns:
            The file.

        Raises:
            Denied: You are neither an auditor nor an admin.
            ServerUnreachable: The export was interrupted; the file is unchanged.

        Example:
            >>> client.audit.export("log.jsonl")
            PosixPath('log.jsonl')
        """
        target = Path(to)
        self._download(at("audit", "export") + query_text(query), target)
        return target

    def prove(self, seq: int, to: str | os.PathLike[str]) -> Path:
        """Write one event to a file, with the proof that the log holds it.

        Args:
            seq: Number of the event.
            to: The file to write.

        Returns:
            The file.

        Raises:
            EventNotFound: There is no such event.
            Denied: Your role does not allow this.

        Example:
            >>> client.audit.prove(1204, "event.jsonl")
            PosixPath('event.jsonl')
        """
        target = Path(to)
        self._download(at("audit", "events", seq, "proof"), target)
        return target

    def _download(self, path: str, target: Path) -> None:
        partial = target.with_name(f".{target.name}.part")
        try:
            with self._transport.stream("GET", path, LONG_SECONDS) as response, partial.open("wb") as file:
                for chunk in response.stream(1 << 16):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BROKEN as exc:
            if isinstance(exc, OSError) and exc.filename is not None:
                raise
            raise ServerUnreachable(url=self._transport.url, reason="the export was interrupted") from exc
        finally:
            partial.unlink(missing_ok=True)

    def consistency(self, old: int, new: int | None = None) -> wire.Consistency:
        """Return the proof that an older state of the log is the beginning of a newer one.

        Args:
            old: Number of events in the older state.
            new: Number of events in the newer state; None: the current number.

        Returns:
            The proof, as RFC 9162 defines it.

        Raises:
            Invalid: `old` is larger than `new`, or the log is not that long.
            Denied: Your role does not allow this.

        Example:
            >>> len(client.audit.consistency(1000).proof)
            9
        """
        query = wire.ConsistencyQuery(old=old, new=new)
        return self._get(at("audit", "consistency"), wire.Consistency, query)

    def check(self) -> Iterator[wire.LogCheckProgress]:
        """Have the server compare its stored events with the hash tree of the log.

        Returns:
            The progress, item by item; the last item has `finished` set, and lists all damage.

        Raises:
            Denied: You are not an admin.
            ServerUnreachable: The check was interrupted.

        Example:
            >>> [*client.audit.check()][-1].damage
            []
        """
        return follow_work(self._transport, at("audit", "check"), wire.LogCheckProgress, "check")

    def start_check(self) -> wire.LogCheck:
        """Have the server check its log by itself, like `check`, without waiting for the end.

        Returns:
            The check; the one that is open already if there is one.

        Raises:
            Denied: You are neither an auditor of the server nor an admin.

        Example:
            >>> client.audit.start_check().state
            'waiting'
        """
        return self._post(at("audit", "checks"), wire.LogCheck)

    def last_check(self) -> wire.LogCheck | None:
        """Return the newest check that was started with `start_check` or on the page of the log.

        Returns:
            How far it is, or what it found; None: none was asked for lately.

        Raises:
            Denied: You are neither an auditor of the server nor an admin.

        Example:
            >>> client.audit.last_check().damage
            []
        """
        return self._get(at("audit", "checks", "last"), wire.LastLogCheck).check


# --- without any server --------------------------------------------------------------------------


def verify_log(
    file: str | os.PathLike[str],
    *,
    key: str | None = None,
    against: str | os.PathLike[str] | None = None,
    signatures: bool = True,
) -> Report:
    """Verify an exported log without a server.

    Every event must be in the signed log, unchanged and in its place.

    Args:
        file: The export.
        key: Public key of the log as its operator published it, or a file with it; None: the key inside the
            export, which shows that the file is whole, but not who wrote it.
        against: A file with an older checkpoint, or an older export, which this one must continue; None: no
            such check.
        signatures: Check the signature too. False: check only the hashes, which needs no other package.

    Returns:
        The report; `ok` is True if there are no problems, and `problems` lists them.

    Raises:
        Invalid: The file is not an export.
        ExtraMissing: Checking a signature needs the packages of `modelyard[audit]`.

    Example:
        >>> my.verify_log("log.jsonl", against="checkpoint.txt").ok
        True
    """
    check = _signature_check() if signatures else None
    older: Lines | None = None
    checkpoint: SignedCheckpoint | None = None
    if against is not None:
        checkpoint, older = _older(Path(against))
    known = _log_key(key) if key is not None else None
    return verify_bundle(lines_of(Path(file)), check, key=known, against=checkpoint, older=older)


def lines_of(path: Path) -> Lines:
    """Return a function that reads the lines of a file from the start at each call."""

    def lines() -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from file

    return lines


def read_checkpoint(path: Path) -> SignedCheckpoint:
    """Return the checkpoint in a file or an export. Raises Invalid."""
    return _older(path)[0]


def _older(path: Path) -> tuple[SignedCheckpoint, Lines | None]:
    with path.open("rb") as file:
        first = file.readline()
    if not first.startswith(b"{"):
        return parse_checkpoint(_read_text(path)), None
    header = read_header(first)
    return header.checkpoint, lines_of(path) if header.whole else None


def _log_key(text: str) -> LogKey:
    """Return the key that the text is, or that the file of that name holds. Raises Invalid, which names the file."""
    if "+" in text:
        return LogKey.parse(text)
    path = Path(text)
    try:
        return LogKey.parse(_read_text(path))
    except Invalid as exc:
        raise Invalid(reason=f"{path} does not hold a log's public key", fix=exc.fix) from exc


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise Invalid(reason=f"{path} is not text", fix="Give the file that holds it") from exc


def _signature_check() -> Callable[[LogKey, SignedCheckpoint], bool]:
    """Return the function that checks a signature. Raises ExtraMissing."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ModuleNotFoundError as exc:
        raise ExtraMissing(
            what="checking a signature",
            package="cryptography",
            extra="audit",
            fix='Install it with: pip install "modelyard[audit]"; or check the hashes alone: --no-signature',
        ) from exc

    def holds(key: LogKey, signed: SignedCheckpoint) -> bool:
        public: Any = Ed25519PublicKey.from_public_bytes(key.public)
        for signature in signed.signatures:
            if signature.name != key.name or signature.key_id != key.id:
                continue
            try:
                public.verify(signature.value, signed.signed_text.encode())
            except InvalidSignature:
                continue
            return True
        return False

    return holds
