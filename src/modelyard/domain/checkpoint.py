"""Checkpoints: a log's size and root in the signed text form of C2SP, which other verifiers read too.

    modelyard.example/log-1f0c…          the log's name, its *origin*
    1042                                 events so far
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2…    root of the Merkle tree, base64
                                         an empty line
    — modelyard.example/log-1f0c… Az3…   key id and Ed25519 signature, base64

Making and checking signatures needs a library and happens elsewhere; this module only defines the form.
Source: c2sp.org/tlog-checkpoint, c2sp.org/signed-note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from modelyard.domain.errors import Invalid

_ED25519 = b"\x01"
_NAME = re.compile(r"[^\s+]{1,200}\Z")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the signed text, with its last line break."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    checkpoint: Checkpoint
    note: str
    """The whole text as received."""
    signed_text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class LogKey:
    """The public half of the key that signs a log's checkpoints."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def text(self) -> str:
        """Return `name+id+key`, the form that verifiers of signed notes accept."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> LogKey:
        """Parse a public key. Raises Invalid."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) == 33 and raw[:1] == _ED25519 and _NAME.match(name):
            key = cls(name, raw[1:])
            if key.id.hex() == key_id:
                return key
        raise Invalid(
            reason=f"{text.strip()[:80]!r} is not a log's public key",
            fix="It looks like name+12345678+BASE64 and is printed by: modelyard audit checkpoint --public-key",
        )


def is_origin(text: str) -> bool:
    """Return whether the text may name a log: it has no white space and no plus sign."""
    return bool(_NAME.match(text))


def sign_line(key: LogKey, signature: bytes) -> str:
    return f"— {key.name} {base64.b64encode(key.id + signature).decode()}\n"


def parse_checkpoint(note: str) -> SignedCheckpoint:
    """Parse a checkpoint. Raises Invalid for a text that is not a checkpoint with at least one signature."""
    text, gap, tail = note.replace("\r\n", "\n").rpartition("\n\n")
    lines = text.split("\n")
    try:
        if not gap or len(lines) < 3 or not is_origin(lines[0]):
            raise ValueError
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", lines[1]):
            raise ValueError
        root = base64.b64decode(lines[2], validate=True)
        signatures = tuple(_signature(line) for line in tail.splitlines() if line)
        if len(root) != 32 or not signatures:
            raise ValueError
    except (ValueError, binascii.Error):
        raise Invalid(
            reason="this is not a signed checkpoint",
            fix="A checkpoint is the text that `modelyard audit checkpoint` prints, every line of it",
        ) from None
    return SignedCheckpoint(Checkpoint(lines[0], int(lines[1]), root), note, text + "\n", signatures)


def _signature(line: str) -> Signature:
    dash, name, encoded = line.split(" ")
    raw = base64.b64decode(encoded, validate=True)
    if dash != "—" or len(raw) < 5:
        raise ValueError
    return Signature(name, raw[:4], raw[4:])
