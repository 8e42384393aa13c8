"""The one exception hierarchy. Every door maps a *kind* once; every class has a stable *code*.

ModelyardError
├── Invalid                  the request cannot be right, no matter who sends it
│   ├── InvalidName          InvalidAlias  InvalidReference  InvalidDigest  InvalidPath  InvalidManifest
│   ├── InvalidRequest       malformed or unknown fields, bad JSON, bad parameters
│   ├── InvalidFact          a parameter, metric or captured fact that cannot be stored
│   ├── InvalidPolicy        a policy file that is malformed or contradicts itself, with the line
│   ├── DigestMismatch       SizeMismatch  OffsetMismatch  RangeNotSatisfiable
│   ├── DatasetMismatch      data is not what a run or a push expected (raised by the client only)
│   ├── NoSaver              UntrustedModel  UnlawfulModel  SignatureMismatch  ExtraMissing  UnlawfulFile
│   │                        SecretFiles (by the client only)
│   ├── MissingBlobs         a manifest names bytes that are not here
│   └── ClientGone           Misdirected  MethodNotAllowed  SlowBody  UnsupportedEncoding: faults of the connection
├── Unauthenticated          no proof, or a proof that no longer counts
│   └── TokenInvalid         TokenExpired  SignInFailed  IdTokenRefused  NotSignedIn
├── Denied                   known, but without the right
│   └── TokenScopeTooNarrow  FullSignInNeeded  SecondPersonNeeded
├── NotFound                 not there, or not to be known of
│   ├── NamespaceNotFound    ModelNotFound  VersionNotFound  AliasNotFound  FileNotFound
│   ├── BlobNotFound         UploadNotFound  ActorNotFound  TokenNotFound
│   ├── StageNotFound        PromotionNotFound  PolicyNotFound
│   ├── RunNotFound          ExperimentNotFound  SeriesNotFound
│   ├── DatasetNotFound      a dataset, or one of its contents
│   ├── JobNotFound          a background job
│   └── EventNotFound        SubscriptionNotFound  PublisherNotFound  CommentNotFound  RouteNotFound
├── Conflict                 the state of the registry forbids it now
│   ├── AlreadyExists        AliasMoved  EditConflict  HasDependents  VersionArchived  ModelArchived
│   ├── VersionDeleted       IdempotencyConflict  ProtectedAlias  VersionQuarantined  FileQuarantined
│   ├── BytesWithheld        FileWithheld  FilesWithheld: bytes that leaked something, and are not served
│   ├── VersionRecalled      said not to be used, by somebody who may
│   ├── PromotionClosed      PromotionStale  StageFull  NothingToRollBack
│   ├── RecordsMissing       a writer of a run skipped a number
│   ├── JobNotOpen           JobOpen  a background job that ended, or that runs
│   ├── PreconditionFailed   what If-Match asks for is not so
│   └── FileChanged          WouldOverwrite   (raised by the client only)
├── Refused                  a policy said no (for doors and the SDK; inside, a refusal is a returned verdict)
├── TooLarge                 over a limit that is a setting
├── Busy                     try again soon
│   └── RateLimited          TooManyAttempts  ShareUsedUp  BlobBeingCollected  QueueFull  ScanPending  ChangedMeanwhile
├── Unavailable              something below does not answer
│   ├── DatabaseUnavailable  BlobStoreUnavailable  BlobFormatUnknown  DiskFull  ProviderUnavailable
│   └── ServerUnreachable    UnexpectedAnswer   (raised by the client only)
└── Internal                 a defect of ours
    ├── BlobCorrupt          stored bytes no longer match their digest
    ├── DownloadCorrupt      what arrived is not what the manifest names
    └── LogDamaged           the event log was changed outside of this program

The classes live in files by area (`invalid`, `access`, `missing`, `conflict`, `refusals`, `failures`) and are
imported from here. A class names its fields in two templates, `text` (what is so) and `advice` (what to do next). The
fields travel to every client, so a template never names a secret.
"""

from __future__ import annotations

# Each of these holds error classes alone, and every one of them is public: naming them all here again would be a
# second list to keep.
from modelyard.domain.errors.access import *  # noqa: F403
from modelyard.domain.errors.base import Kind as Kind
from modelyard.domain.errors.base import ModelyardError as ModelyardError
from modelyard.domain.errors.conflict import *  # noqa: F403
from modelyard.domain.errors.failures import *  # noqa: F403
from modelyard.domain.errors.invalid import *  # noqa: F403
from modelyard.domain.errors.missing import *  # noqa: F403
from modelyard.domain.errors.refusals import *  # noqa: F403


def all_errors() -> dict[str, type[ModelyardError]]:
    """Every class of the tree by its code."""
    found: dict[str, type[ModelyardError]] = {}
    waiting: list[type[ModelyardError]] = list(ModelyardError.__subclasses__())
    while waiting:
        cls = waiting.pop()
        found[cls.code] = cls
        waiting.extend(cls.__subclasses__())
    return found
