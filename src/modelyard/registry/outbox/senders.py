"""Send a letter to its receiver: as a signed webhook, a Slack message or an e-mail."""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage

import msgspec

from modelyard.db.engine import Database
from modelyard.domain.errors import Conflict, ModelyardError
from modelyard.registry.audit.proofs import latest_checkpoint
from modelyard.registry.keyring import Keyring
from modelyard.registry.outbox import rules
from modelyard.registry.outbox.delivery import Letter, Send, Sent
from modelyard.registry.outbox.nouns import Subscription
from modelyard.registry.outbox.queries import body_of
from modelyard.registry.outgoing import Outgoing, OutgoingFailed, Reply, Session

TIMEOUT_SECONDS = 10.0


class MailSettings(msgspec.Struct, frozen=True):
    """Settings of the mail server. host empty: e-mail is not configured. security: starttls, tls or none."""

    host: str = ""
    port: int = 587
    security: str = "starttls"
    user: str = ""
    password: str = ""
    sender: str = ""


class Sender(msgspec.Struct, frozen=True):
    """Opens a connection to the receiver of a subscription."""

    db: Database
    keyring: Keyring
    outgoing: Outgoing
    mail: MailSettings
    public_url: str
    clock: Callable[[], float] = time.time

    @contextmanager
    def open(self, subscription: Subscription) -> Iterator[Send]:
        """Yield a function that delivers one letter after another, over one connection if possible."""
        if subscription.kind == "email":
            yield lambda letter: self._mail(subscription, letter)
            return
        try:
            session = self.outgoing.session(subscription.target)
            secrets = self._secrets(subscription)
        except ModelyardError as error:
            failure = str(error)
            yield lambda _: Sent(False, error=failure)
            return
        with session:
            if subscription.kind == "slack":
                yield lambda letter: self._slack(session, letter)
            else:
                checkpoint = self.db.read(lambda tx: latest_checkpoint(tx, self.keyring)).note
                yield lambda letter: self._webhook(session, subscription, letter, secrets, checkpoint)

    def _secrets(self, subscription: Subscription) -> list[str]:
        """Return the present secret and, for a while after a rotation, the former one."""
        place = f"subscription {subscription.id}"
        found = [self.keyring.unseal(subscription.secret, place)] if subscription.secret else []
        former, until = subscription.former_secret, subscription.former_secret_until
        if former is not None and until is not None and until > self.clock() * 1_000_000:
            try:
                found.append(self.keyring.unseal(former, place))
            except Conflict:
                # A lost former secret ends the overlap early; the present one still signs.
                return found
        return found

    def _webhook(
        self, session: Session, subscription: Subscription, letter: Letter, secrets: list[str], checkpoint: str
    ) -> Sent:
        body = rules.cloud_event(body_of(letter.body), self.public_url, checkpoint)
        message, now = rules.message_id(subscription.id, letter.seq), int(self.clock())
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "user-agent": "modelyard-webhooks",
            "webhook-id": message,
            "webhook-timestamp": str(now),
            "webhook-signature": " ".join(rules.sign(secret, message, now, body) for secret in secrets),
        }
        return _judged(session.request("POST", headers=headers, body=body, timeout_seconds=TIMEOUT_SECONDS))

    def _slack(self, session: Session, letter: Letter) -> Sent:
        body = rules.slack_message(body_of(letter.body), self.public_url)
        headers = {"content-type": "application/json", "user-agent": "modelyard-webhooks"}
        return _judged(session.request("POST", headers=headers, body=body, timeout_seconds=TIMEOUT_SECONDS))

    def _mail(self, subscription: Subscription, letter: Letter) -> Sent:
        settings = self.mail
        if not settings.host:
            return Sent(False, error="no mail server is configured: set smtp_host")
        body = body_of(letter.body)
        text = rules.sentence(body)
        message = EmailMessage()
        message["Subject"] = f"[modelyard] {text}"[:150]
        message["From"] = settings.sender or f"modelyard@{settings.host}"
        message["To"] = subscription.target
        message["Message-ID"] = (
            f"<{rules.message_id(subscription.id, letter.seq)}@{self.keyring.origin.replace('/', '.')}>"
        )
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(f"{text}\n\n{self.public_url}\nEvent {letter.seq}, {body['at']}\n")
        try:
            with self._smtp() as connection:
                connection.send_message(message)
        except smtplib.SMTPResponseException as exc:
            said = (
                exc.smtp_error.decode("utf-8", "replace")
                if isinstance(exc.smtp_error, bytes)
                else exc.smtp_error
            )
            return Sent(
                False, status=exc.smtp_code, error=f"the mail server said {exc.smtp_code}: {said}"[:300]
            )
        except (OSError, smtplib.SMTPException) as exc:
            raise OutgoingFailed(f"the mail server did not accept it: {type(exc).__name__}") from exc
        return Sent(True, status=250)

    def _smtp(self) -> smtplib.SMTP:
        settings = self.mail
        context = ssl.create_default_context()
        if settings.security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            connection = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_SECONDS)
        try:
            if settings.security == "starttls":
                connection.starttls(context=context)
            if settings.user:
                connection.login(settings.user, settings.password)
        except BaseException:
            connection.close()
            raise
        return connection


def _judged(reply: Reply) -> Sent:
    if 200 <= reply.status < 300:
        return Sent(True, status=reply.status)
    if reply.status == 410:
        return Sent(False, status=410, error="410 Gone", gone=True)
    wait = rules.parse_retry_after(reply.headers.get("retry-after"))
    text = f"the receiver answered {reply.status}"
    if 300 <= reply.status < 400:
        text += "; redirects are not followed"
    return Sent(False, status=reply.status, error=text, retry_after_seconds=wait)
