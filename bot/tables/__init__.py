"""Everything the bot remembers: a file per room, columns and constraints, no behaviour."""

from bot.tables.agents import Agent, AgentOwner, Handover, Registry, Stage, StageOrder
from bot.tables.audit import Decision, Seal
from bot.tables.checks import Check, Finding
from bot.tables.digests import Digest, DigestReview, DigestTimer, ListTimer, PersonList
from bot.tables.drift import Detector, Drift, Fed
from bot.tables.feedback import Drawn, FeedbackLetter, RatingEvent, Review, ReviewTimer, Vote
from bot.tables.gaps import Gap
from bot.tables.home import HomeView
from bot.tables.incidents import (
    FollowUp,
    Incident,
    IncidentItem,
    IncidentMinutes,
    MarkedMessage,
    Protocol,
    RegressionCase,
    TimelineEntry,
)
from bot.tables.intake import ImportRun, Mark, SeenSlack, Token
from bot.tables.outbox import Attempt, Lease, OutMessage, Pace
from bot.tables.paging import Call, Climb, Page, Problem, RouteTest
from bot.tables.people import Absence, Channel, Person, UserGroup
from bot.tables.pings import Alert, Ping
from bot.tables.quality import Addition, AgentNow, AwaitedRun, Baseline, Day, DayPart, Observation, Segment, Tally
from bot.tables.quiet import Maintenance, Silence
from bot.tables.requests import PermissionCount, Request, RequestEnd
from bot.tables.rotations import RotationTimer, Shift
from bot.tables.table import Table, UtcDateTime
from bot.tables.telemetry import Metered, MetricSeries, Span, SpanScore, Trace, UnownedAgent
from bot.tables.work import Change, Cost, Evaluation, Measure, Outcome, Output, Run

__all__ = [
    "Absence",
    "Addition",
    "Agent",
    "AgentNow",
    "AgentOwner",
    "Alert",
    "Attempt",
    "AwaitedRun",
    "Baseline",
    "Call",
    "Change",
    "Channel",
    "Check",
    "Climb",
    "Cost",
    "Day",
    "DayPart",
    "Decision",
    "Detector",
    "Digest",
    "DigestReview",
    "DigestTimer",
    "Drawn",
    "Drift",
    "Evaluation",
    "Fed",
    "FeedbackLetter",
    "Finding",
    "FollowUp",
    "Gap",
    "Handover",
    "HomeView",
    "ImportRun",
    "Incident",
    "IncidentItem",
    "IncidentMinutes",
    "Lease",
    "ListTimer",
    "Maintenance",
    "Mark",
    "MarkedMessage",
    "Measure",
    "Metered",
    "MetricSeries",
    "Observation",
    "OutMessage",
    "Outcome",
    "Output",
    "Pace",
    "Page",
    "PermissionCount",
    "Person",
    "PersonList",
    "Ping",
    "Problem",
    "Protocol",
    "RatingEvent",
    "Registry",
    "RegressionCase",
    "Request",
    "RequestEnd",
    "Review",
    "ReviewTimer",
    "RotationTimer",
    "RouteTest",
    "Run",
    "Seal",
    "SeenSlack",
    "Segment",
    "Shift",
    "Silence",
    "Span",
    "SpanScore",
    "Stage",
    "StageOrder",
    "Table",
    "Tally",
    "TimelineEntry",
    "Token",
    "Trace",
    "UnownedAgent",
    "UserGroup",
    "UtcDateTime",
    "Vote",
]  # fmt: skip
