from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from modelyard.blobs.s3 import part_bytes
from modelyard.blobs.s3_url import BucketAddress, parse_url, presign_with_filename
from modelyard.domain.errors import InvalidRequest


def test_all_parts_of_a_url(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_REGION", raising=False)
    assert parse_url(
        "s3://models/some/prefix/?endpoint=http://127.0.0.1:1234/&region=eu-west-1"
    ) == BucketAddress("models", "some/prefix", "http://127.0.0.1:1234", "eu-west-1")
    assert parse_url("s3://models") == BucketAddress("models", "", None, "us-east-1")
    assert parse_url("s3://models/?create_bucket=true").create_bucket is True
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert parse_url("s3://models/").region == "eu-north-1"


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///prefix",
        "s3://Upper",
        "s3://ab",
        "s3://models/a//b",
        "s3://models/../b",
        "s3://models/?endpiont=http://h",
        "s3://models/?endpoint=h:1",
        "s3://models/?endpoint=http://key:secret@h",
        "s3://models/?create_bucket=yes",
        "s3://models/?region",
    ],
)
def test_broken_urls_are_refused(url: str):
    with pytest.raises(InvalidRequest):
        parse_url(url)


def test_credentials_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(InvalidRequest, match="credentials") as caught:
        parse_url("s3://key:topsecret@models/")
    assert "topsecret" not in str(caught.value)


def test_a_signature_as_amazon_published_it(monkeypatch: pytest.MonkeyPatch):
    """The key, time and scope of the example in "Authenticating requests: using query parameters".

    The example has no file name, so its own signature cannot come out; the parts before it can, and the
    contract suite has a server check the signature itself.
    """
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a token")
    address = BucketAddress("examplebucket", "pre fix", None, "us-east-1")
    url = presign_with_filename(
        address, "test.txt", 86400, 'a "name"\r\nä.bin', now=datetime(2013, 5, 24, tzinfo=UTC)
    )
    assert url is not None
    parts, query = urlsplit(url), parse_qs(urlsplit(url).query)
    assert parts.netloc + parts.path == "s3.us-east-1.amazonaws.com/examplebucket/pre%20fix/test.txt"
    assert query["X-Amz-Credential"] == ["AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"]
    assert query["X-Amz-Date"] == ["20130524T000000Z"]
    assert query["X-Amz-Expires"] == ["86400"]
    assert query["X-Amz-Security-Token"] == ["a token"]
    assert query["response-content-disposition"] == [
        "attachment; filename=\"a _name____.bin\"; filename*=UTF-8''a%20%22name%22%0D%0A%C3%A4.bin"
    ]
    assert len(query["X-Amz-Signature"][0]) == 64


def test_without_keys_there_is_no_signature(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    assert presign_with_filename(BucketAddress("b", "", None, "r"), "k", 60, "name") is None


@pytest.mark.parametrize("size", [None, 0, 8 << 20, 10**10, 10**12, 5 * 10**12])
def test_parts_fit_the_limits_of_s3(size: int | None):
    part = part_bytes(size)
    assert 5 << 20 <= part <= 5 << 30
    if size is not None:
        assert size <= part * 10_000
    if size is not None and size <= 64 * 10**9:
        assert size <= part * 1000
        assert part <= 64 << 20
