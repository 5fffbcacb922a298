"""What may leave of one agent, and where its votes go: the registry's words put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.agents.outward import FeedbackSpec
from bot.agents.reading import spec_of, workspace_of
from bot.redaction import NAMES
from bot.tables import Agent

CLASSES = ("public", "internal", "confidential", "restricted")


@dataclass(frozen=True)
class Leaving:
    """`texts` is false where no text leaves at all; else it leaves without what `hide` and `patterns` find."""

    data_class: str
    texts: bool
    hide: tuple[str, ...]
    patterns: Mapping[str, str]


def feedback_of(tx: Session, agent: Agent) -> FeedbackSpec:
    """The agent's own words on where votes go, else the workspace's."""
    own = spec_of(agent).feedback
    return own if own is not None else workspace_of(tx).feedback


def leaving_of(tx: Session, agent: Agent) -> Leaving:
    """Restricted: no text leaves. Confidential: all known kinds of personal data are hidden, whatever the file says."""
    spec = spec_of(agent)
    rules = spec.redact if spec.redact is not None else workspace_of(tx).redact
    guarded = CLASSES.index(spec.data.class_) >= CLASSES.index("confidential")
    return Leaving(spec.data.class_, spec.data.class_ != "restricted", tuple(NAMES) if guarded else tuple(rules.hide), dict(rules.patterns))
