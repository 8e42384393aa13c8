"""Credentials by their forms, told by line and kind; and texts that only look like them."""

from __future__ import annotations

import time
import zlib

import pytest

from modelyard.domain.secrets import LineMasker, find_secrets, is_text, mask, mask_json

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
    "machine git.internal login bot password " + "hunter22aa": "netrc password",
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


# --- masking -----------------------------------------------------------------------------------------

_RANDOM = "q7Rk2pXw9LmZ4tBvN8sYc3"

MASKED = {
    'password = "hunter2"': 'password = "***"',
    "password: str = 'hunter2'": None,
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPx": "AWS_SECRET_ACCESS_KEY=***",
    f"sk-proj-{_RANDOM}{_RANDOM}": "sk-proj-***",
    f"ghp_{_RANDOM}{_RANDOM}": None,
    "Authorization: Bearer abcdef123456": "Authorization: Bearer ***",
    "-H 'Cookie: session=abcdef; theme=dark'": None,
    "password: correct horse battery staple": "password: ***",
    "Server=tcp:x;User Id=sa;Password=Pa$$w0rd;Encrypt=true": "Server=tcp:x;User Id=sa;Password=***;Encrypt=true",
    "python train.py --password hunter2 --lr 3": "python train.py --password *** --lr 3",
    "postgres://ann:p@ss:word@host/db": "postgres://ann:***@host/db",
    f"https://{_RANDOM}@git.example/x": "https://***@git.example/x",
    '{"a": "{\\"password\\": \\"x9\\"}"}': '{"a": "{\\"password\\": \\"***\\"}"}',
    f"X-Api-Key: {_RANDOM}": "X-Api-Key: ***",
    f"AccountName=a;AccountKey={_RANDOM}{_RANDOM}==;": None,
    f"https://a.blob/x?sv=1&sig={_RANDOM}%3D": "https://a.blob/x?sv=1&sig=***",
    f"api_key => '{_RANDOM}'": "api_key => '***'",
    f"os.environ['HF_TOKEN'] = '{_RANDOM}'": "os.environ['HF_TOKEN'] = '***'",
    f"eyJ{_RANDOM}.eyJ{_RANDOM}.{_RANDOM}": "eyJ***",
    f"token=mdy_user_{_RANDOM}": "token=***",
    "machine h login u password hunter2": "machine h login u password ***",
    f"token -> {_RANDOM}": "token -> ***",
    "+API_SECRET = b'topsecretbytes'": "+API_SECRET = b'***'",
    "connect(user='ann', passwd='x')": "connect(user='ann', passwd='***')",
}


@pytest.mark.parametrize("text", MASKED)
def test_a_masked_text_keeps_no_credential(text: str) -> None:
    told = mask(f"before\n{text}\nafter")
    assert told.startswith("before\n")
    assert told.endswith("\nafter")
    for word in (
        "hunter2",
        _RANDOM[:12],
        "abcdef",
        "horse",
        "Pa$$",
        "p@ss",
        "word@",
        "x9",
        "wJalr",
        "topsecret",
        "'x'",
    ):
        assert word not in told
    if MASKED[text] is not None:
        assert told == f"before\n{MASKED[text]}\nafter"
    assert mask(told) == told
    assert len(mask(text, same_length=True)) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "token = tokenizer(text)",
        'eos_token="</s>" pad_token="[PAD]"',
        'password = os.environ["DB_PASSWORD"]',
        "password = getpass.getpass()",
        "api_key: str | None = None",
        "num_tokens=512 max_tokens: 100 token_loss=0.51",
        "for key, value in pairs: key=value",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "epoch 3 loss=0.25 accuracy=0.9 path=/data/passes",
        "https://host/path?page=2",
        "pass 3 of 10, bypass=1, compass=north",
        "--password $DB_PASSWORD --token <your token>",
        "def check(password, secret): return secret == password",
    ],
)
def test_a_text_without_credentials_stays_as_it_is(text: str) -> None:
    assert mask(text) == text


def test_a_private_key_goes_whole_also_without_its_end() -> None:
    key = "-----BEGIN OPENSSH PRIVATE " + "KEY-----\nb3BlbnNzaC1r\nZXktdjEAAAAA\n"
    whole = mask(f"a\n{key}-----END OPENSSH PRIVATE " + "KEY-----\nb")
    assert "b3Blbn" not in whole
    assert whole.endswith("PRIVATE KEY-----\nb")
    assert "ZXkt" not in mask(f"a\n{key}")
    lines = LineMasker()
    told = "".join(lines.mask(line) for line in f"{key}-----END OPENSSH PRIVATE KEY-----\nb\n".splitlines(True))
    assert "ZXkt" not in told
    assert told.endswith("KEY-----\nb\n")


def test_json_is_masked_by_the_names_of_its_keys_and_by_the_forms_of_its_texts() -> None:
    given = {
        "db": {"password": "x", "apiKey": "abc", "host": "db.internal"},
        "hub_token": "short",
        "eos_token": "<s>",
        "tokenizer": "gpt2",
        "max_tokens": 5,
        "sort_key": "date",
        "env": [f"SECRET={_RANDOM}", "LANG=C"],
    }
    assert mask_json(given) == {
        "db": {"password": "***", "apiKey": "***", "host": "db.internal"},
        "hub_token": "***",
        "eos_token": "<s>",
        "tokenizer": "gpt2",
        "max_tokens": 5,
        "sort_key": "date",
        "env": ["SECRET=***", "LANG=C"],
    }


@pytest.mark.parametrize(
    "word",
    [
        'password="',
        "pwd='",
        "-----BEGIN PRIVATE KEY-----",
        "a://",
        "bearer ",
        "--token ",
        "eyJaaaaaaaaaaa.",
        "x-key: ",
    ],
)
def test_masking_takes_time_in_proportion_to_the_text(word: str) -> None:
    def seconds(size: int) -> float:
        text = (word * size)[:size]
        started = time.process_time()
        mask(text)
        find_secrets(text)
        return time.process_time() - started

    seconds(10_000)
    base = max(min(seconds(20_000) for _ in range(3)), 0.002)
    assert min(seconds(160_000) for _ in range(3)) < 40 * base


@pytest.mark.parametrize(
    "text",
    [
        "one\ntwo\n\nthree",
        "password = hunter2hunter2\nplain\r\ntoken: a1B2c3D4e5F6a1B2c3D4\n",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\ndef\n-----END RSA PRIVATE KEY-----\nafter\n",
        "before\n-----BEGIN PRIVATE KEY-----\nabc\n",
    ],
)
def test_lines_are_masked_together_as_they_are_one_by_one(text: str) -> None:
    together, single = LineMasker(), LineMasker()
    expected = "".join(map(single.mask, text.splitlines(keepends=True)))
    assert (together.mask_lines(text), together.in_key) == (expected, single.in_key)
    # What follows in another block is inside the key, or not.
    assert together.mask_lines("next\n") == single.mask("next\n")
