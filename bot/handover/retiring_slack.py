"""Slack's edge of retiring: the form, the second look, and the way back."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy.orm import Session

from bot.agents.forms import curl_line
from bot.agents.reading import agent_by_slug, find_agents, is_retired, owners_named
from bot.agents.resolve import why_not_person
from bot.agents.telling import which
from bot.blocks import Message, escape, when
from bot.clock import Ids
from bot.handover import forms, retiring, telling
from bot.people.flows import Refused, find_person, require, roles_of
from bot.people.rules import Act
from bot.stages.flows import stage_of
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Tell
from bot.tables import Agent, Person

_CHANGED = "Meanwhile its stage was changed by somebody: look again with `/aiops agent`."


def words_retire(tx: Session, press: Press, said: tuple[str, ...]) -> Answer:
    """`agent retire <agent>`."""
    found = _one(tx, said)
    return found if not isinstance(found, Agent) else _ask(tx, press, found)


def words_bring_back(tx: Session, press: Press, said: tuple[str, ...]) -> Answer:
    """`agent bring-back <agent>`."""
    found = _one(tx, said)
    return found if not isinstance(found, Agent) else _ask_back(tx, press, found)


def ask(tx: Session, press: Press) -> Answer:
    """`Retire` beside an agent."""
    return _ask(tx, press, _agent(tx, press))


def ask_back(tx: Session, press: Press) -> Answer:
    """`Bring back` beside a retired agent."""
    return _ask_back(tx, press, _agent(tx, press))


def _ask(tx: Session, press: Press, found: Agent) -> Answer:
    require(roles_of(tx, press.actor, found.id), Act.RETIRE)
    if is_retired(tx, found):
        return Tell(Message(f"{escape(found.name)} {escape(retiring.says(tx, found))}. There is nothing more to end."))
    if press.came_from == "mention":
        return Tell(telling.press_here(found.name, found.slug, "Retire", "handover.retire", style="danger"))
    names = owners_named(tx, found)
    stay = f"It stays on record with {names.line()}." if names.all() else ""
    if needed_by := retiring.dependents_of(tx, found):
        stay += f"\n*Mind:* {', '.join(f'`{slug}`' for slug in needed_by[:10])} depend{'s'[: len(needed_by) == 1]} on it by `aiops.yml`."
    return Ask(forms.retire(found.name, found.slug, stage_of(tx, found.id).rev, retiring.standing_open(tx, press.now, found), retiring.tokens_of(tx, found), stay))


def looked(tx: Session, press: Press) -> Answer:
    """The submitted form: what is wrong in it, or the second look."""
    found, rev = _from(tx, press, press.value)
    reason = _reason(press)
    ref = str(press.values.get("person") or "")
    hands = press.values.get("open") == "hand"
    wrong: dict[str, str] = {}
    if not reason:
        wrong["reason"] = "Say in a few words why."
    elif stage_of(tx, found.id).rev != rev:
        wrong["reason"] = _CHANGED
    heir = None
    if hands:
        told = why_not_person(tx, ref, {}) if ref else ("choose a person", "Or close what is open with your reason")
        heir = find_person(tx, ref) if told is None else None
        if told is not None:
            wrong["person"] = f"{told[0][:1].upper()}{told[0][1:]}. {told[1]}."
    elif ref:
        wrong["person"] = "Choose \"Hand them over to somebody\" above, or leave this empty."
    if wrong:
        return Mend(wrong)
    lines = retiring.what_will_be(retiring.standing_open(tx, press.now, found), retiring.tokens_of(tx, found), heir.name if heir is not None else "")
    metadata = orjson.dumps({"agent": found.slug, "rev": rev, "reason": reason, "heir": heir.slack_id if heir is not None else None}).decode()
    return Ask(forms.retire_sure(found.name, lines, reason, metadata), how="update")


def retired(tx: Session, press: Press) -> Answer:
    """`Retire it`."""
    given: dict[str, Any] = orjson.loads(press.value or "{}")
    found, rev = _from(tx, press, f"{given.get('agent', '')}:{given.get('rev', 0)}")
    if is_retired(tx, found):
        return Tell(Message(f"{escape(found.name)} {escape(retiring.says(tx, found))}."), heading="Retired")
    if stage_of(tx, found.id).rev != rev:
        return Tell(Message(_CHANGED), heading="Not retired")
    heir = find_person(tx, str(given["heir"])) if given.get("heir") else None
    if given.get("heir") and (heir is None or why_not_person(tx, str(given["heir"]), {}) is not None):
        return Tell(Message("Whoever was to take over what is open has left meanwhile: begin again with `/aiops agent retire`."), heading="Not retired")
    done = retiring.retire(tx, press.now, found, tx.get_one(Person, press.actor.person_id), str(given.get("reason") or ""), heir)
    return Tell(Message(retiring.what_became(found, done)), heading="Retired")


def _ask_back(tx: Session, press: Press, found: Agent) -> Answer:
    require(roles_of(tx, press.actor, found.id), Act.RETIRE)
    if not is_retired(tx, found):
        return Tell(Message(f"{escape(found.name)} is at work: there is nothing to bring back. `/aiops stage {found.slug}` shows what it may do."))
    until = retiring.back_until(tx, found)
    if press.now > until:
        raise Refused(f"{escape(found.name)} {escape(retiring.says(tx, found))}, and could be brought back until {when(until, '{date_short_pretty}')}. Add it anew: `/aiops agent add`.")
    if press.came_from == "mention":
        return Tell(telling.press_here(found.name, found.slug, "Bring back", "handover.bring_back", style="primary"))
    return Ask(forms.bring_back(found.name, found.slug, stage_of(tx, found.id).rev, escape(retiring.says(tx, found)), retiring.may_begin_as(tx, found)))


def bringer(ids: Ids, base_url: str) -> Handler:
    """The handler of the submitted form of bringing back; it makes a token, and says where to send events."""

    def bring_back(tx: Session, press: Press) -> Answer:
        found, rev = _from(tx, press, press.value)
        reason, stage = _reason(press), str(press.values.get("stage") or "")
        if not reason:
            return Mend({"reason": "Say in a few words what has changed."})
        if not is_retired(tx, found) or stage_of(tx, found.id).rev != rev or press.now > retiring.back_until(tx, found):
            return Tell(Message(_CHANGED), heading="Not brought back")
        if stage not in [each for each, _ in retiring.may_begin_as(tx, found)]:
            return Mend({"stage": "It may not begin as that. Choose another."})
        text = retiring.bring_back(tx, press.now, ids, found, tx.get_one(Person, press.actor.person_id), stage, reason)
        return Ask(forms.brought_back(found.name, found.slug, text, curl_line(base_url, found.slug, text, press.now)), how="update")

    return bring_back


def _one(tx: Session, said: tuple[str, ...]) -> Agent | Answer:
    named = " ".join(said)
    if not named:
        return Tell(Message("Which agent? For example `/aiops agent retire support-triage`."))
    found = find_agents(tx, named)
    return found[0] if len(found) == 1 else Tell(which(named, [(each.name, each.slug) for each in found]))


def _agent(tx: Session, press: Press) -> Agent:
    found = agent_by_slug(tx, press.value.partition(":")[0])
    if found is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused("This agent is no longer in the registry. `/aiops status` shows those that are.")
    require(roles_of(tx, press.actor, found.id), Act.RETIRE)
    return found


def _from(tx: Session, press: Press, value: str) -> tuple[Agent, int]:
    slug, _, rev = value.rpartition(":")
    found = agent_by_slug(tx, slug)
    if found is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused("This agent is no longer in the registry. `/aiops status` shows those that are.")
    require(roles_of(tx, press.actor, found.id), Act.RETIRE)
    return found, int(rev) if rev.isdigit() else -1


def _reason(press: Press) -> str:
    return " ".join(str(press.values.get("reason") or "").replace("\0", "").split())[: forms.REASON]


ACTIONS: dict[str, Handler] = {"handover.retire": ask, "handover.bring_back": ask_back}
VIEWS: dict[str, Handler] = {"handover.retire": looked, "handover.retire_sure": retired}
