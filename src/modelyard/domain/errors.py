"""The one exception hierarchy. Every door maps a *kind* once; every class has a stable *code*.

ModelyardError
├── Invalid                  the request cannot be right, whoever sends it
│   ├── InvalidName          InvalidAlias  InvalidReference  InvalidDigest  InvalidPath  InvalidManifest
│   ├── InvalidRequest       malformed or unknown fields, bad JSON, bad parameters
│   ├── InvalidFact          a parameter, metric or captured fact that cannot be stored
│   ├── InvalidPolicy        a policy file that is malformed or contradicts itself, with the line
│   ├── DigestMismatch       SizeMismatch  OffsetMismatch  RangeNotSatisfiable
│   ├── DatasetMismatch      data is not what a run or a push expected (raised by the client only)
│   ├── NoSaver              UntrustedModel  UnlawfulModel  ExtraMissing  UnlawfulFile   (by the client only)
│   ├── MissingBlobs         a manifest names bytes that are not here
│   └── ClientGone           Misdirected  SlowBody: faults of the connection
├── Unauthenticated          no proof, or a proof that no longer counts
│   └── TokenInvalid         TokenExpired  SignInFailed  IdTokenRefused  NotSignedIn
├── Denied                   known, but without the right
│   └── TokenScopeTooNarrow
├── NotFound                 not there, or not to be known of
│   ├── NamespaceNotFound    ModelNotFound  VersionNotFound  AliasNotFound  FileNotFound
│   ├── BlobNotFound         UploadNotFound  ActorNotFound  TokenNotFound
│   ├── StageNotFound        PromotionNotFound  PolicyNotFound
│   ├── RunNotFound          ExperimentNotFound  SeriesNotFound
│   ├── DatasetNotFound      a dataset, or one of its contents
│   └── EventNotFound        SubscriptionNotFound  PublisherNotFound  CommentNotFound  RouteNotFound
├── Conflict                 the state of the registry forbids it now
│   ├── AlreadyExists        AliasMoved  EditConflict  HasDependents  VersionArchived  ModelArchived
│   ├── VersionDeleted       IdempotencyConflict  ProtectedAlias  VersionQuarantined
│   ├── VersionRecalled      said not to be used, by somebody who may
│   ├── PromotionClosed      PromotionStale  StageFull  NothingToRollBack
│   ├── RecordsMissing       a writer of a run skipped a number
│   └── FileChanged          WouldOverwrite   (raised by the client only)
├── Refused                  a policy said no (for doors and the SDK; inside, a refusal is a returned verdict)
├── TooLarge                 over a limit that is a setting
├── Busy                     try again soon
│   └── RateLimited          BlobBeingCollected  QueueFull  ScanPending
├── Unavailable              something below does not answer
│   ├── DatabaseUnavailable  BlobStoreUnavailable  BlobFormatUnknown  DiskFull  ProviderUnavailable
│   └── ServerUnreachable    UnexpectedAnswer   (raised by the client only)
└── Internal                 a defect of ours
    ├── BlobCorrupt          stored bytes no longer match their digest
    ├── DownloadCorrupt      what arrived is not what the manifest names
    └── LogDamaged           the event log was changed outside of this program

A class names its fields in two templates, `text` (what is so) and `advice` (what to do next). The
fields travel to every client, so a template never names a secret.
"""

from __future__ import annotations

import enum
import string
from typing import Any, ClassVar


class Kind(enum.StrEnum):
    """What sort of answer an error is; each door maps each kind exactly once."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class ModelyardError(Exception):
    """Base of all errors. `fields` are the values at fault, `fix` says what to do next."""

    code: ClassVar[str]
    kind: ClassVar[Kind]
    text: ClassVar[str]
    advice: ClassVar[str]

    def __init__(self, *, fix: str | None = None, **fields: Any) -> None:
        self.fields = fields
        self.message = self.text.format(**fields)
        self.fix = self.advice.format(**fields) if fix is None else fix
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}. {self.fix}" if self.fix else self.message

    @classmethod
    def field_names(cls) -> set[str]:
        """The fields that the templates of this class need."""
        parsed = string.Formatter().parse(f"{cls.text}{cls.advice}")
        return {name.split(".")[0].split("[")[0] for _, name, _, _ in parsed if name}

    @classmethod
    def rebuild(cls, message: str, fix: str, fields: dict[str, Any]) -> ModelyardError:
        """An error as another process described it, with its words and not ours."""
        error = cls.__new__(cls)
        Exception.__init__(error, message)
        error.fields, error.message, error.fix = fields, message, fix
        return error


# --- invalid -------------------------------------------------------------------------------------


class Invalid(ModelyardError):
    code, kind = "invalid", Kind.INVALID
    text, advice = "{reason}", "Correct the request and send it again"


class InvalidName(Invalid):
    code = "invalid_name"
    text = "{value!r} is not a lawful {what}: {reason}"
    advice = "Use for example {proposal!r}"


class InvalidAlias(Invalid):
    code = "invalid_alias"
    text = "{value!r} is not a lawful alias: {reason}"
    advice = "Use for example {proposal!r}"


class InvalidReference(Invalid):
    code = "invalid_reference"
    text = "{value!r} is not a reference: {reason}"
    advice = "Write namespace/name, then :12 for a version, @alias or @sha256:<64 hex digits>"


class InvalidDigest(Invalid):
    code = "invalid_digest"
    text = "{value!r} is not a digest"
    advice = "A digest is sha256: and 64 lowercase hex digits"


class InvalidPath(Invalid):
    code = "invalid_path"
    text = "file path {path!r} is refused: {reason}"
    advice = "Paths are relative, with / between parts, without '..', links, control characters or case clashes"


class InvalidManifest(Invalid):
    code = "invalid_manifest"
    text = "the manifest is refused: {reason}"
    advice = "Send at least one file, each path once, with its sha256 and size in bytes"


class InvalidRequest(Invalid):
    code = "invalid_request"
    text = "{reason}"
    advice = "The shape of every request is in /api/v1/openapi.json"


class InvalidFact(Invalid):
    code = "invalid_fact"
    text = "{what} is refused: {reason}"
    advice = "Correct the value and send the request again"


class InvalidPolicy(Invalid):
    code = "invalid_policy"
    text = "the policy is refused at line {line}: {reason}"
    advice = "Correct the file; a commented example is written by: modelyard policy init"


class DigestMismatch(Invalid):
    code = "digest_mismatch"
    text = "the bytes have the digest {actual}, not {expected}"
    advice = "Read the file again and send it with the digest of what was read"


class SizeMismatch(Invalid):
    code = "size_mismatch"
    text = "{actual} bytes were counted, {expected} were announced"
    advice = "Read the file again and send it with its true size"


class OffsetMismatch(Invalid):
    code = "offset_mismatch"
    text = "the upload stands at byte {actual}, not {expected}"
    advice = "Ask GET /api/v1/uploads/<id> for the offset and go on from there"


class RangeNotSatisfiable(Invalid):
    code = "range_not_satisfiable"
    text = "the range {range!r} lies outside of the {size_bytes} bytes"
    advice = "Ask for a range inside the file"


class DatasetMismatch(Invalid):
    code = "dataset_mismatch"
    text = "the dataset {name!r} has the digest {actual}, not {expected}"
    advice = "Use the data that was meant, or leave out expect= when new data is what you want"


class MissingBlobs(Invalid):
    code = "missing_blobs"
    text = "{count} of the manifest's files have no bytes here (first: {first})"
    advice = "Upload them, then register again; POST /api/v1/blobs/missing names them all"


class NoSaver(Invalid):
    code = "no_saver"
    text = "{what} cannot be saved or loaded as a model: {reason}"
    advice = "Save it with its own framework and push the folder, or install a saver for it"


class UntrustedModel(Invalid):
    code = "untrusted_model"
    text = "loading {where} needs types that are not known to be safe: {types}"
    advice = "If you trust who made it, load it with trust=True or trust=[the types you trust]"


class ExtraMissing(Invalid):
    code = "extra_missing"
    text = "{what} needs the package {package}, which is not installed"
    advice = 'Install it with: pip install "modelyard[{extra}]"'


class UnlawfulModel(Invalid):
    code = "unlawful_model"
    text = "{where} cannot be loaded: {reason}"
    advice = "It is damaged or forged: do not use it, and tell whoever made it"


class SignatureMismatch(Invalid):
    code = "signature_mismatch"
    text = "{where} was given data that does not fit the model's signature: {problems}"
    advice = "Bring the data into that form; my.load(..., check=False) leaves the model unchecked"


class UnlawfulFile(Invalid):
    code = "unlawful_file"
    text = "{path} cannot be pushed: {reason}"
    advice = "Put a regular file in its place, or name it in .modelyardignore"


class ClientGone(Invalid):
    """The client hung up in the middle of its body; nobody is left to read the answer."""

    code = "client_gone"
    text, advice = (
        "the connection ended after {received} bytes of the body",
        "Ask how much arrived and go on from there",
    )


class Misdirected(Invalid):
    code = "misdirected"
    text = "this server is not called {host!r}"
    advice = "Use the address it was started with, or add the name to the setting allowed_hosts"


class MethodNotAllowed(Invalid):
    code = "method_not_allowed"
    text = "{path} does not take {method}"
    advice = "Use {allowed}; all routes are in /api/v1/openapi.json"


class SlowBody(Invalid):
    code = "slow_body"
    text, advice = "the body arrives too slowly", "Send it again over a faster connection"


# --- unauthenticated and denied ------------------------------------------------------------------


class Unauthenticated(ModelyardError):
    code, kind = "unauthenticated", Kind.UNAUTHENTICATED
    text, advice = "this needs a signed-in user", "Sign in with: modelyard login"


class TokenInvalid(Unauthenticated):
    code = "token_invalid"
    text, advice = "the token is not known here", "Sign in again with: modelyard login"


class TokenExpired(Unauthenticated):
    code = "token_expired"
    text, advice = "the token expired at {expired_at}", "Make a new one with: modelyard token create"


class SignInFailed(Unauthenticated):
    code = "sign_in_failed"
    text = "name, password or link is wrong or used up"
    advice = "Try again, or ask an admin for a new sign-in link: modelyard user link NAME"


class NotSignedIn(Unauthenticated):
    code = "not_signed_in"
    text = "no token for {url} is stored here"
    advice = "Sign in with: modelyard login {url}"


class Denied(ModelyardError):
    code, kind = "denied", Kind.DENIED
    text = "{actor} may not {permission} on {where}"
    advice = "Ask {who} for the role {role}"


class TokenScopeTooNarrow(Denied):
    code = "token_scope_too_narrow"
    text = "this token may not {permission} on {where}, though its owner may"
    advice = "Use a token whose scope includes it: modelyard token create"


class IdTokenRefused(Unauthenticated):
    code = "id_token_refused"
    text = "the identity token is refused: {reason}"
    advice = "The rules of trusted publishers are listed by: modelyard publisher ls NAMESPACE"


# --- not found -----------------------------------------------------------------------------------


class NotFound(ModelyardError):
    code, kind = "not_found", Kind.NOT_FOUND
    text, advice = "{what} is not here", "Check the name; what you may not see is not found either"


class NamespaceNotFound(NotFound):
    code = "namespace_not_found"
    text, advice = "there is no namespace {namespace!r}", "List them with: modelyard namespace ls"


class ModelNotFound(NotFound):
    code = "model_not_found"
    text, advice = "there is no model {model!r}", "Find it with: modelyard search WORD"


class VersionNotFound(NotFound):
    code = "version_not_found"
    text, advice = "{model} has no version {version}", "List its versions with: modelyard ls {model}"


class AliasNotFound(NotFound):
    code = "alias_not_found"
    text, advice = "{model} has no alias {alias!r}", "List its aliases with: modelyard alias ls {model}"


class FileNotFound(NotFound):
    code = "file_not_found"
    text, advice = "{reference} has no file {path!r}", "List its files with: modelyard show {reference} --files"


class BlobNotFound(NotFound):
    code = "blob_not_found"
    text, advice = "there are no bytes {digest}", "Upload them first"


class UploadNotFound(NotFound):
    code = "upload_not_found"
    text, advice = "there is no open upload {upload}", "Start a new one with POST /api/v1/uploads"


class ActorNotFound(NotFound):
    code = "actor_not_found"
    text, advice = "there is no user or service account {name!r}", "List them with: modelyard user ls"


class TokenNotFound(NotFound):
    code = "token_not_found"
    text, advice = "there is no token {token}", "List yours with: modelyard token ls"


class EventNotFound(NotFound):
    code = "event_not_found"
    text, advice = "there is no event {seq}", "Events are numbered from 0; list them with: modelyard audit log"


class StageNotFound(NotFound):
    code = "stage_not_found"
    text, advice = "{model} has no stage {stage!r}", "Its stages are: {stages}"


class PromotionNotFound(NotFound):
    code = "promotion_not_found"
    text, advice = "there is no promotion {promotion}", "List them with: modelyard promotions ls MODEL"


class PolicyNotFound(NotFound):
    code = "policy_not_found"
    text, advice = "{what} has no policy of its own", "See what holds with: modelyard policy show {what}"


class DatasetNotFound(NotFound):
    code = "dataset_not_found"
    text, advice = "there is no dataset {dataset!r}", "List them with: modelyard dataset ls"


class SubscriptionNotFound(NotFound):
    code = "subscription_not_found"
    text, advice = "there is no subscription {subscription}", "List them with: modelyard subscription ls"


class PublisherNotFound(NotFound):
    code = "publisher_not_found"
    text = "there is no trusted publisher {publisher} here"
    advice = "List them with: modelyard publisher ls NAMESPACE"


class CommentNotFound(NotFound):
    code = "comment_not_found"
    text, advice = "there is no comment {comment} here", "List them with: modelyard comment ls MODEL"


class RunNotFound(NotFound):
    code = "run_not_found"
    text, advice = "there is no run {run}", "List them with: modelyard runs ls"


class ExperimentNotFound(NotFound):
    code = "experiment_not_found"
    text, advice = "there is no experiment {experiment}", "List them with: modelyard runs experiments"


class SeriesNotFound(NotFound):
    code = "series_not_found"
    text = "run {run} has no metric {metric!r}"
    advice = "See its metrics with: modelyard runs show {run}"


class RouteNotFound(NotFound):
    code = "route_not_found"
    text, advice = "there is nothing at {method} {path}", "All routes are in /api/v1/openapi.json"


# --- conflict ------------------------------------------------------------------------------------


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


# --- the rest ------------------------------------------------------------------------------------


class Refused(ModelyardError):
    code, kind = "refused", Kind.REFUSED
    text, advice = "{reason}", "Each rule says what is needed and who can fix it"


class TooLarge(ModelyardError):
    code, kind = "too_large", Kind.TOO_LARGE
    text = "{what} is {actual}, at most {limit} is accepted"
    advice = "Send less, or ask the server's admin to raise the setting {setting}"


class Busy(ModelyardError):
    code, kind = "busy", Kind.BUSY
    text, advice = "{reason}", "Try again in a moment"


class RateLimited(Busy):
    code = "rate_limited"
    text, advice = "more than {limit} requests a second", "Slow down; the setting is {setting}"


class BlobBeingCollected(Busy):
    code = "blob_being_collected"
    text, advice = "the old bytes {digest} are just being removed", "Try again in a second"


class QueueFull(Busy):
    code = "queue_full"
    text, advice = "too many writes are waiting", "Try again in a second"


class ScanPending(Busy):
    code = "scan_pending"
    text, advice = "the files of {reference} are still being scanned", "Try again in a moment"


class Unavailable(ModelyardError):
    code, kind = "unavailable", Kind.UNAVAILABLE
    text, advice = "{what} does not answer", "Try again; the server's log says more"


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    text = "the database does not answer"
    advice = "Try again soon; a write whose outcome is unknown is safe to repeat with its idempotency key"


class BlobStoreUnavailable(Unavailable):
    code = "blob_store_unavailable"
    text, advice = "the store of bytes does not answer", "Try again soon; nothing was registered"


class BlobFormatUnknown(Unavailable):
    code = "blob_format_unknown"
    text = "the store of bytes has the format {found}, this program reads up to {known}"
    advice = "Use the version of modelyard that wrote it, or a newer one; nothing was changed"


class ProviderUnavailable(Unavailable):
    code = "provider_unavailable"
    text = "the identity provider {issuer} cannot be used: {reason}"
    advice = "Try again soon; an admin may have to correct the settings"


class DiskFull(Unavailable):
    code = "disk_full"
    text, advice = (
        "the server has no space left for {what}",
        "Free space on the server (modelyard gc), then go on",
    )


class ServerUnreachable(Unavailable):
    code = "server_unreachable"
    text = "{url} does not answer: {reason}"
    advice = "Check the address (MODELYARD_URL), or start a server with: modelyard serve"


class UnexpectedAnswer(Unavailable):
    code = "unexpected_answer"
    text = "{url} answered with HTTP {status} and no words that a registry would use"
    advice = "Check that the address is that of a Modelyard server: modelyard doctor"


class Internal(ModelyardError):
    code, kind = "internal", Kind.INTERNAL
    text, advice = "the server made a mistake", "Report it with the request id {request_id}"


class BlobCorrupt(Internal):
    code = "blob_corrupt"
    text = "the stored bytes {digest} are damaged"
    advice = "Restore them from a backup or push the file again; modelyard scrub lists all damage"


class DownloadCorrupt(Internal):
    code = "download_corrupt"
    text = "{path} arrived with the digest {actual}, not {expected}"
    advice = "Nothing of it was kept; the server's admin finds the damage with: modelyard scrub"


class LogDamaged(Internal):
    code = "log_damaged"
    text = "the event log is damaged: {reason}"
    advice = "Stop writing, keep the database as it is, and compare with a backup: modelyard audit check"


def all_errors() -> dict[str, type[ModelyardError]]:
    """Every class of the tree by its code."""
    found: dict[str, type[ModelyardError]] = {}
    waiting: list[type[ModelyardError]] = list(ModelyardError.__subclasses__())
    while waiting:
        cls = waiting.pop()
        found[cls.code] = cls
        waiting.extend(cls.__subclasses__())
    return found
