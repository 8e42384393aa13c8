"""Home: open tasks and recent changes. And the answers of the palette."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from modelyard.db.transaction import Transaction
from modelyard.doors.parsing import parse_time
from modelyard.registry.builds.usecases import list_failed_builds
from modelyard.registry.comments import usecases as comments
from modelyard.registry.measures.usecases import count_this_month
from modelyard.registry.outbox import usecases as outbox
from modelyard.registry.outbox.telling import tell
from modelyard.registry.overview.needs import VOTE, Need, list_needs
from modelyard.registry.runs.rules import RUNNING, RunSearch
from modelyard.registry.runs.usecases import list_runs
from modelyard.registry.search import usecases as search
from modelyard.registry.search.jumping import Landing, jump
from modelyard.registry.search.rules import ModelSearch
from modelyard.web.frame import HEADERS, PLACES, SETTINGS, PageTable, Visit
from modelyard.web.notifications import place_of

table = PageTable()
_MANY = 10
_MOST_NEEDS = 12
_MOST_RUNNING = 5
_MOST_FAILED = 5
_IN_A_GROUP = 20
"""Most results of a group that are sent; the palette shows three until Tab shows all."""
_PLACES = (
    *((words, path) for _, path, _, words in PLACES),
    ("Lineage", "/lineage"),
    ("Schedules", "/schedules"),
    ("Pools", "/pools"),
    ("Notifications", "/notifications"),
    *((f"Settings: {words}", path) for path, words in SETTINGS),
)
_GROUPS = (
    ("Models and versions", ("version", "model")),
    ("Runs and datasets", ("run", "dataset")),
    ("People", ("account",)),
)


@table.get("/")
async def home(visit: Visit) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        actor = visit.actor
        return {
            "needs": list_needs(tx, actor, _MOST_NEEDS),
            "changed": outbox.list_recent(tx, actor, _MANY),
            "news": comments.list_notifications(tx, actor, unread=False, before=None, limit=5),
            "running": list_runs(tx, actor, RunSearch(status=RUNNING), None, _MOST_RUNNING),
            "failed": list_failed_builds(tx, actor, _MOST_FAILED),
            "month": count_this_month(tx, actor),
            "models": search.search_models(tx, actor, ModelSearch(), None, _MANY),
        }

    found = await visit.look(read)
    return await visit.render(
        "home.html",
        public_url=visit.services.public_url,
        place_of=place_of,
        tell=tell,
        moment=parse_time,
        twin="/api/v1/needs",
        **found,
    )


@table.get("/search")
async def find(visit: Visit) -> Response:
    """Answer the palette, in groups: Do, models and versions, runs and datasets, people."""
    text = visit.chosen("q")
    only_actions = text.startswith(">")
    words = text[1:].strip() if only_actions else text

    def read(tx: Transaction) -> tuple[list[Landing], list[Need]]:
        found = [] if only_actions and not words else jump(tx, visit.actor, words, _IN_A_GROUP)
        return found, [] if text[:1] in ("@", "#") else list_needs(tx, visit.actor, _IN_A_GROUP)

    found, needs = await visit.read(read)
    groups = [{"name": "Do", "items": [] if text[:1] in ("@", "#") else _actions(words, found, needs)}]
    if not only_actions:
        groups += [
            {"name": name, "items": [_item(row) for kind in kinds for row in found if row.kind == kind]}
            for name, kinds in _GROUPS
        ]
    return JSONResponse({"groups": [group for group in groups if group["items"]]}, headers=HEADERS)


def _actions(words: str, found: Sequence[Landing], needs: Sequence[Need]) -> list[dict[str, Any]]:
    """Return what waits first, then actions on the first model, then pages. Each opens a page and changes nothing."""
    items = [
        {
            "words": f"Review {need.model} v{need.version}",
            "detail": need.words,
            "href": f"/promotions/{need.promotion}",
            "waits": True,
        }
        for need in needs
        if need.kind == VOTE and words.lower() in need.words.lower()
    ]
    model = next((row.model for row in found if row.model is not None), None) if words else None
    if model is not None:
        name, newest = model.model.name, model.model.newest_version
        stages = [pair for pair in model.aliases if pair[0] in model.model.protected_aliases]
        for stage, number in reversed(stages):
            if newest is not None and newest != number:
                words_of = f"Compare {name} v{newest} with v{number}"
                path = f"/models/{name}/compare?v={number}&v={newest}"
                items.append({"words": words_of, "detail": stage, "href": path})
            items.append(
                {
                    "words": f"Roll back {stage} of {name}",
                    "detail": "asks first",
                    "href": f"/models/{name}/stages/{stage}/rollback",
                }
            )
    items += [
        {"words": f"Open {place}", "detail": "page", "href": href}
        for place, href in _PLACES
        if words.lower() in place.lower()
    ]
    return items[:_IN_A_GROUP]


def _item(row: Landing) -> dict[str, Any]:
    paths = {
        "model": f"/models/{row.name}",
        "version": f"/models/{row.name}/versions/{row.version}",
        "run": f"/runs/{row.name}",
        "dataset": f"/datasets/{row.name}",
        "account": f"/settings/accounts/{row.name}",
    }
    reference = f"{row.name}:{row.version}" if row.version is not None else row.name
    return {"words": row.words, "detail": row.detail or row.kind, "href": paths[row.kind], "copy": reference}
