"""The public catalogue: public models as everybody sees them.

Every read is made as a visitor without an account, so people with an account see the same pages as strangers.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ANONYMOUS
from modelyard.domain.citation import Citation
from modelyard.domain.errors import ModelNotFound, ModelyardError, Unauthenticated
from modelyard.domain.names import ModelName, Ref
from modelyard.doors.paging import cut, decode_cursor
from modelyard.registry.cards import citing
from modelyard.registry.cards import usecases as cards
from modelyard.registry.cards.rules import body_text
from modelyard.registry.facts.files import list_files
from modelyard.registry.rendering import render_markdown
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.usecases import VersionFilter, VersionView
from modelyard.web.catalog import state_of
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_ROWS = 30
_VERSIONS = 50
_FILES = 50


@table.get("/catalogue", public=True)
async def catalogue(visit: Visit) -> Response:
    words, licence, task = (visit.chosen(name) for name in ("q", "licence", "task"))
    wanted = ModelSearch.of(words, licence=licence or None, task=task or None)
    before = decode_cursor(visit.chosen("cursor") or None, int, int)

    def read(tx: Transaction) -> tuple[list[search.FoundModel], int, dict[str, list[tuple[str, int]]]]:
        found = search.search_models(tx, ANONYMOUS, wanted, before, _ROWS + 1)
        return (
            found,
            search.count_models(tx, ANONYMOUS, wanted),
            search.count_facets(tx, ANONYMOUS, ModelSearch()),
        )

    found, count, facets = await visit.read(read)
    page, cursor = cut(found, _ROWS, lambda item: (item.model.updated_at, item.model.id))
    chosen = {name: value for name, value in (("q", words), ("licence", licence), ("task", task)) if value}
    return await visit.render(
        "catalogue.html",
        models=page,
        count=count,
        facets=facets,
        chosen=chosen,
        more=f"/catalogue?{urlencode({**chosen, 'cursor': cursor})}" if cursor else None,
        twin="/api/v1/models",
    )


class PublicVersion(msgspec.Struct, frozen=True):
    view: VersionView
    state: str | None
    reason: str


@table.get("/catalogue/{namespace}/{name}", public=True)
async def public_model(visit: Visit) -> Response:
    """?version=3 shows that version; otherwise the newest."""
    services, given = visit.services, visit.chosen("version")
    number = int(given) if given.isdigit() and len(given) < 10 else None

    def read(tx: Transaction) -> dict[str, Any]:
        try:
            found = search.show_model(tx, ANONYMOUS, visit.model)
        except Unauthenticated:
            # A private model is like one that does not exist, to everyone here.
            raise ModelNotFound(model=str(visit.model)) from None
        name: ModelName = found.model.name
        listed = versions.list_versions(tx, ANONYMOUS, name, VersionFilter(states=("ready",)), None, _VERSIONS)
        shown = [PublicVersion(view, *state_of(view)) for view in listed]
        one = None
        if number is not None or found.model.newest_version is not None:
            one = versions.show_version(tx, ANONYMOUS, Ref(name, number))
        return {
            "found": found,
            "versions": shown,
            "one": one,
            "page": None if one is None else list_files(tx, ANONYMOUS, one.ref, limit=_FILES),
        }

    found = await visit.read(read)
    one = found["one"]

    def texts() -> tuple[str, Citation | None, str | None]:
        if one is None:
            return "", None, None
        try:
            text = cards.show_card(services.db, services.blobs, ANONYMOUS, one.ref).text
            card = render_markdown(body_text(text))
        except ModelyardError:
            card = ""
        try:
            cited = citing.cite_version(services.db, services.blobs, ANONYMOUS, one.ref, services.public_url)
        except ModelyardError:
            return card, None, None
        return card, cited.citation, cited.licence

    card, citation, licence = await visit.in_thread("views", texts)
    return await visit.render(
        "catalogue_model.html",
        **found,
        card=card,
        citation=citation,
        licence=licence or found["found"].model.licence,
        twin=f"/api/v1/models/{found['found'].model.name}",
    )
