"""Presses, forms and shortcuts about incidents: who may is asked here, what happens is in flows."""

from __future__ import annotations

import re
from typing import Any

import orjson
from sqlalchemy.orm import Session

from bot.agents.reading import agent_by_slug, agents_in_channel, find_agents, live_agents
from bot.blocks import Message, escape, typed
from bot.incidents import closing, flows, forms, messages
from bot.incidents.people import full_member
from bot.incidents.reading import incident_view, item_view, open_incidents, timeline_of
from bot.incidents.rules import Read, read_given
from bot.incidents.source import About, about_message
from bot.paging.scope import agents_on
from bot.people.flows import require, roles_of
from bot.people.rules import Act
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Agent, Incident, IncidentItem, Output, Page, Person, Problem

_GONE = "This incident is no longer known here. `/aiops incident` lists the open ones."


# --- opening ---------------------------------------------------------------------------------------------------------


def press_open(tx: Session, press: Press) -> Answer:
    """`Open incident` on a page: everything is known, so there is no form. After a thumbs-down: the form, with its agent."""
    output = tx.get(Output, _number(press.value, "output") or 0)
    if output is not None:
        agent = tx.get_one(Agent, output.agent_id)
        require(roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id), Act.OPEN_INCIDENT)
        return _form(tx, agent, "A wrong output", About(output=output.id), [], channel=_public(press.channel))
    page = tx.get(Page, _number(press.value, "page") or 0)
    if page is None:
        require(roles_of(tx, press.actor, None), Act.OPEN_INCIDENT)
        return Tell(Message("This page is no longer known here. `/aiops incident open` opens an incident without one."))
    agent = tx.get_one(Agent, page.agent_id)
    require(roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id), Act.OPEN_INCIDENT)
    if page.test:
        return Tell(Message("This is a test page: there is nothing to open an incident about."))
    already = flows.incident_of_page(tx, page.id)
    if already is not None:
        return Tell(Message(f"Incident #{already.id} about this page is open already, in <#{already.channel_id}>."))
    title = About(page=page.id).title(tx) or f"{agent.name} fails"
    incident = flows.open_incident(tx, press.now, agent, person_of(tx, press), title, page=page, channel=_public(press.channel))
    return Tell(_opened(incident, press))


def shortcut_open(tx: Session, press: Press) -> Answer:
    """The message shortcut "Open incident": on a page, an output, or any message."""
    require(roles_of(tx, press.actor, None), Act.OPEN_INCIDENT)
    about = about_message(tx, press.channel, press.message_ts)
    if about.page is not None:
        already = flows.incident_of_page(tx, about.page)
        if already is not None:
            return Tell(Message(f"Incident #{already.id} about this page is open already, in <#{already.channel_id}>."))
    agent = about.agent(tx)
    here = agents_in_channel(tx, press.channel or "")
    if agent is None and len(here) == 1:
        agent = here[0]
    title = about.title(tx) or " ".join(typed(str(press.message.get("text", ""))).split())[:200]
    return _form(tx, agent, title, about, here if agent is None else [], channel=_public(press.channel))


def submit_new(tx: Session, press: Press) -> Answer:
    """The form "Open an incident"."""
    require(roles_of(tx, press.actor, None), Act.OPEN_INCIDENT)
    named, title = str(press.values.get("agent", "")), " ".join(str(press.values.get("title", "")).split())
    found = find_agents(tx, named)
    exact = agent_by_slug(tx, named) or (found[0] if len(found) == 1 else None)
    if exact is None:
        return Mend({"agent": "No single agent is called that: write its id or its whole name."})
    if not title:
        return Mend({"title": "Say in a few words what happened."})
    try:
        kept = orjson.loads(press.value or "{}")
    except orjson.JSONDecodeError:
        kept = {}
    page = tx.get(Page, int(kept["page"])) if kept.get("page") else None
    if page is not None and (exact.id not in {each.id for each in agents_on(tx, page)} or page.resolved_at is not None):
        page = None  # it is about another agent after all, or over
    output = int(kept["output"]) if kept.get("output") and page is None else None
    problem = tx.get(Problem, int(kept["problem"])) if kept.get("problem") and page is None else None
    if problem is not None and problem.agent_id != exact.id:
        problem = None
    incident = flows.open_incident(tx, press.now, exact, person_of(tx, press), title[:300], page=page, problem=problem, output_id=output, channel=kept.get("channel"))
    return Tell(_opened(incident, press))


def _form(tx: Session, agent: Agent | None, title: str, about: About, likely: list[Agent], *, channel: str | None) -> Answer:
    others = [each for each in live_agents(tx) if each not in likely]
    choices = [(each.slug, each.name) for each in [*likely, *others]]
    if not choices:
        return Tell(Message("There is no agent yet. `/aiops agent add` adds one."))
    kept: dict[str, Any] = {"page": about.page, "output": about.output, "problem": about.problem, "channel": channel}
    return Ask(forms.open_form(choices, agent.slug if agent else "", title[:300], {name: each for name, each in kept.items() if each}))


def _opened(incident: Incident, press: Press) -> Message:
    if incident.opened_by != press.actor.person_id or incident.opened_at != press.now:
        return Message(f"Incident #{incident.id} about this is open already, in <#{incident.channel_id}>.")
    return Message(f"Incident #{incident.id} is open in <#{incident.channel_id}>. You lead it until somebody presses `I'll lead`; the checklist is in its thread.")


# --- steps -----------------------------------------------------------------------------------------------------------


def press_done(tx: Session, press: Press) -> Answer:
    """`Done` on a step; where its kind wants an answer, its form."""
    item = tx.get(IncidentItem, _number(press.value, "item") or 0)
    if item is not None and item.kind != "confirm" and item.state == "open":
        return _ask(tx, press, item, "done")
    return settle(tx, press, item, "done")


def press_item(tx: Session, press: Press) -> Answer:
    """The menu of a step: done with a note, waive, give to somebody, open again."""
    verb, _, number = press.value.partition(":")
    item = tx.get(IncidentItem, int(number)) if number.isdigit() else None
    if item is None:
        require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
        return Tell(Message(_GONE))
    if verb == "reopen":
        return settle(tx, press, item, "open")
    return _ask(tx, press, item, verb)


def _ask(tx: Session, press: Press, item: IncidentItem, verb: str) -> Answer:
    incident = tx.get_one(Incident, item.incident_id)
    flows.may_settle(tx, incident, press.actor, "waived" if verb == "waive" else "done", required=item.required)
    if incident.closed_at is not None:
        return Tell(Message(f"Incident #{incident.id} is closed: its checklist stays as it was."))
    if verb == "assign":
        person = tx.get(Person, item.assignee_id) if item.assignee_id else None
        return Ask(forms.assign_form(item_view(item), (person.slack_id or "") if person else ""))
    return Ask(forms.waive_form(item_view(item)) if verb == "waive" else forms.item_form(item_view(item)))


def submit_note(tx: Session, press: Press) -> Answer:
    """The form of a step that is done, as its kind wants it."""
    item = tx.get(IncidentItem, _number(press.value, "item") or 0)
    words, given = str(press.values.get("note") or "").strip(), str(press.values.get("answer") or "").strip()
    if item is None or item.kind == "confirm":
        return settle(tx, press, item, "done", words) if words else Mend({"note": "Write in a few words what was done."})
    flows.may_settle(tx, tx.get_one(Incident, item.incident_id), press.actor, "done", required=item.required)
    if item.kind == "decision" and item.options and not words:
        return Mend({"note": "Say why it was decided so."})
    read = read_answer(tx, item, f"{given} {words}" if item.kind == "decision" and item.options else given)
    if read.wrong:
        return Mend({"answer": read.wrong})
    return settle(tx, press, item, "done", words or read.note, read.answer)


def submit_waive(tx: Session, press: Press) -> Answer:
    """The form "Waive a step"."""
    words = str(press.values.get("reason") or "").strip()
    item = tx.get(IncidentItem, _number(press.value, "item") or 0)
    return settle(tx, press, item, "waived", words) if words else Mend({"reason": "A waived step needs a reason."})


def submit_assign(tx: Session, press: Press) -> Answer:
    """The form "Give it to somebody"."""
    return assign(tx, press, tx.get(IncidentItem, _number(press.value, "item") or 0), str(press.values.get("person") or ""), field="person")


def assign(tx: Session, press: Press, item: IncidentItem | None, ref: str, *, field: str = "") -> Answer:
    """Give a step to somebody; they must be a full member here."""
    if item is None:
        require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
        return Tell(Message(_GONE))
    flows.may_settle(tx, tx.get_one(Incident, item.incident_id), press.actor, "done", required=item.required)
    person = full_member(tx, ref)
    if person is None:
        told = "Name a full member of this workspace, such as @lea."
        return Mend({field: told}) if field else Tell(Message(told))
    if not flows.assign_item(tx, press.now, item, person, person_of(tx, press)):
        return Tell(Message(f"Step {item.position + 1} is {'theirs already' if item.state == 'open' else f'{item.state} already'}."))
    return Quiet() if press.came_from != "mention" else Tell(Message(f"Step {item.position + 1} is {escape(person.name)}'s now."))


def read_answer(tx: Session, item: IncidentItem, words: str) -> Read:
    """What was given for a step, as its kind wants it; a person is looked up."""
    read = read_given(item.kind, [str(each) for each in item.options or ()], words)
    if item.kind != "person" or read.wrong:
        return read
    person = full_member(tx, read.answer)
    return Read(person.name, read.note) if person is not None else Read(wrong="Name a full member of this workspace, such as @lea.")


def settle(tx: Session, press: Press, item: IncidentItem | None, wanted: str, words: str = "", answer: str = "") -> Answer:
    if item is None:
        require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
        return Tell(Message(_GONE))
    incident = tx.get_one(Incident, item.incident_id)
    # Opening a waived step again undoes an owner's decision, so it takes the same leave.
    flows.may_settle(tx, incident, press.actor, "waived" if item.state == "waived" else wanted, required=item.required)
    change = flows.settle_item(tx, press.now, item, wanted, person_of(tx, press), words, answer)
    if change.value == "nothing":
        view = item_view(item, {item.by_id or 0: _name(tx, item.by_id)})
        return Tell(Message(f"Step {view.number} is {view.state} already" + (f", by {view.by}." if view.by else ".")))
    if press.came_from == "mention":
        return Tell(Message(f"Step {item.position + 1} is {item.state} now."))
    return Quiet()


# --- lead, close, show -----------------------------------------------------------------------------------------------


def press_lead(tx: Session, press: Press) -> Answer:
    """`I'll lead`."""
    incident = tx.get(Incident, _number(press.value, "incident") or 0)
    return lead(tx, press, incident)


def lead(tx: Session, press: Press, incident: Incident | None) -> Answer:
    require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
    if incident is None:
        return Tell(Message(_GONE))
    if not flows.take_lead(tx, press.now, incident.id, person_of(tx, press)):
        return Tell(Message("You lead it already." if incident.closed_at is None else f"Incident #{incident.id} is closed."))
    return Quiet()


def press_close(tx: Session, press: Press) -> Answer:
    """`Close incident`."""
    return close(tx, press, tx.get(Incident, _number(press.value, "incident") or 0))


def close(tx: Session, press: Press, incident: Incident | None) -> Answer:
    if incident is None:
        require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
        return Tell(Message(_GONE))
    require(flows.incident_roles(tx, incident, press.actor), Act.CLOSE_INCIDENT)
    refused = closing.refusal(tx, incident)
    if refused is not None:
        return Tell(refused)
    reason, minutes = closing.left(tx, incident)
    if not reason and not minutes:
        closing.close_incident(tx, press.now, incident.id, person_of(tx, press))
        return Quiet()
    if press.came_from == "mention":
        return Tell(messages.ready_words(incident_view(tx, incident)))
    people = [(person.id, person.name, count) for person, count in closing.who_worked(tx, incident)] if minutes else []
    return Ask(forms.closing_form(incident.id, people, ask_reason=reason))


def submit_closing(tx: Session, press: Press) -> Answer:
    """The form "Close the incident"."""
    incident = tx.get(Incident, _number(press.value, "incident") or 0)
    if incident is None:
        require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
        return Tell(Message(_GONE))
    require(flows.incident_roles(tx, incident, press.actor), Act.CLOSE_INCIDENT)
    minutes, wrong = dict[int, int](), dict[str, str]()
    for name, given in press.values.items():
        if name.startswith("minutes_") and name[8:].isdigit():
            said = str(given or "0").strip()
            if not said.isdigit() or int(said) > closing.LONGEST:
                wrong[name] = "Write whole minutes in digits, such as 25; 0 where they did nothing."
            else:
                minutes[int(name[8:])] = int(said)
    if wrong:
        return Mend(wrong)
    reason, _ = closing.left(tx, incident)
    why = str(press.values.get("reason") or "").strip()
    if reason and not why and closing.refusal(tx, incident) is None:
        return Mend({"reason": "Say why it may close."}) if "reason" in press.values else Tell(Message(f"{reason}. Press `Close incident` again and say why it may close."))
    known = {person.id for person, _ in closing.who_worked(tx, incident)}
    refused = closing.close_incident(tx, press.now, incident.id, person_of(tx, press), minutes={each: count for each, count in minutes.items() if each in known}, failing_why=why if reason else "")
    return Tell(refused, heading="Not closed") if refused is not None else Quiet()


def incident_of_press(tx: Session, press: Press) -> Incident | None:
    """The incident of a button's value; None where it is no longer known. Asks whether they may see it."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    return tx.get(Incident, _number(press.value, "incident") or 0)


def press_show(tx: Session, press: Press) -> Answer:
    """`Show incident`, from somebody's list."""
    return _show(tx, press, tx.get(Incident, _number(press.value, "incident") or 0))


def _show(tx: Session, press: Press, incident: Incident | None) -> Answer:
    require(roles_of(tx, press.actor, None), Act.SEE)
    if incident is None:
        return Tell(Message(_GONE))
    told = messages.one_message(incident_view(tx, incident), timeline_of(tx, incident.id))
    return Tell(Message(f"{told.text}\nIt is in <#{incident.channel_id}>.", told.blocks), share=press.came_from == "command")


# --- words -----------------------------------------------------------------------------------------------------------


def words_incident(tx: Session, press: Press) -> Answer:
    """`/aiops incident`, `incident open [agent] [words]`, `incident 3`."""
    verb, rest = (press.words[0].lower(), press.words[1:]) if press.words else ("", ())
    if verb == "open":
        return _words_open(tx, press, rest)
    if verb in ("", "list"):
        require(roles_of(tx, press.actor, None), Act.SEE)
        return Tell(messages.list_message([incident_view(tx, each) for each in open_incidents(tx)]), share=True)
    if verb.lstrip("#").isdigit() and len(verb) < 15:
        incident = tx.get(Incident, int(verb.lstrip("#")))
        return _show(tx, press, incident)
    require(roles_of(tx, press.actor, None), Act.SEE)
    return Tell(Message("I know `/aiops incident` (the open ones), `/aiops incident 3` (one of them) and `/aiops incident open <agent> <what happened>`."))


def _words_open(tx: Session, press: Press, words: tuple[str, ...]) -> Answer:
    require(roles_of(tx, press.actor, None), Act.OPEN_INCIDENT)
    # The agent's name may have several words: the longest beginning that names exactly one is taken.
    for length in range(min(len(words), 6), 0, -1):
        found = find_agents(tx, " ".join(words[:length]))
        if len(found) == 1 and (title := " ".join(words[length:])):
            incident = flows.open_incident(tx, press.now, found[0], person_of(tx, press), title[:300], channel=_public(press.channel), came_from=press.came_from)
            return Tell(_opened(incident, press))
        if len(found) == 1:
            return _form(tx, found[0], "", About(), [], channel=_public(press.channel))
    here = agents_in_channel(tx, press.channel or "")
    return _form(tx, here[0] if len(here) == 1 else None, " ".join(words), About(), here, channel=_public(press.channel))


def _number(value: str, kind: str) -> int | None:
    matched = re.fullmatch(kind + r":(\d{1,15})", value)
    return int(matched[1]) if matched else None


def _public(channel: str | None) -> str | None:
    """Where an incident could live if the agent has no channel: never in somebody's DM."""
    return channel if channel and not channel.startswith("D") else None


def person_of(tx: Session, press: Press) -> Person:
    return tx.get_one(Person, press.actor.person_id)


def _name(tx: Session, person_id: int | None) -> str:
    person = tx.get(Person, person_id) if person_id else None
    return escape(person.name) if person is not None else ""


ACTIONS: dict[str, Handler] = {
    "incidents.open": press_open,
    "incidents.done": press_done,
    "incidents.item": press_item,
    "incidents.lead": press_lead,
    "incidents.close": press_close,
    "incidents.show": press_show,
}
VIEWS: dict[str, Handler] = {
    "incidents.new": submit_new,
    "incidents.note": submit_note,
    "incidents.waive": submit_waive,
    "incidents.assign": submit_assign,
    "incidents.closing": submit_closing,
}
SHORTCUTS: dict[str, Handler] = {"incidents.shortcut": shortcut_open}
