"""Credentials by their forms, told by line and kind; and texts that only look like them."""

from __future__ import annotations

import zlib

import pytest

from modelyard.registry.scan.secrets import find_secrets, is_text

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def github_token(body: str) -> str:
    number, text = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        text = _DIGITS[digit] + text
    return f"ghp_{body}{text.rjust(6, '0')}"


FOUND = {
    "AKIA" + "QW4ERTYU7IOPASDF": "AWS access key",
    github_token("a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5"): "GitHub token",
    "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZabcdefgh": "Hugging Face token",
    "-----BEGIN RSA PRIVATE " + "KEY-----": "private key",
    "xoxb-" + "123456789012-abcdefghijkl": "Slack token",
    "postgresql://scorer:" + "s3cr3tWord9@db.internal/x": "password in a URL",
    'password = "' + 'q7Rk2pXw9LmZ4"': "password or key",
    "API_KEY=" + "9f8e7d6c5b4a39281706f5e4": "password or key",
    "mdy_user_" + "x7" * 24: "Modelyard token",
}


@pytest.mark.parametrize("text", FOUND)
def test_found(text: str) -> None:
    (secret,) = find_secrets(f"first line\n{text}\nlast line\n")
    assert (secret.line, secret.kind) == (2, FOUND[text])


@pytest.mark.parametrize(
    "text",
    [
        "ghp_" + "a" * 36,
        "the password is asked for at the start",
        'password = os.environ["SCORER_PASSWORD"]',
        "api_key: <your-api-key-here-please>",
        "token = tokenizer.encode(text)",
        '"sha256": "' + "ab12" * 16 + '"',
        "https://user:password@example.com/x",
        "secret_size = 1234567890123",
        "AKIA" + "EXAMPLEEXAMPLE77",
        "",
    ],
)
def test_not_found(text: str) -> None:
    assert find_secrets(text) == []


def test_a_long_line_is_read_whole() -> None:
    line = "x" * 50_000 + " AKIA" + "QW4ERTYU7IOPASDF " + "y" * 50_000
    assert [s.kind for s in find_secrets(line)] == ["AWS access key"]


def test_texts() -> None:
    assert is_text(b"words")
    assert is_text("wörter".encode()[:2])
    assert not is_text(b"")
    assert not is_text(b"a\0b")
    assert not is_text(b"\xff\xfe\x00\x01\x02\x03")
