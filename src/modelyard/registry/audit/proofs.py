"""Make checkpoints and exports that an auditor verifies without this server, and check the server's own log.

The contents of an export and its verification: domain/bundle.py. Decision record: docs/decisions, number 0011.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.bundle import TILE_LEAVES, bundle_header, proof_line, tile_line, verify_bundle
from modelyard.domain.digest import Digest
from modelyard.domain.errors import EventNotFound, Invalid, LogDamaged, ModelNotFound
from modelyard.domain.merkle import (
    Frontier,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    make_proof,
    perfect_nodes,
)
from modelyard.domain.times import to_datetime
from modelyard.registry.access import rules as access
from modelyard.registry.audit import queries
from modelyard.registry.audit.nouns import EventFilter, Redacted
from modelyard.registry.audit.state import Problem, StateCheck
from modelyard.registry.audit.usecases import LogScope, narrow
from modelyard.registry.catalog.usecases import find_model
from modelyard.registry.keyring import Keyring

_PAGE = TILE_LEAVES * 16
_PROVED_PAGE = 200


class LogState(msgspec.Struct, frozen=True):
    size: int
    root: bytes
    note: str
    """The signed checkpoint."""


def latest_checkpoint(tx: Transaction, keyring: Keyring) -> LogState:
    """Return the current signed state of the log, for every door and file that contains checkpoints."""
    tree = _head(tx)
    root = tree.root()
    return LogState(tree.size, root, keyring.sign(tree.size, root))


def show_checkpoint(tx: Transaction, actor: Actor, keyring: Keyring) -> LogState:
    """Return the checkpoint, for every signed-in account: the more people hold one, the better."""
    access.check(actor, Permission.NAMESPACE_READ, access.SERVER)
    return latest_checkpoint(tx, keyring)


def prove_consistency(tx: Transaction, actor: Actor, old: int, new: int | None) -> tuple[int, list[bytes]]:
    """Return (newer size, proof that the log of `old` events is its beginning). new None: the present size."""
    access.check(actor, Permission.NAMESPACE_READ, access.SERVER)
    size = _head(tx).size
    new = size if new is None else new
    if not 0 <= old <= new <= size:
        raise Invalid(
            reason=f"the log has {size} events; {old} to {new} is not a part of it", fix="Ask for less"
        )
    return new, _consistency(tx, old, new)


def _head(tx: Transaction) -> Frontier:
    size, peaks = queries.find_head(tx)
    try:
        return Frontier.from_text(size, peaks)
    except ValueError as exc:
        raise LogDamaged(reason=f"its head cannot be right: {exc}") from exc


def _consistency(tx: Transaction, old: int, new: int) -> list[bytes]:
    ranges = consistency_ranges(old, new)
    nodes = queries.find_nodes(tx, [node for each in ranges for node in perfect_nodes(each)])
    return _proof(ranges, nodes)


def _proof(ranges: list[tuple[int, int]], nodes: dict[tuple[int, int], bytes]) -> list[bytes]:
    try:
        return make_proof(ranges, nodes.__getitem__)
    except KeyError as exc:
        raise LogDamaged(reason=f"node {exc} of its tree is missing") from exc


# --- exports -------------------------------------------------------------------------------------


def export_log(
    db: Database,
    actor: Actor,
    keyring: Keyring,
    chosen: EventFilter,
    scope: LogScope = LogScope(),  # noqa: B008 - frozen
    *,
    since_size: int | None = None,
) -> Iterator[bytes]:
    """Yield the lines of a bundle: the whole log without a filter, otherwise the chosen events with their proofs.

    A model's events are for its readers, a namespace's for its auditors, all others for the server's admins and
    auditors; this is checked before the first line. since_size: the size of an older checkpoint; the header then proves
    that the log extends it.
    Every row is exported as stored, damaged or not: damage is what the export has to reveal.
    """

    def begin(tx: Transaction) -> tuple[LogState, EventFilter, Redacted, tuple[int, list[bytes]] | None]:
        narrowed = narrow(tx, actor, scope, chosen)
        state = latest_checkpoint(tx, keyring)
        redacted = queries.find_redacted(tx)
        if redacted.events and narrowed != EventFilter():
            shown = set(queries.list_matching(tx, narrowed, redacted.events))
            # Redacted events are exported together with the events that explain them.
            also = [seq for seq, changed in redacted.seqs.items() if shown.intersection(changed)]
            narrowed = replace(narrowed, also=also)
        if since_size is None or since_size > state.size:
            return state, narrowed, redacted, None
        if since_size < 0:
            raise Invalid(reason="a log has no negative size", fix="Give the size of the older checkpoint")
        return state, narrowed, redacted, (since_size, _consistency(tx, since_size, state.size))

    state, narrowed, redacted, consistency = db.read(begin)
    whole = narrowed == EventFilter()
    header = bundle_header(
        state.note,
        keyring.log_key,
        _words(chosen, scope),
        whole=whole,
        consistency=consistency,
        redacted={seq: leaf for seq, (leaf, _) in redacted.events.items()},
    )
    lines = _whole(db, state.size) if whole else _filtered(db, narrowed, state.size)
    return _with_header(header, lines)


def _with_header(header: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield header
    yield from lines


def _words(chosen: EventFilter, scope: LogScope) -> dict[str, Any]:
    found = {
        "model": str(scope.model) if scope.model else None,
        "namespace": scope.namespace,
        "actor": chosen.actor,
        "kinds": list(chosen.kinds) or None,
        "since": to_datetime(chosen.since).isoformat() if chosen.since is not None else None,
        "until": to_datetime(chosen.until).isoformat() if chosen.until is not None else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _whole(db: Database, size: int) -> Iterator[bytes]:
    """Yield the whole log page by page, each block of 256 events followed by its tile."""
    for start in range(0, size, _PAGE):
        end = min(start + _PAGE, size)
        bodies = dict(db.read(lambda tx, s=start, e=end: queries.list_bodies(tx, s, e)))  # type: ignore[misc]
        nodes = db.read(lambda tx, s=start, e=end: queries.list_nodes(tx, s, e))  # type: ignore[misc]
        for first in range(start, end, TILE_LEAVES):
            block = range(first, min(first + TILE_LEAVES, end))
            lines = [bodies[seq].encode() + b"\n" for seq in block if seq in bodies]
            lines.append(
                tile_line(0, first // TILE_LEAVES, b"".join(nodes.get((0, seq), b"") for seq in block))
            )
            yield b"".join(lines)
    level, entries = 1, size // TILE_LEAVES
    while entries:
        for first in range(0, entries, TILE_LEAVES):
            wanted = [(8 * level, i) for i in range(first, min(first + TILE_LEAVES, entries))]
            found = db.read(lambda tx, w=wanted: queries.find_nodes(tx, w))  # type: ignore[misc]
            yield tile_line(level, first // TILE_LEAVES, b"".join(found.get(node, b"") for node in wanted))
        level, entries = level + 1, entries // TILE_LEAVES


def _filtered(db: Database, chosen: EventFilter, size: int) -> Iterator[bytes]:
    after = -1
    while True:

        def page(tx: Transaction, after: int = after) -> list[tuple[int, bytes]]:
            found = queries.list_chosen_bodies(tx, chosen, after, size, _PROVED_PAGE)
            return [(seq, line) for (seq, _), line in zip(found, _proved(tx, found, size), strict=True)]

        lines = db.read(page)
        if not lines:
            return
        after = lines[-1][0]
        yield b"".join(line for _, line in lines)


def _proved(tx: Transaction, found: list[tuple[int, str]], size: int) -> list[bytes]:
    """Yield two lines for each event: the event and its inclusion proof."""
    ranges = {seq: inclusion_ranges(seq, size) for seq, _ in found}
    wanted = {node for each in ranges.values() for one in each for node in perfect_nodes(one)}
    nodes = queries.find_nodes(tx, wanted)
    return [body.encode() + b"\n" + proof_line(_proof(ranges[seq], nodes)) for seq, body in found]


def prove_event(tx: Transaction, actor: Actor, keyring: Keyring, seq: int) -> bytes:
    """Return a bundle of one event, for readers of its model and for admins and auditors.

    Raises EventNotFound.
    """
    state = latest_checkpoint(tx, keyring)
    found = queries.find_model_of(tx, seq)
    if not access.may(actor, Permission.LOG_READ, access.SERVER):
        # An event about a hidden object is reported as one that does not exist.
        if found is None or found[1] is None:
            raise EventNotFound(seq=seq)
        try:
            find_model(tx, actor, found[1])
        except ModelNotFound:
            raise EventNotFound(seq=seq) from None
    bodies = queries.list_bodies(tx, seq, seq + 1) if 0 <= seq < state.size else []
    if not bodies:
        raise EventNotFound(seq=seq)
    redacted = queries.find_redacted(tx)
    for later, changed in sorted(redacted.seqs.items()):
        if seq in changed:
            bodies += queries.list_bodies(tx, later, later + 1)
    leaves = {number: leaf for number, (leaf, _) in redacted.events.items() if number == seq}
    header = bundle_header(state.note, keyring.log_key, {"event": seq}, whole=False, redacted=leaves)
    return header + b"".join(_proved(tx, bodies, state.size))


class EventProof(msgspec.Struct, frozen=True):
    """An event with the proof that the log holds it, and the result of checking that proof."""

    seq: int
    body: dict[str, Any]
    steps: Sequence[str]
    """Hashes from the event's leaf to the root, in hexadecimal."""
    size: int
    root: str
    key: str
    holds: bool
    problems: Sequence[str]


def show_proof(tx: Transaction, actor: Actor, keyring: Keyring, seq: int) -> EventProof:
    """Return an event with its proof, checked as an auditor would check it. Raises EventNotFound."""
    lines = prove_event(tx, actor, keyring, seq).splitlines()
    report = verify_bundle(lambda: iter(lines), None)
    body = json.loads(lines[1])
    return EventProof(
        seq=seq,
        body=body,
        steps=[base64.b64decode(step).hex() for step in json.loads(lines[2])["proof"]],
        size=report.size,
        root=_head(tx).root().hex(),
        key=report.key,
        holds=report.ok,
        problems=[problem.text for problem in report.problems],
    )


# --- the server's own check ----------------------------------------------------------------------

_COLUMNS = ("seq", "at", "kind", "actor_id", "actor", "namespace", "model_id", "version")


class Damage(msgspec.Struct, frozen=True):
    seq: int | None
    problem: str


class CheckProgress(msgspec.Struct):
    checked: int
    size: int
    damage: list[Damage] = msgspec.field(default_factory=list)
    finished: bool = False


_MOST_DAMAGE = 100


def check_log(db: Database, actor: Actor) -> Iterator[CheckProgress]:
    """Compare every row with the tree, the tree with itself and with its head, and versions and aliases with
    the events that made them; only the last item yielded has `finished` set.

    It finds changes made outside Modelyard. Only an earlier checkpoint reveals somebody who rewrote rows, nodes and
    head consistently; that is the purpose of checkpoints.
    """
    db.read(lambda tx: access.check(actor, Permission.LOG_READ, access.SERVER))
    return check_whole_log(db)


def check_whole_log(db: Database) -> Iterator[CheckProgress]:
    """Check the log like check_log, for callers that have checked the permission."""

    def begin(tx: Transaction) -> tuple[int, str, Redacted]:
        return *queries.find_head(tx), queries.find_redacted(tx)

    size, peaks, redacted = db.snapshot(begin)
    return _check(db, size, peaks, redacted)


def _check(db: Database, size: int, peaks: str, redacted: Redacted) -> Iterator[CheckProgress]:
    progress = CheckProgress(0, size)
    tree, state = Frontier(), StateCheck(redacted)
    wrong: list[Problem] = []
    last_at = 0
    for start in range(0, size, _PAGE):
        end = min(start + _PAGE, size)
        rows = {row[0]: row for row in db.read(lambda tx, s=start, e=end: queries.list_rows(tx, s, e))}  # type: ignore[misc]
        stored = db.read(lambda tx, s=start, e=end: queries.list_nodes(tx, s, e))  # type: ignore[misc]
        for seq in range(start, end):
            leaf = stored.get((0, seq), bytes(32))
            problem = _problem(rows.get(seq), leaf, redacted.events.get(seq))
            if problem is not None:
                progress.damage.append(Damage(seq, problem))
            elif rows[seq][1] < last_at:
                wrong.append((seq, "it is dated earlier than the event before it"))
            last_at = rows[seq][1] if problem is None else last_at
            for node in tree.append(leaf):
                if stored.get((node.level, node.position)) != node.hash:
                    text = (
                        f"node {node.position} of level {node.level} of the tree does not match those below it"
                    )
                    progress.damage.append(Damage(seq, text))
        if not progress.damage:
            told = list(rows.values())
            wrong += db.read(lambda tx, r=told: list(state.note(tx, r)))  # type: ignore[misc]
        progress.checked = end
        if len(progress.damage) > _MOST_DAMAGE:
            break
        yield CheckProgress(progress.checked, size, progress.damage[:_MOST_DAMAGE])
    if progress.checked == size and tree.to_text() != peaks:
        progress.damage.append(Damage(None, "the head of the log does not match its tree"))
    beyond = db.read(lambda tx: queries.find_first_beyond(tx, size)) if progress.checked == size else None
    if beyond is not None:
        progress.damage.append(Damage(beyond, "comes after the end of the log"))
    if not progress.damage:
        # A changed log proves nothing about the tables.
        progress.damage = [Damage(*each) for each in [*wrong, *state.finish(db, size)]]
    yield CheckProgress(progress.checked, size, progress.damage[:_MOST_DAMAGE], finished=True)


def _problem(row: tuple[Any, ...] | None, leaf: bytes, redacted: tuple[str, str] | None) -> str | None:
    if row is None:
        return "the event is missing"
    body = row[8].text
    is_as_logged = leaf_hash(body.encode()) == leaf
    is_redacted = redacted == (leaf.hex(), Digest.of(body.encode()))
    if not is_as_logged and not is_redacted:
        return "the event was changed after it was logged"
    value = row[8].value
    actor = value["actor"]
    told = (
        value["seq"],
        value["at"],
        value["kind"],
        actor["id"],
        actor["name"],
        value.get("namespace"),
        # Events of the first release did not contain their model's id.
        value.get("model_id", row[6] if value.get("model") else 0),
        value.get("version"),
    )
    at = to_datetime(row[1]).isoformat(timespec="microseconds").replace("+00:00", "Z")
    stored = (row[0], at, *row[2:8])
    for name, says, is_stored in zip(_COLUMNS, told, stored, strict=True):
        if says != is_stored:
            return f"its column {name} was changed and no longer matches the event"
    return None
