"""How a version was made (its code), and what it takes and returns (its signature)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import ModelyardError, NotFound
from modelyard.registry.facts.usecases import SignatureView, show_signature
from modelyard.registry.runs import usecases as runs
from modelyard.registry.versions import usecases as versions
from modelyard.web.frame import PageTable, Visit
from modelyard.web.version_frame import PATH, show_part

table = PageTable()
_MOST_LINES = 3000
_LONG = ("diff", "files", "untracked", "arguments")
"""Fields of the code that have a place of their own on the page."""


@table.get(f"{PATH}/code")
async def code(visit: Visit) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        record = versions.show_record(tx, visit.actor, visit.ref).record.value
        found = record.get("code") or {}
        diff = found.get("diff")
        text = diff.get("text") if isinstance(diff, dict) else diff
        lines = text.splitlines() if isinstance(text, str) else []
        kept = found.get("files")
        return {
            "run": _readable_run(tx, visit, record) if kept else None,
            "code": found,
            "fields": {name: value for name, value in found.items() if name not in _LONG and value is not None},
            "kept": kept if isinstance(kept, dict) else {},
            "lines": lines[:_MOST_LINES],
            "left": max(0, len(lines) - _MOST_LINES),
            "diff": diff if isinstance(diff, dict) else {},
            "environment": record.get("environment") or {},
        }

    base = f"/api/v1{visit.request.url.path.removesuffix('/code')}"
    return await show_part(visit, "version_code.html", read, twin=f"{base}/record")


def _readable_run(tx: Transaction, visit: Visit, record: Mapping[str, Any]) -> str | None:
    """Return the run that keeps the version's sources; None: there is none that the visitor may read."""
    run = record.get("run")
    uid = run.get("id") if isinstance(run, dict) else None
    try:
        return runs.find_run(tx, visit.actor, uid).uid if isinstance(uid, str) else None
    except ModelyardError:
        return None


@table.get(f"{PATH}/signature", public=True)
async def signature(visit: Visit) -> Response:
    def read(tx: Transaction) -> dict[str, SignatureView | None]:
        try:
            return {"signature": show_signature(tx, visit.actor, visit.ref)}
        except NotFound:
            # The frame has found the version already, so only the signature is missing.
            return {"signature": None}

    return await show_part(visit, "version_signature.html", read)
