"""What the commands of `aiops` do: each a stream of lines, carried out by the server or, where none runs, by the command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents import flows as agents
from bot.agents.files import read_text
from bot.agents.marked import BadFile
from bot.agents.plan import Plan, lines
from bot.agents.reading import agent_by_slug, find_channel
from bot.agents.spec import RegistrySpec
from bot.agents.state import export_text
from bot.app import House
from bot.audit.erasing import erase_person
from bot.audit.telling import exported, verified_json, verified_words
from bot.audit.verifying import verify
from bot.checks.blind import warned
from bot.checks.kinds import KINDS
from bot.checks.pings import addresses
from bot.checks.probes import try_check
from bot.control import Job, Line
from bot.digests.preview import preview
from bot.doctor import examine
from bot.feedback.http import vote_link
from bot.feedback.outward.letters import retry
from bot.feedback.outward.trouble import counts, place_words
from bot.incidents.passing import open_follow_ups
from bot.incidents.reading import open_incidents
from bot.intake.imports import import_file
from bot.ladders.unreached import unreached_by
from bot.lessons.http import MOST as LESSONS_PAGE
from bot.lessons.http import moment_of
from bot.lessons.reading import Found, Place, failing, written
from bot.paging.answering.typed import Unclear, answer_in_terminal, in_terminal
from bot.paging.flows import ack_page
from bot.paging.noise import figures
from bot.paging.noise.stats import span_lines, stats
from bot.paging.reading import open_pages
from bot.paging.trying.flows import start_test, trial_standing
from bot.paging.trying.messages import ROUTES, State, plain_line
from bot.paging.viewing import page_view
from bot.paging.words.phrases import open_line
from bot.people.flows import Refused, find_person
from bot.people.tokens import mint_token, revoke_token
from bot.quality import sprinting
from bot.quality.drift import typed as baselines
from bot.quality.drift.messages import few_lines, sampled_words
from bot.quality.drift.reading import watched_of
from bot.quality.words import plural
from bot.requests.reading import open_requests
from bot.routes.webhook import key_of_agent
from bot.routes.words import plain_words
from bot.stages.resting import noted, resting
from bot.status import messages as status_words
from bot.status import sprints
from bot.status.http import as_json, depth_as_json
from bot.status.reading import agents_meant, department_meant, depth, fleet, nearest
from bot.tables import Agent, Check, Output, Token

WRONG_INPUT = 2
TEST_LOOKS = 60  # half a second apart: a terminal does not wait longer for a test call
MOST_PLANNED = 500  # agents whose judgements a plan looks at
KIND_SPECS: dict[str, type[BaseModel]] = {name: kind.spec for name, kind in KINDS.items()}


def jobs_of(house: House) -> dict[str, Job]:
    """Every job by name."""
    work = _Jobs(house)
    return {name.removeprefix("do_"): getattr(work, name) for name in dir(work) if name.startswith("do_")}


def open_things(tx: Session, agent_id: int) -> list[str]:
    """What of an agent is open: it may not be removed meanwhile."""
    pages = [f"page {page.id}" for page in open_pages(tx, [agent_id])]
    waiting = [f"request {request.ext_id}" for request in open_requests(tx, [agent_id])[0]]
    promised = [f"follow-up {row.id}" for row in open_follow_ups(tx, agent_id)]
    return pages + [f"incident {incident.id}" for incident in open_incidents(tx, [agent_id])] + promised + waiting


def _seen_late(tx: Session, now: datetime, plan: Plan, spec: RegistrySpec) -> Plan:
    """The plan, with the agents whose judgements are too few to notice a drop within a week, and the line that asks for more."""
    agents = tx.scalars(select(Agent).where(Agent.slug.in_(sorted(spec.agents)[:MOST_PLANNED]), Agent.archived_at.is_(None))).all()
    watched = watched_of(tx, now, agents).values()
    # What the file asks for may already be more than what is in force; and it ends what somebody asked for beside it.
    notes = [f"{each.name} ({each.slug}): {words}" for each in watched if spec.agents[each.slug].reviews.per_day <= each.sampling.registry for words in few_lines(each)]
    notes += [f"{each.name} ({each.slug}): {sampled_words(each.sampling)}; applying this ends it" for each in watched if each.sampling.until and spec.agents[each.slug].reviews.per_day != each.sampling.registry]
    return replace(plan, notes=(*plan.notes, *notes[:20], *([f"{len(notes) - 20} more agents are judged too seldom to notice a drop within a week"] if len(notes) > 20 else [])))


def _who_is_reached(tx: Session, plan: Plan, spec: RegistrySpec) -> Plan:
    """The plan, with whom nothing would wake."""
    return replace(plan, notes=(*plan.notes, *(row.line() for row in unreached_by(tx, spec))))


class _Jobs:
    def __init__(self, house: House) -> None:
        self.house = house
        self.lanes = house.lanes
        self.clock = house.clock

    # --- the registry -------------------------------------------------------------------------------------------

    async def do_plan(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        await self._know_people()
        now = self.clock.now()
        async for line in self._registry(args, lambda tx, read: _who_is_reached(tx, _seen_late(tx, now, warned(tx, now, noted(tx, agents.plan_file(tx, read, open_things=open_things)), read.spec), read.spec), read.spec), write=False):
            yield line

    async def do_apply(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        await self._know_people()
        now, by = self.clock.now(), str(args.get("by", ""))
        async for line in self._registry(args, lambda tx, read: agents.apply_file(tx, now, read, by=by, open_things=open_things), write=True):
            yield line

    async def _registry(self, args: dict[str, Any], work: Callable[[Session, Any], Plan], *, write: bool) -> AsyncIterator[Line]:
        try:
            read = read_text(str(args["text"]), KIND_SPECS, file=str(args["name"]))
            plan = await (self.lanes.write(lambda tx: work(tx, read)) if write else self.lanes.read(lambda tx: work(tx, read)))
        except BadFile as error:
            mistakes = [{"file": each.file, "line": each.line, "column": each.column, "field": each.field, "message": each.message, "remedy": each.remedy} for each in error.mistakes]
            yield {"json": {"mistakes": mistakes}}
            yield {"error": f"{error}\n{len(mistakes)} to mend; nothing was changed.", "exit": WRONG_INPUT}
            return
        except agents.Blocked as error:
            yield {"error": str(error), "exit": WRONG_INPUT}
            return
        yield {"text": "\n".join(lines(plan)), "json": plan.as_json()}
        if write:
            yield {"text": "Applied." if plan.acts else "Nothing to do: the state is as the file says."}

    async def do_export_config(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        yield {"text": (await self.lanes.read(export_text)).rstrip("\n")}

    async def _know_people(self) -> None:
        """Names can only be resolved against Slack's directory: read it where that has never been done."""
        house = self.house
        if house.settings.slack_bot_token is not None and house.team is None:
            await house.open()
            await house.read_directory(self.clock.now())

    # --- looking ------------------------------------------------------------------------------------------------

    async def do_status(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        what, now = str(args.get("what", "")).strip(), self.clock.now()

        def look(tx: Session) -> Line:
            if what and (department := department_meant(tx, what)) is None:
                found = agents_meant(tx, what)
                if len(found) != 1:
                    names = [agent.slug for agent in found] or nearest(tx, what)
                    told = f"Several agents fit {what!r}" if found else f"There is no agent or department {what!r}"
                    return {"error": told + (f": {', '.join(names)}." if names else "."), "exit": WRONG_INPUT}
                deep = depth(tx, now, found[0])
                return {"text": "\n".join(status_words.depth_lines(deep)), "json": depth_as_json(deep)}
            seen = fleet(tx, department if what else None)
            return {"text": "\n".join(status_words.fleet_lines(seen)), "json": {"counts": seen.counts, "worst": [as_json(line) for line in seen.lines]}}

        yield await self.lanes.read(look)

    async def do_sprint(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        what = str(args.get("what", "")).strip()

        def look(tx: Session) -> Line:
            department = department_meant(tx, what) if what else None
            if what and department is None:
                found = agents_meant(tx, what)
                if len(found) != 1:
                    names = [agent.slug for agent in found] or nearest(tx, what)
                    return {"error": f"{'Several agents fit' if found else 'There is no agent or department'} {what!r}" + (f": {', '.join(names)}." if names else "."), "exit": WRONG_INPUT}
                mover = sprinting.sprint_of_agent(tx, found[0])
                return {"text": "\n".join(sprinting.agent_lines(mover)), "json": sprints.mover_json(mover)}
            seen = sprinting.sprint_of_fleet(tx, department)
            return {"text": "\n".join([*sprinting.lines(seen), sprinting.HOW]), "json": sprints.as_json(seen)}

        yield await self.lanes.read(look)

    async def do_digest(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        ref, now = str(args["channel"]), self.clock.now()

        def look(tx: Session) -> Line:
            channel = find_channel(tx, ref)
            told = preview(tx, now, channel.slack_id) if channel is not None else None
            return {"text": told} if told else {"error": f"No agents live in {ref}: name a channel by `#name` or id.", "exit": WRONG_INPUT}

        yield await self.lanes.read(look)

    async def do_doctor(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        findings = await examine(self.house)
        bad = [each for each in findings if each.bad]
        yield {"text": "\n".join(each.line for each in findings), "json": [each.as_json() for each in findings], "exit": 1 if bad else 0}

    async def do_events_tail(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        async for told in self.house.intake.feed.subscribe():
            yield {"text": _event_line(told), "json": told}

    # --- checks and pages ---------------------------------------------------------------------------------------

    async def do_check_kinds(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        for kind in KINDS.values():
            fields = {name: field.description or "" for name, field in kind.spec.model_fields.items() if name != "kind"}
            told = [f"{kind.name}  (severity {kind.spec.DEFAULT_SEVERITY} unless you say otherwise)", f"    {kind.about}", *(f"      {name}: {words}" for name, words in fields.items())]
            yield {"text": "\n".join([*told, *([f"    e.g. {kind.example}"] if kind.example else []), ""]), "json": {"kind": kind.name, "about": kind.about, "fields": fields}}

    async def do_check_pings(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        slug, signer = args.get("agent"), self.house.signer
        if signer is None:
            yield {"error": "Ping addresses need a secret: set AIOPS_SECRET.", "exit": WRONG_INPUT}
            return
        if slug and await self.lanes.read(lambda tx: agent_by_slug(tx, str(slug)) is None):
            yield {"error": f"There is no agent {slug!r}.", "exit": WRONG_INPUT}
            return
        found = await self.lanes.read(lambda tx: addresses(tx, signer, self.house.settings.base_url, str(slug) if slug else None))
        for agent, name, by_uuid, by_key in found:
            yield {"text": f"{agent} {name}\n    {by_uuid}\n    {by_key}", "json": {"agent": agent, "check": name, "url": by_uuid, "url_by_name": by_key}}
        if not found:
            yield {"text": f"{slug or 'No agent'} has no heartbeat check: add `kind: heartbeat` to its checks in aiops.yml." if slug else "No agent has a heartbeat check: add `kind: heartbeat` to the checks in aiops.yml.", "json": []}

    async def do_check_test(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        slug, name = str(args["agent"]), args.get("name")

        def names(tx: Session) -> list[str] | None:
            agent = agent_by_slug(tx, slug)
            if agent is None:
                return None
            return list(tx.scalars(select(Check.name).where(Check.agent_id == agent.id, Check.archived_at.is_(None)).order_by(Check.name)))

        known = await self.lanes.read(names)
        if known is None or (name and str(name) not in known):
            told = f"There is no agent {slug!r}." if known is None else f"{slug} has no check called {name!r}: it has {', '.join(known) or 'none'}."
            yield {"error": told, "exit": WRONG_INPUT}
            return
        if not known:
            yield {"text": f"{slug} has no checks: nothing is promised about it.", "json": []}
        rests = await self.lanes.read(lambda tx: resting(tx, [slug]).get(slug))
        if rests and known:
            yield {"text": f"{slug} {rests}. So its checks rest, and call nobody. This is what they would say now:", "json": {"resting": rests}}
        for each in [str(name)] if name else known:
            try:
                finding = await try_check(self.lanes, self.clock, slug, each)
            except LookupError as error:
                yield {"error": str(error), "exit": WRONG_INPUT}
                return
            yield {"text": f"{each}: {finding.state}: {finding.says}", "json": {"check": each, "state": str(finding.state), "says": finding.says, "value": finding.value, "threshold": finding.threshold}}

    async def do_page_stats(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        slug, now = args.get("agent"), self.clock.now()

        def look(tx: Session) -> Line:
            agent = agent_by_slug(tx, str(slug)) if slug else None
            if slug and agent is None:
                return {"error": f"There is no agent {slug!r}.", "exit": WRONG_INPUT}
            found = stats(tx, now, [agent.id] if agent else None)
            lines = [line for each in found for line in (f"Last {each.days} days", *(f"  {told}" for told in span_lines(each, sees=None, one_agent=agent is not None)))]
            return {"text": "\n".join(lines), "json": [figures.as_json(each) for each in found]}

        yield await self.lanes.read(look)

    async def do_page_list(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now = self.clock.now()

        def look(tx: Session) -> list[Line]:
            found = [page_view(tx, page) for page in open_pages(tx)]
            told: list[Line] = [{"text": open_line(view, now), "json": {"page": view.id, "severity": view.severity, "agents": list(view.agents) or [view.agent], "fails": view.worst.says if view.worst else "", "opened_at": view.opened_at.isoformat(), "answered": view.acked_at is not None}} for view in found]
            return told or [{"text": "No page is open. Nobody is being called."}]

        for line in await self.lanes.read(look):
            yield line

    async def do_page_test(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now, ref = self.clock.now(), str(args["person"])

        def begin(tx: Session) -> int | None:
            person = find_person(tx, ref)
            return start_test(tx, now, person).id if person is not None else None

        try:
            test = await self.lanes.write(begin)
        except Refused as error:
            yield {"error": str(error), "exit": WRONG_INPUT}
            return
        if test is None:
            yield {"error": f"Nobody is known as {ref!r}: give a Slack id or an e-mail address.", "exit": WRONG_INPUT}
            return
        told: set[str] = set()
        for left in reversed(range(TEST_LOOKS)):
            trial = await self.lanes.read(lambda tx: trial_standing(tx, self.clock.now(), test))
            for way in trial.ways:
                if way.route not in told and (way.state is not State.WAITING or not left):
                    told.add(way.route)
                    yield {"text": plain_line(trial, way), "json": {"route": way.route, "state": way.state.value, "accepted_at": way.at.isoformat() if way.at else None}}
            if len(told) == len(trial.ways):
                break
            await asyncio.sleep(0.5)
        for route in trial.missing:
            yield {"text": f"{ROUTES.get(route, route)}: there is no address for it. Add it in aiops.yml and run `aiops apply`.", "json": {"route": route, "state": "no address", "accepted_at": None}}
        well = bool(trial.ways) and not trial.missing and all(way.state is State.ARRIVED for way in trial.ways)
        yield {"text": "Accepted is not heard: only you know what rang." if trial.ways else "You have neither a Slack account nor another route: nothing can call you.", "exit": 0 if well else 1}

    async def do_audit_verify(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        found = await self.lanes.read(lambda tx: verify(tx, head=args.get("head")))
        yield {"text": verified_words(found), "json": verified_json(found)}
        if found.faults:
            yield {"error": "One thing does not agree with its seal." if len(found.faults) == 1 else f"{len(found.faults)} things do not agree with their seals.", "exit": 1}

    async def do_audit_export(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        since, until = (datetime.fromisoformat(str(args[name])) if args.get(name) else None for name in ("since", "until"))
        for line in await self.lanes.read(lambda tx: list(exported(tx, since, until))):
            yield {"text": orjson.dumps(line).decode(), "json": line}

    async def do_audit_erase(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now, ref, reason = self.clock.now(), str(args["person"]), str(args.get("reason") or "")

        def work(tx: Session) -> Line:
            person = find_person(tx, ref)
            if person is None:
                return {"error": f"Nobody is known as {ref!r}: give a Slack id or an e-mail address.", "exit": WRONG_INPUT}
            count = erase_person(tx, now, person, reason=reason)
            told = f"Personal fields of {count} decisions were erased. What was decided, and when, stays, and `aiops audit verify` still agrees." if count else "No decision tells of them: nothing was erased."
            return {"text": told, "json": {"erased": count}}

        yield await self.lanes.write(work)

    async def do_baseline(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now = self.clock.now()
        asked = args.get("sample") is not None
        if not args.get("new") and not args.get("known") and not asked:
            yield await self.lanes.read(lambda tx: baselines.look(tx, now, str(args["agent"])))
            return
        try:
            yield await self.lanes.write(lambda tx: baselines.sample(tx, now, args) if asked else baselines.decide(tx, now, args))
        except Refused as error:
            yield {"error": str(error), "exit": WRONG_INPUT}

    async def do_ack(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now, page, ref = self.clock.now(), int(args["page"]), str(args["person"])

        def work(tx: Session) -> Line:
            person = find_person(tx, ref)
            if person is None:
                return {"error": f"Nobody is known as {ref!r}: give a Slack id or an e-mail address.", "exit": WRONG_INPUT}
            return {"text": in_terminal(ack_page(tx, now, page, person), person)}

        try:
            yield await self.lanes.write(work)
        except (Refused, LookupError) as error:
            yield {"error": str(error), "exit": WRONG_INPUT}

    async def do_page_answer(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now = self.clock.now()
        try:
            yield await self.lanes.write(lambda tx: answer_in_terminal(tx, now, int(args["page"]), str(args["person"]), str(args["verb"]), str(args.get("rest") or "")))
        except (Refused, LookupError, Unclear) as error:
            yield {"error": plain_words(str(error)), "exit": WRONG_INPUT}

    async def do_link(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now, house = self.clock.now(), self.house
        if house.signer is None or house.settings.public_url is None:
            yield {"error": "Links need AIOPS_PUBLIC_URL (where browsers reach this server) and AIOPS_SECRET (which signs them).", "exit": WRONG_INPUT}
            return
        signer, url = house.signer, house.settings.public_url

        def look(tx: Session) -> Line:
            agent = agent_by_slug(tx, str(args["agent"]))
            found = tx.scalars(select(Output).where(Output.agent_id == agent.id, Output.ext_id == str(args["output"]))).first() if agent else None
            person = find_person(tx, str(args["person"]))
            if found is None:
                return {"error": f"There is no output {args['output']!r} of an agent {args['agent']!r}.", "exit": WRONG_INPUT}
            if person is None:
                return {"error": f"Nobody is known as {args['person']!r}: give a Slack id or an e-mail address.", "exit": WRONG_INPUT}
            return {"text": vote_link(signer, url, person.id, found.id, now)}

        yield await self.lanes.read(look)

    async def do_lessons(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        slug, most = str(args["agent"]), int(args["limit"]) if args.get("limit") else None
        try:
            since, place = moment_of(args.get("since")), Place.read(str(args["cursor"])) if args.get("cursor") else None
        except ValueError as error:
            yield {"error": str(error), "exit": WRONG_INPUT}
            return
        told, more = 0, True
        while more and (most is None or told < most):
            number, after = min(most - told, LESSONS_PAGE) if most is not None else LESSONS_PAGE, place

            def look(tx: Session, number: int = number, after: Place | None = after) -> Found | None:
                agent = agent_by_slug(tx, slug)
                return failing(tx, agent, after=after, since=since, limit=number) if agent is not None else None

            found = await self.lanes.read(look)
            if found is None:
                yield {"error": f"There is no agent {slug!r}.", "exit": WRONG_INPUT}
                return
            page = await asyncio.to_thread(written, found, self.clock.now())
            for line in page.lines:
                yield {"text": line.decode()}
            told, more, place = told + len(page.lines), page.more, page.resume
        if not told:
            yield {"error": f"Nobody found an output of {slug} bad{' since then' if since else ' yet'}, and none failed in an incident: there are no lessons."}

    async def do_feedback_status(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        found = await self.lanes.read(counts)
        for target, held in found.items():
            yield {"text": f"{place_words(target)}: told of {plural(held['told'], 'vote')}, {held['due']} wait, {held['aside']} set aside", "json": {"place": target, **held}}
        if not found:
            yield {"text": "No vote was sent anywhere yet: name a trace store under `feedback: to:` in aiops.yml.", "json": []}

    async def do_feedback_retry(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now = self.clock.now()
        count = await self.lanes.write(lambda tx: retry(tx, now))
        yield {"text": f"{plural(count, 'vote')} that had been set aside: sent again now." if count else "Nothing was set aside.", "json": {"again": count}}

    # --- tokens and imports -------------------------------------------------------------------------------------

    async def do_token_make(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now = self.clock.now()
        expires = now + timedelta(days=int(args["days"])) if args.get("days") else None

        def work(tx: Session) -> Line:
            unknown = [slug for slug in args.get("agents") or [] if agent_by_slug(tx, slug) is None]
            if unknown:
                return {"error": f"There is no agent {unknown[0]!r}.", "exit": WRONG_INPUT}
            text, row = mint_token(tx, now, self.house.ids, name=args["name"], scopes=args["scopes"], agents=args.get("agents") or None, expires_at=expires)
            audit.record(tx, now, "token.make", f"token:{row.public_id}", came_from="cli", words=row.name, evidence={"scopes": row.scopes, "agents": row.agents})
            told = f"{text}\nKeep it now: it is not shown again."
            if "gate" in row.scopes and row.agents is None:
                told += "\nMind: it may read every gate, and confirms no order by reading. An agent that is to obey needs a token of its own: `--agent <id>`."
            return {"text": told, "json": {"token": text, "id": row.public_id}}

        try:
            yield await self.lanes.write(work)
        except ValueError as error:
            yield {"error": str(error), "exit": WRONG_INPUT}

    async def do_webhook_key(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now, slug, signer = self.clock.now(), str(args["agent"]), self.house.signer
        if signer is None:
            yield {"error": "AIOPS_SECRET is not set: webhooks are signed with keys made from it. Set it to a long random text, the same for every process.", "exit": WRONG_INPUT}
            return

        def work(tx: Session) -> Line:
            if agent_by_slug(tx, slug) is None:
                return {"error": f"There is no agent {slug!r}.", "exit": WRONG_INPUT}
            audit.record(tx, now, "webhook.key", f"agent:{slug}", came_from="cli")
            key = key_of_agent(signer, slug)
            return {"text": f"{key}\nGive it to the webhook of {slug} alone: `Aiops-Signature` is t=<seconds>,v1=<hex HMAC-SHA256 of \"t.body\" with this key>.", "json": {"agent": slug, "key": key}}

        yield await self.lanes.write(work)

    async def do_token_list(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now = self.clock.now()

        def look(tx: Session) -> list[Line]:
            found = []
            for row in tx.scalars(select(Token).order_by(Token.id)):
                state = "revoked" if row.revoked_at else "expired" if row.expires_at and row.expires_at <= now else "good"
                told = {"id": row.public_id, "name": row.name, "state": state, "scopes": row.scopes, "agents": row.agents}
                limits = ", ".join(row.agents) if row.agents is not None else "the whole workspace"
                found.append({"text": f"{row.public_id}  {state:8}  {row.name}: {', '.join(row.scopes)} for {limits}", "json": told})
            return found or [{"text": "There are no tokens yet: `aiops token make --name NAME --scope events`.", "json": []}]

        for line in await self.lanes.read(look):
            yield line

    async def do_token_revoke(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        now, public_id = self.clock.now(), str(args["public_id"])

        def work(tx: Session) -> Line:
            row = revoke_token(tx, now, public_id)
            audit.record(tx, now, "token.revoke", f"token:{public_id}", came_from="cli", words=row.name)
            return {"text": f"{row.name} ({public_id}) is revoked: it opens nothing from now on (a running server forgets it within two seconds)."}

        try:
            yield await self.lanes.write(work)
        except LookupError as error:
            yield {"error": str(error.args[0]), "exit": WRONG_INPUT}

    async def do_import(self, args: dict[str, Any]) -> AsyncIterator[Line]:
        async for line in import_file(self.house.intake, Path(args["file"])):
            yield line


def _event_line(told: dict[str, Any]) -> str:
    if told.get("said") == "missed":
        return f"... {told['events']} events were not shown (too fast for this terminal)"
    return "  ".join(str(told[key]) for key in ("at", "said", "agent", "type", "id", "field", "code", "message") if told.get(key) is not None)
