"""Check of the server's TLS certificate and key before it listens."""

from __future__ import annotations

import logging
import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelyard.domain.errors import Invalid

logger = logging.getLogger(__name__)

WARN_BEFORE = timedelta(days=14)


def check_certificate(certificate: str, key: str, now: datetime | None = None) -> list[str]:
    """Return warnings, which are also logged: the certificate is not valid yet, has expired, or expires within days.

    Raises Invalid for files that cannot be read or do not belong together, and for a key that everyone can read.
    """
    _refuse_open_key(Path(key))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as exc:
        raise Invalid(
            reason=f"the certificate {certificate} and the key {key} cannot be used: {exc.strerror or exc}",
            fix="Give --tls-cert and --tls-key two PEM files that belong together",
        ) from exc
    warnings = _dates(certificate, now or datetime.now(UTC))
    for words in warnings:
        logger.warning("%s", words)
    return warnings


def _refuse_open_key(key: Path) -> None:
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError as exc:
        raise Invalid(reason=f"the key {key} cannot be read: {exc.strerror}", fix="Correct --tls-key") from exc
    if os.name == "posix" and mode & stat.S_IRWXO:
        raise Invalid(
            reason=f"the key {key} can be read by every user of this machine (mode {mode:04o})",
            fix=f"Close it with: chmod o-rwx {key}",
        )


def _dates(certificate: str, now: datetime) -> list[str]:
    from cryptography import x509

    found = x509.load_pem_x509_certificates(Path(certificate).read_bytes())[0]
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    if now < begins:
        return [f"the certificate {certificate} is not valid before {begins:%Y-%m-%d %H:%M} UTC"]
    if now >= ends:
        return [
            f"the certificate {certificate} expired on {ends:%Y-%m-%d %H:%M} UTC: clients refuse it; renew it"
        ]
    if now >= ends - WARN_BEFORE:
        return [f"the certificate {certificate} expires on {ends:%Y-%m-%d %H:%M} UTC; renew it"]
    return []
