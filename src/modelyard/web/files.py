"""The files of a version, their formats and tensors."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.registry.facts.files import list_files as list_read_files
from modelyard.web.frame import PageTable, Visit
from modelyard.web.version_frame import PATH, show_part

table = PageTable()
_ROWS = 100
_TENSORS = 200


@table.get(f"{PATH}/files", public=True)
async def files(visit: Visit) -> Response:
    word, after, shown, skip = (visit.chosen(name) for name in ("q", "after", "file", "skip"))
    skipped = int(skip) if skip.isdigit() else 0

    def read(tx: Transaction) -> dict[str, Any]:
        page = list_read_files(tx, visit.actor, visit.ref, word=word, after=after, limit=_ROWS)
        with_tensors = [each for each in page.files if each.facts is not None and each.facts.tensors]
        chosen = next((each for each in with_tensors if each.file.path == shown), None)
        chosen = chosen or (with_tensors[0] if with_tensors else None)
        more = {"q": word, "after": page.files[-1].file.path} if page.has_more else None
        tensors = chosen.facts.tensors if chosen is not None and chosen.facts is not None else ()
        return {
            "page": page,
            "chosen": chosen,
            "tensors": tensors[skipped : skipped + _TENSORS],
            "skipped": skipped,
            "more": f"?{urlencode(more)}" if more else None,
            "more_tensors": f"?{urlencode({'q': word, 'after': after, 'file': chosen.file.path, 'skip': skipped + _TENSORS})}#tensors"
            if chosen is not None and len(tensors) > skipped + _TENSORS
            else None,
        }

    return await show_part(
        visit, "version_files.html", read, word=word, twin=f"/api/v1{visit.request.url.path}"
    )
