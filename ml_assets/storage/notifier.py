"""How people are reached: the log always, a webhook and email where they are declared."""

import logging
import os
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import localtime
from hashlib import sha256
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from ml_assets.core.alert import Alert
from ml_assets.core.alert_text import email_subject, plain_text, webhook_body
from ml_assets.core.errors import DeliveryError
from ml_assets.core.problem import Alerts, Email

LOG = logging.getLogger("ml_assets.alerts")
TRY_AGAIN = (408, 425, 429)


class Channel(Protocol):
    """Reaches people in one way."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def send(self, alert: Alert, message: str) -> None:
        """Tell of ``alert`` under the name ``message``, or raise if nobody could be told."""
        ...


@dataclass(frozen=True)
class LogChannel:
    """Writes alerts to the log ``ml_assets.alerts``."""

    name: str = "log"

    def send(self, alert: Alert, message: str) -> None:
        """Write one line for each alert and its text below."""
        LOG.warning("%s\n%s", message, plain_text(alert))


@dataclass(frozen=True)
class WebhookChannel:
    """Sends alerts as JSON by POST.

    Attributes:
        address: Where to; it often holds a secret, and is never logged.
        timeout: Seconds an attempt may take.
        attempts: Attempts, while the receiver cannot be reached or is busy.
        pause: Seconds before the second attempt; it doubles with every further one.
    """

    address: str = field(repr=False)
    timeout: float = 5.0
    attempts: int = 3
    pause: float = 0.5
    name: str = "webhook"

    def send(self, alert: Alert, message: str) -> None:
        """Send one alert.

        Raises:
            DeliveryError: If the receiver refused it or could not be reached.
        """
        fault = "was not tried"
        body = webhook_body(alert, message=message)
        with httpx.Client(timeout=self.timeout) as client, _unlogged(self.address):
            for attempt in range(self.attempts):
                if attempt:
                    time.sleep(self.pause * 2 ** (attempt - 1))
                try:
                    status = client.post(self.address, json=body).status_code
                except httpx.TransportError as error:
                    fault = f"could not be reached ({type(error).__name__})"
                    continue
                if 200 <= status < 300:
                    return
                fault = f"answered {status}"
                if status < 500 and status not in TRY_AGAIN:
                    break
        # Only the host is named: paths and queries of webhooks are passwords.
        text = f"The webhook at {urlsplit(self.address).hostname} {fault}. Check alerts.webhook."
        raise DeliveryError(text)


@dataclass(frozen=True)
class EmailChannel:
    """Sends alerts as plain text by SMTP.

    Attributes:
        email: The declared server, and who writes to whom.
        environment: Where user and password are looked up, by the declared names.
        timeout: Seconds a step of the exchange may take.
    """

    email: Email
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    timeout: float = 10.0
    name: str = "email"

    def send(self, alert: Alert, message: str) -> None:
        """Send one alert to all receivers.

        Raises:
            DeliveryError: If a variable is not set, or the server refused or could not be reached.
        """
        place = f"{self.email.host}:{self.email.port}"
        letter = self._letter(alert, message)
        login = self._login()
        try:
            with self._connected() as server:
                if login is not None:
                    server.login(*login)
                refused = server.send_message(letter)
        except smtplib.SMTPAuthenticationError as error:
            # What the server said may repeat what it was told.
            text = (
                f"The mail server {place} refused user and password ({error.smtp_code}). Check the "
                f"variables {self.email.user_variable} and {self.email.password_variable}."
            )
            raise DeliveryError(text) from None
        except smtplib.SMTPException as error:
            text = f"The mail server {place} refused: {_said(error)}. Check alerts.email."
            raise DeliveryError(text) from None
        except (OSError, ssl.SSLError) as error:
            text = (
                f"The mail server {place} could not be reached ({type(error).__name__}: "
                f"{error.strerror or error}). Check alerts.email."
            )
            raise DeliveryError(text) from None
        if refused:
            text = f"The mail server {place} refused {', '.join(sorted(refused))}; others got it."
            LOG.warning(text)

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        email = self.email
        name = socket.gethostname()  # the full name costs a look-up
        if email.security == "tls":
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                email.host, email.port, name, timeout=self.timeout, context=context
            )
        else:
            server = smtplib.SMTP(email.host, email.port, name, timeout=self.timeout)
        with server:
            if email.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            yield server

    def _login(self) -> tuple[str, str] | None:
        if self.email.user_variable is None or self.email.password_variable is None:
            return None
        names = (self.email.user_variable, self.email.password_variable)
        missing = [name for name in names if not self.environment.get(name)]
        if missing:
            text = f"alerts.email needs {' and '.join(missing)} in the environment: not set."
            raise DeliveryError(text)
        user, password = (self.environment[name] for name in names)
        return user, password

    def _letter(self, alert: Alert, message: str) -> EmailMessage:
        letter = EmailMessage()
        letter["Subject"] = email_subject(alert)
        letter["From"] = self.email.sender
        letter["To"] = ", ".join(self.email.to)
        letter["Date"] = localtime()
        domain = self.email.sender.rpartition("@")[2]
        # The same message has the same id: mail programs show it once.
        letter["Message-ID"] = f"<{sha256(message.encode()).hexdigest()[:32]}@{domain}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(plain_text(alert) + "\n")
        return letter


def channels_of(alerts: Alerts) -> Sequence[Channel]:
    """Return what the declaration asks for: the log, and more where it says so."""
    channels: list[Channel] = [LogChannel()]
    if alerts.webhook is not None:
        channels.append(WebhookChannel(alerts.webhook))
    if alerts.email is not None:
        channels.append(EmailChannel(alerts.email))
    return tuple(channels)


def _said(error: smtplib.SMTPException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        return f"{error.smtp_code} {words}"
    return f"{type(error).__name__} {error}"


@contextmanager
def _unlogged(address: str) -> Iterator[None]:
    """Keep httpx's log from naming ``address``."""
    logged = str(httpx.URL(address))

    def names_no_address(record: logging.LogRecord) -> bool:
        return logged not in record.getMessage()

    log = logging.getLogger("httpx")
    log.addFilter(names_no_address)
    try:
        yield
    finally:
        log.removeFilter(names_no_address)
