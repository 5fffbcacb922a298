"""What the leads read of traffic that belongs to nobody: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from bot.blocks import Message, actions, button, context, escape, input_block, modal, section, text_input
from bot.calendars import zone_named


@dataclass(frozen=True)
class Unowned:
    """One name that sends telemetry and is no agent here."""

    id: int
    service: str
    agent: str
    first_at: datetime
    last_at: datetime
    traces: int
    registered: str = ""
    ignored_until: datetime | None = None
    ignored_by: str = ""


def name_of(service: str, agent: str) -> str:
    """What to call it: the agent's own name, else its service."""
    return (agent or service or "An agent without a name")[:120]


def names_itself(service: str, agent: str) -> bool:
    """Whether traffic can be known by what it says; OpenTelemetry writes unknown_service where nothing was set."""
    return bool(agent) or (service != "" and service.partition(":")[0] != "unknown_service")


def unowned(row: Unowned, zone: str) -> Message:
    """Somebody runs an AI system that no owner stands behind."""
    name = f"*{escape(name_of(row.service, row.agent))}*"
    if row.registered:
        return Message(f"{name} is registered now: {escape(row.registered)}. Its traffic counts from here on.")
    if row.ignored_until is not None:
        by = f" by {escape(row.ignored_by)}" if row.ignored_by else ""
        said = f"{name}, an unowned agent, is set aside{by} until {_day(row.ignored_until, zone)}. If it still runs then, I ask again."
        label, value = name_of(row.service, row.agent), f"unowned:{row.id}"
        return Message(said, [section(said), actions(button("Register", "unowned.register", value, label=f"Register {label}"), button("Undo", "unowned.undo", value, label=f"Ask about {label} again now"))])
    often = "1 run" if row.traces == 1 else f"{row.traces:,} runs" if row.traces else "metrics or logs, no runs,"
    where = " and ".join(part for part in (f"service `{_code(row.service)}`" if row.service else "", f"agent `{_code(row.agent)}`" if row.agent else "") if part) or "traffic without a name"
    said = f"Unowned agent: {name} works here, and nobody answers for it."
    how = f"I know it from its telemetry ({where}): {often} since {_day(row.first_at, zone)}, the last on {_day(row.last_at, zone)}. I count it and keep nothing of what it says."
    label = name_of(row.service, row.agent)
    hint = "Registering asks two people to answer for it. In aiops.yml it is `telemetry:` of an agent."
    if not names_itself(row.service, row.agent):
        hint = (
            "It does not say who it is, so registering alone gives it no owner: give its program the token of the agent it is (`aiops token make --agent`),"
            " or set `OTEL_SERVICE_NAME` there. Several programs may stand behind this."
        )
    return Message(
        f"{said} {how} Register it with its owners, or set it aside for a time.",
        [
            section(f"{said}\n{how}"),
            actions(
                button("Register", "unowned.register", f"unowned:{row.id}", style="primary", label=f"Register {label}"),
                button("Ignore until", "unowned.ignore", f"unowned:{row.id}", label=f"Set {label} aside until a day"),
            ),
            context(hint),
        ],
    )


def ignore_view(id_: int, name: str, initial: date) -> dict[str, Any]:
    """Until when nobody needs to be told of it."""
    return modal(
        "Set aside",
        [
            section(f"Until that day nobody is told of *{escape(name)}*. It is still counted, and if it runs then, I ask again."),
            input_block("day", "Until", {"type": "datepicker", "action_id": "day", "initial_date": initial.isoformat()}),
            input_block("why", "Why", text_input("why", most=300, placeholder="An experiment of the data team"), optional=True),
        ],
        callback_id="unowned.ignore",
        submit="Set aside",
        metadata=f"unowned:{id_}",
    )


def _day(moment: datetime, zone: str) -> str:
    local = moment.astimezone(zone_named(zone))
    return f"{local.day} {local:%b %H:%M}" if (local.hour, local.minute) != (0, 0) else f"{local.day} {local:%b}"


def _code(text: str) -> str:
    return escape(text.replace("`", "'"))
