"""The server's own secret, and what is made from it: the log's signing key and the seal on stored secrets.

One secret of 256 bits serves all processes of a server. Each use derives a key of its own from it (HKDF), so
none tells anything about another. It is kept outside of the database where that is possible, so that a copy
of the database alone neither signs checkpoints nor opens sealed secrets. Decision record 0011.
"""

from modelyard.registry.keyring.keys import Keyring
from modelyard.registry.keyring.usecases import SECRET_FILE, open_keyring

__all__ = ["SECRET_FILE", "Keyring", "open_keyring"]
