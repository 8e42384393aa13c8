"""One version: its next promotion, its facts, its changes."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import ModelyardError
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.names import ModelName, Ref
from modelyard.domain.record import SIX_FACTS
from modelyard.registry.builds.reproducing import may_reproduce, reproduce_version
from modelyard.registry.cards.citing import find_citation
from modelyard.registry.cards.usecases import find_state
from modelyard.registry.checks.usecases import list_checks
from modelyard.registry.comparison.usecases import Comparison, compare_all
from modelyard.registry.deployments.showing import list_deployments, may_deploy
from modelyard.registry.facts.usecases import show_facts
from modelyard.registry.overview.usecases import show_overview
from modelyard.registry.promotion.actions import find_stage_actions
from modelyard.registry.promotion.nouns import OPEN, Promotion, PromotionFilter
from modelyard.registry.promotion.reading import list_promotions
from modelyard.registry.promotion.stages import StageView
from modelyard.registry.promotion.usecases import Attempt, PromotionRequest, explain, promote
from modelyard.registry.quarantine.usecases import show_scan
from modelyard.registry.versions import usecases as versions
from modelyard.web.frame import PageTable, Visit
from modelyard.web.version_frame import PATH, frame_of

table = PageTable()
_MOST_FILES, _MOST_DEPLOYMENTS = 12, 50


@table.get(PATH, public=True)
async def version(visit: Visit) -> Response:
    ref, pools = visit.ref, visit.services.pools

    def read(tx: Transaction) -> dict[str, Any]:
        actor = visit.actor
        overview = show_overview(tx, actor, ref)
        name = overview.view.model.name
        frame = frame_of(tx, visit, overview.view)
        standing = frame["stages"]
        number = overview.view.version.number
        is_stranger = actor.is_anonymous
        # A verdict names people; those who are not signed in see none.
        stage = next((s for s in standing if s.name == overview.next_stage and not is_stranger), None)
        wanted = PromotionFilter(number=number, states=(OPEN,))
        return {
            **frame,
            "baseline": overview.baseline,
            "licence": find_state(tx, overview.view.model, overview.view.version, tx.now).licence,
            "may_reproduce": may_reproduce(actor, pools, overview.view.model, overview.view.version),
            "stamp": None
            if is_stranger
            else next((check for check in overview.checks if check.build is not None), None),
            "citation": find_citation(tx, overview.view.version),
            "next": stage,
            "acts": find_stage_actions(tx, actor, overview.view.model).get(overview.next_stage or ""),
            "facts": show_facts(tx, actor, ref),
            "attempt": None if stage is None else _judged(tx, visit, stage),
            "scan": show_scan(tx, actor, ref),
            "checks": [] if is_stranger else list_checks(tx, actor, ref),
            "promotions": [] if is_stranger else list_promotions(tx, actor, name, wanted, None, 20),
            "deployments": []
            if is_stranger
            else list_deployments(tx, actor, None, _MOST_DEPLOYMENTS, model=name, version=number),
            "may_deploy": may_deploy(actor, overview.view.model),
            "manifest": versions.read_manifest(tx, actor, ref)[2],
        }

    found = await visit.look(read)
    view = found["view"]
    files: tuple[File, ...] = await visit.compute(lambda: Manifest.from_bytes(found.pop("manifest")).files)
    return await visit.render(
        "version.html",
        **found,
        files=files[:_MOST_FILES],
        changes=await changes_between(visit, view.model.name, found["baseline"], view.version.number),
        record=view.version.record.value,
        six=SIX_FACTS,
        twin=f"/api/v1/models/{view.model.name}/versions/{view.version.number}",
    )


def _judged(tx: Transaction, visit: Visit, stage: StageView) -> Attempt | ModelyardError:
    try:
        return explain(tx, visit.actor, PromotionRequest(visit.ref, stage.name))
    except ModelyardError as error:
        return error


async def changes_between(visit: Visit, model: ModelName, before: int | None, number: int) -> Comparison | None:
    """Compare two versions of a model; None without an earlier one, or for people who may not compare."""
    if before is None or before == number:
        return None
    services = visit.services
    refs = [f"{model}:{before}", f"{model}:{number}"]

    def compare() -> Comparison | None:
        try:
            return compare_all(services.db, services.blobs, visit.actor, refs, with_curves=False)
        except ModelyardError:
            return None

    return await visit.in_thread("views", compare)


@table.post(f"{PATH}/promote", operation="promote", command="promote")
async def ask_promotion(visit: Visit) -> Response:
    """Promote the version, or request it; the gate decides either way."""
    request = PromotionRequest(
        Ref(visit.model, int(visit.path["version"])),
        visit.given("stage"),
        reason=visit.given("reason") or None,
        open_only=visit.given("action") == "request",
    )
    attempt = await visit.write(lambda tx: promote(tx, visit.actor, request))
    if attempt.done:
        done = f"{attempt.reference} is now in {attempt.stage}."
        return visit.go(f"/models/{visit.model}", done)
    row: Promotion | None = attempt.promotion
    assert row is not None
    done = "The promotion was requested." if attempt.outcome == "open" else attempt.refusal
    return visit.go(f"/promotions/{row.id}", done)


@table.post(f"{PATH}/reproduce", operation="reproduce_version", command="reproduce")
async def reproduce(visit: Visit) -> Response:
    """Build the version once more from its record."""
    services = visit.services
    ref = Ref(visit.model, int(visit.path["version"]))
    started = await visit.write(
        lambda tx: reproduce_version(tx, visit.actor, services.catalog, services.pools, ref)
    )
    if started.view is None:
        page = f"/models/{visit.model}/versions/{visit.path['version']}"
        return visit.go(page, f"Impossible: {'; '.join(started.missing)}.")
    return visit.go(f"/builds/{started.view.build.uid}", "The version is built once more and compared.")
