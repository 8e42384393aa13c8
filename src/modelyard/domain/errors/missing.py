"""Errors for objects that do not exist or are hidden from the caller."""

from __future__ import annotations

from modelyard.domain.errors.base import Kind, ModelyardError


class NotFound(ModelyardError):
    code, kind = "not_found", Kind.NOT_FOUND
    text, advice = (
        "{what} was not found",
        "Check the name; objects that you may not see are reported as not found too",
    )


class NamespaceNotFound(NotFound):
    code = "namespace_not_found"
    text, advice = "there is no namespace {namespace!r}", "List them with: modelyard namespace ls, or create it"


class NoRetentionRule(NotFound):
    code = "no_retention_rule"
    text = "namespace {namespace} has no retention rule"
    advice = "Set one with: modelyard retention set {namespace} --keep-versions 10"


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
    text, advice = "the server does not have the bytes {digest}", "Upload them first"


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
    text, advice = (
        "{what} has no policy of its own",
        "See the policy in force with: modelyard policy show {what}",
    )


class DatasetNotFound(NotFound):
    code = "dataset_not_found"
    text, advice = "there is no dataset {dataset!r}", "List them with: modelyard dataset ls"


class SubscriptionNotFound(NotFound):
    code = "subscription_not_found"
    text, advice = "there is no subscription {subscription}", "List them with: modelyard subscription ls"


class JobNotFound(NotFound):
    code = "job_not_found"
    text, advice = "there is no job {job}", "List them with: modelyard jobs ls"


class PublisherNotFound(NotFound):
    code = "publisher_not_found"
    text = "there is no trusted publisher {publisher} in this namespace"
    advice = "List them with: modelyard publisher ls NAMESPACE"


class CommentNotFound(NotFound):
    code = "comment_not_found"
    text, advice = "the model has no comment {comment}", "List its comments with: modelyard comment ls MODEL"


class RunNotFound(NotFound):
    code = "run_not_found"
    text, advice = "there is no run {run}", "List them with: modelyard runs ls"


class BuildNotFound(NotFound):
    code = "build_not_found"
    text, advice = "there is no build {build}", "List them with: modelyard builds ls"


class BuildSecretNotFound(NotFound):
    code = "build_secret_not_found"
    text = "namespace {namespace} has no build secret {name}"
    advice = "A maintainer sets it with: modelyard secret set {namespace} {name}"


class ScheduleNotFound(NotFound):
    code = "schedule_not_found"
    text, advice = "there is no schedule {schedule}", "List them with: modelyard schedule ls"


class DeploymentNotFound(NotFound):
    code = "deployment_not_found"
    text, advice = "there is no deployment {deployment}", "List them with: modelyard deployment ls"


class RevisionNotFound(NotFound):
    code = "revision_not_found"
    text = "deployment {deployment} has no revision {revision}"
    advice = "List its revisions with: modelyard deployment history {deployment}"


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
