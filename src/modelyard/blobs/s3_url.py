"""Parse the URL of a bucket, sign requests for it, and create it."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec
import obstore
import urllib3
from obstore.store import S3Store as Bucket

from modelyard.domain.errors import InvalidRequest

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_EXAMPLE = "Write s3://bucket/prefix?endpoint=http://host:port&region=us-east-1"


class BucketAddress(msgspec.Struct, frozen=True):
    bucket: str
    prefix: str
    """The prefix without slashes at its ends; empty: none."""
    endpoint: str | None
    """None: Amazon's own endpoint for the region."""
    region: str
    create_bucket: bool = False

    def client_settings(self) -> dict[str, Any]:
        """Return the settings of obstore's client, which reads the credentials from the AWS_… variables itself."""
        settings: dict[str, Any] = {
            "region": self.region,
            "client_options": {
                "connect_timeout": "5s",
                # The timeout of one request: a part of an upload, a window of a download, a copy on the server.
                "timeout": "600s",
                "allow_http": self.endpoint is not None and self.endpoint.startswith("http://"),
            },
            "retry_config": {"max_retries": 4, "retry_timeout": timedelta(seconds=30)},
        }
        if self.prefix:
            settings["prefix"] = self.prefix
        if self.endpoint is not None:
            settings["endpoint"] = self.endpoint
        return settings

    def object_url(self, key: str) -> str:
        """Return a path-style URL, as obstore itself uses."""
        whole_key = f"{self.prefix}/{key}" if self.prefix else key
        return f"{self.service_url()}/{self.bucket}/{quote(whole_key)}"

    def service_url(self) -> str:
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"


def parse_url(url: str) -> BucketAddress:
    """Parse the URL of a store. Raises InvalidRequest."""
    parts = urlsplit(url)
    try:
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise InvalidRequest(reason="the store's URL has a broken query", fix=_EXAMPLE) from error
    if "@" in parts.netloc:
        # The URL may hold a password, so the message does not repeat it.
        raise InvalidRequest(
            reason="the store's URL holds credentials",
            fix="Put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    unknown = sorted(query.keys() - {"endpoint", "region", "create_bucket"})
    if unknown:
        raise InvalidRequest(reason=f"the store's URL has an unknown parameter {unknown[0]!r}", fix=_EXAMPLE)
    if parts.scheme != "s3" or not _BUCKET.match(parts.netloc):
        raise InvalidRequest(reason=f"{parts.netloc!r} is not the name of a bucket", fix=_EXAMPLE)
    prefix = parts.path.strip("/")
    if any(part in ("", ".", "..") for part in prefix.split("/")) and prefix:
        raise InvalidRequest(reason=f"{prefix!r} is not a valid prefix", fix=_EXAMPLE)
    endpoint = query.get("endpoint") or None
    if endpoint is not None:
        target = urlsplit(endpoint)
        if target.scheme not in ("http", "https") or not target.hostname or target.username:
            raise InvalidRequest(reason="the endpoint is not an http or https URL", fix=_EXAMPLE)
    create = query.get("create_bucket", "false")
    if create not in ("true", "false"):
        raise InvalidRequest(reason="create_bucket is neither true nor false", fix=_EXAMPLE)
    return BucketAddress(
        bucket=parts.netloc,
        prefix=prefix,
        endpoint=endpoint.rstrip("/") if endpoint else None,
        region=query.get("region") or os.environ.get("AWS_REGION") or "us-east-1",
        create_bucket=create == "true",
    )


def make_bucket(address: BucketAddress) -> None:
    """Create the bucket unless it exists. Raises OSError or an error of obstore."""
    # With "virtual hosts" the client omits the bucket from the path, so that a key can name it.
    settings = address.client_settings() | {"virtual_hosted_style_request": True}
    settings.pop("prefix", None)
    settings["endpoint"] = address.service_url()
    url = obstore.sign(Bucket(address.bucket, **settings), "PUT", address.bucket, timedelta(minutes=1))
    body = b""
    if address.endpoint is None and address.region != "us-east-1":
        body = (
            '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<LocationConstraint>{address.region}</LocationConstraint></CreateBucketConfiguration>"
        ).encode()
    try:
        answer = urllib3.request("PUT", url, body=body, timeout=30, retries=2)
    except urllib3.exceptions.HTTPError as error:
        raise OSError("the endpoint does not answer") from error
    # 409: it exists. The first object shows whether it is ours.
    if answer.status not in (200, 409):
        raise OSError(f"{answer.status} to the making of a bucket: {answer.data[:300]!r}")


def presign_with_filename(
    address: BucketAddress, key: str, expires_in_seconds: int, filename: str, now: datetime | None = None
) -> str | None:
    """Return a URL whose answer has `filename` in its Content-Disposition; None without keys in the environment.

    It is signed here, because obstore signs no additional parameters. Source: AWS Signature Version 4,
    "Authenticating requests: using query parameters"; for the file name RFC 6266 and RFC 8187.
    """
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key_id or not secret:
        return None
    at = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{at[:8]}/{address.region}/s3/aws4_request"
    plain = re.sub(r'[^ -~]|["\\]', "_", filename)
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{key_id}/{scope}",
        "X-Amz-Date": at,
        "X-Amz-Expires": str(expires_in_seconds),
        "X-Amz-SignedHeaders": "host",
        "response-content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}",
    }
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        query["X-Amz-Security-Token"] = token
    url = address.object_url(key)
    target = urlsplit(url)
    in_order = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(query.items()))
    request = "\n".join(["GET", target.path, in_order, f"host:{target.netloc}", "", "host", "UNSIGNED-PAYLOAD"])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(request.encode()).hexdigest()])
    signing_key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    signature = hmac.digest(signing_key, to_sign.encode(), "sha256").hex()
    return f"{url}?{in_order}&X-Amz-Signature={signature}"
