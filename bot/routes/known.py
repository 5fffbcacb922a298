"""The one list of routes beyond Slack: a new route is its file and one entry here."""

from __future__ import annotations

from collections.abc import Callable

from bot.clock import Clock
from bot.routes.email import EmailRoute
from bot.routes.outcome import Route
from bot.routes.pagerduty import PagerDutyRoute
from bot.routes.webhook import WebhookRoute
from bot.settings import Settings
from bot.signing import Signer


def _email(settings: Settings, signer: Signer, clock: Clock) -> Route | None:
    if settings.smtp_url is None:
        return None
    return EmailRoute(settings.smtp_url.get_secret_value(), settings.email_from, clock)


def _webhook(settings: Settings, signer: Signer, clock: Clock) -> Route | None:
    return WebhookRoute(signer, clock)


def _pagerduty(settings: Settings, signer: Signer, clock: Clock) -> Route | None:
    return PagerDutyRoute(settings.pagerduty_url)


KNOWN: dict[str, Callable[[Settings, Signer, Clock], Route | None]] = {
    "email": _email,  # on with AIOPS_SMTP_URL
    "webhook": _webhook,  # contacts only addresses that people's registry entries name
    "pagerduty": _pagerduty,  # contacts PagerDuty only for people whose registry entries name a routing key
}


def open_routes(settings: Settings, signer: Signer, clock: Clock) -> dict[str, Route]:
    """The routes that these settings turn on, by name."""
    opened = {name: make(settings, signer, clock) for name, make in KNOWN.items()}
    return {name: route for name, route in opened.items() if route is not None}
