"""Terms of use of a model: read, accept, set."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Permission
from modelyard.domain.errors import ModelyardError
from modelyard.registry.catalog.usecases import find_model
from modelyard.registry.terms import usecases as terms
from modelyard.web.frame import PageTable, Visit
from modelyard.web.places import may

table = PageTable()
_PATH = "/models/{namespace}/{name}/terms"
_ROWS = 100


async def _show(visit: Visit, problem: ModelyardError | None = None) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        model = find_model(tx, visit.actor, visit.model)
        sees_all = may(visit, Permission.LOG_READ, model.place)
        return {
            "terms": terms.show_terms(tx, visit.actor, model.name),
            "may_set": may(visit, Permission.MODEL_SHARE, model.place),
            "acceptances": terms.list_acceptances(tx, visit.actor, model.name, None, _ROWS)
            if sees_all
            else None,
        }

    found = await visit.look(read)
    name = found["terms"].model
    return await visit.show("terms.html", problem, **found, name=name, twin=f"/api/v1/models/{name}/terms")


@table.get(_PATH)
async def show_terms(visit: Visit) -> Response:
    return await _show(visit)


@table.post(_PATH, operation="set_terms", command="terms set")
async def set_terms(visit: Visit) -> Response:
    text = visit.given("text")
    return await visit.attempt(
        f"/models/{visit.model}/terms",
        "The terms were set. Every account accepts them before its next pull."
        if text
        else "The terms were removed.",
        lambda tx: terms.set_terms(tx, visit.actor, visit.model, text),
        _show,
    )


@table.post(f"{_PATH}/accept", operation="accept_terms", command="terms accept")
async def accept_terms(visit: Visit) -> Response:
    return await visit.attempt(
        f"/models/{visit.model}/terms",
        "You accepted the terms.",
        lambda tx: terms.accept_terms(tx, visit.actor, visit.model, visit.given("digest")),
        _show,
    )
