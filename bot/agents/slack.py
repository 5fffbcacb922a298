"""Slack's edge of the registry: answers to a naming, `/aiops agent`, its forms, and entering a channel."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents import closed, flows, forms, owners, telling, unowned
from bot.agents.introductions import introduce
from bot.agents.reading import (
    ROLES,
    agent_by_slug,
    agents_of,
    find_agents,
    find_channel,
    find_removed,
    is_retired,
    owners_named,
    retired_words,
    spec_of,
)
from bot.agents.resolve import why_not_person
from bot.agents.spec import AgentSpec
from bot.clock import Ids
from bot.people.directory import Team
from bot.people.flows import Refused, find_person, owners_of, require, roles_of
from bot.people.rules import Act, may
from bot.people.tokens import mint_token
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Agent, Handover, Person, Stage

STAGE_MEANS = {
    "shadow": "runs beside people, and nothing it makes is used",
    "assisted": "a person looks at what it makes before it counts",
    "autonomous": "works by itself",
    "suspended": "stopped until somebody says so",
    "retired": "no longer at work",
}


BACK_WITHIN = timedelta(days=30)  # how long a retired agent may be brought back

# --- answers to a naming -----------------------------------------------------------------------------------------


def accept(tx: Session, press: Press) -> Answer:
    """`Accept`."""
    owners.accept(tx, press.now, press.actor, press.value)
    return Quiet()


def accept_all(tx: Session, press: Press) -> Answer:
    """`Accept all`: whatever of this message still waits."""
    row = _named(tx, press)
    for each in owners.together(tx, row):
        kind = "handover" if isinstance(each, Handover) else "owner"
        ended = each.closed_at if isinstance(each, Handover) else each.until
        if each.accepted_at is None and each.declined_at is None and ended is None:
            owners.accept(tx, press.now, press.actor, f"{kind}:{each.id}")
    return Quiet()


def decline(tx: Session, press: Press) -> Answer:
    """`Not me`."""
    owners.decline(tx, press.now, press.actor, press.value)
    return Quiet()


def turn(tx: Session, press: Press) -> Answer:
    """`More` and `Earlier ones` on a long message."""
    row = _named(tx, press)
    page = press.value.rpartition(":")[2]
    owners.show_naming(tx, press.now, row, page=int(page) if page.isdigit() else 0)
    return Quiet()


def _named(tx: Session, press: Press) -> owners.Named:
    row = owners.find_named(tx, press.value)
    if row is None or row.person_id != press.actor.person_id:
        require(set(), Act.ACCEPT_ROLE)
    assert row is not None
    return row


# --- /aiops agent ------------------------------------------------------------------------------------------------


def agent(tx: Session, press: Press) -> Answer:
    """`agent` lists mine, `agent <name>` shows one, `agent add` opens the form."""
    roles = roles_of(tx, press.actor, None)
    require(roles, Act.SEE)
    if not press.words:
        return Tell(telling.mine(_mine(tx, press.actor.person_id)), share=True)
    if press.words[0].lower() == "add" and len(press.words) == 1:
        require(roles, Act.ADD_AGENT)
        here = find_channel(tx, press.channel) if press.channel else None
        return Ask(forms.add_view(me=press.actor.slack_id or "", channel=here.slack_id if here is not None and not here.is_archived else ""))
    words = " ".join(press.words)
    found = find_agents(tx, words)
    if not found and (gone := find_removed(tx, words)) is not None and gone.archived_at is not None:
        return Tell(telling.removed(gone.name, gone.slug, gone.archived_at, retired_words(tx, [gone.id]).get(gone.id, "")))
    if len(found) != 1:
        return Tell(telling.which(words, [(each.name, each.slug) for each in found]))
    return Tell(_shown(tx, press, found[0]), share=True)


def _mine(tx: Session, person_id: int) -> list[telling.Mine]:
    held = agents_of(tx, person_id)
    waiting: dict[int, list[str]] = {}
    for row in tx.scalars(select(Handover).where(Handover.person_id == person_id, Handover.closed_at.is_(None))):
        waiting.setdefault(row.agent_id, []).append(row.role)
    for agent_id in held:
        for role, holder in owners_of(tx, agent_id).items():
            if holder.person_id == person_id and holder.accepted_at is None and holder.declined_at is None:
                waiting.setdefault(agent_id, []).append(role)
    stages = {row.agent_id: row.stage for row in tx.scalars(select(Stage).where(Stage.agent_id.in_({*held, *waiting})))}
    agents = tx.scalars(select(Agent).where(Agent.id.in_({*held, *waiting}), Agent.archived_at.is_(None)).order_by(Agent.name))
    return [telling.Mine(each.name, each.slug, tuple(held.get(each.id, [])), tuple(waiting.get(each.id, [])), stages.get(each.id, "")) for each in agents]


def _shown(tx: Session, press: Press, found: Agent) -> Any:
    spec = spec_of(found)
    stage = tx.scalars(select(Stage).where(Stage.agent_id == found.id)).one()
    by = tx.get(Person, stage.by_id) if stage.by_id else None
    asked = tx.execute(
        select(Handover.role, Person.name, Handover.asked_at, Handover.id)
        .join(Person, Person.id == Handover.person_id)
        .where(Handover.agent_id == found.id, Handover.closed_at.is_(None))
        .order_by(Handover.id)
    ).all()
    roles = roles_of(tx, press.actor, found.id, channel_id=found.channel_id)
    row = telling.Shown(
        name=found.name, slug=found.slug, department=found.department, about=spec.about, owners=owners_named(tx, found),
        handovers=tuple((role, name, at) for role, name, at, _ in asked), asked_rows=tuple(row.id for row in asked), stage=stage.stage, stage_means=STAGE_MEANS[stage.stage],
        stage_since=stage.since, stage_by=by.name if by else "aiops-bot", stage_why=stage.reason, channel_id=found.channel_id,
        checks=tuple((name, str(check.get("kind", "")), str(check.get("severity") or "")) for name, check in spec.checks.items()),
        runbook=spec.runbook, target=spec.target, in_file=found.in_file,
        back_until=stage.since + BACK_WITHIN if stage.stage == "retired" and press.now <= stage.since + BACK_WITHIN else None,
    )  # fmt: skip
    return telling.shown(row, may_name=may(roles, Act.NAME_OWNER), may_test=may(roles, Act.TEST_PAGE), may_retire=may(roles, Act.RETIRE))


def ask_name(tx: Session, press: Press) -> Answer:
    """`Name another` opens its form."""
    slug, _, role = press.value.partition(":")
    found = _agent(tx, press, slug)
    stands = f"Now: {owners_named(tx, found).line()}."
    return Ask(forms.name_view(agent=found.name, slug=found.slug, role=role if role in ROLES else "", stands=stands))


def named(tx: Session, press: Press) -> Answer:
    """The submitted form of naming another."""
    found = _agent(tx, press, press.value)
    role, ref = str(press.values.get("role") or ""), str(press.values.get("person") or "")
    if role not in ROLES:
        return Mend({"role": "Choose a role."})
    if not ref:
        if role in ("business", "operations"):
            return Mend({"person": "Choose a person: an agent is never without this owner."})
        owners.end_role(tx, press.now, found, role, press.actor.person_id)
        return Tell(telling.ended(found.name, role))
    if wrong := why_not_person(tx, ref, {}):
        return Mend({"person": _sentence(wrong)})
    person = find_person(tx, ref)
    assert person is not None
    holder = owners_of(tx, found.id).get(role)
    row = flows.change_owner(tx, press.now, found, role, person, by_id=press.actor.person_id)
    if row is None:
        return Tell(telling.stands_so(person.name, found.name, role))
    stays = tx.get_one(Person, holder.person_id).name if isinstance(row, Handover) and holder is not None else ""
    return Tell(telling.asked(person.name, found.name, role, holder=stays, himself=person.id == press.actor.person_id))


def _agent(tx: Session, press: Press, slug: str) -> Agent:
    found = agent_by_slug(tx, slug)
    if found is None:
        raise Refused("This agent is no longer in the registry. `/aiops status` shows those that are.")
    require(roles_of(tx, press.actor, found.id), Act.NAME_OWNER)
    if is_retired(tx, found):
        raise Refused(f"{found.name} is retired: nobody needs to answer for it any more.")
    return found


def _sentence(wrong: tuple[str, str]) -> str:
    what, remedy = wrong
    return f"{what[:1].upper()}{what[1:]}. {remedy}."


def adder(ids: Ids, base_url: str) -> Handler:
    """The handler of the submitted form of `agent add`; `base_url` is where agents reach this server."""

    def add(tx: Session, press: Press) -> Answer:
        require(roles_of(tx, press.actor, None), Act.ADD_AGENT)
        values = dict(press.values)
        wrong = forms.add_mistakes(values)
        people: dict[str, Person] = {}
        for role in ("business", "operations"):
            if role not in wrong:
                told = why_not_person(tx, str(values[role]), {})
                person = find_person(tx, str(values[role]))
                if told is not None:
                    wrong[role] = _sentence(told)
                elif person is not None:
                    people[role] = person
        channel = find_channel(tx, str(values.get("channel") or ""))
        if "channel" not in wrong and channel is None:
            wrong["channel"] = "I cannot see this channel yet. Invite me there with /invite @aiops, then send this form again."
        elif channel is not None and channel.is_archived:
            wrong["channel"] = "This channel is archived. Choose one that is in use."
        name = str(values.get("name") or "").strip()
        if "name" not in wrong and any(each.name.lower() == name.lower() for each in find_agents(tx, name)):
            wrong["name"] = "There is already an agent of this name. Choose another, so that nobody confuses them."
        if wrong or channel is None:
            return Mend(wrong)
        slug = flows.free_slug(tx, name)
        template = forms.TEMPLATES[str(values["template"])]
        spec = AgentSpec.model_validate(
            {
                "name": name,
                "department": str(values.get("department") or "").strip(),
                "owners": {role: person.slack_id for role, person in people.items()},
                "channel": channel.slack_id,
                "outputs": template.outputs,
                "checks": forms.checks_of(str(values["template"]), str(values.get("url") or "").strip()),
                **({"telemetry": telemetry} if (telemetry := unowned.telemetry_of(tx, press.value)) else {}),
                **({"runbook": runbook} if (runbook := str(values.get("runbook") or "").strip()) else {}),
            }
        )
        unowned.registered(tx, press.now, press.value, flows.add_agent(tx, press.now, slug, spec, channel.slack_id, people, by_id=press.actor.person_id))
        text, _ = mint_token(tx, press.now, ids, name=f"{name}, made when it was added", scopes=["events", "telemetry"], agents=[slug], expires_at=None, by=press.actor.person_id)
        curl = forms.curl_line(base_url, slug, text, press.now)
        return Ask(forms.added_view(name=name, slug=slug, channel=channel.slack_id, in_channel=channel.is_member, token=text, curl=curl, otel=forms.otel_lines(base_url, text)), how="update")

    return add


# --- entering a channel ------------------------------------------------------------------------------------------


def events_of(team: Team) -> dict[str, list[Callable[[Session, dict[str, Any], datetime], None]]]:
    """What to do besides the directory's own bookkeeping, which must have run before."""

    def joined(tx: Session, event: dict[str, Any], now: datetime) -> None:
        if event.get("user") == team.bot_user:
            introduce(tx, now, str(event["channel"]))

    return {"member_joined_channel": [joined]}


EVENTS = closed.EVENTS
ACTIONS: dict[str, Handler] = {
    "agents.accept": accept,
    "agents.accept_all": accept_all,
    "agents.decline": decline,
    "agents.more": turn,
    "agents.earlier": turn,
    "agents.name": ask_name,
    **unowned.ACTIONS,
}
# `agent` is one of the words of the status room, which puts the chart beside it.


def views(ids: Ids, base_url: str) -> dict[str, Handler]:
    """The forms; the one that adds an agent needs to make a token and to say where to send events."""
    return {"agents.add": adder(ids, base_url), "agents.name": named, **unowned.VIEWS}


