"""The server's own secret and the keys derived from it: the log's signing key and the seal on stored secrets.

One secret of 256 bits serves all processes of a server. Each use derives its own key from it (HKDF), so no key
reveals another. It is kept outside the database where that is possible, so that a copy
of the database alone can neither sign checkpoints nor open sealed secrets. Decision record 0011.
"""

from modelyard.registry.keyring.keys import Keyring
from modelyard.registry.keyring.usecases import (
    SECRET_FACT,
    SECRET_FILE,
    open_keyring,
    place_secret,
    secret_in_database,
)

__all__ = ["SECRET_FACT", "SECRET_FILE", "Keyring", "open_keyring", "place_secret", "secret_in_database"]
