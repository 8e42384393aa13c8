"""Check that the tables agree with the log: the versions with their files and facts, the targets of the aliases,
and the content of every other covered row (rows.py).

The tree proves the log. Somebody who edits the row of a version or an alias does not touch the log, so the rows are
compared with the events that made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.domain.events import AliasMoved, AliasRemoved, VersionRegistered
from modelyard.registry.audit import queries
from modelyard.registry.audit.nouns import FrozenFacts, Redacted
from modelyard.registry.audit.rows import RowCheck

_PAGE = 500
_KINDS = (VersionRegistered.kind, AliasMoved.kind, AliasRemoved.kind)

Problem = tuple[int | None, str]
"""(event, what is wrong)"""


class _Registered(msgspec.Struct, frozen=True):
    """A version as its event records it."""

    seq: int
    reference: str
    digest: str
    record_digest: str


class StateCheck(msgspec.Struct):
    """Takes every event in order, then reports where the tables contradict them."""

    redacted: Redacted
    registered: int = 0
    rows: RowCheck = msgspec.field(default_factory=RowCheck)
    _aliases: dict[tuple[int, str], tuple[int, int, int | None]] = msgspec.field(default_factory=dict)
    """(model id, alias) → (event, revision, version)."""

    def note(self, tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> Iterator[Problem]:
        """Take a page of the log. rows: as `queries.list_rows` returns them."""
        self.rows.note(rows)
        made: dict[tuple[int, int], _Registered] = {}
        for seq, _, kind, _, _, _, model_id, version, body in rows:
            if kind not in _KINDS:
                continue
            event = body.value
            data = event["data"]
            if kind == VersionRegistered.kind:
                reference = f"{event['model']}:{version}"
                made[model_id, version] = _Registered(seq, reference, data["digest"], data["record_digest"])
            else:
                pointed = version if kind == AliasMoved.kind else None
                self._aliases[model_id, data["alias"]] = seq, data["revision"], pointed
        self.registered += len(made)
        places = list(made)
        for start in range(0, len(places), _PAGE):
            some = places[start : start + _PAGE]
            found = queries.find_frozen(tx, some)
            for place in some:
                problem = _version_problem(made[place], found.get(place), self.redacted)
                if problem is not None:
                    yield made[place].seq, problem

    def finish(self, db: Database, size: int) -> list[Problem]:
        """Report the problems. size: how many events were noted.

        Newer ones are read first, in the same snapshot as the rows.
        """
        return db.snapshot(lambda tx: list(self._finish(tx, size)))

    def _finish(self, tx: Transaction, size: int) -> Iterator[Problem]:
        head = queries.find_head(tx)[0]
        for start in range(size, head, _PAGE):
            yield from self.note(tx, queries.list_rows(tx, start, min(start + _PAGE, head)))
        yield from self._alias_problems(tx)
        if queries.count_versions(tx) != self.registered:
            for reference in queries.list_unregistered(tx):
                yield None, f"version {reference} was registered by no event"
        yield from self.rows.problems(tx)
        yield from _bytes_problems(tx)
        after = 0
        while found := queries.list_manifest_bodies(tx, after, _PAGE):
            for manifest_id, digest, body in found:
                after = manifest_id
                if Digest.of(body.encode()) != digest:
                    yield None, f"the list of files {digest} was changed: it has another digest now"

    def _alias_problems(self, tx: Transaction) -> Iterator[Problem]:
        rows = queries.list_alias_rows(tx)
        for row in rows:
            seq, revision, version = self._aliases.pop((row.model_id, row.alias), (None, 0, None))
            if seq is None:
                yield None, f"alias {row.alias} of {row.model} was set by no event"
            elif (row.revision, row.version) != (revision, version):
                stands, told = _named(row.version), _named(version)
                yield seq, f"alias {row.alias} of {row.model} points at {stands}, the log says {told}"
        for (_, alias), (seq, _, version) in self._aliases.items():
            if version is not None:
                yield seq, f"alias {alias} at {_named(version)} is gone, and no event removed it"


def _bytes_problems(tx: Transaction) -> Iterator[Problem]:
    """Find bytes that are missing without a withholding, and withholdings that the state of the bytes contradicts. The
    rows of withholdings are compared with their events, like all covered rows."""
    for digest, has_row in queries.list_strange_withheld(tx):
        if has_row:
            yield None, f"the bytes {digest} are withheld, but the table of bytes does not say so"
        else:
            yield None, f"the table of bytes says that {digest} is withheld, and no withholding tells of it"
    for reference, path in queries.list_lost_files(tx):
        yield (
            None,
            f"the bytes of {path} of {reference} are gone from the table of bytes, and none withheld them",
        )


def _named(version: int | None) -> str:
    return "nothing" if version is None else f"version {version}"


def _version_problem(told: _Registered, row: FrozenFacts | None, redacted: Redacted) -> str | None:
    if row is None:
        return f"{told.reference}, which it tells of, is gone from the table of versions"
    if row.digest != told.digest:
        return f"the row of {told.reference} names other files than were registered"
    left = redacted.rows.get(("versions", "record", (row.id,)), told.record_digest)
    if row.record_digest != told.record_digest or Digest.of(row.record.encode()) != left:
        return f"the row of {told.reference} holds other facts than were registered"
    return None
