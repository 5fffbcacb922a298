"""Every environment variable, with its meaning; the only place that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator


class SettingsError(Exception):
    """A setting is missing or makes no sense; the text names the variable and the remedy."""


class Settings(BaseModel):
    """All settings. Each variable may also be given as NAME_FILE, the path of a file that holds the value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["local", "slack"] | None = Field(None, alias="AIOPS_MODE", description="`local` serves the built-in workspace with a demo fleet, `slack` a real one. Unset: local only when there is no Slack token and host and database are the defaults.")
    slack_bot_token: SecretStr | None = Field(None, alias="SLACK_BOT_TOKEN", description="The bot token (`xoxb-...`) of the installed Slack app.")
    slack_signing_secret: SecretStr | None = Field(None, alias="SLACK_SIGNING_SECRET", description="Checks requests that Slack sends over HTTP. Needed without Socket Mode.")
    slack_app_token: SecretStr | None = Field(None, alias="SLACK_APP_TOKEN", description="The app-level token (`xapp-...`): turns Socket Mode on, so that no public URL is needed.")
    slack_api_url: str = Field("https://slack.com/api/", alias="SLACK_API_URL", description="Slack's API; another one for GovSlack and for tests.")
    database_url: str = Field("sqlite:///var/aiops.db", alias="AIOPS_DATABASE_URL", description="`sqlite:///path` or `postgresql://user:password@host/name`.")
    config: Path = Field(Path("aiops.yml"), alias="AIOPS_CONFIG", description="The registry file that `aiops plan` and `aiops apply` read.")
    host: str = Field("127.0.0.1", alias="AIOPS_HOST", description="The address to listen on.")
    port: int = Field(8080, alias="AIOPS_PORT", ge=0, le=65535, description="The port to listen on.")
    public_url: str | None = Field(None, alias="AIOPS_PUBLIC_URL", description="Where people's browsers reach this server; without it messages carry no links and `aiops doctor` says what is lost.")
    secret: SecretStr | None = Field(None, alias="AIOPS_SECRET", description="Signs links and webhooks. Several values, separated by commas, while rotating: the first signs, all are accepted.")
    trusted_proxies: str = Field("", alias="AIOPS_TRUSTED_PROXIES", description="Addresses of proxies whose X-Forwarded-For is believed, separated by commas.")
    log_format: Literal["auto", "json", "console"] = Field("auto", alias="AIOPS_LOG_FORMAT", description="`json` or `console`; auto is console on a terminal.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", alias="AIOPS_LOG_LEVEL", description="How much is logged.")
    smtp_url: SecretStr | None = Field(None, alias="AIOPS_SMTP_URL", description="`smtp://user:password@host:587` (STARTTLS) or `smtps://...`: turns the e-mail route on.")
    email_from: str = Field("aiops-bot@localhost", alias="AIOPS_EMAIL_FROM", description="The sender of e-mails.")
    pagerduty_url: str = Field("https://events.pagerduty.com/v2/enqueue", alias="AIOPS_PAGERDUTY_URL", description="PagerDuty's Events v2 endpoint, used only by people whose routes name it.")
    synthetic_channel: str | None = Field(None, alias="AIOPS_SYNTHETIC_CHANNEL", description="A channel (`#name` or id) to which the bot pages itself from time to time, to see that pages arrive; the message is taken away at once. Unset: no self-test.")
    synthetic_minutes: int = Field(60, alias="AIOPS_SYNTHETIC_MINUTES", ge=1, le=1440, description="Minutes between two self-tests of paging.")
    deadman_url: SecretStr | None = Field(None, alias="AIOPS_DEADMAN_URL", description="An address of an outside watcher (healthchecks.io or the like), fetched after each self-test that arrived within a minute. Where it is not fetched, that watcher alarms. Needs AIOPS_SYNTHETIC_CHANNEL.")
    slack_posts_per_second: int = Field(10, alias="AIOPS_SLACK_POSTS_PER_SECOND", ge=0, le=1000, description="Posts a second to the whole workspace: Slack has such a limit and does not publish it. 0: none.")
    telemetry_mib: int = Field(16, alias="AIOPS_TELEMETRY_MIB", ge=1, le=64, description="MiB of one OpenTelemetry export after inflating; a larger one is answered 413.")
    telemetry_hours: int = Field(48, alias="AIOPS_TELEMETRY_HOURS", ge=1, le=720, description="Hours that single spans are kept. What they told (runs, tokens, cost, scores) stays.")
    keep_days: int = Field(90, alias="AIOPS_KEEP_DAYS", ge=7, le=3650, description="Days that pings, attempts at delivery, and what runs told in detail (errors, inputs) are kept. Counts, scores, votes and decisions stay; texts go by the registry's `data: {store_text: ...}`.")
    var: Path = Field(Path("var"), alias="AIOPS_VAR", description="Where local files are kept: the demo's databases, the local secret, and beside PostgreSQL the socket of the command line. Your own database is where AIOPS_DATABASE_URL says.")

    @field_validator("slack_api_url")
    @classmethod
    def _ends_with_slash(cls, value: str) -> str:
        return value if value.endswith("/") else value + "/"

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else None

    @property
    def is_local(self) -> bool:
        """Whether this process serves the local workspace."""
        if self.mode is not None:
            return self.mode == "local"
        untouched = self.host == _default("host") and self.database_url == _default("database_url")
        return self.slack_bot_token is None and self.slack_app_token is None and untouched

    @property
    def database(self) -> str:
        """The database in use: the demo fleet has its own, so that it can never mix with a real workspace's."""
        return f"sqlite:///{self.var}/demo.db" if self.is_local and self.database_url == _default("database_url") else self.database_url

    @property
    def own_database(self) -> Path | None:
        """Where a real workspace's SQLite file would be, for who is local only because this environment names no token."""
        return None if not self.is_local or self.mode is not None else Path(str(_default("database_url")).removeprefix("sqlite:///"))

    @property
    def base_url(self) -> str:
        """Where this server is reached: the public URL, else its own address."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def secrets(self) -> list[str]:
        """The signing secrets, the signing one first."""
        return [part.strip() for part in self.secret.get_secret_value().split(",") if part.strip()] if self.secret else []

    def require_slack(self) -> None:
        """Stop with the names of what is missing when Slack mode cannot work."""
        missing = []
        if self.slack_bot_token is None:
            missing.append("SLACK_BOT_TOKEN (the bot token, xoxb-..., from your app's OAuth page)")
        if self.slack_app_token is None and self.slack_signing_secret is None:
            missing.append("SLACK_APP_TOKEN (Socket Mode, xapp-...) or SLACK_SIGNING_SECRET (HTTP)")
        if missing:
            raise SettingsError("Slack mode needs " + " and ".join(missing) + ". For a look without Slack: AIOPS_MODE=local.")


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment; raises SettingsError naming the variable and what is wrong with it (never its value)."""
    env = os.environ if environment is None else environment
    given: dict[str, Any] = {}
    for field in Settings.model_fields.values():
        name = str(field.alias)
        if env.get(name):
            given[name] = env[name]
        elif env.get(f"{name}_FILE"):
            try:
                given[name] = Path(env[f"{name}_FILE"]).read_text().strip()
            except OSError as error:
                raise SettingsError(f"{name}_FILE cannot be read: {error.strerror}") from error
    try:
        return Settings(**given)
    except ValidationError as error:
        told = "; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors(include_input=False))
        raise SettingsError(told) from None


def secret_named(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The value of a variable that the registry names (a trace store's key), or of NAME_FILE; None where there is none."""
    env = os.environ if environment is None else environment
    if env.get(name):
        return env[name].strip()
    try:
        return Path(env[f"{name}_FILE"]).read_text().strip() or None if env.get(f"{name}_FILE") else None
    except (OSError, UnicodeDecodeError):
        return None


def _default(name: str) -> Any:
    return Settings.model_fields[name].default
