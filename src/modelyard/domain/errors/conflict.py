"""The state of the registry forbids it now."""

from __future__ import annotations

from modelyard.domain.errors.base import Kind, ModelyardError


class Conflict(ModelyardError):
    code, kind = "conflict", Kind.CONFLICT
    text, advice = "{reason}", "Read the present state and decide again"


class AlreadyExists(Conflict):
    code = "already_exists"
    text, advice = "{what} exists already", "Use it, or choose another name"


class AliasMoved(Conflict):
    code = "alias_moved"
    text = "{model}@{alias} is at version {version} (revision {revision}), not where the request saw it"
    advice = "Look at it with: modelyard history {model} --alias {alias}, then decide again"


class EditConflict(Conflict):
    code = "edit_conflict"
    text = "{what} was changed meanwhile (revision {revision})"
    advice = "Read it again and repeat the edit with the new ETag"


class PreconditionFailed(Conflict):
    code = "precondition_failed"
    text = "the request's condition does not hold: {reason}"
    advice = "Read the present state and decide again"


class HasDependents(Conflict):
    code = "has_dependents"
    text = "{what} is still needed by {dependents}"
    advice = "{remedy}"


class VersionArchived(Conflict):
    code = "version_archived"
    text = "{reference} is archived"
    advice = "Bring it back first with: modelyard archive {reference} --undo"


class VersionRecalled(Conflict):
    code = "version_recalled"
    text = "{reference} was recalled by {by}: {reason}"
    advice = "Use another version; what is concerned is shown by: modelyard lineage {reference} --down"


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
    advice = "See why with: modelyard scan show {reference}; a maintainer may release it with a reason"


class FileQuarantined(Conflict):
    code = "file_quarantined"
    text = "{path} of {reference} is in quarantine: its scan says {verdict} ({why})"
    advice = "A maintainer may release it with a reason"


class BytesWithheld(Conflict):
    """event None: the event log does not tell of it, which `audit check` reports."""

    code = "bytes_withheld"
    text = "the bytes {digest} were withheld for good by {by} at {at} (event {event}): {reason}"
    advice = "Take out what leaked, so that the file has another digest, and push again"


class FileWithheld(Conflict):
    """event None: the event log does not tell of it, which `audit check` reports."""

    code = "file_withheld"
    text = "{path} of {reference} was withheld for good by {by} at {at} (event {event}): {reason}"
    advice = "Its bytes are gone; ask {by} for a version without what leaked. The other files are served"


class FilesWithheld(Conflict):
    code = "files_withheld"
    text = "{reference} cannot enter {place}: of its files, these are withheld: {paths}"
    advice = "Push a version without what leaked, and promote that one"


class IdempotencyConflict(Conflict):
    code = "idempotency_conflict"
    text = "the idempotency key {key!r} was used for a different request"
    advice = "Use a new key for a new request"


class ProtectedAlias(Conflict):
    code = "protected_alias"
    text = "{model}@{alias} is a stage and is moved by a promotion only"
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
    text = "{model} has all {slots} places of {stage} taken (versions {versions})"
    advice = "Take one out first: modelyard demote {model} {stage} --version {oldest}"


class NothingToRollBack(Conflict):
    code = "nothing_to_roll_back"
    text = "{model} has no earlier version of {stage} to go back to"
    advice = "See who stood there with: modelyard history {model} --stage {stage}"


class JobNotOpen(Conflict):
    code = "job_not_open"
    text, advice = "job {job} is {state} already", "See what became of it with: modelyard jobs show {job}"


class JobOpen(Conflict):
    code = "job_open"
    text = "job {job} cannot be tried again: {why}"
    advice = "See how far it is with: modelyard jobs show {job}"


class RecordsMissing(Conflict):
    code = "records_missing"
    text = "run {run} has the records of this writer up to {known}, and these begin with {given}"
    advice = "Send them again from the first one that is missing"


class FileChanged(Conflict):
    code = "file_changed"
    text = "{path} changed while it was being pushed"
    advice = "Push again when nothing writes to it any more; nothing was registered"


class WouldOverwrite(Conflict):
    code = "would_overwrite"
    text = "{path} exists and is not what an earlier pull put there"
    advice = "Pull into another folder (--to DIR), or overwrite it with --force"
