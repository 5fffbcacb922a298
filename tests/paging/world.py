"""A small town to break things in: one agent with its owners, a moved clock, and an outside that accepts messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.checks import flows as checks
from bot.clock import MovedClock
from bot.db import Database
from bot.incidents import flows as incidents
from bot.incidents.following import follow_ups_step
from bot.incidents.reviewing import handlers
from bot.incidents.running import running_step
from bot.incidents.slack import ACTIONS as INCIDENT_ACTIONS
from bot.incidents.slack import SHORTCUTS, VIEWS
from bot.incidents.slack import WORDS as INCIDENT_WORDS
from bot.outbox import flows as outbox
from bot.paging.answering.acks import acks_step
from bot.paging.answering.resolving import recheck_step
from bot.paging.calling import Links, ladders_step
from bot.paging.slack import ACTIONS as PAGE_ACTIONS
from bot.paging.slack import VIEWS as PAGE_VIEWS
from bot.paging.slack import WORDS as PAGE_WORDS
from bot.paging.sparing.holding import hold_step
from bot.paging.sparing.settling import settle_step
from bot.people.flows import Actor, Refused, actor_of
from bot.quiet import slack as quiet
from bot.quiet.flows import silences_step
from bot.quiet.windows import registry_step, windows_step
from bot.surface.press import MENU, Answer, Ask, Press, Surface, Tell
from bot.tables import Agent, AgentOwner, Call, Channel, Check, OutMessage, Page, Person, Problem, Registry, Run, Stage
from bot.workspace.blocks import check_blocks, check_view

T = TypeVar("T")
CHANNEL = "C0SUPPORT"
NAMES = {"maya": "U0MAYA", "omar": "U0OMAR", "lea": "U0LEA", "sam": "U0SAM", "zoe": "U0ZOE", "ben": "U0BEN", "gus": "U0GUS", "dot": "U0DOT"}
ROLES = {"business": "maya", "operations": "omar", "backup": "lea", "sponsor": "sam"}


class World:
    """Omar operates Support triage, Lea is his backup, Maya owns the outcome, Zoe leads. Ben is in the channel, Gus is a guest."""

    def __init__(self, db: Database, clock: MovedClock, links: Links | None = None) -> None:
        self.db = db
        self.clock = clock
        self.links = links
        self.surface = Surface()
        self.surface.add(actions=PAGE_ACTIONS, views=PAGE_VIEWS, words=PAGE_WORDS)
        self.surface.add(actions=quiet.ACTIONS, views=quiet.VIEWS, words=quiet.WORDS)
        self.surface.add(actions=INCIDENT_ACTIONS, views=VIEWS, shortcuts=SHORTCUTS, words=INCIDENT_WORDS)
        review_actions, review_words = handlers(None, None)
        self.surface.add(actions=review_actions, words=review_words)
        self.accepts: Callable[[OutMessage], bool] = lambda row: True
        self._posts = 0

    def found(self, checks_of: Mapping[str, Mapping[str, Any]] | None = None, **agent: Any) -> World:
        """Build the town."""
        now = self.clock.now()
        with self.db.transaction() as tx:
            for name, slack_id in NAMES.items():
                kind = "guest" if name == "gus" else "member"
                tx.add(Person(team_id="T0", slack_id=slack_id, name=name.capitalize(), email=f"{name}@example.com", kind=kind, zone="UTC", wake=[], addresses={}))
            tx.add(Channel(team_id="T0", slack_id=CHANNEL, name="support-ai", is_member=True))
            tx.add(Channel(team_id="T0", slack_id="C0LEADS", name="ai-leads", is_member=True))
            tx.add(Registry(at=now, by="test", digest="d", document={"workspace": {"leads": ["U0ZOE"]}}, agents=["support-triage"]))
            self.add_agent(tx, "support-triage", "Support triage", checks_of or {}, **agent)
        self.settle()
        return self

    def add_agent(self, tx: Session, slug: str, name: str, checks_of: Mapping[str, Mapping[str, Any]], **agent: Any) -> Agent:
        now = self.clock.now()
        owners = {"business": "U0MAYA", "operations": "U0OMAR", "backup": "U0LEA", "sponsor": "U0SAM"}
        spec = {"name": name, "department": "Customer service", "channel": CHANNEL, "owners": owners, "checks": {k: dict(v) for k, v in checks_of.items()}, "runbook": "https://example.com/runbook", **agent}
        row = Agent(slug=slug, name=name, department="Customer service", channel_id=CHANNEL, spec=spec, created_at=now)
        tx.add(row)
        tx.flush()
        tx.add(Stage(agent_id=row.id, stage="autonomous", since=now))
        for role, who in ROLES.items():
            tx.add(AgentOwner(agent_id=row.id, role=role, person_id=self.person(tx, who).id, since=now, accepted_at=now))
        return row

    # --- time ----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the present moment take effect: steps until idle, and the outside accepts what is due."""
        for _ in range(100):
            busy = [self.do(partial(step, now=self.clock.now())) for step in (checks.sync_step, checks.look_step, incidents.watch_step, follow_ups_step, running_step, acks_step, recheck_step, registry_step, silences_step, windows_step, hold_step, settle_step)]
            busy.append(self.do(partial(ladders_step, now=self.clock.now(), links=self.links)))
            if not (self.deliver() or any(busy)):
                return
        raise AssertionError("it does not come to rest")

    def move(self, **by: float) -> None:
        """Move the clock and let it take effect."""
        self.clock.move(timedelta(**by))
        self.settle()

    def deliver(self) -> bool:
        """Slack accepts every due row that `accepts` lets through."""
        now, found = self.clock.now(), False
        with self.db.transaction() as tx:
            for row in tx.scalars(select(OutMessage).where(OutMessage.due_at <= now, OutMessage.state == "pending").order_by(OutMessage.id)):
                if row.thread_key is not None and not outbox.receipt(tx, row.thread_key):
                    continue
                if not self.accepts(row):
                    continue
                if row.ts is None and row.route == "slack":
                    self._posts += 1
                    row.channel = row.target if row.target.startswith("C") else f"D{row.target[1:]}"
                    row.ts = f"{int(now.timestamp())}.{self._posts:06d}"
                row.shown_rev, row.state, row.due_at, row.shown_at = row.want_rev, "removed" if row.gone else "shown", None, now
                check_blocks(row.want.get("blocks", []), "message")  # as strict as Slack
                assert 0 < len(row.want["text"]) < 4000
                found = True
        return found

    # --- what happens --------------------------------------------------------------------------------------------

    def do(self, work: Callable[[Session], T]) -> T:
        with self.db.transaction() as tx:
            return work(tx)

    def run(self, status: str, name: str = "", slug: str = "support-triage", error: str | None = None) -> None:
        """The agent reports a run, as intake stores it."""
        now = self.clock.now()
        with self.db.transaction() as tx:
            agent = self.agent(tx, slug)
            count = len(tx.scalars(select(Run.id).where(Run.agent_id == agent.id)).all())
            tx.add(Run(agent_id=agent.id, ext_id=name or f"r{count + 1}", occurred_at=now, received_at=now, content="c", status=status, error=error, version="prompt-14"))
            tx.flush()
            checks.look_soon(tx, now, [agent.id], ["run"])
        self.settle()

    def press(self, who: str | Actor, name: str, value: str = "", *, how: str = "button", channel: str = CHANNEL, settle: bool = True, **more: Any) -> Answer | str:
        """Somebody presses, submits or writes; a refusal comes back as its text."""
        actor = self.actor(who) if isinstance(who, str) else who
        asked = Press(replace(actor, channels=frozenset({channel})), self.clock.now(), how, name, value, channel=channel, **more)
        book = {"button": self.surface.actions, "view": self.surface.views, "shortcut": self.surface.shortcuts}.get(how, self.surface.words)
        try:
            with self.db.transaction() as tx:
                answer: Answer | str = book[name](tx, asked)
        except Refused as refused:
            return str(refused)
        if isinstance(answer, Ask):
            check_view(answer.view, "modal")
        if isinstance(answer, Tell):
            check_blocks(answer.message.blocks, "message")
        if settle:
            self.settle()
        return answer

    def say(self, who: str, words: str, *, how: str = "command", **more: Any) -> str:
        """Words after /aiops (or a mention); the answer's text."""
        first, *rest = words.split()
        answer = self.press(who, first, how=how, words=tuple(rest), **more)
        return text_of(answer)

    # --- looking -------------------------------------------------------------------------------------------------

    def actor(self, who: str) -> Actor:
        with self.db.transaction() as tx:
            return actor_of(self.person(tx, who))

    @staticmethod
    def person(tx: Session, who: str) -> Person:
        return tx.scalars(select(Person).where(Person.slack_id == NAMES[who])).one()

    @staticmethod
    def agent(tx: Session, slug: str = "support-triage") -> Agent:
        return tx.scalars(select(Agent).where(Agent.slug == slug)).one()

    def check(self, name: str) -> Check:
        with self.db.transaction() as tx:
            return tx.scalars(select(Check).where(Check.name == name)).one()

    def pages(self) -> list[Page]:
        with self.db.transaction() as tx:
            return list(tx.scalars(select(Page).order_by(Page.id)))

    def problems(self) -> list[Problem]:
        with self.db.transaction() as tx:
            return list(tx.scalars(select(Problem).order_by(Problem.id)))

    def rows(self, prefix: str = "") -> list[OutMessage]:
        with self.db.transaction() as tx:
            return [row for row in tx.scalars(select(OutMessage).order_by(OutMessage.id)) if row.key.startswith(prefix)]

    def row(self, key: str) -> OutMessage:
        return next(row for row in self.rows(key) if row.key == key)

    def text(self, key: str) -> str:
        """The words that stand under a key."""
        return str(self.row(key).want["text"])

    def lines(self, thread: str) -> list[str]:
        """The history under a root, in order."""
        return [str(row.want["text"]) for row in self.rows() if row.thread_key == thread]

    def called(self) -> list[str]:
        """Who was called so far, in order, by name or channel; with the route where it is not Slack."""
        with self.db.transaction() as tx:
            names = {person.id: person.name for person in tx.scalars(select(Person))}
            calls = tx.scalars(select(Call).order_by(Call.id)).all()
            return [(names[call.person_id] if call.person_id else call.target) + ("" if call.route == "slack" else f" by {call.route}") for call in calls]

    def menu(self, key: str) -> dict[str, str]:
        """The options of the menu that stands on a message: words to value."""
        blocks = self.row(key).want["blocks"]
        menus = [element for block in blocks if block["type"] == "actions" for element in block["elements"] if element["type"] == "overflow"]
        return {option["text"]["text"]: option["value"] for menu in menus for option in menu["options"]}

    def choose(self, who: str | Actor, words: str, key: str = "page:1:channel", **more: Any) -> Answer | str:
        """Choose an option of the menu on a message."""
        return self.press(who, MENU, self.menu(key)[words], **more)

    def buttons(self, key: str) -> list[str]:
        """The buttons that stand on a message."""
        blocks = self.row(key).want["blocks"]
        return [element["text"]["text"] for block in blocks if block["type"] == "actions" for element in block["elements"] if element["type"] == "button"]


def text_of(answer: Answer | str) -> str:
    if isinstance(answer, str):
        return answer
    return answer.message.text if isinstance(answer, Tell) else type(answer).__name__
