"""The card of a version: shown, edited, with its history and what changed."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import Denied, FileNotFound, FileWithheld, ModelyardError
from modelyard.registry.cards import usecases as cards
from modelyard.registry.cards.rules import body_text, check_card
from modelyard.registry.rendering import render_markdown
from modelyard.web.frame import PageTable, Visit
from modelyard.web.version_frame import PATH, show_part

table = PageTable()


def _number(visit: Visit, name: str) -> int | None:
    value = visit.chosen(name)
    return int(value) if value.isdigit() and len(value) < 10 else None


@table.get(f"{PATH}/card", public=True)
async def show_card(visit: Visit) -> Response:
    """Show the card, or an earlier one (?number=2), or what changed since an earlier one (?since=2)."""
    services, number, since = visit.services, _number(visit, "number"), _number(visit, "since")

    def find() -> dict[str, Any]:
        try:
            card = cards.show_card(services.db, services.blobs, visit.actor, visit.ref, number)
        except (FileNotFound, FileWithheld, Denied) as problem:
            return {
                "shown": None,
                "card": "",
                "why": problem.message,
                "problems": [],
                "lines": [],
                "since": None,
            }
        lines = None
        if since is not None:
            lines = cards.compare_cards(services.db, services.blobs, visit.actor, visit.ref, since, number)
        return {
            "shown": card,
            "card": render_markdown(body_text(card.text)),
            "problems": check_card(card.text),
            "lines": lines,
            "since": since,
        }

    def read(tx: Transaction) -> dict[str, Any]:
        # Earlier cards name their authors, so only people with an account see them.
        return {"history": [] if visit.actor.is_anonymous else cards.list_cards(tx, visit.actor, visit.ref)}

    found = await visit.in_thread("views", find)
    twin = f"/api/v1{visit.request.url.path}"
    return await show_part(visit, "version_card.html", read, **found, twin=twin if found["shown"] else None)


@table.get(f"{PATH}/card/edit")
async def edit_card(visit: Visit) -> Response:
    return await _edit(visit)


async def _edit(visit: Visit, problem: ModelyardError | None = None) -> Response:
    services = visit.services

    def find() -> tuple[str | None, int]:
        try:
            card = cards.show_card(services.db, services.blobs, visit.actor, visit.ref)
        except (FileNotFound, FileWithheld):
            return None, 0
        return card.text, card.number

    text, number = await visit.in_thread("views", find)

    def read(tx: Transaction) -> dict[str, Any]:
        first = text if text is not None else cards.card_template(tx, visit.actor, visit.ref)
        return {"text": visit.given("text") or first, "is_new": text is None}

    return await show_part(visit, "version_card_edit.html", read, problem, seen=number)


@table.post(f"{PATH}/card", operation="set_card", command="card set")
async def set_card(visit: Visit) -> Response:
    text, seen = visit.given("text"), visit.given("seen")
    try:
        await visit.write(
            lambda tx: cards.set_card(tx, visit.actor, visit.ref, text, int(seen) if seen.isdigit() else None)
        )
    except ModelyardError as error:
        return await _edit(visit, error)
    return visit.go(visit.request.url.path, "The card was saved.")
