"""Export bundles: events with their proof in one file, and its verification without any server. Pure.

A bundle is JSON lines. The first is the header: the signed checkpoint, the log's public key, the filter.

- A *whole* bundle holds every event below the checkpoint's size. Each event's line is exactly the bytes that
  were hashed into the tree. Every 256 of them are followed by their *tile*, the hashes as the log stored them;
  the tiles of the levels above come last (entry i of a tile of level L + 1 is the root of the full
  tile i of level L, as in C2SP tlog-tiles). The events alone prove themselves: their root must be the
  checkpoint's. When it is not, the tiles tell which event is at fault.
- A *filtered* bundle holds some events, each followed by a line with its inclusion proof.

An event from which a text was redacted no longer hashes to its leaf. The header then names the leaf, and a later
event of the bundle, `content.redacted`, must name the same leaf and the digest of the remaining content.

Either may carry a consistency proof from an older checkpoint's size.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from modelyard.domain.canonical import canonical_json
from modelyard.domain.checkpoint import LogKey, SignedCheckpoint, parse_checkpoint
from modelyard.domain.errors import Invalid
from modelyard.domain.merkle import HASH_BYTES, Frontier, fold, includes, is_consistent, leaf_hash

FORMAT = 1
TILE_LEAVES = 256
"""Entries of a full tile; 2^8, so tile level L holds nodes of tree level 8 L."""
_MOST_NAMED = 20

SignatureCheck = Callable[[LogKey, SignedCheckpoint], bool]
Lines = Callable[[], Iterator[bytes]]
"""Opens the bundle again and yields its lines, with or without line breaks."""


@dataclass(frozen=True, slots=True)
class Problem:
    kind: str
    """signature, edited, removed, reordered, truncated, rewritten, time, proof or format"""
    text: str
    seq: int | None = None
    """The first event at fault, when one can be named."""


@dataclass(slots=True)
class Report:
    """The report for an auditor. `ok`: nothing is wrong."""

    origin: str
    size: int
    """Number of events that the checkpoint covers."""
    key: str
    signed: bool | None
    """None: no signature check was requested."""
    whole: bool = True
    checked: int = 0
    """Events of the file whose place in the log is proved."""
    since: int | None = None
    """Size of the older checkpoint that the log continues, when one was given and it does."""
    redacted: int = 0
    """Events from which a text was redacted; each is explained by a later event."""
    wanted: int | None = None
    """The one event that a proof is of; None: of more than one."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Return whether the events in the file are as logged. It does not speak for events outside the file."""
        return not self.problems

    @property
    def is_complete(self) -> bool:
        """Return whether the file is certainly complete: it holds the whole log, or the one event it proves.

        A filtered export never is, since nothing proves that no event was omitted.
        """
        return self.ok and (self.whole or (self.wanted is not None and self.checked > 0))


# --- writing -------------------------------------------------------------------------------------


def bundle_header(
    note: str,
    key: LogKey,
    chosen: dict[str, Any],
    *,
    whole: bool,
    consistency: tuple[int, list[bytes]] | None = None,
    redacted: Mapping[int, str] | None = None,
) -> bytes:
    """chosen: the filter, as words for people. consistency: (older size, proof). redacted: number of an event →
    its leaf in hexadecimal."""
    value: dict[str, Any] = {
        "modelyard_log": FORMAT,
        "checkpoint": note,
        "key": key.text(),
        "whole": whole,
        "filter": chosen,
    }
    if consistency is not None:
        value["consistency"] = {"size": consistency[0], "proof": [_b64(step) for step in consistency[1]]}
    if redacted:
        value["redacted"] = {str(seq): leaf for seq, leaf in redacted.items()}
    return canonical_json(value) + b"\n"


def tile_line(level: int, index: int, hashes: bytes) -> bytes:
    return canonical_json({"tile": [level, index], "hashes": _b64(hashes)}) + b"\n"


def proof_line(proof: list[bytes]) -> bytes:
    return canonical_json({"proof": [_b64(step) for step in proof]}) + b"\n"


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


# --- reading -------------------------------------------------------------------------------------

_TILE = b'{"hashes":'
_PROOF = b'{"proof":'


@dataclass(frozen=True, slots=True)
class Header:
    checkpoint: SignedCheckpoint
    key: LogKey
    whole: bool
    chosen: dict[str, Any]
    consistency: tuple[int, list[bytes]] | None
    redacted: Mapping[int, bytes] = field(default_factory=dict)
    """Number of an event that was redacted → its leaf."""


def read_header(line: bytes) -> Header:
    """Read the header of a bundle. Raises Invalid."""
    try:
        value = json.loads(line)
        if value["modelyard_log"] != FORMAT:
            raise ValueError
        steps = value.get("consistency")
        consistency = None
        if steps is not None:
            consistency = int(steps["size"]), [base64.b64decode(each, validate=True) for each in steps["proof"]]
        return Header(
            parse_checkpoint(value["checkpoint"]),
            LogKey.parse(value["key"]),
            bool(value["whole"]),
            dict(value["filter"]),
            consistency,
            {int(seq): bytes.fromhex(leaf) for seq, leaf in value.get("redacted", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, RecursionError):
        raise Invalid(
            reason="this is not an export of an event log that this release can read",
            fix="Make one with: modelyard audit export --out FILE",
        ) from None


def verify_bundle(
    lines: Lines,
    check_signature: SignatureCheck | None,
    *,
    key: LogKey | None = None,
    against: SignedCheckpoint | None = None,
    older: Lines | None = None,
) -> Report:
    """Check a bundle against its own checkpoint and, when given, an older one.

    older: a whole bundle from the time of `against`; it shows which event was rewritten first since then.

    check_signature: None leaves signatures unchecked, which the report says.
    key: the required signer; None uses the bundle's own key, which proves only that the file is unchanged.
    Raises Invalid for a file that is not a bundle. Problems of a bundle are returned, in the order of the events.
    """
    source = lines()
    header = read_header(next(source, b""))
    checkpoint = header.checkpoint.checkpoint
    report = Report(checkpoint.origin, checkpoint.size, header.key.text(), None, header.whole)
    report.redacted = len(header.redacted)
    wanted = header.chosen.get("event")
    if not header.whole and isinstance(wanted, int):
        report.wanted = wanted
    if key is not None and key != header.key:
        report.problems.append(
            Problem("signature", f"the bundle belongs to the log {header.key.text()}, not of {key.text()}")
        )
    if check_signature is not None:
        report.signed = check_signature(key or header.key, header.checkpoint)
        if not report.signed:
            report.problems.append(Problem("signature", "the checkpoint was not signed by the log's key"))
    if against is not None and check_signature is not None and not check_signature(key or header.key, against):
        report.problems.append(Problem("signature", "the older checkpoint was not signed by the log's key"))
    if header.whole:
        _verify_whole(report, header, lines, source, against)
        if older is not None and any(problem.kind == "rewritten" for problem in report.problems):
            report.problems.insert(0, _first_difference(lines, older))
    else:
        _verify_filtered(report, header, source, against)
    return report


def _verify_whole(
    report: Report, header: Header, lines: Lines, source: Iterator[bytes], against: SignedCheckpoint | None
) -> None:
    """Hash everything in one pass; only a faulty bundle is read a second time, to locate the fault."""
    tree, redactions, times = Frontier(), _Redactions(header.redacted), _Times()
    old = against.checkpoint if against is not None else None
    old_root = tree.root() if old is not None and old.size == 0 else None
    push = tree.push
    for line in source:
        if line.startswith(_TILE):
            continue
        line = line.rstrip(b"\r\n")
        times.note(tree.size, line)
        push(redactions.leaf_of(tree.size, line))
        if old is not None and tree.size == old.size:
            old_root = tree.root()
    checkpoint = header.checkpoint.checkpoint
    if tree.size == checkpoint.size and tree.root() == checkpoint.root:
        report.checked = tree.size
    else:
        report.problems.extend(_locate(lines, header))
    report.problems.extend(redactions.problems())
    if not report.problems:
        report.problems.extend(times.problems)
    if old is None:
        return
    _compare_with_older(report, header, against, old_root)


def _compare_with_older(
    report: Report, header: Header, against: SignedCheckpoint | None, old_root: bytes | None
) -> None:
    """old_root: the root of this bundle's first events, as many as the older checkpoint has."""
    assert against is not None
    old, new = against.checkpoint, header.checkpoint.checkpoint
    if old.origin != new.origin:
        report.problems.append(
            Problem("rewritten", f"the older checkpoint belongs to another log, {old.origin}")
        )
    elif old.size > new.size:
        report.problems.append(
            Problem(
                "truncated",
                f"a checkpoint of {old.size} events was signed, now there are {new.size}: "
                f"the events from {new.size} on were cut off",
                new.size,
            )
        )
    elif old_root != old.root:
        report.problems.append(
            Problem(
                "rewritten",
                f"the first {old.size} events are not those that the older checkpoint signed; "
                "compare with an export of that time to see which",
            )
        )
    else:
        report.since = old.size


def _verify_filtered(
    report: Report, header: Header, source: Iterator[bytes], against: SignedCheckpoint | None
) -> None:
    checkpoint = header.checkpoint.checkpoint
    redactions, times = _Redactions(header.redacted), _Times()
    body: bytes | None = None
    last, missing = -1, report.wanted

    def unproved(found: bytes) -> None:
        report.problems.append(Problem("proof", f"event {_seq_of(found)} has no proof", _seq_of(found)))

    for line in source:
        line = line.rstrip(b"\r\n")
        if not line.startswith(_PROOF):
            if body is not None:
                unproved(body)
            body = line
            continue
        if body is None:
            report.problems.append(Problem("removed", f"a proof without its event follows event {last}"))
            continue
        seq = _seq_of(body)
        if seq is None or not includes(
            checkpoint.root, checkpoint.size, seq, redactions.leaf_of(seq, body), _steps(line, "proof")
        ):
            report.problems.append(Problem("edited", f"event {seq} is not the one in the log", seq))
        elif seq <= last:
            report.problems.append(Problem("reordered", f"event {seq} comes after event {last}", seq))
        else:
            report.checked += 1
            last = seq
            missing = None if seq == missing else missing
            times.note(seq, body)
        body = None
    if body is not None:
        unproved(body)
    if missing is not None:
        text = f"event {missing}, which this file should prove, is not in it"
        report.problems.append(Problem("removed", text, missing))
    report.problems.extend(redactions.problems())
    if not report.problems:
        report.problems.extend(times.problems)
    del report.problems[_MOST_NAMED:]
    if against is None:
        return
    old_root: bytes | None = None
    old = against.checkpoint
    if old.size <= checkpoint.size:
        size, proof = header.consistency or (-1, [])
        if size != old.size and old.size != checkpoint.size:
            raise Invalid(
                reason="this filtered export holds no proof that it continues the older checkpoint",
                fix="Export again with --against and that checkpoint, or export the whole log",
            )
        proof = proof if size == old.size else []
        if is_consistent(old.root, old.size, checkpoint.root, checkpoint.size, proof):
            old_root = old.root
    _compare_with_older(report, header, against, old_root)


_AT = b'"at":"'


@dataclass(slots=True)
class _Times:
    """Compares the time of each event with the one before it.

    Both have the same form, so their texts can be compared.
    """

    problems: list[Problem] = field(default_factory=list)
    _last: bytes = b""

    def note(self, seq: int, body: bytes) -> None:
        # Only `actor` precedes it in canonical JSON, and quotes in a name are escaped.
        start = body.find(_AT)
        if start < 0:
            return
        start += len(_AT)
        at = body[start : start + 27]
        if at < self._last and len(self.problems) < _MOST_NAMED:
            text = f"event {seq} is dated {at.decode(errors='replace')}, earlier than the event before it"
            self.problems.append(Problem("time", text, seq))
        self._last = max(at, self._last)


_REDACTION = b'"kind":"content.redacted"'


@dataclass(slots=True)
class _Redactions:
    """Compares redacted events with the later events that redacted them."""

    leaves: Mapping[int, bytes]
    _left: dict[int, str] = field(default_factory=dict)
    """Number of a redacted event → the digest of its content in the bundle."""
    _explained: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Number → (leaf, digest of the remaining content), by the newest redaction."""

    def leaf_of(self, seq: int, body: bytes) -> bytes:
        """Return the leaf of an event, from its bytes, or from the header if it was redacted."""
        if _REDACTION in body:
            self._note(seq, body)
        leaf = self.leaves.get(seq)
        if leaf is None:
            return leaf_hash(body)
        self._left[seq] = f"sha256:{hashlib.sha256(body).hexdigest()}"
        return leaf

    def _note(self, seq: int, body: bytes) -> None:
        try:
            event = json.loads(body)
            if event["kind"] != "content.redacted":
                return
            told = [
                (int(number), each["leaf"], each["left"]) for number, each in event["data"]["events"].items()
            ]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return
        for number, leaf, left in told:
            if number < seq:
                self._explained[number] = leaf, left

    def problems(self) -> list[Problem]:
        return [
            Problem("edited", f"event {seq} was changed, and no redaction in this export accounts for it", seq)
            for seq, left in sorted(self._left.items())
            if self._explained.get(seq) != (self.leaves[seq].hex(), left)
        ]


def _steps(line: bytes, name: str) -> list[bytes]:
    try:
        return [base64.b64decode(each, validate=True) for each in json.loads(line)[name]]
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        return []


def _seq_of(body: bytes) -> int | None:
    try:
        seq = json.loads(body)["seq"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return seq if type(seq) is int else None


def _events(lines: Lines) -> Iterator[bytes]:
    source = lines()
    next(source, None)
    return (line.rstrip(b"\r\n") for line in source if not line.startswith((_TILE, _PROOF)))


def _first_difference(lines: Lines, older: Lines) -> Problem:
    for seq, (now, then) in enumerate(zip_longest(_events(lines), _events(older))):
        if now != then:
            return Problem("rewritten", f"event {seq} is not what it was in the older export", seq)
    return Problem(
        "rewritten", "the older export holds the same events, so its checkpoint does not belong to them"
    )


# --- finding what is wrong -----------------------------------------------------------------------


@dataclass(slots=True)
class _Contents:
    """A whole bundle that does not match its checkpoint, in memory."""

    leaves: list[bytes]
    seqs: list[int]
    tiles: dict[int, list[bytes]]
    """Level → the entries of its tiles, one after another."""


def _read_contents(lines: Lines, redacted: Mapping[int, bytes]) -> _Contents:
    found = _Contents([], [], {})
    source = lines()
    next(source, None)
    for line in source:
        line = line.rstrip(b"\r\n")
        if not line.startswith(_TILE):
            seq = _seq_of(line)
            # An event whose number cannot be read counts as the one expected at its position.
            number = (found.seqs[-1] + 1 if found.seqs else 0) if seq is None else seq
            found.leaves.append(redacted.get(number) or leaf_hash(line))
            found.seqs.append(number)
            continue
        try:
            value = json.loads(line)
            level, index = value["tile"]
            raw = base64.b64decode(value["hashes"], validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error):
            continue
        entries = found.tiles.setdefault(level, [])
        if len(entries) == index * TILE_LEAVES:
            entries.extend(raw[i : i + HASH_BYTES] for i in range(0, len(raw), HASH_BYTES))
    return found


def _locate(lines: Lines, header: Header) -> list[Problem]:
    """Find the differences between the events of the bundle and its checkpoint, and name the first of each kind."""
    found = _read_contents(lines, header.redacted)
    size = header.checkpoint.checkpoint.size
    problems = _gaps(found.seqs, size)
    known = _trusted_leaves(found.tiles, size, header.checkpoint.checkpoint.root)
    if known is not None:
        # Compare by the number in each event, so that a removed one does not make all later ones look edited.
        edited = [
            seq
            for leaf, seq in zip(found.leaves, found.seqs, strict=True)
            if 0 <= seq < size and leaf != known[seq]
        ]
        problems += [
            Problem("edited", f"event {seq} was changed after it was logged", seq)
            for seq in dict.fromkeys(edited)
        ]
    elif not problems:
        problems.append(_first_strange_block(found, size, header.checkpoint.checkpoint.root))
    problems.sort(key=lambda problem: -1 if problem.seq is None else problem.seq)
    return problems[:_MOST_NAMED]


def _gaps(seqs: list[int], size: int) -> list[Problem]:
    """Find removed, repeated and reordered events by their numbers."""
    present = set(seqs)
    highest = max(present, default=-1)
    problems = [
        Problem("removed", f"event {seq} is missing", seq)
        for seq in range(min(highest, size))
        if seq not in present
    ]
    if highest + 1 < size:
        text = f"the events from {highest + 1} to {size - 1} are missing at the end"
        problems.append(Problem("truncated", text, highest + 1))
    if highest >= size:
        problems.append(Problem("edited", f"event {size} and later ones are not in the checkpoint", size))
    before = -1
    for seq in seqs:
        if seq <= before:
            problems.append(Problem("reordered", f"event {seq} comes after event {before}", seq))
            break
        before = seq
    return problems


def _root_from(level: int, tiles: dict[int, list[bytes]], size: int) -> bytes:
    """Return the root of the whole tree, from the entries of one level and, at the right edge, of those below."""
    peaks: list[bytes] = []
    for each in range(level, -1, -1):
        count = size >> 8 * each
        entries = tiles.get(each, [])
        if each == level:
            tree = Frontier()
            for entry in entries[:count]:
                tree.push(entry)
            peaks = tree.peaks
        else:
            start = count >> 8 << 8
            tail = Frontier()
            for entry in entries[start:count]:
                tail.push(entry)
            peaks = peaks + tail.peaks
    return fold(peaks)


def _trusted_leaves(tiles: dict[int, list[bytes]], size: int, root: bytes) -> list[bytes] | None:
    """Return the leaf hashes as the log stored them, if they lead to the signed root."""
    leaves = tiles.get(0, [])
    return leaves[:size] if len(leaves) >= size and _root_from(0, tiles, size) == root else None


def _first_strange_block(found: _Contents, size: int, root: bytes) -> Problem:
    """Find the first changed block by the level above, because the stored leaf hashes were changed too."""
    if _root_from(1, found.tiles, size) == root:
        for block, entry in enumerate(found.tiles.get(1, [])[: size // TILE_LEAVES]):
            tree = Frontier()
            for leaf in found.leaves[block * TILE_LEAVES : (block + 1) * TILE_LEAVES]:
                tree.push(leaf)
            if tree.root() != entry:
                first = block * TILE_LEAVES
                last = first + TILE_LEAVES - 1
                return Problem(
                    "edited", f"one of the events {first} to {last} was changed, and its stored hash too", first
                )
    return Problem(
        "rewritten",
        "the events do not lead to the signed root, and the stored hashes were changed with them; "
        "compare with an older export to see where",
    )
