"""Errors for requests that cannot be right, no matter who sends them."""

from __future__ import annotations

from modelyard.domain.errors.base import Kind, ModelyardError


class Invalid(ModelyardError):
    code, kind = "invalid", Kind.INVALID
    text, advice = "{reason}", "Correct the request and send it again"


class InvalidName(Invalid):
    code = "invalid_name"
    text = "{value!r} is not a valid {what}: {reason}"
    advice = "Use for example {proposal!r}"


class InvalidAlias(Invalid):
    code = "invalid_alias"
    text = "{value!r} is not a valid alias: {reason}"
    advice = "Use for example {proposal!r}"


class InvalidReference(Invalid):
    code = "invalid_reference"
    text = "{value!r} is not a valid reference: {reason}"
    advice = "Write namespace/name, followed by :12 for a version, by @alias or by @sha256:<64 hex digits>"


class InvalidDigest(Invalid):
    code = "invalid_digest"
    text = "{value!r} is not a valid digest"
    advice = "A digest is sha256: followed by 64 lowercase hex digits"


class InvalidPath(Invalid):
    code = "invalid_path"
    text = "file path {path!r} is refused: {reason}"
    advice = (
        "A path is relative, with / between its parts, without '..', links, control characters or case clashes"
    )


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
    advice = "Correct the file; write a commented example with: modelyard policy init"


class InvalidRecipe(Invalid):
    code = "invalid_recipe"
    text = "the recipe is refused at line {line}: {reason}"
    advice = "Correct the line and send it again"


class TaskRefused(Invalid):
    code = "task_refused"
    text = "the {executor} executor refuses the build: {reason}"
    advice = "Change the resources in the recipe, or build in another pool (modelyard pool ls)"


class DigestMismatch(Invalid):
    code = "digest_mismatch"
    text = "the bytes have the digest {actual}, not {expected}"
    advice = "Read the file again and send it with the digest of the bytes that were read"


class BundleDamaged(Invalid):
    code = "bundle_damaged"
    text = "{path}: {part} was changed; its digest is {actual}, not {expected}"
    advice = "Write it again: modelyard bundle write REF FILE"


class SizeMismatch(Invalid):
    code = "size_mismatch"
    text = "{actual} bytes were counted, but {expected} were announced"
    advice = "Read the file again and send it with its true size"


class OffsetMismatch(Invalid):
    code = "offset_mismatch"
    text = "the upload is at byte {actual}, not {expected}"
    advice = "Read the offset with GET /api/v1/uploads/<id> and continue from there"


class RangeNotSatisfiable(Invalid):
    code = "range_not_satisfiable"
    text = "the range {range!r} lies outside the {size_bytes} bytes of the file"
    advice = "Ask for a range inside the file"


class DatasetMismatch(Invalid):
    code = "dataset_mismatch"
    text = "the dataset {name!r} has the digest {actual}, not {expected}"
    advice = "Use the expected data, or leave out expect= if you want new data"


class MissingBlobs(Invalid):
    code = "missing_blobs"
    text = "the server lacks the bytes of {count} of the manifest's files (the first: {first})"
    advice = "Upload them, then register again; POST /api/v1/blobs/missing lists them all"


class NoSaver(Invalid):
    code = "no_saver"
    text = "{what} cannot be saved or loaded as a model: {reason}"
    advice = "Save it with its framework and push the folder, or install a saver for it"


class UntrustedModel(Invalid):
    code = "untrusted_model"
    text = "loading {where} needs types that are not known to be safe: {types}"
    advice = "If you trust its author, load it with trust=True, trust=[the names you trust] or trust='unsafe'"


class ExtraMissing(Invalid):
    code = "extra_missing"
    text = "{what} needs the package {package}, which is not installed"
    advice = 'Install it with: pip install "modelyard[{extra}]"'


class UnlawfulModel(Invalid):
    code = "unlawful_model"
    text = "{where} cannot be loaded: {reason}"
    advice = "It is damaged or forged: do not use it, and tell its author"


class SignatureMismatch(Invalid):
    code = "signature_mismatch"
    text = "{where} was given data that does not fit the model's signature: {problems}"
    advice = "Convert the data to that form; my.load(..., check=False) loads the model without the check"


class UnlawfulFile(Invalid):
    code = "unlawful_file"
    text = "{path} cannot be pushed: {reason}"
    advice = "Replace it with a regular file, or list it in .modelyardignore"


class SecretFiles(Invalid):
    code = "secret_files"
    text = "{count} of the files hold credentials and were not pushed: {files}"
    advice = "List them in .modelyardignore or move them; to push them anyway, use --allow-secrets (allow_secrets=True)"


class ClientGone(Invalid):
    """The client hung up in the middle of its body, so there is no one left to read the answer."""

    code = "client_gone"
    text, advice = (
        "the connection ended after {received} bytes of the body",
        "Ask how many bytes arrived and continue from there",
    )


class Misdirected(Invalid):
    code = "misdirected"
    text = "this server is not called {host!r}"
    advice = "Use the address that the server was started with, or add the name to the setting allowed_hosts"


class MethodNotAllowed(Invalid):
    code = "method_not_allowed"
    text = "{path} does not take {method}"
    advice = "Use {allowed}; all routes are in /api/v1/openapi.json"


class SlowBody(Invalid):
    code = "slow_body"
    text, advice = "the body arrives too slowly", "Send it again over a faster connection"


class UnsupportedEncoding(Invalid):
    code = "unsupported_encoding"
    text = "the body is encoded as {encoding!r}, which this server does not decode"
    advice = "Send the plain body, without Content-Encoding"
