"""Who may do what, in one table: pure. The README prints it, and a test walks all of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person (or a token) is with regard to one agent."""

    BUSINESS = "business owner"
    OPERATIONS = "operations owner"
    BACKUP = "backup"
    SPONSOR = "sponsor"
    CALLED = "called now"  # a page about this agent has called them, and is open
    RESPONDER = "responder"  # they acknowledged or took the page, or lead the incident
    LEAD = "lead"
    ROTATION = "in the rotation"  # takes turns in the rotation in question
    NAMED = "named for requests"  # may answer the request in question, and did not trigger what it asks
    REVIEWER = "reviewer"
    CHANNEL = "channel member"  # a full member of the agent's owner channel
    MEMBER = "member"  # a full member of the workspace
    GUEST = "guest"
    STRANGER = "stranger"  # another workspace's person, a bot, or somebody we cannot identify


class Act(StrEnum):
    """Everything that a handler asks leave for."""

    SEE = "see status, agents and incidents"
    SHARE = "share an answer in the channel"
    RATE = "rate an output"
    ACCEPT_ROLE = "accept or decline a role one was named for"
    ADD_AGENT = "add an agent in Slack"
    NAME_OWNER = "name another owner of an agent"
    RETIRE = "retire an agent, or bring it back"
    TEST_PAGE = "send oneself a test page"
    TRY_ROUTES = "try whether calls reach oneself, by each route"
    REVIEW = "mark a digest as reviewed"
    ACKNOWLEDGE = "acknowledge a page"
    TAKE = "take a page over"
    SNOOZE = "snooze a page"
    STAY_ON = "say that one is still on a page"
    ESCALATE = "have the next person called at once"
    RESOLVE = "resolve a page, or silence a check that is wrong"
    SILENCE = "silence an agent, or plan its maintenance"
    SILENCE_MANY = "silence many agents, or plan their maintenance"
    HUMAN_REVIEW = "put an agent under human review"
    STOP_AGENT = "stop an agent"
    ROLL_BACK = "have an agent go back to an earlier version"
    SWITCHED = "say that one switched an agent by hand"
    START_AGENT = "let a stopped or reviewed agent work as before"
    OPEN_INCIDENT = "open an incident"
    WORK_INCIDENT = "do an incident's steps"
    WAIVE = "waive a required step with a reason"
    CLOSE_INCIDENT = "close an incident"
    FOLLOW_UP = "close or change a follow-up"
    TAKE_REQUEST = "claim or answer what an agent hands over"
    DECIDE_REQUEST = "approve or reject what an agent asks"
    UNDO_APPROVAL = "take an approval back"
    REBASELINE = "set a new baseline, or say that a drift is known"
    SAMPLE = "ask people to judge more outputs of an agent, for some weeks"
    IGNORE_TRAFFIC = "set traffic of an unowned agent aside"
    AWAY = "declare one's own absence"
    GAPS = "say who supplies what an agent does not know"
    ON_CALL = "take, give or take back a shift of a rotation"


@dataclass(frozen=True)
class Rule:
    """Who may, and the sentence that tells the others who could."""

    roles: frozenset[Role]
    else_ask: str


_OWNERS = frozenset({Role.BUSINESS, Role.OPERATIONS, Role.BACKUP})
_ANY_MEMBER = frozenset(set(Role) - {Role.GUEST, Role.STRANGER})

RULES: dict[Act, Rule] = {
    Act.SEE: Rule(_ANY_MEMBER, "This is for full members of this workspace."),
    Act.SHARE: Rule(_ANY_MEMBER, "Sharing is for full members of this workspace."),
    Act.RATE: Rule(_ANY_MEMBER, "Ratings come from full members of this workspace."),
    Act.ACCEPT_ROLE: Rule(_OWNERS | {Role.SPONSOR}, "Only the person who was named can answer this."),
    Act.ADD_AGENT: Rule(_ANY_MEMBER, "Agents are added by full members of this workspace."),
    Act.NAME_OWNER: Rule(_OWNERS | {Role.SPONSOR, Role.LEAD}, "Owners are named by the present owners of the agent, or by a lead."),
    Act.RETIRE: Rule(frozenset({Role.BUSINESS, Role.OPERATIONS, Role.LEAD}), "An agent is retired, or brought back, by its business owner, its operations owner, or a lead."),
    Act.TEST_PAGE: Rule(_OWNERS | {Role.SPONSOR, Role.LEAD}, "Test pages are for the owners of this agent."),
    Act.TRY_ROUTES: Rule(_ANY_MEMBER, "Test calls go to full members of this workspace."),
    Act.REVIEW: Rule(_OWNERS, "This is for the owners of this agent."),
    Act.ACKNOWLEDGE: Rule(_OWNERS | {Role.CALLED, Role.RESPONDER}, "You were not called for this page. If you can help, press `I'll take it` in the channel."),
    Act.TAKE: Rule(_OWNERS | {Role.CALLED, Role.RESPONDER, Role.CHANNEL}, "Join the owner channel of this agent first, then you can take it."),
    Act.SNOOZE: Rule(_OWNERS | {Role.CALLED, Role.RESPONDER}, "You were not called for this page. If you can help, press `I'll take it` in the channel."),
    Act.STAY_ON: Rule(frozenset({Role.RESPONDER}), "Only the person who has this page can say so. `Escalate now` calls the owners next on the ladder."),
    Act.ESCALATE: Rule(_OWNERS | {Role.CALLED, Role.RESPONDER, Role.LEAD}, "The next person is called by an owner of the agent, somebody called for this page, or a lead."),
    Act.RESOLVE: Rule(_OWNERS | {Role.CALLED, Role.RESPONDER, Role.LEAD}, "A page is resolved by an owner of the agent, somebody called for it, or a lead."),
    Act.SILENCE: Rule(_OWNERS | {Role.LEAD}, "An agent is silenced, and its maintenance planned, by an owner of the agent or a lead."),
    Act.SILENCE_MANY: Rule(frozenset({Role.LEAD}), "What may cover several agents is for a lead; an owner of the agent can silence it alone, by its id."),
    Act.HUMAN_REVIEW: Rule(_OWNERS | {Role.SPONSOR, Role.CALLED, Role.RESPONDER, Role.LEAD}, "Human review is ordered by an owner of the agent, somebody called for it, or a lead."),
    Act.STOP_AGENT: Rule(_OWNERS | {Role.SPONSOR, Role.CALLED, Role.RESPONDER, Role.LEAD}, "An agent is stopped by an owner of the agent, somebody called for it, or a lead."),
    Act.ROLL_BACK: Rule(_OWNERS | {Role.SPONSOR, Role.CALLED, Role.RESPONDER, Role.LEAD}, "An agent is rolled back by an owner of the agent, somebody called for it, or a lead."),
    Act.SWITCHED: Rule(_OWNERS | {Role.CALLED, Role.RESPONDER, Role.LEAD}, "Only an owner of the agent, somebody called for it, or a lead says that it was switched by hand."),
    Act.START_AGENT: Rule(frozenset({Role.BUSINESS, Role.OPERATIONS, Role.LEAD}), "An agent is let work again by its business owner, its operations owner, or a lead."),
    Act.OPEN_INCIDENT: Rule(_ANY_MEMBER, "Incidents are opened by full members of this workspace."),
    Act.WORK_INCIDENT: Rule(_ANY_MEMBER, "Incident steps are done by full members of this workspace."),
    Act.WAIVE: Rule(_OWNERS | {Role.LEAD, Role.RESPONDER}, "A required step is waived by an owner of the agent, the responder, or a lead."),
    Act.CLOSE_INCIDENT: Rule(_OWNERS | {Role.LEAD, Role.RESPONDER}, "An incident is closed by an owner of the agent, the responder, or a lead."),
    Act.TAKE_REQUEST: Rule(_OWNERS | {Role.NAMED, Role.CHANNEL, Role.LEAD}, "A hand-off is taken by those named for it, an owner of the agent, or a lead."),
    Act.DECIDE_REQUEST: Rule(frozenset({Role.NAMED}), "Only those named for it may decide this, and nobody decides what they triggered themselves."),
    Act.UNDO_APPROVAL: Rule(_OWNERS | {Role.NAMED, Role.LEAD}, "An approval is taken back by those who may give it, an owner of the agent, or a lead."),
    Act.FOLLOW_UP: Rule(_OWNERS | {Role.LEAD, Role.RESPONDER}, "A follow-up is closed or changed by whoever has it, an owner of the agent, the incident's lead, or a lead."),
    Act.REBASELINE: Rule(_OWNERS | {Role.LEAD}, "A baseline is set anew by an owner of the agent, or by a lead."),
    Act.SAMPLE: Rule(_OWNERS | {Role.LEAD}, "How many outputs people are asked to judge is changed by an owner of the agent, or by a lead."),
    Act.IGNORE_TRAFFIC: Rule(frozenset({Role.LEAD}), "Traffic that nobody owns is set aside by a lead; full members of this workspace may register it."),
    Act.GAPS: Rule(_OWNERS | {Role.SPONSOR, Role.LEAD}, "Who supplies what is missing is said by an owner of the agent, its sponsor, or a lead; whoever has it can pass it on."),
    Act.AWAY: Rule(_ANY_MEMBER, "Absences are for full members of this workspace."),
    Act.ON_CALL: Rule(frozenset({Role.ROTATION, Role.LEAD}), "Shifts are changed by the people of the rotation, or by a lead."),
}


def may(roles: Iterable[Role], act: Act) -> bool:
    """Whether any of the roles allows the act. A stranger may nothing, whatever else they hold; no role, nothing."""
    held = frozenset(roles)
    return Role.STRANGER not in held and bool(held & RULES[act].roles)


def refusal(roles: Iterable[Role], act: Act) -> str:
    """Who could do it instead; to guests and strangers never a way that is closed to them too."""
    rule, held = RULES[act], frozenset(roles)
    outside = held & {Role.GUEST, Role.STRANGER} and rule.roles != _ANY_MEMBER
    return RULES[Act.SEE].else_ask if outside else rule.else_ask
