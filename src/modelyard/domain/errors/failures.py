"""Errors for a part below that does not answer, and for defects in Modelyard."""

from __future__ import annotations

from modelyard.domain.errors.base import Kind, ModelyardError


class Unavailable(ModelyardError):
    code, kind = "unavailable", Kind.UNAVAILABLE
    text, advice = "{what} does not answer", "Try again; the server's log has the details"


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    text = "the database does not answer"
    advice = "Try again soon; a write whose outcome is unknown is safe to repeat with its idempotency key"


class BlobStoreUnavailable(Unavailable):
    code = "blob_store_unavailable"
    text, advice = "the blob store does not answer", "Try again soon; nothing was registered"


class BlobFormatUnknown(Unavailable):
    code = "blob_format_unknown"
    text = "the blob store has format {found}, but this release reads formats up to {known}"
    advice = "Use the release of modelyard that wrote it, or a newer one; nothing was changed"


class ExecutorUnavailable(Unavailable):
    code = "executor_unavailable"
    text, advice = "the {executor} executor cannot run builds now: {reason}", "The build is tried again"


class TargetUnavailable(Unavailable):
    code = "target_unavailable"
    text, advice = "the {target} target cannot run deployments now: {reason}", "It is tried again"


class ProviderUnavailable(Unavailable):
    code = "provider_unavailable"
    text = "the identity provider {issuer} cannot be used: {reason}"
    advice = "Try again soon; an admin may have to correct the settings"


class DiskFull(Unavailable):
    code = "disk_full"
    text, advice = (
        "the server has no space left for {what}",
        "Free space on the server (modelyard gc), then try again",
    )


class ServerUnreachable(Unavailable):
    code = "server_unreachable"
    text = "{url} does not answer: {reason}"
    advice = "Check the address (MODELYARD_URL), or start a server with: modelyard serve"


class UnexpectedAnswer(Unavailable):
    code = "unexpected_answer"
    text = "{url} answered with HTTP {status}, but not as a Modelyard server would"
    advice = "Check that the address belongs to a Modelyard server: modelyard doctor"


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
    advice = "None of it was kept; an admin of the server can find the damage with: modelyard scrub"


class LogDamaged(Internal):
    code = "log_damaged"
    text = "the event log is damaged: {reason}"
    advice = "Stop all writes, keep the database unchanged, and compare it with a backup: modelyard audit check"
