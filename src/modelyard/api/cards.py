"""Routes of model cards."""

from __future__ import annotations

from functools import partial

from modelyard.api.conversion import to_wire
from modelyard.domain.times import time_text
from modelyard.doors.answers import Tagged, tagged
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.cards import citing
from modelyard.registry.cards import rules as card_rules
from modelyard.registry.cards import usecases as cards
from modelyard.registry.idempotency import Answer
from modelyard.registry.promotion import reading
from modelyard.registry.rendering import render_markdown
from modelyard.wire import cards as wire

table = RouteTable(__name__)


_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("PUT", f"{_VERSION}/card")
async def set_card(call: Call, body: wire.SetCard) -> Answer[wire.Card]:
    """Set the version's card. It takes precedence over the README.md among the files, which do not change.

    If-Match guards against a concurrent edit.
    """
    return await call.commit(
        lambda tx: _card(call, cards.set_card(tx, call.actor, call.ref, body.text, call.seen_revision)),
        etag=lambda card: f'"{card.number}"',
    )


@table.route("GET", f"{_VERSION}/card")
async def show_card(call: Call, query: wire.CardQuery) -> Tagged[wire.Card]:
    """Return the version's card and its sections; number: an earlier card. The ETag is for If-Match."""
    card = _card(call, await _find_card(call, query.number))
    return tagged(card, card.number)


async def _find_card(call: Call, number: int | None = None) -> cards.Card:
    services = call.services
    return await call.in_thread(
        "views", partial(reading.read_card, services.db, services.blobs, call.actor, call.ref, number)
    )


@table.route("GET", f"{_VERSION}/card/template")
async def card_template(call: Call) -> wire.CardTemplate:
    """Return a first draft of a card: standard front matter and sections, filled with known facts of the version."""
    text = await call.read(lambda tx: cards.card_template(tx, call.actor, call.ref))
    return wire.CardTemplate(reference=str(call.ref), text=text)


@table.route("GET", f"{_VERSION}/card/history")
async def list_cards(call: Call) -> wire.CardHistory:
    """List the cards that were set, newest first."""
    history = await call.read(lambda tx: cards.list_cards(tx, call.actor, call.ref))
    items = [
        wire.CardEntry(number=c.number, by=c.by, at=time_text(c.at), words=sum(c.sections.values()))
        for c in history
    ]
    return wire.CardHistory(reference=str(call.ref), items=items)


@table.route("GET", f"{_VERSION}/card/problems")
async def check_card(call: Call) -> wire.CardCheck:
    """List missing and empty sections, and invalid front matter."""
    problems = await call.in_thread("views", card_rules.check_card, (await _find_card(call)).text)
    items = [to_wire(p, wire.CardProblem) for p in problems]
    return wire.CardCheck(reference=str(call.ref), problems=items)


@table.route("GET", f"{_VERSION}/card/html")
async def render_card(call: Call, query: wire.CardQuery) -> wire.CardHtml:
    """Return the card as HTML that is safe to show in a page."""
    card = await _find_card(call, query.number)
    html = await call.in_thread("views", _rendered, card.text)
    return wire.CardHtml(reference=str(call.ref), html=html)


@table.route("GET", f"{_VERSION}/citation")
async def cite_version(call: Call) -> wire.Citation:
    """Return how to cite the version, and its licence: from its card, or generated from what is known of it."""
    services = call.services
    found = await call.in_thread(
        "views",
        partial(citing.cite_version, services.db, services.blobs, call.actor, call.ref, services.public_url),
    )
    return to_wire(found, wire.Citation, text=found.citation.text, bibtex=found.citation.bibtex)


def _rendered(text: str) -> str:
    return render_markdown(card_rules.body_text(text))


def _card(call: Call, found: cards.Card) -> wire.Card:
    return to_wire(found, wire.Card, reference=str(call.ref))
