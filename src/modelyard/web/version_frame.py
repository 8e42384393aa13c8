"""The frame of all pages of one version: its title, its state, its tabs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import ModelyardError
from modelyard.doors.errors import status_of
from modelyard.registry.promotion import stages
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.actions import find_actions
from modelyard.registry.versions.usecases import VersionView
from modelyard.web.catalog import state_of
from modelyard.web.frame import Visit

PATH = "/models/{namespace}/{name}/versions/{version:number}"
TABS = (
    ("", "Overview", True),
    ("/files", "Files", True),
    ("/code", "Code", False),
    ("/signature", "Signature", True),
    ("/card", "Card", True),
    ("/scan", "Scan", False),
    ("/evidence", "Evidence", False),
    ("/activity", "Activity", False),
)
"""(end of the path, words, whether strangers see it)"""


def frame_of(tx: Transaction, visit: Visit, view: VersionView) -> dict[str, Any]:
    """Return the values that version_frame.html needs."""
    model, number = view.model, view.version.number
    _, _, standing = stages.list_stages(tx, visit.actor, model.name)
    state, reason = state_of(view)
    base = f"/models/{model.name}/versions/{number}"
    return {
        "view": view,
        "stages": standing,
        "here": [stage for stage in standing if number in stage.all],
        "state": state,
        "reason": reason,
        "may": find_actions(visit.actor, model),
        "base": base,
        "tabs": [
            (base + end, words) for end, words, is_open in TABS if is_open or not visit.actor.is_anonymous
        ],
        "baseline": None,
    }


async def show_part(
    visit: Visit,
    template: str,
    read: Callable[[Transaction], dict[str, Any]],
    problem: ModelyardError | None = None,
    **values: Any,
) -> Response:
    """Render a page of a version. problem: why a form changed nothing; its input is kept."""

    def all_of_it(tx: Transaction) -> dict[str, Any]:
        view = versions.show_version(tx, visit.actor, visit.ref)
        return {**frame_of(tx, visit, view), **read(tx)}

    found = await visit.look(all_of_it)
    return await visit.render(
        template,
        status=200 if problem is None else status_of(problem),
        problem=problem,
        **{**found, **values},
    )
