"""The shape of aiops.yml: every field with its meaning, bounds and default. The published JSON Schema comes from here."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from bot.agents.outward import FeedbackSpec as FeedbackSpec
from bot.agents.outward import RedactSpec as RedactSpec
from bot.agents.parts import ChannelRef as ChannelRef
from bot.agents.parts import ClockTime as ClockTime
from bot.agents.parts import Duration as Duration
from bot.agents.parts import Part as Part
from bot.agents.parts import Ref as Ref
from bot.agents.parts import Slug as Slug
from bot.agents.parts import parse_duration as parse_duration
from bot.agents.parts import write_duration as write_duration
from bot.agents.permits import ApprovalsSpec as ApprovalsSpec
from bot.agents.permits import HandoffsSpec as HandoffsSpec
from bot.agents.permits import PermissionSpec as PermissionSpec
from bot.agents.protocols import ProtocolSpec
from bot.calendars import at_local, check_cron, parse_working_days, shortest_gap, zone_named


class Misfit(NamedTuple):
    """A check that cannot work for its agent: which field of it, what is wrong, and the remedy."""

    field: str
    says: str
    remedy: str


class DigestSpec(Part):
    """When the daily summary is posted."""

    at: ClockTime = Field("09:00", description="Local time of day, HH:MM.")


class MaintenanceSpec(Part):
    """An agreed quiet time: problems that open in it are held back, and call people at its end if they are still open."""

    cron: str | None = Field(None, max_length=128, description="When it starts, again and again, as five cron fields such as `0 22 * * sun`. Write this or `at`.")
    at: str | None = Field(None, pattern=r"^\d{4}-\d\d-\d\d [0-2]\d:[0-5]\d$", description="When it starts, once, as `2026-12-24 22:00`. Write this or `cron`.")
    for_: Duration = Field(alias="for", description="How long it lasts, in real time: at most `7d`.")
    timezone: str | None = Field(None, description="IANA zone of `cron` and `at`; the agent's own (for all agents: the workspace's) where unset.")
    why: str = Field("", max_length=500, description="What is done: its start and end in the owner channel say so.")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None:
            zone_named(value)
        return value

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        if value is not None:
            check_cron(value)
        return value

    @field_validator("at")
    @classmethod
    def _at(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                datetime.strptime(value, "%Y-%m-%d %H:%M")  # noqa: DTZ007 - only whether there is such a time
        except ValueError:
            raise ValueError(f"{value!r} is no day and time: write it as \"2026-12-24 22:00\"") from None
        return value

    @field_validator("for_")
    @classmethod
    def _length(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= value <= timedelta(days=7):
            raise ValueError("a window lasts from one minute to seven days: write a length such as 2h")
        return value

    @model_validator(mode="after")
    def _one_schedule(self) -> MaintenanceSpec:
        if (self.cron is None) == (self.at is None):
            raise ValueError("needs either `cron` or `at`: write `cron: \"0 22 * * sun\"` for one that comes again, `at: \"2026-12-24 22:00\"` for a single one")
        gap = shortest_gap(self.cron, self.timezone or "UTC", datetime(2026, 1, 1, tzinfo=UTC)) if self.cron else None
        if gap is not None and self.for_ >= gap:
            raise ValueError("a window would still run when the next one starts: make `for` shorter, or let it come less often")
        return self

    def starts(self, zone: str) -> datetime | None:
        """The start of a single window; None where it comes again."""
        if self.at is None:
            return None
        day, _, clock = self.at.partition(" ")
        return at_local(date.fromisoformat(day), time.fromisoformat(clock), self.timezone or zone)


class WideMaintenanceSpec(MaintenanceSpec):
    """The same for all agents, or for those of one department."""

    department: str | None = Field(None, max_length=120, description="Only agents of this department; all agents where unset.")


class WorkspaceSpec(Part):
    """What holds for all agents."""

    timezone: str = Field("UTC", description="IANA zone of agents and channels that name none.")
    digest: DigestSpec = Field(default_factory=DigestSpec, description="The daily summary.")
    working_days: str = Field("mon-fri", description="`mon-fri`, `sun-thu`, or a list such as `mon,wed,fri`.")
    holidays: list[date] = Field(default_factory=list, description="Days without a digest.")
    leads: list[Ref] = Field(default_factory=list, description="People or user groups who see the fleet line and are told of ownerless agents.")
    maintenance: dict[Slug, WideMaintenanceSpec] = Field(default_factory=dict, description="Maintenance windows of all agents, or of a department, by name.")
    feedback: FeedbackSpec = Field(default_factory=FeedbackSpec, description="Where votes go, of agents that say nothing of their own.")
    redact: RedactSpec = Field(default_factory=RedactSpec, description="What is blacked out of texts that leave, of agents that say nothing of their own.")
    reviews_per_person: int = Field(10, ge=0, le=50, description="Sampled outputs a reviewer is asked to judge a day, over all agents.")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        zone_named(value)
        return value

    @field_validator("working_days")
    @classmethod
    def _days(cls, value: str) -> str:
        parse_working_days(value)
        return value


class PersonSpec(Part):
    """A person by a short name, and how to reach them beyond Slack."""

    slack: str | None = Field(None, pattern=r"^[UW][A-Z0-9]{2,}$", description="Slack user id.")
    email: str | None = Field(None, max_length=254, description="E-mail address.")
    wake: list[Literal["email", "webhook", "pagerduty"]] = Field(default_factory=list, description="Routes used, in this order, when Slack does not confirm a call; all of them at once in hours in which Slack does not ring for them (do not disturb).")
    webhook: str | None = Field(None, pattern=r"^https?://", description="Where the webhook route posts for this person.")
    pagerduty: str | None = Field(None, description="PagerDuty Events v2 integration key of this person's service.")


class StepSpec(Part):
    """One rung of a ladder."""

    call: str = Field(description="operations_owner, backup, business_owner, sponsor, leads, `rotation:name`, a person, `@group` or `#channel`.")
    after: Duration = Field(timedelta(0), description="From the start of the round.")


class RotationSpec(Part):
    """People who are on call by turns; a ladder's step calls whoever has the turn by `call: rotation:name`."""

    people: list[Ref] = Field(description="In the order of their turns.")
    handover: str = Field(pattern=r"^((mon|tue|wed|thu|fri|sat|sun) )?([01]\d|2[0-3]):[0-5]\d$", description='Local day and hour at which the turn passes on, such as "mon 09:00"; for turns of single days only the hour.')
    every: str = Field("1w", pattern=r"^[1-9]\d{0,2}[dw]$", description="How long a turn is: 1d, 3d, 1w, 2w.")
    timezone: str | None = Field(None, description="IANA zone of the hand-over; the workspace's where unset.")
    starts: date = Field(description="The first person's first turn begins at the first hand-over on or after this day.")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None:
            zone_named(value)
        return value

    @property
    def days(self) -> int:
        """How many days a turn has."""
        return int(self.every[:-1]) * (7 if self.every.endswith("w") else 1)


class OwnersSpec(Part):
    """Who answers for the agent."""

    business: Ref = Field(description="Answers for the outcome.")
    operations: Ref = Field(description="Keeps it running; is called first.")
    backup: Ref | None = Field(None, description="Steps in for the operations owner.")
    sponsor: Ref | None = Field(None, description="Stands above the business owner.")


class OutputsSpec(Part):
    """Which outputs appear in Slack to be rated."""

    post: str = Field("none", pattern=r"^(all|none|sample \d{1,4}/day)$", description="`all`, `none`, or `sample N/day`.")
    in_: ChannelRef | None = Field(None, alias="in", description="Channel; the agent's own where unset.")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class DataSpec(Part):
    """How sensitive the outputs are, and what may be kept and shown."""

    class_: Literal["public", "internal", "confidential", "restricted"] = Field("internal", alias="class", description="Data class.")
    store_text: Duration | Literal[False] = Field(timedelta(days=90), description="How long texts are kept; false keeps none.")
    post_text: bool = Field(True, description="Whether texts may appear in Slack.")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ReactionsSpec(Part):
    """Emoji reactions that count as thumbs; off where unset."""

    good: list[str] = Field(default_factory=list, description="Emoji names without colons.")
    bad: list[str] = Field(default_factory=list, description="Emoji names without colons.")


class EvaluationSpec(Part):
    """When an automated score means good."""

    at_least: float | None = Field(None, description="Good from this score on.")
    at_most: float | None = Field(None, description="Good up to this score.")
    labels: list[str] = Field(default_factory=list, description="Labels that mean good.")
    range: tuple[float, float] | None = Field(None, description="The lowest and highest score it can have, such as [0, 1]: a score outside is refused, so that one on another scale is never counted.")

    @model_validator(mode="after")
    def _range_in_order(self) -> EvaluationSpec:
        if self.range is None:
            return self
        low, high = self.range
        if not low < high:
            raise ValueError("`range` is the lowest and the highest score, such as [0, 1]")
        for name, bound in (("at_least", self.at_least), ("at_most", self.at_most)):
            if bound is not None and not low <= bound <= high:
                raise ValueError(f"`{name}` ({bound:g}) lies outside the range {low:g} to {high:g}")
        return self


class QualitySpec(Part):
    """Whose judgement decides, and how much one person may weigh."""

    machines: Literal["worse", "stand_in", "beside"] = Field(
        "worse",
        description="`worse`: the worse of people's and evaluations' figure decides the verdict, and evaluations stand in, marked, where people judged too few. `stand_in`: people decide, evaluations only where people judged too few. `beside`: evaluations are shown and never decide.",
    )
    agreement: float | None = Field(None, gt=0, lt=1, description="Evaluations decide nothing while they demonstrably (90% interval) agree with people on fewer than this share of the outputs both judged; unset: they always may.")
    one_person: float = Field(0.25, gt=0, le=1, description="The share of a score's weight that one person's unasked votes may carry, unless somebody else judged as much; 1 lifts the cap.")
    one_person_always: int = Field(20, ge=1, le=100_000, description="Outputs of a score up to which a person's unasked votes count in full, whatever their share: fewer than `min_samples`, so that no one alone makes a verdict.")


class ReviewSpec(Part):
    """The daily sample for people to judge."""

    per_day: int = Field(5, ge=0, le=200, description="Outputs of this agent sampled a day, drawn from each kind in proportion (at least one of each).")
    reviewers: list[Ref] = Field(default_factory=list, description="People or groups; the owners where unset.")
    twice: float = Field(0.2, ge=0, le=1, description="Share of the sample that two reviewers judge, so that their agreement is known.")


class TelemetrySpec(Part):
    """Which OpenTelemetry traffic is this agent's. A token of the agent alone needs none of this."""

    service: str | None = Field(None, min_length=1, max_length=128, description="The `service.name` of its resource.")
    agent: str | None = Field(None, min_length=1, max_length=128, description="Its name in the spans, such as `gen_ai.agent.name`; with `service` both must fit.")
    outputs: bool = Field(True, description="Whether an answer seen in a trace is an output that people may judge; false where the agent reports its outputs itself.")


class InputSpec(Part):
    """Something the agent depends on that must be kept fresh."""

    kind: Literal["prompt", "index", "instruction", "model", "credential", "data", "other"] = Field("other", description="What it is.")
    owner: Ref | None = Field(None, description="Who keeps it fresh; the operations owner where unset.")
    refresh: Duration | None = Field(None, description="How often it must be reviewed.")


class ErrorBudgetSpec(Part):
    """How much failure is acceptable."""

    allow: str = Field(pattern=r"^\d{1,2}(\.\d+)?%$", description="Share of failures allowed, such as 2%.")
    window: Duration = Field(timedelta(days=7), description="Over which time.")
    counts: list[Literal["failed_runs", "reviewed_bad"]] = Field(["failed_runs"], description="What is a failure.")
    when_spent: Literal["assisted", "suspended", "notice"] = Field("notice", description="What happens when it is spent.")


class AgentSpec(Part):
    """One agent."""

    name: str = Field(min_length=1, max_length=120, description="As people call it.")
    department: str = Field("", max_length=120, description="For grouping in status.")
    about: str = Field("", max_length=1000, description="What it does, in a sentence.")
    timezone: str | None = Field(None, description="IANA zone that decides what a day is; the workspace's where unset.")
    stage: Literal["shadow", "assisted", "autonomous", "suspended", "retired"] = Field("assisted", description="Counts when first applied; afterwards the accepted stage lives in the database.")
    owners: OwnersSpec
    channel: ChannelRef = Field(description="The owner channel: `#name` or id.")
    slack_app: str | None = Field(None, pattern=r"^A[A-Z0-9]{2,}$", description="Its own Slack app: messages of that app are its outputs.")
    ladder: str = Field("standard", description="Which ladder its pages climb.")
    protocol: str = Field("standard", description="Which failure protocol its incidents follow.")
    depends_on: list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}(/[a-z0-9][a-z0-9-]{0,62})?$")]] = Field(
        default_factory=list, description="What it cannot work without: agents (`gateway`), single checks of theirs (`gateway/login`), and names under `upstreams`. While one of these has a page, a failure of this agent is listed there and calls nobody itself."
    )
    may_take: list[Ref] | None = Field(None, description="Who else may press `I'll take it` on its pages, beside its owners and whoever was called: people or user groups. Every full member of the owner channel where unset; nobody else where empty.")
    runbook: str | None = Field(None, max_length=2000, description="A link, or what to do in words: also how the agent is switched by hand.")
    webhook: str | None = Field(None, pattern=r"^https?://\S+$", max_length=2000, description="Where each order (stage, version), each answer to a request and (with `feedback: {webhook: true}`) each vote is posted, signed with the agent's own key: `aiops token webhook-key` shows it.")
    outputs: OutputsSpec = Field(default_factory=OutputsSpec)
    data: DataSpec = Field(default_factory=DataSpec)
    reactions: ReactionsSpec = Field(default_factory=ReactionsSpec)
    target: float | None = Field(None, gt=0, lt=1, description="Share of good outputs promised; 0.80 where unset, shown as a default.")
    min_samples: int = Field(30, ge=1, le=10000, description="Judged outputs needed before a verdict.")
    expect_every: Duration | None = Field(None, description="Without any output for this long the agent is silent; one day where unset, counting working days.")
    evaluations: dict[str, EvaluationSpec] = Field(default_factory=dict, description="Per evaluation name: what is good.")
    quality: QualitySpec = Field(default_factory=QualitySpec, description="Whose judgement decides.")
    reviews: ReviewSpec = Field(default_factory=ReviewSpec)
    inputs: dict[Slug, InputSpec] = Field(default_factory=dict)
    telemetry: TelemetrySpec | None = Field(None, description="Which OpenTelemetry traffic is its own; by its id or name where unset.")
    error_budget: ErrorBudgetSpec | None = None
    permissions: list[PermissionSpec] = Field(default_factory=list, max_length=200, description="What it may do, in order: the first rule that fits decides. What none fits is asked where `approvals` is set, else denied.")
    approvals: ApprovalsSpec | None = Field(None, description="Who says yes or no to what needs a person's approval; the owners where unset.")
    handoffs: HandoffsSpec | None = Field(None, description="Who takes over what the agent hands to people; the owners where unset.")
    feedback: FeedbackSpec | None = Field(None, description="Where votes on its outputs go; the workspace's where unset. An empty one sends them nowhere.")
    redact: RedactSpec | None = Field(None, description="What is blacked out of its texts when they leave; the workspace's where unset.")
    success: dict[str, str] = Field(default_factory=dict, description="Success metrics by name, in words.")
    maintenance: dict[Slug, MaintenanceSpec] = Field(default_factory=dict, description="Maintenance windows of this agent, by name.")
    checks: dict[Slug, dict[str, Any]] = Field(default_factory=dict, description="Checks by name; each has a `kind` and that kind's fields.")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None:
            zone_named(value)
        return value

    @field_validator("permissions")
    @classmethod
    def _named_apart(cls, value: list[PermissionSpec]) -> list[PermissionSpec]:
        names = [each.name for each in value]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two rules are called {twice!r}: give each its own name")
        return value


STANDARD_LADDER = [
    {"call": "operations_owner"},
    {"call": "backup", "after": "10m"},
    {"call": "business_owner", "after": "30m"},
    {"call": "leads", "after": "60m"},
]


class UpstreamSpec(Part):
    """Something several agents depend on that is no agent itself: a model provider, a shared database."""

    name: str = Field("", max_length=80, description="As people call it; the key where unset.")
    watched_by: list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$")]] = Field(
        description="The checks that tell whether it is down, as `agent/check`, of severity page. The first one that fails pages the owner of its agent; the others, and all agents that depend on the upstream, are listed there."
    )


class RegistrySpec(Part):
    """The whole file."""

    workspace: WorkspaceSpec = Field(default_factory=WorkspaceSpec)
    people: dict[str, PersonSpec] = Field(default_factory=dict)
    ladders: dict[str, list[StepSpec]] = Field(default_factory=dict, description="`standard` is built in and may be redefined.")
    rotations: dict[Slug, RotationSpec] = Field(default_factory=dict, description="Who is on call by turns.")
    upstreams: dict[Slug, UpstreamSpec] = Field(default_factory=dict, description="What several agents depend on; agents name it in `depends_on`.")
    protocols: dict[Slug, ProtocolSpec] = Field(default_factory=dict, description="Failure protocols; `standard` is built in and may be redefined.")
    agents: dict[Slug, AgentSpec] = Field(default_factory=dict)
