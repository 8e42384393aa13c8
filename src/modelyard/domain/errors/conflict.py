"""Errors for requests that the present state of the registry forbids."""

from __future__ import annotations

from modelyard.domain.errors.base import Kind, ModelyardError


class Conflict(ModelyardError):
    code, kind = "conflict", Kind.CONFLICT
    text, advice = "{reason}", "Look at the present state, then decide again"


class AlreadyExists(Conflict):
    code = "already_exists"
    text, advice = "{what} already exists", "Use it, or choose another name"


class AliasMoved(Conflict):
    code = "alias_moved"
    text = (
        "{model}@{alias} has moved since the request read it: it is at version {version} (revision {revision})"
    )
    advice = "See its moves with: modelyard history {model} --alias {alias}; then decide again"


class EditConflict(Conflict):
    code = "edit_conflict"
    text = "{what} was changed in the meantime (it is at revision {revision})"
    advice = "Read it again and repeat the edit with the new ETag"


class PreconditionFailed(Conflict):
    code = "precondition_failed"
    text = "the request's condition does not hold: {reason}"
    advice = "Look at the present state, then decide again"


class HasDependents(Conflict):
    code = "has_dependents"
    text = "{what} is still needed by {dependents}"
    advice = "{remedy}"


class QuotaExceeded(Conflict):
    """size_bytes: of the refused version; used_bytes: of the namespace without it."""

    code = "quota_exceeded"
    text = "namespace {namespace} uses {used} of its quota of {quota}, and this version has {size}; nothing was registered"
    advice = (
        "Delete versions that are not needed (see modelyard retention run {namespace} --dry-run), or ask an admin "
        "to raise it: modelyard namespace edit {namespace} --quota SIZE"
    )


class VersionArchived(Conflict):
    code = "version_archived"
    text = "{reference} is archived"
    advice = "Bring it back first with: modelyard archive {reference} --undo"


class VersionRecalled(Conflict):
    code = "version_recalled"
    text = "{reference} was recalled by {by}: {reason}"
    advice = "Use another version; see what it affects with: modelyard lineage {reference} --down"


class VersionNotAdmitted(Conflict):
    code = "version_not_admitted"
    text = (
        "{reference} is not admitted to {stage}: it is not in that stage, and never entered it through its gate"
    )
    advice = "A maintainer of {model} promotes it; see what that needs with: modelyard promote {reference} {stage} --dry-run"


class DeploymentMoved(Conflict):
    code = "deployment_moved"
    text = "{deployment} has moved since the request read it: it is at revision {revision} ({reference})"
    advice = "See who moved it with: modelyard deployment history {deployment}; then decide again"


class NoWayBack(Conflict):
    """passed_over: why nearer revisions cannot come back."""

    code = "no_way_back"
    text = "{deployment} has no earlier revision to return to{passed_over}"
    advice = "See its revisions with: modelyard deployment history {deployment}"


class ModelArchived(Conflict):
    code = "model_archived"
    text = "{model} is archived and takes no changes"
    advice = "Bring it back first with: modelyard archive {model} --undo"


class VersionDeleted(Conflict):
    code = "version_deleted"
    text = "{reference} was deleted; its number and digest remain, its bytes do not"
    advice = "Choose another version: modelyard ls {model}"


class VersionQuarantined(Conflict):
    code = "version_quarantined"
    text = "{reference} is in quarantine: its scan says {verdict}"
    advice = "See why with: modelyard scan show {reference}; a maintainer may release it and give a reason"


class FileQuarantined(Conflict):
    code = "file_quarantined"
    text = "{path} of {reference} is in quarantine: its scan says {verdict} ({why})"
    advice = "A maintainer may release it and give a reason"


class BytesWithheld(Conflict):
    """event None: no event records it, which `audit check` reports."""

    code = "bytes_withheld"
    text = "the bytes {digest} were withheld for good by {by} at {at} (event {event}): {reason}"
    advice = "Remove the leaked text, which gives the file another digest, and push again"


class FileWithheld(Conflict):
    """event None: no event records it, which `audit check` reports."""

    code = "file_withheld"
    text = "{path} of {reference} was withheld for good by {by} at {at} (event {event}): {reason}"
    advice = (
        "Its bytes are gone; ask {by} for a version without the leaked text. The other files are still served"
    )


class FilesWithheld(Conflict):
    code = "files_withheld"
    text = "{reference} cannot enter {place}, because some of its files are withheld: {paths}"
    advice = "Push a version without the leaked text, and promote that one"


class IdempotencyConflict(Conflict):
    code = "idempotency_conflict"
    text = "the idempotency key {key!r} was used for a different request"
    advice = "Use a new key for a new request"


class ProtectedAlias(Conflict):
    code = "protected_alias"
    text = "{model}@{alias} is a stage; only a promotion moves it"
    advice = "Use: modelyard promote {model}:{version} {alias}"


class PromotionClosed(Conflict):
    code = "promotion_closed"
    text = "promotion {promotion} is {state} and takes no changes"
    advice = "Open a new one with: modelyard promote {model}:{version} {stage}"


class PromotionStale(Conflict):
    code = "promotion_stale"
    text = "promotion {promotion} is stale: {reason}"
    advice = "Look at it again, then: modelyard promote {model}:{version} {stage}"


class StageFull(Conflict):
    code = "stage_full"
    text = "all {slots} places in {stage} of {model} are taken (versions {versions})"
    advice = "Take one out first: modelyard demote {model} {stage} --version {oldest}"


class NothingToRollBack(Conflict):
    code = "nothing_to_roll_back"
    text = "{model} has no earlier version in {stage} to roll back to"
    advice = "See the versions that were in the stage with: modelyard history {model} --stage {stage}"


class JobNotOpen(Conflict):
    code = "job_not_open"
    text, advice = "job {job} is already {state}", "See its result with: modelyard jobs show {job}"


class JobOpen(Conflict):
    code = "job_open"
    text = "job {job} cannot be tried again: {why}"
    advice = "See its progress with: modelyard jobs show {job}"


class BuildOver(Conflict):
    code = "build_over"
    text, advice = "build {build} has ended: {status}", "See it with: modelyard builds show {build}"


class AttemptSuperseded(Conflict):
    """The agent of this attempt must end its steps: nothing more that it says is stored."""

    code = "attempt_superseded"
    text = "attempt {attempt} of build {build} is over: {why}"
    advice = "End the agent; see the build with: modelyard builds show {build}"


class FramesMissing(Conflict):
    code = "frames_missing"
    text = "build {build} has the frames of this attempt up to {known}, but the next ones sent begin at {given}"
    advice = "Send the frames again from the first missing one"


class TooManyBuilds(Conflict):
    code = "too_many_builds"
    text = "{count} builds of the namespace {namespace} wait or run, and no more are taken"
    advice = "Wait until some have ended, or cancel them: modelyard builds ls --namespace {namespace}"


class TooManySchedules(Conflict):
    code = "too_many_schedules"
    text = "{model} has {count} schedules, and no more are taken"
    advice = "Delete one: modelyard schedule ls --model {model}, then modelyard schedule rm"


class RecordsMissing(Conflict):
    code = "records_missing"
    text = "run {run} has this writer's records up to {known}, but the next ones sent begin at {given}"
    advice = "Send the records again from the first missing one"


class FileChanged(Conflict):
    code = "file_changed"
    text = "{path} changed while it was being pushed"
    advice = "Push again when nothing writes to it any longer; nothing was registered"


class WouldOverwrite(Conflict):
    code = "would_overwrite"
    text = "{path} exists and did not come from an earlier pull"
    advice = "Pull into another folder (--to DIR), or overwrite it with --force"
