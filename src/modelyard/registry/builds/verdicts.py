"""Compare the result of a build that repeats a version with that version, and keep the verdict as a check of it.

Only what the server has compared counts: the files by the digests of the version's manifest, the metrics by its record.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from modelyard.db.transaction import Transaction
from modelyard.domain import events, reproduction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import ModelyardError
from modelyard.domain.manifest import Manifest
from modelyard.domain.reproduction import CONFIRMED, DIFFERENT, IMPOSSIBLE, NOT_DETERMINISTIC, Result
from modelyard.registry.access import usecases as accounts
from modelyard.registry.builds import queries
from modelyard.registry.builds.nouns import FAILED, QUEUED, SUCCEEDED, Build, Findings
from modelyard.registry.builds.recipe import EvaluateEntry, parse_recipe
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.catalog.queries import find_model
from modelyard.registry.checks.nouns import REPRODUCED
from modelyard.registry.checks.usecases import CheckReport, note_reproduced
from modelyard.registry.evaluations import queries as evaluations
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.rules import DELETED

_MOST_DETAILS = 100


def judge(tx: Transaction, build: Build, status: str, reason: str) -> tuple[str, tuple[int, str] | None]:
    """Judge a build that ends and repeats a version.

    Returns (its reason, with the verdict in it; id and uid of a second build, which is to be queued since this one differs). A
    build that was cancelled, lost or timed out shows nothing, and gets no verdict.
    """
    owner = accounts.find_account(tx, build.requester_id)
    version = versions.find_by_number(tx, build.model_id, build.reproduces or 0)
    if owner is None or version is None or version.state == DELETED:
        return reason, None
    actor = owner.to_actor()
    first = _first_of(tx, build)
    reported = queries.find_findings(tx, build.id)
    result = None if reported is None else reported.result
    second: tuple[int, str] | None = None
    if status == SUCCEEDED and result is not None:
        tolerance = build.fixed.tolerance
        limit = reproduction.METRIC_TOLERANCE if tolerance is None else tolerance
        recorded = _recorded(tx, build, version)
        told = reproduction.compare(recorded, result, limit)
        verdict = told.verdict
        if first is not None and first.result is not None:
            is_alike = reproduction.are_alike(first.result, result, limit)
            verdict = DIFFERENT if is_alike else NOT_DETERMINISTIC
        elif verdict == DIFFERENT:
            second = _insert_second(tx, actor, build)
        findings = Findings(verdict, list(told.differences), list(told.causes), result=result)
        reasons = told.differences or _differences(first) or [reproduction.same_words(recorded)]
        words = reproduction.words_for(verdict, reasons, told.causes)
        if second is not None:
            words += ". It is repeated once more, to tell whether the training is deterministic"
    elif status == FAILED and build.step is not None and first is None:
        step = f"step {build.step}"
        findings = Findings(IMPOSSIBLE, missing=[reason if reason.startswith(step) else f"{step}: {reason}"])
        words = reproduction.words_for(IMPOSSIBLE, findings.missing)
    else:
        return reason, None
    if second is not None:
        findings = replace(findings, second=second[1])
    queries.set_findings(tx, build.id, findings)
    model = find_model(tx, actor, build.model)
    assert model is not None
    note(tx, actor, model, version, findings, words, build.uid)
    return words, second


def note(
    tx: Transaction,
    actor: Actor,
    model: Model,
    version: Version,
    findings: Findings,
    words: str,
    build: str | None,
) -> None:
    """Keep a verdict as a check of the version. build None: none could be started."""
    state = "pass" if findings.verdict in CONFIRMED else "error" if findings.verdict == IMPOSSIBLE else "fail"
    details: dict[str, Any] = {"verdict": findings.verdict}
    for name, items in (
        ("differences", findings.differences),
        ("causes", findings.causes),
        ("missing", findings.missing),
    ):
        if items:
            details[name] = [str(each)[:300] for each in items[:_MOST_DETAILS]]
    if build is not None:
        details["build"] = build
    note_reproduced(tx, actor, model, version, CheckReport(REPRODUCED, state, "", words[:2000], details), build)


def _first_of(tx: Transaction, build: Build) -> Findings | None:
    """Return the findings of the build that this one was queued to repeat; None: it was not queued for that."""
    if build.rerun_of is None:
        return None
    first = queries.find_by_uid(tx, build.rerun_of)
    findings = None if first is None else queries.find_findings(tx, first.id)
    return findings if findings is not None and findings.second == build.uid else None


def _differences(findings: Findings | None) -> Sequence[object]:
    return () if findings is None else findings.differences


def _insert_second(tx: Transaction, actor: Actor, build: Build) -> tuple[int, str]:
    """Insert the same build once more, and return its id and uid."""
    uid = uuid.uuid4().hex
    build_id = queries.insert_build(
        tx,
        actor,
        uid=uid,
        model_id=build.model_id,
        status=QUEUED,
        pool=build.pool,
        priority=build.priority,
        recipe=build.recipe,
        bundle=build.bundle,
        source=build.source.value,
        params=build.params.value,
        rerun_of=build.uid,
        schedule_id=None,
        reproduces=build.reproduces,
        pins=build.fixed,
    )
    submitted = events.BuildSubmitted(
        **events.about(build.model), build=uid, pool=build.pool, rerun_of=build.uid
    )
    tx.append(submitted, actor, build.model_id)
    return build_id, uid


def _recorded(tx: Transaction, build: Build, version: Version) -> Result:
    """Return what the version has: its files, its record, and the evaluation by the build that made it."""
    record: Mapping[str, Any] = version.record.value
    manifest = Manifest.from_bytes(versions.find_manifest_body(tx, version.manifest_id))
    metrics = reproduction.named_metrics(record.get("metrics") or ())
    environment = record.get("environment") or {}
    return Result(
        files={file.path: str(file.digest) for file in manifest.files},
        metrics=metrics | _evaluated(tx, build, version),
        params=record.get("params") or {},
        packages=environment.get("packages") or {},
    )


def _evaluated(tx: Transaction, build: Build, version: Version) -> dict[str, float | str]:
    made = queries.find_by_uid(tx, version.build or "")
    try:
        entry = parse_recipe(build.recipe, params=build.params.value, model=str(build.model)).file.evaluate
    except ModelyardError:
        entry = None
    if made is None or entry is None:
        return {}
    place = EvaluateEntry(run="-") if isinstance(entry, str) else entry
    for each in reversed(evaluations.list_evaluations(tx, version.id, tx.now)):
        if (each.split, each.dataset, each.by) == (place.split, place.dataset, made.requested_by):
            given = {"split": each.split, "dataset": each.dataset}
            return reproduction.named_metrics({**given, **metric} for metric in each.metrics)
    return {}
