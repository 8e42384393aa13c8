"""Routes of what is said of a version after it was registered: checks, evaluations, attestations, its card."""

from __future__ import annotations

import base64
from functools import partial

from modelyard.api import promotion_shapes as shapes
from modelyard.db.transaction import Transaction
from modelyard.domain.attested import attested_bytes
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.attestations import usecases as attestations
from modelyard.registry.cards import rules as card_rules
from modelyard.registry.cards import usecases as cards
from modelyard.registry.checks import usecases as checks
from modelyard.registry.evaluations import usecases as evaluations
from modelyard.registry.idempotency import Answer
from modelyard.registry.rendering import render_markdown
from modelyard.registry.versions import usecases as versions
from modelyard.wire import reports as wire

table = RouteTable("reports")
_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("POST", f"{_VERSION}/checks", status=201)
async def report_check(call: Call, body: wire.ReportCheck) -> Answer[wire.CheckList]:
    """Report a check of a version; answers with all of its checks."""
    report = checks.CheckReport(body.name, body.state, body.url, body.summary, body.details)

    def work(tx: Transaction) -> wire.CheckList:
        checks.report_check(tx, call.actor, call.ref, report)
        return _checks(call, tx)

    return await call.commit(work)


def _checks(call: Call, tx: Transaction) -> wire.CheckList:
    found = checks.list_checks(tx, call.actor, call.ref)
    return wire.CheckList(reference=str(call.ref), items=[shapes.check(item) for item in found])


@table.route("GET", f"{_VERSION}/checks")
async def list_checks(call: Call) -> wire.CheckList:
    """The checks of a version, newest first; the first of each name counts."""
    return await call.read(lambda tx: _checks(call, tx))


@table.route("POST", f"{_VERSION}/evaluations", status=201)
async def report_evaluation(call: Call, body: wire.ReportEvaluation) -> Answer[wire.Evaluation]:
    """Report metrics of a version, measured on a dataset split."""
    return await call.commit(
        lambda tx: shapes.evaluation(
            evaluations.report_evaluation(
                tx, call.actor, call.ref, body.metrics, split=body.split, dataset=body.dataset
            )
        )
    )


@table.route("GET", f"{_VERSION}/evaluations")
async def list_evaluations(call: Call) -> wire.EvaluationList:
    """Evaluations of a version, newest first. Metrics frozen at registration are in its record."""
    found = await call.read(lambda tx: evaluations.list_evaluations(tx, call.actor, call.ref))
    return wire.EvaluationList(reference=str(call.ref), items=[shapes.evaluation(item) for item in found])


@table.route("POST", f"{_VERSION}/attestations", status=201)
async def add_attestation(call: Call, body: wire.Attest) -> Answer[wire.Attestation]:
    """Add a signature over the version's digests."""

    def work(tx: Transaction) -> wire.Attestation:
        found = attestations.add_attestation(tx, call.actor, call.ref, body.signature)
        return wire.Attestation(signature=found.signature, at=time_text(found.at), by=found.by)

    return await call.commit(work)


@table.route("GET", f"{_VERSION}/attestations")
async def list_attestations(call: Call) -> wire.AttestationList:
    """The signatures over a version, and the statement they are made over."""

    def find(tx: Transaction) -> wire.AttestationList:
        view = versions.show_version(tx, call.actor, call.ref)
        found = attestations.list_attestations(tx, call.actor, call.ref)
        statement = attested_bytes(view.version.digest, view.version.record_digest)
        return wire.AttestationList(
            reference=str(call.ref),
            statement=base64.b64encode(statement).decode(),
            items=[wire.Attestation(signature=a.signature, at=time_text(a.at), by=a.by) for a in found],
        )

    return await call.read(find)


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
