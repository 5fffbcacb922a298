"""What `/aiops agent` answers: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.agents.names import ROLE_WORDS, OwnerNames
from bot.blocks import Block, Message, actions, button, channel_link, clip, context, escape, header, section, when


@dataclass(frozen=True)
class Mine:
    """One agent a person answers for, or is asked to."""

    name: str
    slug: str
    roles: tuple[str, ...]
    waiting: tuple[str, ...]  # roles that wait for their answer
    stage: str


def mine(rows: Sequence[Mine]) -> Message:
    """The list behind `/aiops agent`."""
    if not rows:
        return Message("You answer for no agent. `/aiops agent <name>` shows any agent, `/aiops status` all of them, and `/aiops agent add` adds one.")
    told = []
    for row in rows[:40]:
        waits = f" · waits for your answer: {_roles(row.waiting)}" if row.waiting else ""
        told.append(f"• *{escape(row.name)}* (`{row.slug}`): {_roles(row.roles) or 'no role yet'} · {row.stage}{waits}")
    if len(rows) > 40:
        told.append(f"and {len(rows) - 40} more")
    title = f"You answer for {len(rows)} agent{'s'[: len(rows) > 1]}"
    blocks: list[Block] = [section(f"*{title}*")]
    for start in range(0, len(told), 10):
        blocks.append(section("\n".join(told[start : start + 10])))
    blocks.append(context("One in depth: `/aiops agent <name>` · Add one: `/aiops agent add`"))
    names = ", ".join(f"{escape(row.name)} ({_roles(row.roles) or 'asked'})" for row in rows[:40])
    return Message(f"{title}: {names}.", blocks)


def _roles(roles: Sequence[str]) -> str:
    return " and ".join(ROLE_WORDS[role] for role in roles)


@dataclass(frozen=True)
class Shown:
    """What the registry knows of one agent."""

    name: str
    slug: str
    department: str
    about: str
    owners: OwnerNames
    handovers: tuple[tuple[str, str, datetime], ...]  # role, name, asked at
    stage: str
    stage_means: str
    stage_since: datetime
    stage_by: str
    stage_why: str
    channel_id: str | None
    checks: tuple[tuple[str, str, str], ...]  # name, kind, severity
    runbook: str | None
    target: float | None
    in_file: bool
    back_until: datetime | None = None  # retired: until when it may be brought back
    asked_rows: tuple[int, ...] = ()  # of the hand-overs, in the same order


def shown(row: Shown, *, may_name: bool, may_test: bool, may_retire: bool = False) -> Message:
    """One agent by the registry: who answers for it, what was promised."""
    owners = [f"{ROLE_WORDS[each.role].capitalize()}: {each.plain}" for each in row.owners.all()]
    owners += [f"{escape(name)} was asked {when(asked, '{date_short_pretty}')} to take over as {ROLE_WORDS[role]}" for role, name, asked in row.handovers]
    why = f": {escape(clip(row.stage_why, 200))}" if row.stage_why else ""
    retired = row.stage == "retired"
    stage = f"*Retired* on {when(row.stage_since, '{date_short_pretty}')} by {escape(row.stage_by)} because: {escape(clip(row.stage_why, 400)) or 'no reason was given'}\nIts checks rest, its tokens are revoked, and nothing is taken for it any more. Its history stays." if retired else f"*Stage:* {row.stage} ({row.stage_means}), since {when(row.stage_since, '{date_short_pretty}')} by {escape(row.stage_by)}{why}"
    checks = ", ".join(f"{escape(name)} ({kind}{', ' + severity if severity else ''})" for name, kind, severity in row.checks[:20])
    if len(row.checks) > 20:
        checks += f" and {len(row.checks) - 20} more"
    place = f" · {channel_link(row.channel_id)}" if row.channel_id else ""
    blocks: list[Block] = [header(row.name), context(f"`{row.slug}` · {escape(row.department) or 'no department'}{place}")]
    if row.about:
        blocks.append(section(escape(row.about)))
    blocks += [
        section("\n".join(owners) or "Nobody answers for it."),
        section(stage),
        section(f"*Checks:* {checks or 'none yet: nothing will be noticed by itself'}\n*Runbook:* {escape(clip(row.runbook, 500)) if row.runbook else 'none yet'}\n*Target:* {_target(row.target)}"),
    ]
    buttons = []
    if may_name and not retired:
        buttons += [button("Hand over", "handover.ask", f"{row.slug}:", label=f"Hand over a role of {row.name}"), button("Name another owner", "agents.name", f"{row.slug}:")]
        buttons += [button("Take back", "handover.take_back", f"handover:{number}", label=f"Take back: {name} is no longer asked to be {ROLE_WORDS[role]}") for number, (role, name, _) in zip(row.asked_rows, row.handovers, strict=False)]
    buttons += [button("Test page", "paging.test", row.slug)] if may_test and not retired else []
    if may_retire and not retired:
        buttons.append(button("Retire", "handover.retire", row.slug, label=f"Retire {row.name}"))
    if may_retire and retired and row.back_until is not None:
        buttons.append(button("Bring back", "handover.bring_back", row.slug, label=f"Bring {row.name} back"))
    if buttons:
        blocks.append(actions(*buttons))
    if row.stage == "suspended":
        blocks.append(context(f"It is stopped, so its checks rest and nobody is called about it. `/aiops stage {row.slug}` is the way back."))
    if row.back_until is not None:
        blocks.append(context(f"It can be brought back until {when(row.back_until, '{date_short_pretty}')}: `/aiops agent bring-back {row.slug}`"))
    kept = "Kept in the registry file" if row.in_file else "Added in Slack; `aiops export config` writes it down"
    blocks.append(context(f"{kept} · Its health: `/aiops status {row.slug}`"))
    text = f"{escape(row.name)} ({row.slug}): {row.owners.line()}. Stage {row.stage}. Checks: {checks or 'none yet'}."
    if retired:
        text = f"{escape(row.name)} ({row.slug}) was retired on {when(row.stage_since, '{date_short_pretty}')} by {escape(row.stage_by)} because: {escape(clip(row.stage_why, 400))}. Its owners were: {row.owners.line()}."
    return Message(text, blocks)


def _target(target: float | None) -> str:
    return f"{target:.0%} good" if target is not None else "80% good (the default)"


def removed(name: str, slug: str, at: datetime, retired: str) -> Message:
    """An agent that was taken out of the registry: its history stays."""
    before = f" Before that it {escape(retired)}." if retired else ""
    return Message(f"{escape(name)} (`{slug}`) was taken out of the registry on {when(at, '{date_short_pretty}')}.{before} What was recorded of it stays; it comes back when the file names it again.")


def which(words: str, names: Sequence[tuple[str, str]]) -> Message:
    """Several agents could be meant, or none."""
    if not names:
        return Message(f"I know no agent called \"{escape(clip(words, 80))}\". `/aiops status` lists all of them, and `/aiops agent add` adds one.")
    told = ", ".join(f"`/aiops agent {slug}` ({escape(name)})" for name, slug in names[:10])
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return Message(f"Several agents could be meant by \"{escape(clip(words, 80))}\": {told}{more}.")


def asked(name: str, agent: str, role: str, *, holder: str, himself: bool) -> Message:
    """After naming another owner."""
    if himself:
        return Message(f"You are now {ROLE_WORDS[role]} of {escape(agent)}. Calls for that come to you.")
    stays = f"{escape(holder)} stays until then." if holder else "Until then it shows as \"owner not confirmed\"."
    return Message(f"{escape(name)} is asked to be {ROLE_WORDS[role]} of {escape(agent)}, in a direct message with `Accept`. {stays}")


def stands_so(name: str, agent: str, role: str) -> Message:
    return Message(f"{escape(name)} has this role already, or was already asked, as {ROLE_WORDS[role]} of {escape(agent)}. Nothing changed.")


def ended(agent: str, role: str) -> Message:
    return Message(f"{escape(agent)} has no {ROLE_WORDS[role]} any more.")
