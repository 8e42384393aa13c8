"""Report and list checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from modelyard.db.json_columns import dump_json
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Invalid
from modelyard.domain.names import Ref
from modelyard.domain.secrets import mask_json
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.checks import queries
from modelyard.registry.checks.nouns import REPRODUCED, Check
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.usecases import find_present, find_version

STATES = ("pass", "fail", "error", "pending")
MAX_DETAILS_BYTES = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}\Z")


class CheckReport(msgspec.Struct, frozen=True):
    """The content of a report."""

    name: str
    state: str
    url: str = ""
    summary: str = ""
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


def report_check(tx: Transaction, actor: Actor, ref: Ref, report: CheckReport) -> tuple[Model, Version]:
    """Add a result to a version. Raises Invalid, VersionDeleted, Denied."""
    model, version = find_present(tx, actor, ref, Permission.CHECK_REPORT)
    if report.name == REPRODUCED:
        raise Invalid(
            reason=f"the check {REPRODUCED} is the verdict of the server about a repetition, and cannot be reported",
            fix=f"Repeat the training: modelyard reproduce {model.name}:{version.number}",
        )
    if not _NAME.match(report.name):
        raise Invalid(
            reason=f"{report.name[:60]!r} is not a valid check name",
            fix="Use up to 100 letters, digits and . _ / -, for example unit-tests or ci/train",
        )
    if report.state not in STATES:
        raise Invalid(
            reason=f"{report.state[:30]!r} is not a valid check state", fix=f"Use {', '.join(STATES)}"
        )
    if report.url and (urlsplit(report.url).scheme not in ("http", "https") or len(report.url) > 2000):
        raise Invalid(
            reason="the URL of a check must begin with http:// or https://", fix="Correct the URL or omit it"
        )
    details = dump_json(mask_json(report.details)) if report.details else None
    if details is not None and len(details) > MAX_DETAILS_BYTES:
        raise Invalid(
            reason=f"the details of a check are larger than {MAX_DETAILS_BYTES} bytes",
            fix="Link to the details with the check's URL",
        )
    url = catalog_rules.check_text(report.url, "the url", 2000)
    summary = catalog_rules.check_text(report.summary, "the summary", 2000)
    _insert(tx, actor, model, version, report, url=url, summary=summary, details=details)
    return model, version


def note_reproduced(
    tx: Transaction, actor: Actor, model: Model, version: Version, report: CheckReport, build: str | None
) -> None:
    """Add the verdict of the server about a repetition. build: uid of the build that repeated it; None: none could."""
    details = dump_json(mask_json(report.details))
    _insert(
        tx, actor, model, version, report, url="", summary=report.summary, details=details, build=build or ""
    )


def _insert(
    tx: Transaction,
    actor: Actor,
    model: Model,
    version: Version,
    report: CheckReport,
    *,
    url: str,
    summary: str,
    details: str | None,
    build: str | None = None,
) -> None:
    queries.insert_check(
        tx,
        actor,
        version.id,
        name=report.name,
        state=report.state,
        url=url,
        summary=summary,
        details=details,
        build=build,
    )
    tx.append(
        events.CheckReported(
            **events.about(model.name, version.number),
            digest=version.digest,
            check=report.name,
            state=report.state,
            url=url or None,
        ),
        actor,
        model.id,
    )


def list_checks(tx: Transaction, actor: Actor, ref: Ref) -> list[Check]:
    """List the checks, newest first; the first of each name counts."""
    _, version = find_version(tx, actor, ref)
    return queries.list_checks(tx, version.id, tx.now)
