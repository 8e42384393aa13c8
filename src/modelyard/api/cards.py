"""Routes of model cards."""

from __future__ import annotations

from functools import partial

from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.cards import rules as card_rules
from modelyard.registry.cards import usecases as cards
from modelyard.registry.idempotency import Answer
from modelyard.registry.rendering import render_markdown
from modelyard.wire import cards as wire

table = RouteTable("reports")


_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("PUT", f"{_VERSION}/card")
async def set_card(call: Call, body: wire.SetCard) -> Answer[wire.Card]:
    """Set the version's card; it stands before the README.md among its files, which stay as they are."""
    return await call.commit(lambda tx: _card(call, cards.set_card(tx, call.actor, call.ref, body.text)))


@table.route("GET", f"{_VERSION}/card")
async def show_card(call: Call, query: wire.CardQuery) -> wire.Card:
    """The version's card and its sections; number: an earlier one."""
    return _card(call, await _find_card(call, query.number))


async def _find_card(call: Call, number: int | None = None) -> cards.Card:
    services = call.services
    return await call.in_thread(
        "views", partial(cards.show_card, services.db, services.blobs, call.actor, call.ref, number)
    )


@table.route("GET", f"{_VERSION}/card/template")
async def card_template(call: Call) -> wire.CardTemplate:
    """A card to begin with: standard front matter and sections, filled with what is known of the version."""
    text = await call.read(lambda tx: cards.card_template(tx, call.actor, call.ref))
    return wire.CardTemplate(reference=str(call.ref), text=text)


@table.route("GET", f"{_VERSION}/card/history")
async def list_cards(call: Call) -> wire.CardHistory:
    """The cards that were set, newest first."""
    found = await call.read(lambda tx: cards.list_cards(tx, call.actor, call.ref))
    items = [
        wire.CardEntry(number=c.number, by=c.by, at=time_text(c.at), words=sum(c.sections.values()))
        for c in found
    ]
    return wire.CardHistory(reference=str(call.ref), items=items)


@table.route("GET", f"{_VERSION}/card/problems")
async def check_card(call: Call) -> wire.CardCheck:
    """Sections that are missing or empty, and front matter that cannot be read as it is meant."""
    problems = await call.in_thread("views", card_rules.check_card, (await _find_card(call)).text)
    items = [wire.CardProblem(where=p.where, what=p.what) for p in problems]
    return wire.CardCheck(reference=str(call.ref), problems=items)


@table.route("GET", f"{_VERSION}/card/html")
async def render_card(call: Call, query: wire.CardQuery) -> wire.CardHtml:
    """The card as HTML that may stand in a page."""
    found = await _find_card(call, query.number)
    html = await call.in_thread("views", _rendered, found.text)
    return wire.CardHtml(reference=str(call.ref), html=html)


def _rendered(text: str) -> str:
    return render_markdown(card_rules.body_text(text))


def _card(call: Call, found: cards.Card) -> wire.Card:
    return wire.Card(
        reference=str(call.ref),
        text=found.text,
        sections=found.sections,
        by=found.by,
        at=time_text(found.at) if found.at is not None else None,
        number=found.number,
    )
