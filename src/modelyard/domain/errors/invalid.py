"""The request cannot be right, no matter who sends it."""

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
    advice = "If you trust who made it, load it with trust=True, trust=[the names you trust] or trust='unsafe'"


class ExtraMissing(Invalid):
    code = "extra_missing"
    text = "{what} needs the package {package}, which is not installed"
    advice = 'Install it with: pip install "modelyard[{extra}]"'


class UnlawfulModel(Invalid):
    code = "unlawful_model"
    text = "{where} cannot be loaded: {reason}"
    advice = "It is damaged or forged: do not use it, and tell the person who made it"


class SignatureMismatch(Invalid):
    code = "signature_mismatch"
    text = "{where} was given data that does not fit the model's signature: {problems}"
    advice = "Bring the data into that form; my.load(..., check=False) leaves the model unchecked"


class UnlawfulFile(Invalid):
    code = "unlawful_file"
    text = "{path} cannot be pushed: {reason}"
    advice = "Put a regular file in its place, or name it in .modelyardignore"


class SecretFiles(Invalid):
    code = "secret_files"
    text = "{count} of the files hold credentials and are not pushed: {files}"
    advice = "Name them in .modelyardignore, or move them; push them all the same with --allow-secrets (allow_secrets=True)"


class ClientGone(Invalid):
    """The client hung up in the middle of its body; no one is left to read the answer."""

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


class UnsupportedEncoding(Invalid):
    code = "unsupported_encoding"
    text = "the body is encoded as {encoding!r}, which is not decoded here"
    advice = "Send the body as it is, without Content-Encoding"
