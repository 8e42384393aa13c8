"""Errors for requests that a policy or a limit refuses, for good or for now."""

from __future__ import annotations

from modelyard.domain.errors.base import Kind, ModelyardError


class Refused(ModelyardError):
    code, kind = "refused", Kind.REFUSED
    text, advice = "{reason}", "Each rule says what is needed and who can fix it"


class TooLarge(ModelyardError):
    code, kind = "too_large", Kind.TOO_LARGE
    text = "{what} is {actual}; at most {limit} is accepted"
    advice = "Send less, or ask the server's admin to raise the setting {setting}"


class Busy(ModelyardError):
    code, kind = "busy", Kind.BUSY
    text, advice = "{reason}", "Try again in a moment"


class RateLimited(Busy):
    code = "rate_limited"
    text, advice = "more than {limit} requests a second", "Slow down; the setting is {setting}"


class TooManyAttempts(Busy):
    code = "too_many_attempts"
    text = "too many sign-ins failed from your network or for this account; try again in {seconds} seconds"
    advice = "Wait that long, or ask an admin for a sign-in link: modelyard user link NAME"


class ShareUsedUp(Busy):
    code = "share_used_up"
    text = "you already have {count} requests of this kind ({what}) running or waiting"
    advice = "Wait for some of them to end"


class BlobBeingCollected(Busy):
    code = "blob_being_collected"
    text, advice = "the old bytes {digest} are being removed at this moment", "Try again in a second"


class QueueFull(Busy):
    code = "queue_full"
    text, advice = "too many writes are waiting", "Try again in a second"


class ChangedMeanwhile(Busy):
    code = "changed_meanwhile"
    text, advice = (
        "others changed the objects that this change depends on at the same time",
        "Try again in a second",
    )


class ScanPending(Busy):
    code = "scan_pending"
    text, advice = "the files of {reference} are still being scanned", "Try again in a moment"
