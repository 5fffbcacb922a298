"""What may leave the house, and where to: trace stores that hear of votes, and what is blacked out of texts on the way."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from bot.agents.parts import Part, Slug
from bot.redaction import why_unsafe

Hidden = Literal["email", "phone", "card", "iban", "ip", "key"]


def _env_name(value: str | None) -> str | None:
    if value is not None and value.startswith(("AIOPS_", "SLACK_")):
        raise ValueError(f"{value} is the bot's own: a trace store gets a variable of its own, such as LANGFUSE_SECRET_KEY")
    return value


class StoreSpec(Part):
    """Where a trace store is reached. Keys are named by the environment variables that hold them, never written here."""

    url: str = Field(max_length=500, description="Its address, such as `https://langfuse.example.com`; without a user, a password or a query.")

    @field_validator("url")
    @classmethod
    def _plain(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or set(value) & set(" \n\t<>"):
            raise ValueError("write an address that begins with http:// or https://")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("an address without user, password, query or fragment: keys stand in environment variables, named beside it")
        return value.rstrip("/")

    @field_validator("*")
    @classmethod
    def _not_ours(cls, value: object, info: ValidationInfo) -> object:
        name = info.field_name
        return value if name in ("url", "project") or not isinstance(value, str) else _env_name(value)


EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,100}$")]


class LangfuseSpec(StoreSpec):
    """Langfuse: a boolean score on the trace, or on the observation where the output names a span."""

    public_key: EnvName = Field("LANGFUSE_PUBLIC_KEY", description="Environment variable with the public key.")
    secret_key: EnvName = Field("LANGFUSE_SECRET_KEY", description="Environment variable with the secret key.")


class MlflowSpec(StoreSpec):
    """MLflow: a human assessment on the trace."""

    token: EnvName | None = Field(None, description="Environment variable with a bearer token, where the server wants one.")
    user: EnvName | None = Field(None, description="Environment variable with a user name (Basic), where the server wants one.")
    password: EnvName | None = Field(None, description="Environment variable with that user's password.")


class PhoenixSpec(StoreSpec):
    """Phoenix: a human annotation on the span, or on the trace where no span is named."""

    key: EnvName | None = Field(None, description="Environment variable with the API key, where the server wants one.")
    project: str | None = Field(None, pattern=r"^[^/?#\s][^/?#]{0,200}$", description="The project of its spans: a vote that is taken back is deleted there. Without it, or where that Phoenix cannot delete, it is marked `retracted`.")


class LangsmithSpec(StoreSpec):
    """LangSmith: feedback on the run."""

    url: str = Field("https://api.smith.langchain.com", max_length=500, description="Its API.")
    key: EnvName = Field("LANGSMITH_API_KEY", description="Environment variable with the API key.")


class OtlpSpec(StoreSpec):
    """Any OpenTelemetry backend: a log record `gen_ai.evaluation.result` with the judged span's ids."""

    headers: EnvName | None = Field(None, description="Environment variable with headers as `name=value,name=value`, as OTEL_EXPORTER_OTLP_HEADERS has them.")


class DestinationSpec(Part):
    """One place that hears of votes: exactly one of these."""

    langfuse: LangfuseSpec | None = None
    mlflow: MlflowSpec | None = None
    phoenix: PhoenixSpec | None = None
    langsmith: LangsmithSpec | None = None
    otlp: OtlpSpec | None = None

    @model_validator(mode="after")
    def _one(self) -> DestinationSpec:
        if len(self.given()) != 1:
            raise ValueError("name exactly one of langfuse, mlflow, phoenix, langsmith, otlp in each entry")
        return self

    def given(self) -> list[tuple[str, StoreSpec]]:
        """The one that is named, by its name."""
        return [(name, found) for name in ("langfuse", "mlflow", "phoenix", "langsmith", "otlp") if (found := getattr(self, name)) is not None]


class FeedbackSpec(Part):
    """Where votes, reasons and corrections go, so that the agent can learn from them."""

    to: list[DestinationSpec] = Field(default_factory=list, max_length=10, description="Trace stores. An output names its trace by `trace_id` and `span_id`, or through its run.")
    webhook: bool = Field(False, description="Also to the agent's own `webhook`, signed, as `type: feedback`.")
    name: str = Field("human_feedback", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="What the score is called there.")
    voters: Literal["pseudonym", "willing", "none"] = Field("pseudonym", description="`pseudonym`: a stable made-up id per voter. `willing`: the e-mail address or Slack id of those who ticked \"you may ask me\", a pseudonym for everybody else. `none`: an id per vote, so that nothing tells who voted twice.")

    @model_validator(mode="after")
    def _apart(self) -> FeedbackSpec:
        named = [(kind, store.url) for each in self.to for kind, store in each.given()]
        if twice := next((each for each in named if named.count(each) > 1), None):
            raise ValueError(f"{twice[0]} at {twice[1]} is named twice")
        return self


class RedactSpec(Part):
    """What is blacked out of texts before they leave the house: in lessons, trace stores and webhooks of feedback."""

    hide: list[Hidden] = Field(["email", "phone", "card", "iban", "ip", "key"], description="Known kinds: e-mail addresses, phone numbers, payment cards, IBANs, IP addresses, keys (tokens, passwords of programs, private keys). All of them are hidden from `data: class: confidential` up, whatever stands here.")
    patterns: dict[Slug, str] = Field(default_factory=dict, max_length=20, description="Regular expressions of your own, by name: a match becomes `[name]`. One that takes too long withholds the text instead.")

    @field_validator("patterns")
    @classmethod
    def _work(cls, value: dict[str, str]) -> dict[str, str]:
        for name, pattern in value.items():
            if why := why_unsafe(pattern):
                raise ValueError(f"the pattern {name!r} {why}")
        return value
