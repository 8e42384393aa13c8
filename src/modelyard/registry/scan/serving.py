"""Decide which bytes a namespace serves: none that are withheld or in quarantine there.

Every door that serves bytes uses this, for a version or for a file.

Decision records: docs/decisions/0020-quarantine.md, 0024-secrets-and-redaction.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable

import msgspec

from modelyard.db.tables.uploads import WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.domain.errors import FileQuarantined, ScanPending
from modelyard.domain.scanning.globals import judge_global
from modelyard.domain.scanning.verdicts import Verdict
from modelyard.registry.access import usecases as access
from modelyard.registry.scan import queries
from modelyard.registry.scan.nouns import Release
from modelyard.registry.scan.rules import HELD_STATES, PENDING, ScannedFiles, read_files, release_covers
from modelyard.registry.withheld.refusals import file_withheld

_MOST_NAMED = 5


def is_held(
    tx: Transaction, namespace: str, author: str, state: str, files: Callable[[], ScannedFiles]
) -> bool:
    """Return whether bytes with that verdict are in quarantine in the namespace, unless they are released.

    author: the account that pushed them; files: returns the findings, called only if they matter. False for PENDING,
    which is not a verdict and is refused separately.
    """
    if state != Verdict.UNKNOWN.value:
        return state in HELD_STATES
    if queries.serves_unknown(tx, namespace):
        return False
    found = files()
    return found.state_with(find_trusted(tx, namespace, found.unknown, author)) in HELD_STATES


def find_trusted(tx: Transaction, namespace: str, names: Iterable[str], author: str) -> frozenset[str]:
    """Return those of the names that the namespace trusts in files that the author pushed.

    Trust given only by the author counts only if no one else had the permission to give it.
    """
    wanted = list(names)
    given = queries.list_trusted(tx, namespace, wanted) if wanted else []
    same = {author}
    if any(not trust.alone and trust.confirmed_by is None for trust in given):
        same |= {*access.find_same_people(tx, {author, *(trust.by for trust in given)}).get(author, ())}
    return frozenset(
        trust.name for trust in given if trust.alone or trust.confirmed_by is not None or trust.by not in same
    )


class Holder(msgspec.Struct, frozen=True):
    """The holder of requested bytes. path and of: the file, and the version or run that has it."""

    namespace: str
    author: str
    path: str
    of: str
    released: Release | None
    """The release of these bytes here; None: they were not released."""
    advice: str
    """The remedy if trust does not help, with the command."""


def refuse_held_bytes(tx: Transaction, digest: Digest, holder: Holder) -> None:
    """Raise FileWithheld; FileQuarantined, with the reason and the command that helps; ScanPending.

    Does nothing for unknown bytes, which are not served anyway.
    """
    known = queries.find_scan(tx, digest)
    if known is None:
        return
    scan, state = known
    if state == WITHHELD:
        raise file_withheld(tx, digest, holder.path, holder.of)
    files = read_files([(holder.path, scan)])
    if files.state == PENDING:
        raise ScanPending(reference=holder.of)
    if release_covers(holder.released, files.state):
        return
    if is_held(tx, holder.namespace, holder.author, files.state, lambda: files):
        raise FileQuarantined(
            path=holder.path,
            reference=holder.of,
            verdict=files.state,
            why=files.worst_reason,
            fix=way_out(tx, holder.namespace, holder.author, files) or holder.advice,
        )


def may_be_trusted(name: str) -> bool:
    """Return whether a global can be trusted; not one that is allowed for another use, or dangerous."""
    module, _, attribute = name.rpartition(".")
    return bool(module) and judge_global(module, attribute)[0] is Verdict.UNKNOWN


def way_out(tx: Transaction, namespace: str, author: str, files: ScannedFiles) -> str | None:
    """Return the command with which a maintainer releases the files, if trust in a few names is enough."""
    if files.state != Verdict.UNKNOWN.value or not files.is_unknown_by_name_alone:
        return None
    trusted = find_trusted(tx, namespace, files.unknown, author)
    names = [name for name in files.unknown if name not in trusted]
    if not 0 < len(names) <= _MOST_NAMED or not all(map(may_be_trusted, names)):
        return None
    quoted = " ".join(shlex.quote(name) for name in names)
    return f'A maintainer who knows this code trusts it with: modelyard scan trust {namespace} {quoted} --reason "…"'
