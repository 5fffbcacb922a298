"""E-mail through an SMTP server, sent from a thread because smtplib waits."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from urllib.parse import unquote, urlsplit

from bot.clock import Clock
from bot.routes.outcome import Kind, Letter, Outcome
from bot.routes.words import first_line, plain_words


class EmailRoute:
    """`smtps://user:password@host:465`, or `smtp://...:587` with STARTTLS, which a password always demands."""

    name = "email"

    def __init__(self, url: str, sender: str, clock: Clock, *, timeout: float = 15.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("AIOPS_SMTP_URL must look like smtp://user:password@host:587 or smtps://host")
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = parts.port or (465 if self._tls else 587)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender
        self._clock = clock
        self._timeout = timeout

    async def deliver(self, letter: Letter) -> Outcome:
        if letter.over or letter.acked:
            return Outcome(Kind.OK)  # a sent e-mail cannot be taken back, nor changed
        if "@" not in parseaddr(letter.to)[1]:
            return Outcome(Kind.REFUSED, "not_an_email_address")
        return await asyncio.to_thread(self._send, letter)

    async def close(self) -> None:
        """Connections live only as long as one e-mail."""

    def _send(self, letter: Letter) -> Outcome:
        sent = False
        try:
            with self._connect() as server:
                if self._user:
                    server.login(self._user, self._password)
                sent = True
                server.send_message(self._written(letter))
                sent = False
        except smtplib.SMTPAuthenticationError as error:
            return Outcome(Kind.UNAUTHORISED, f"smtp_{error.smtp_code}")
        except smtplib.SMTPNotSupportedError:
            return Outcome(Kind.REFUSED, "no_starttls_for_the_password")
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            return Outcome(Kind.NO_PLACE if all(code >= 500 for code in codes) else Kind.UNREACHABLE, f"smtp_{max(codes, default=0)}")
        except smtplib.SMTPResponseException as error:
            return Outcome(Kind.REFUSED if error.smtp_code >= 500 else Kind.UNREACHABLE, f"smtp_{error.smtp_code}")
        except (smtplib.SMTPException, OSError) as error:
            return Outcome(Kind.UNKNOWN if sent else Kind.UNREACHABLE, type(error).__name__)
        return Outcome(Kind.OK)

    def _connect(self) -> smtplib.SMTP:
        if self._tls:
            return smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout, context=ssl.create_default_context())
        server = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
        try:
            server.ehlo()
            if self._user or server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
        except BaseException:
            server.close()
            raise
        return server

    def _written(self, letter: Letter) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = parseaddr(letter.to)[1]
        mail["Subject"] = first_line(letter.text)
        mail["Date"] = formatdate(self._clock.now().timestamp())
        # The same id again: mail programs that see two copies show one.
        mail["Message-ID"] = f"<{letter.id}@aiops-bot>"
        if letter.topic:
            # Mail programs show what refers to the same id as one conversation.
            mail["In-Reply-To"] = mail["References"] = f"<{letter.topic}@aiops-bot>"
        mail.set_content(plain_words(letter.text))
        return mail
