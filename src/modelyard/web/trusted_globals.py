"""Settings of trusted globals: code that a namespace trusts in pickles."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Permission
from modelyard.domain.errors import ModelyardError
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.quarantine import usecases as quarantine
from modelyard.web.frame import PageTable, Visit
from modelyard.web.places import chosen_place, list_places, may

table = PageTable()
_PAGE = "/settings/globals"


async def _show(visit: Visit, problem: ModelyardError | None = None) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        places = list_places(tx, visit)
        of = chosen_place(visit) or (places[0] if places else "")
        if not of:
            return {
                "places": [],
                "of": "",
                "trusted": [],
                "serves": False,
                "may_trust": False,
                "may_loosen": False,
            }
        namespace = catalog.find_namespace(tx, visit.actor, of)
        return {
            "places": places,
            "of": namespace.name,
            "trusted": quarantine.list_trusted(tx, visit.actor, namespace.name),
            "serves": quarantine.serves_unknown(tx, namespace.name),
            "may_trust": may(visit, Permission.SCAN_TRUST, namespace.place),
            "may_loosen": may(visit, Permission.SCAN_LOOSEN, namespace.place),
        }

    found = await visit.look(read)
    of = found["of"]
    twin = f"/api/v1/namespaces/{of}/trusted-globals" if of else None
    return await visit.show("settings_globals.html", problem, **found, twin=twin)


@table.get(_PAGE)
async def trusted_globals(visit: Visit) -> Response:
    return await _show(visit)


@table.post(f"{_PAGE}/trust", operation="trust_global", command="scan trust")
async def trust(visit: Visit) -> Response:
    of, name = chosen_place(visit), visit.given("name")
    return await visit.attempt(
        f"{_PAGE}?of={of}",
        f"{of} trusts {name}.",
        lambda tx: quarantine.trust_global(tx, visit.actor, of, name, visit.given("reason")),
        _show,
    )


@table.post(f"{_PAGE}/untrust", operation="untrust_global", command="scan untrust")
async def untrust(visit: Visit) -> Response:
    of, name = chosen_place(visit), visit.given("name")
    return await visit.attempt(
        f"{_PAGE}?of={of}",
        f"{of} no longer trusts {name}. Versions that relied on it are in quarantine again.",
        lambda tx: quarantine.untrust_global(tx, visit.actor, of, name),
        _show,
    )


@table.post(f"{_PAGE}/serve-unknown", operation="set_serve_unknown", command="scan serve-unknown")
async def serve_unknown(visit: Visit) -> Response:
    of, serve = chosen_place(visit), visit.given("serve") == "1"
    return await visit.attempt(
        f"{_PAGE}?of={of}",
        f"{of} {'now serves' if serve else 'no longer serves'} versions that name unknown code.",
        lambda tx: quarantine.set_serve_unknown(tx, visit.actor, of, serve, visit.given("reason")),
        _show,
    )
