"""The shape of what an agent may do, and of who answers what it asks, in aiops.yml."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from bot.agents.parts import ChannelRef, Duration, Part, Ref, Slug


class PermissionSpec(Part):
    """What the agent may do to the world around it, under one name; the first rule that fits an action decides."""

    name: Slug = Field(description="Told with every answer and counted under.")
    action: str = Field(min_length=1, max_length=128, description="Which actions: `refund.create`, or with stars such as `refund.*` or `*`.")
    on: str = Field("*", min_length=1, max_length=256, description="On which resources: `order/*`, `*`.")
    as_: str | None = Field(None, alias="as", max_length=254, description="The identity it must act as, such as `svc-triage@example.com`; any where unset.")
    at_most: dict[str, float] = Field(default_factory=dict, description="The largest value of single parameters: `{amount: 50}`. An action beyond it, or without that number, does not fit this rule.")
    then: Literal["allow", "ask", "deny"] = Field("ask", description="`allow` lets it go ahead, `ask` asks a person first, `deny` refuses.")
    agreed_by: Ref | None = Field(None, description="Who agreed to it; needed for `allow`.")
    until: date | None = Field(None, description="The last day of the agreement, in the agent's zone: afterwards an `allow` asks.")
    stages: list[Literal["assisted", "autonomous"]] = Field(["assisted", "autonomous"], min_length=1, description="In which stages an `allow` holds; in the other one it asks.")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="after")
    def _agreed(self) -> PermissionSpec:
        if self.then == "allow" and not self.agreed_by:
            raise ValueError("`then: allow` needs somebody who agreed to it: add `agreed_by`, and better `until` as well")
        return self


class ApprovalsSpec(Part):
    """Who says whether the agent may do what needs a person's yes."""

    by: list[Ref] = Field(default_factory=list, description="Who may approve: people or user groups; the agent's owners where unset.")
    in_: ChannelRef | None = Field(None, alias="in", description="The queue: the channel where requests are posted; the owner channel where unset.")
    sla: Duration = Field(timedelta(minutes=30), description="Within which time somebody is to answer; then `on_timeout` holds.")
    on_timeout: Literal["deny", "allow"] = Field("deny", description="What holds where nobody answered in time.")
    ladder: str | None = Field(None, description="Which ladder is climbed from the moment of posting; where unset those under `by` (or the owners) are called after a third and two thirds of the SLA.")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("sla")
    @classmethod
    def _length(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= value <= timedelta(days=30):
            raise ValueError("between one minute and thirty days: write a length such as 30m")
        return value


class HandoffsSpec(Part):
    """Who takes over what the agent hands to people."""

    by: list[Ref] = Field(default_factory=list, description="Who takes them: people or user groups; the owners and the members of the queue's channel where unset.")
    in_: ChannelRef | None = Field(None, alias="in", description="The queue: the channel where hand-offs are posted; the owner channel where unset.")
    sla: Duration = Field(timedelta(minutes=30), description="Within which time somebody is to claim it.")
    ladder: str | None = Field(None, description="Which ladder is climbed from the moment of posting; where unset those under `by` (or the owners) are called from a third of the SLA on.")
    plan: str = Field("20%", pattern=r"^\d{1,2}(\.\d+)?%$", description="The share of runs planned to end with a person; clearly more, and less than half of it, are both shown.")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("sla")
    @classmethod
    def _length(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= value <= timedelta(days=30):
            raise ValueError("between one minute and thirty days: write a length such as 30m")
        return value

    @property
    def share(self) -> float:
        """The planned share."""
        return float(self.plan.rstrip("%")) / 100
