"""Tell an event in a sentence for people: who did what to which object, and the reason they gave. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

_PHRASES = {
    "actor.created": "created an account",
    "actor.edited": "changed an account",
    "alias.moved": "moved @{alias} to {version}",
    "alias.removed": "removed @{alias} from {model}",
    "build.cancelled": "cancelled a build of {model}",
    "build.ended": "ended a build of {model}",
    "build.forgotten": "forgot an old build of {model}",
    "build.started": "started a build of {model}",
    "build.submitted": "asked for a build of {model}",
    "card.edited": "edited the card of {version}",
    "check.reported": "reported a check of {version}",
    "comment.deleted": "deleted a comment on {version}",
    "comment.edited": "edited a comment on {version}",
    "comment.written": "commented on {version}",
    "dataset.noted": "registered a dataset in {namespace}",
    "deployment.alarmed": "raised an alarm about the deployment {deployment}",
    "deployment.cleared": "ended the alarm about the deployment {deployment}",
    "deployment.created": "made the deployment {deployment}",
    "deployment.deleted": "removed the deployment {deployment}",
    "deployment.edited": "changed the deployment {deployment}",
    "deployment.failed": "could not start {version} in the deployment {deployment}",
    "deployment.held": "holds the deployment {deployment}",
    "deployment.mended": "started the deployment {deployment} again",
    "deployment.released": "released the deployment {deployment}",
    "deployment.revised": "gave the deployment {deployment} {version}",
    "deployment.rolled_back": "rolled back the deployment {deployment} to {version}",
    "deployment.started": "started the deployment {deployment}",
    "deployment.stopped": "stopped the deployment {deployment}",
    "deployment.swapped": "swapped the deployment {deployment} to {version}",
    "deployment.trial_ended": "ended the {role} {version} of the deployment {deployment}",
    "deployment.trial_paused": "paused the {role} {version} of the deployment {deployment}",
    "deployment.trial_started": "tries {version} as a {role} of the deployment {deployment}",
    "deployment.trial_weighed": "gave the {role} {version} of the deployment {deployment} {weight} %",
    "model.created": "created {model}",
    "model.deleted": "deleted {model}",
    "model.edited": "edited {model}",
    "model.renamed": "renamed {model}",
    "namespace.created": "created the namespace {namespace}",
    "namespace.edited": "edited the namespace {namespace}",
    "policy.changed": "changed the policy of {place}",
    "promotion.approved": "approved {version} for {stage}",
    "promotion.opened": "asked for {stage} for {version}",
    "promotion.refused": "was refused {stage} for {version}",
    "promotion.rejected": "rejected {version} for {stage}",
    "promotion.rule_waived": "waived a rule for {version}",
    "promotion.withdrawn": "withdrew the request to move {version} to {stage}",
    "role.granted": "granted a role on {place}",
    "role.revoked": "revoked a role on {place}",
    "run.ended": "ended a run in {namespace}",
    "run.started": "started a run in {namespace}",
    "schedule.created": "scheduled builds of {model}",
    "schedule.deleted": "deleted a schedule of {model}",
    "schedule.edited": "changed a schedule of {model}",
    "schedule.paused": "paused a schedule of {model}",
    "schedule.resumed": "resumed a schedule of {model}",
    "sign_in.link_made": "made a sign-in link",
    "stage.rolled_back": "rolled back {stage} of {model}",
    "subscription.created": "subscribed to events of {place}",
    "subscription.deleted": "removed a subscription of {place}",
    "subscription.edited": "changed a subscription of {place}",
    "terms.accepted": "accepted the terms of use of {model}",
    "terms.changed": "changed the terms of use of {model}",
    "token.created": "created a token",
    "token.revoked": "revoked a token",
    "version.archived": "archived {version}",
    "version.attested": "signed {version}",
    "version.deleted": "deleted {version}",
    "version.demoted": "took {version} out of {stage}",
    "version.deprecated": "deprecated {version}",
    "version.edited": "edited {version}",
    "version.evaluated": "evaluated {version}",
    "version.image_made": "made an image of {version}",
    "version.promoted": "promoted {version} to {stage}",
    "version.recalled": "recalled {version}",
    "version.registered": "registered {version}",
    "version.released": "released {version} from quarantine",
}


class Told(msgspec.Struct, frozen=True):
    """actor did `words`; detail: the reason that was given, or nothing."""

    actor: str
    words: str
    detail: str


def tell(body: dict[str, Any]) -> Told:
    """Return an event's body as a sentence. A kind without a phrase is told by its name and place."""
    data = body.get("data") or {}
    namespace, model = body.get("namespace") or "the registry", body.get("model")
    number = body.get("version")
    version = f"{model} v{number}" if model and number else model or namespace
    stage = data.get("stage") or data.get("to_stage") or "a stage"
    kind = str(body["kind"])
    phrase = _PHRASES.get(kind)
    known = kind.replace(".", " ").replace("_", " ")
    words = (
        f"{known}: {version}"
        if phrase is None
        else phrase.format(
            namespace=namespace,
            model=model or namespace,
            version=version,
            place=model or namespace,
            stage=stage,
            alias=data.get("alias") or "an alias",
            deployment=data.get("deployment") or "",
            role=data.get("role") or "",
            weight=data.get("weight", ""),
        )
    )
    return Told(str(body["actor"]["name"]), words, str(data.get("reason") or "")[:300])
