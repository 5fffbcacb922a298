"""Every kind of place that can be told of votes, and how the registry's words and the environment open it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from bot.agents.outward import FeedbackSpec, LangfuseSpec, LangsmithSpec, MlflowSpec, OtlpSpec, PhoenixSpec, StoreSpec
from bot.feedback.outward.places import langfuse, langsmith, mlflow, otlp, phoenix
from bot.feedback.outward.places.place import Place

PLACES: dict[str, Place] = {"langfuse": langfuse.tell, "mlflow": mlflow.tell, "phoenix": phoenix.tell, "langsmith": langsmith.tell, "otlp": otlp.tell}
NAMES = {"langfuse": "Langfuse", "mlflow": "MLflow", "phoenix": "Phoenix", "langsmith": "LangSmith", "otlp": "The OpenTelemetry backend", "webhook": "The webhook"}
WEBHOOK = "webhook"  # the agent's own, which is no trace store

Secret = Callable[[str], str | None]  # the value of an environment variable


class NoKey(Exception):
    """The environment variable of that name is not set."""


def targets_of(spec: FeedbackSpec) -> dict[str, StoreSpec | None]:
    """Where votes go, by the target's name; None stands for the agent's own webhook."""
    found: dict[str, StoreSpec | None] = {f"{kind} {store.url}": store for each in spec.to for kind, store in each.given()}
    return {**found, WEBHOOK: None} if spec.webhook else found


def variables_of(store: StoreSpec) -> list[str]:
    """The environment variables without which it cannot be opened."""
    named: list[str | None]
    match store:
        case LangfuseSpec():
            named = [store.public_key, store.secret_key]
        case MlflowSpec():
            named = [store.token, store.user, store.password]
        case PhoenixSpec() | LangsmithSpec():
            named = [store.key]
        case OtlpSpec():
            named = [store.headers]
        case _:
            named = []
    return [name for name in named if name is not None]


def headers_of(store: StoreSpec, secret: Secret) -> Mapping[str, str]:
    """The headers that open it; raises NoKey with the name of what is not set."""
    held: dict[str, str] = {}
    for name in variables_of(store):
        value = secret(name)
        if value is None:
            raise NoKey(name)
        held[name] = value
    match store:
        case LangfuseSpec():
            return _basic(held[store.public_key], held[store.secret_key])
        case MlflowSpec(token=str() as token):
            return {"Authorization": f"Bearer {held[token]}"}
        case MlflowSpec(user=str() as user, password=password):
            return _basic(held[user], held[password] if password else "")
        case PhoenixSpec(key=str() as key):
            return {"Authorization": f"Bearer {held[key]}"}
        case LangsmithSpec():
            return {"x-api-key": held[store.key]}
        case OtlpSpec(headers=str() as headers):
            pairs = (pair.partition("=") for pair in held[headers].split(",") if "=" in pair)
            return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
    return {}


def options_of(store: StoreSpec) -> Mapping[str, str]:
    """What else the registry says of it."""
    return {"project": store.project} if isinstance(store, PhoenixSpec) and store.project else {}


def _basic(user: str, password: str) -> Mapping[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
