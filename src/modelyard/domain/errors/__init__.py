"""Define the one exception hierarchy. Every door maps a *kind* once; every class has a stable *code*.

ModelyardError
├── Invalid                  the request cannot be right, no matter who sends it
│   ├── InvalidName          InvalidAlias  InvalidReference  InvalidDigest  InvalidPath  InvalidManifest
│   ├── InvalidRequest       malformed or unknown fields, bad JSON, bad parameters
│   ├── InvalidFact          a parameter, metric or captured fact that cannot be stored
│   ├── InvalidPolicy        a policy file that is malformed or contradicts itself, with the line
│   ├── InvalidRecipe        a recipe of a build, likewise
│   ├── TaskRefused          a cluster will never run what a build asks for
│   ├── DigestMismatch       SizeMismatch  OffsetMismatch  RangeNotSatisfiable
│   ├── DatasetMismatch      data is not what a run or a push expected (raised by the client only)
│   ├── NoSaver              UntrustedModel  UnlawfulModel  SignatureMismatch  ExtraMissing  UnlawfulFile
│   │                        SecretFiles (raised by the client only)
│   ├── BundleDamaged        a version in one file was changed (raised by the client only)
│   ├── MissingBlobs         a manifest names bytes that the server does not have
│   └── ClientGone           Misdirected  MethodNotAllowed  SlowBody  UnsupportedEncoding: faults of the connection
├── Unauthenticated          no proof of identity, or one that is no longer valid
│   └── TokenInvalid         TokenExpired  SignInFailed  EmailNotAccepted  IdTokenRefused  NotSignedIn
├── Denied                   the account is known but lacks the right
│   └── TokenScopeTooNarrow  FullSignInNeeded  SecondPersonNeeded  TermsNotAccepted  PoolRefused
├── NotFound                 not there, or hidden from the caller
│   ├── NamespaceNotFound    NoRetentionRule
│   ├── ModelNotFound  VersionNotFound  AliasNotFound  FileNotFound
│   ├── BlobNotFound         UploadNotFound  ActorNotFound  TokenNotFound
│   ├── StageNotFound        PromotionNotFound  PolicyNotFound
│   ├── RunNotFound          ExperimentNotFound  SeriesNotFound
│   ├── DatasetNotFound      no such dataset, or no such content of it
│   ├── BuildNotFound        BuildSecretNotFound  ScheduleNotFound
│   ├── DeploymentNotFound   RevisionNotFound
│   ├── JobNotFound          no such background job
│   └── EventNotFound        SubscriptionNotFound  PublisherNotFound  CommentNotFound  RouteNotFound
├── Conflict                 the present state of the registry forbids it
│   ├── AlreadyExists        AliasMoved  EditConflict  HasDependents  VersionArchived  ModelArchived
│   ├── VersionDeleted       IdempotencyConflict  ProtectedAlias  VersionQuarantined  FileQuarantined
│   ├── BytesWithheld        FileWithheld  FilesWithheld: bytes that leaked something and are not served
│   ├── VersionNotAdmitted   it never entered the stage of the deployment
│   ├── DeploymentMoved      another revision serves than the request saw
│   ├── NoWayBack            the deployment has no earlier good revision
│   ├── VersionRecalled      a maintainer recalled it: it must not be used
│   ├── PromotionClosed      PromotionStale  StageFull  NothingToRollBack
│   ├── QuotaExceeded        the versions of the namespace would need more space than an admin allows
│   ├── BuildOver            TooManyBuilds  TooManySchedules
│   ├── AttemptSuperseded    FramesMissing: what an agent of a build may no longer, or not yet, report
│   ├── RecordsMissing       a writer of a run skipped a number
│   ├── JobNotOpen           JobOpen: a background job has ended, or is still running
│   ├── PreconditionFailed   the condition in If-Match does not hold
│   └── FileChanged          WouldOverwrite   (raised by the client only)
├── Refused                  a policy said no (for doors and the SDK; internally, a refusal is a returned verdict)
├── TooLarge                 over a limit that a setting defines
├── Busy                     try again soon
│   └── RateLimited          TooManyAttempts  ShareUsedUp  BlobBeingCollected  QueueFull  ScanPending  ChangedMeanwhile
├── Unavailable              something below does not answer
│   ├── DatabaseUnavailable  BlobStoreUnavailable  BlobFormatUnknown  DiskFull  ProviderUnavailable  ExecutorUnavailable
│   │                        TargetUnavailable
│   └── ServerUnreachable    UnexpectedAnswer   (raised by the client only)
└── Internal                 a defect in Modelyard
    ├── BlobCorrupt          stored bytes no longer match their digest
    ├── DownloadCorrupt      the bytes that arrived are not those that the manifest names
    └── LogDamaged           the event log was changed outside Modelyard

The classes live in files by area (`invalid`, `access`, `missing`, `conflict`, `refusals`, `failures`) and are
imported from here. A class names its fields in two templates, `text` (the fact) and `advice` (what to do next). The
fields travel to every client, so a template never names a secret.
"""

from __future__ import annotations

# Each of these modules holds only error classes, all of them public: naming them again here would be a second list
# to maintain.
from modelyard.domain.errors.access import *  # noqa: F403
from modelyard.domain.errors.base import Kind as Kind
from modelyard.domain.errors.base import ModelyardError as ModelyardError
from modelyard.domain.errors.conflict import *  # noqa: F403
from modelyard.domain.errors.failures import *  # noqa: F403
from modelyard.domain.errors.invalid import *  # noqa: F403
from modelyard.domain.errors.missing import *  # noqa: F403
from modelyard.domain.errors.refusals import *  # noqa: F403


def all_errors() -> dict[str, type[ModelyardError]]:
    """Return every class of the tree by its code."""
    found: dict[str, type[ModelyardError]] = {}
    waiting: list[type[ModelyardError]] = list(ModelyardError.__subclasses__())
    while waiting:
        cls = waiting.pop()
        found[cls.code] = cls
        waiting.extend(cls.__subclasses__())
    return found
