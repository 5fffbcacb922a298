"""How drift reads, wherever it is told: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from bot.agents.sampling import Room, Sampling
from bot.blocks import Block, Message, actions, button, clip, confirm, context, escape, section
from bot.calendars import zone_named
from bot.quality.drift.offers import Lacking, Offer
from bot.quality.drift.segments import TOLD
from bot.quality.drift.watching import DROP, WITHIN_DAYS, Reach, State
from bot.quality.rules import BASELINE_N, percent
from bot.quality.words import joined, plural

WHOSE = {"people": "people", "evaluations": "evaluations", "outcomes": "what people did with them"}
FAR = timedelta(days=180)


@dataclass(frozen=True)
class Change:
    """One drift, as it is told."""

    source: str
    side: str  # worse, better
    since: datetime
    noticed_at: datetime
    before: float
    before_n: int
    after: float
    low: float
    high: float
    n: int
    segment: Mapping[str, Any] | None = None
    near: Sequence[str] = ()
    known_at: datetime | None = None
    known_by: str = ""
    known_why: str = ""
    ended_at: datetime | None = None
    ended_why: str = ""


@dataclass(frozen=True)
class Source:
    """How one source of an agent is watched."""

    source: str
    state: str
    baseline: float | None
    baseline_n: int
    baseline_label: str
    fed: int  # judged outputs since the baseline
    reach: Reach | None  # None where it is not watched
    run_length: int  # judged outputs between false alarms, promised at the present volume
    rebase_from: str | None = None
    judged: int = 0  # since rebase_from
    change: Change | None = None  # open, and told
    offer: Offer | None = None  # what people could be asked for, where they judge too few and nobody asked for more


@dataclass(frozen=True)
class Watched:
    """All sources of one agent."""

    name: str
    slug: str
    zone: str
    reviews_per_day: int  # in force
    sources: tuple[Source, ...] = field(default=())
    sampling: Sampling = field(default_factory=Sampling)  # whose number that is


def day_of(moment: datetime, zone: str, now: datetime | None = None) -> str:
    """`12 Nov`, with its year where it is long ago."""
    local = moment.astimezone(zone_named(zone))
    year = f" {local.year}" if now is not None and abs(now - moment) > FAR else ""
    return f"{local.day} {local:%b}{year}"


def level_words(change: Change, zone: str) -> str:
    """`78% of 64 outputs good by people since about 12 Nov (90% interval 69% to 85%), 91% of 320 before`."""
    whose = "after what people did with them" if change.source == "outcomes" else f"by {WHOSE[change.source]}"
    return (
        f"{percent(change.after)} of {plural(change.n, 'output')} good {whose} since about {day_of(change.since, zone)}"
        f" (90% interval {percent(change.low)} to {percent(change.high)}), {percent(change.before)} of {change.before_n:,} at the baseline"
    )


def segment_words(segment: Mapping[str, Any] | None) -> str:
    """`mostly where the model is gpt-4o-mini: 58% of 40 good there (90% before), 89% of the other 60`; empty where no part stands out."""
    if not segment:
        return ""
    before = f" ({percent(segment['before'])} before)" if segment.get("before") is not None else " (there was none of it before)"
    rest = f", {percent(segment['rest'])} of the other {segment['rest_n']:,}" if segment.get("rest") is not None else ""
    return f"mostly where the {TOLD.get(segment['part'], segment['part'])} is {clip(str(segment['value']), 80)}: {percent(segment['share'])} of {segment['n']:,} good there{before}{rest}"


def near_words(near: Sequence[str]) -> str:
    """What changed near it; or that nothing known did."""
    return f"Changed near it: {joined([clip(each, 200) for each in near])}" if near else "No change of model, prompt, index, inputs or volume is known near it"


def short_words(change: Change, zone: str) -> str:
    """For a verdict's reason: `it is drifting: 78% good by people since about 12 Nov, 91% at the baseline`."""
    known = ", which is known" if change.known_at is not None else ""
    return f"it is drifting: {percent(change.after)} good since about {day_of(change.since, zone)}, {percent(change.before)} at the baseline{known}"


def reach_words(source: Source, sampling: Sampling, drop: float = DROP) -> str:
    """How soon a drop would be noticed; where not within a week, how many judgements that takes and how to get them."""
    points = f"a drop of {round(drop * 100)} points"
    who = f"by {source.source}" if source.source != "outcomes" else "by outcomes"
    reach, more = source.reach, f". {sampled_words(sampling)}" if source.source == "people" and sampling.until else ""
    if source.rebase_from is not None:
        left = max(BASELINE_N - source.judged, 0)
        return f"Drift {who} is not watched yet: the new baseline from {source.rebase_from} has {source.judged} of {BASELINE_N} judged outputs" + (f", {left} more are needed" if left else ", and is ready tomorrow") + more
    if source.state == State.WAITING:
        return f"Drift {who} is not watched yet: there is no baseline ({BASELINE_N} judged outputs and 28 days make one){more}"
    if source.state == State.SMALL or reach is None:
        return f"The baseline {who} is too small to watch for drift: it has {source.baseline_n} judged outputs, and {BASELINE_N} are needed; `/aiops baseline` measures a new one{more}"
    if reach.needed is None:
        return f"The baseline {who} ({source.baseline_n} outputs) is too uncertain to notice {points}: measure it anew over more outputs (`/aiops baseline`){more}"
    rate = _rate(reach.per_day)
    if reach.enough and reach.days is not None:
        return f"Drift {who} is watched: at {rate} judged outputs a day {points} is noticed in about {plural(max(round(reach.days), 1), 'day')}{more}"
    about = f"takes about {plural(round(reach.days), 'day')} to notice" if reach.days is not None and reach.days < 1000 else "would not be noticed"
    said = f"At {rate} judged outputs a day {points} {who} {about}; within {WITHIN_DAYS:.0f} days it takes about {reach.needed} a day"
    return f"{said}{more or f'. {remedy_words(source, sampling)}'}"


def _rate(per_day: float) -> str:
    return f"{per_day:.0f}" if per_day >= 10 else f"{per_day:.1f}".removesuffix(".0")


def sampled_words(sampling: Sampling) -> str:
    """`12 outputs a day are sampled for review until 19 Dec, as Maya Chen asked; the registry says 5`."""
    last = date.fromisoformat(sampling.until)
    return f"{plural(sampling.per_day, 'output')} a day are sampled for review until {last.day} {last:%b}{f', as {clip(sampling.by, 80)} asked' if sampling.by else ''}; the registry says {sampling.registry}"


def remedy_words(source: Source, sampling: Sampling) -> str:
    """What to do about too few judgements: a press by an owner where people can be asked for more, and what the registry would have to say."""
    if source.source != "people" or source.offer is None:
        return f"Report more {source.source} to see it sooner"
    offer = source.offer
    line, takes = f"`reviews: {{per_day: {offer.wanted}}}`", f"That is a sample of {offer.wanted} a day"
    press = f"an owner may ask for that with a press (`/aiops baseline {sampling.slug}`)"
    sooner = f", which would make it about {plural(round(offer.days), 'day')}: {press}" if offer.number and offer.days is not None else ""
    match offer.lacking:
        case Lacking.ON_PURPOSE:
            return f"Nobody is asked to judge its outputs, because aiops.yml says `reviews: {{per_day: 0}}`; {line} there would ask people"
        case Lacking.TOO_MANY:
            return "That is more than people can be asked to judge: let evaluations judge every output beside them"
        case Lacking.NOBODY:
            return f"{takes}, and there is nobody to ask: name reviewers in aiops.yml"
        case Lacking.REVIEWERS if sooner:
            return f"{takes}, and {room_words(offer.room)}; {offer.number} can be had{sooner}. More take more reviewers in aiops.yml"
        case Lacking.REVIEWERS:
            return f"{takes}, and {room_words(offer.room)}, which they are already: name more reviewers in aiops.yml"
        case Lacking.OUTPUTS if sooner:
            return f"{takes}, and it makes about {_rate(offer.made)} a working day; judging {offer.number} can be had{sooner}"
        case Lacking.OUTPUTS:
            return f"{takes}, and it makes about {_rate(offer.made)} a working day, which are sampled already: people cannot notice it sooner"
        case _:
            return f"Sampling {offer.number} a day for review instead of {sampling.registry} would do: {press}, or {line} in aiops.yml does it for good"


def room_words(room: Room) -> str:
    """`its 2 reviewers are asked 10 a day each at most, over all their agents`."""
    return f"its {'reviewer is' if room.people == 1 else f'{room.people} reviewers are'} asked {room.each} a day{'' if room.people == 1 else ' each'} at most, over all their agents"


def too_few(source: Source) -> bool:
    """Whether a drop of interest would go unnoticed for more than a week."""
    return source.rebase_from is None and source.state not in (State.WAITING, State.SMALL) and source.reach is not None and not source.reach.enough


def state_lines(watched: Watched, now: datetime) -> list[str]:
    """One source after the other: its baseline, how it is watched, and what was noticed."""
    found: list[str] = []
    for each in watched.sources:
        if each.baseline is not None:
            found.append(f"{each.source.capitalize()}: baseline {percent(each.baseline)} good of {each.baseline_n:,} outputs, {each.baseline_label}")
        else:
            found.append(f"{each.source.capitalize()}: no baseline yet")
        if each.change is not None:
            side = "Worse" if each.change.side == State.WORSE else "Better"
            found.append(f"{side}: {level_words(each.change, watched.zone)}, noticed {day_of(each.change.noticed_at, watched.zone, now)}")
            if each.change.side == State.WORSE:
                found += [f"{words[:1].upper()}{words[1:]}" for words in (segment_words(each.change.segment), near_words(each.change.near)) if words]
            if each.source == "people" and watched.sampling.until and each.rebase_from is None:
                found.append(sampled_words(watched.sampling))
            if each.change.known_at is not None:
                found.append(f"Known since {day_of(each.change.known_at, watched.zone, now)}{f', said {each.change.known_by}' if each.change.known_by else ''}{f': {clip(each.change.known_why, 300)}' if each.change.known_why else ''}")
        if each.change is None or each.rebase_from is not None:
            found.append(reach_words(each, watched.sampling))
        if each.run_length:
            found.append(f"Promised: at most one false alarm a year over all sources of this agent; at this volume each detector goes {each.run_length:,} judged outputs without one")
    return found or ["Nothing has been judged yet, so there is nothing to compare with."]


def drift_lines(watched: Watched) -> list[str]:
    """For status: what is open of each source, else how soon a drop would be noticed."""
    found: list[str] = []
    for each in watched.sources:
        change = each.change
        if change is None:
            found.append(reach_words(each, watched.sampling))
            continue
        words = [level_words(change, watched.zone), segment_words(change.segment), near_words(change.near) if change.side == State.WORSE else ""]
        words += [sampled_words(watched.sampling)] if each.source == "people" and watched.sampling.until else []
        known = "Known: " if change.known_at is not None else ""
        found.append(f"{known}{'Worse' if change.side == State.WORSE else 'Better, which speaks for more freedom'}: " + ". ".join(each for each in words if each))
    return found


def few_lines(watched: Watched) -> list[str]:
    """For digests and `aiops plan`: sources where a drop would go unnoticed for more than a week, unless another one sees it in time."""
    told = [each for each in watched.sources if too_few(each) and each.change is None]
    return [] if any(each.reach is not None and each.reach.enough for each in watched.sources) else [reach_words(each, watched.sampling) for each in told[:1]]


def shown(watched: Watched, now: datetime, *, may_decide: bool) -> Message:
    """`/aiops baseline <agent>`."""
    lines = state_lines(watched, now)
    blocks: list[Block] = [section(f"*Baseline and drift of {escape(watched.name)}*\n" + "\n".join(escape(clip(line, 600)) for line in lines))]
    if may_decide:
        for each in watched.sources:
            elements = _buttons(watched, each) + (sampling_buttons(watched) if each.source == "people" else [])
            if elements:
                blocks.append(actions(*elements))
    blocks.append(context("A baseline is what later quality is compared with. It is measured anew only when somebody decides so, and that is kept in the audit trail."))
    return Message(escape(clip(f"Baseline and drift of {watched.name}: {'. '.join(lines)}.", 3000)), blocks)


def sampling_buttons(watched: Watched) -> list[dict[str, Any]]:
    """`Sample 12 a day` where that can be had and helps; `Back to 5 a day` while it lasts."""
    sampling = watched.sampling
    if sampling.until:
        return [button(f"Back to {sampling.registry} a day", "drift.sample_back", watched.slug, label=f"Sample {sampling.registry} outputs of {watched.name} a day again")]
    number = offered(watched)
    return [sample_button(watched.slug, watched.name, number)] if number else []


def offered(watched: Watched) -> int:
    """How many a day an owner may ask people for; 0 where nothing is to be offered."""
    return next((each.offer.number for each in watched.sources if each.offer is not None), 0)


def sample_button(slug: str, name: str, number: int) -> dict[str, Any]:
    return button(f"Sample {number} a day", "drift.sample", f"{slug}:{number}", label=f"Ask people to judge {number} outputs of {name} a day, for four weeks")


def _buttons(watched: Watched, each: Source) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    change = each.change
    if change is not None and change.side == State.WORSE and change.known_at is None:
        sure = confirm("It is known?", f"The open notice about {each.source} closes, and nothing more is said of this drop until it is over. The verdict stays “watch”.", "It is known")
        found.append(button("It is known", "drift.known", f"{watched.slug}:{each.source}", confirm=sure, label=f"Say that the drift of {watched.name} is known"))
    if each.baseline is not None and each.rebase_from is None:
        first = day_of(change.since, watched.zone) if change is not None else "28 days ago"
        sure = confirm("A new baseline?", f"From now on the quality by {each.source} is compared with what was judged from {first} on, once {BASELINE_N} outputs are. Until then it is not watched. Your name is kept with the decision.", "Measure it anew", danger=True)
        found.append(button(f"New baseline of {each.source}", "drift.rebase", f"{watched.slug}:{each.source}", confirm=sure, label=f"Measure the baseline of {watched.name} by {each.source} anew"))
    return found


def which_one(names: Sequence[tuple[str, str]]) -> Message:
    """`/aiops baseline` alone, by somebody with several agents, or none."""
    if not names:
        return Message("Name the agent, as in `/aiops baseline support-triage`. `/aiops status` lists all of them.")
    told = ", ".join(f"`/aiops baseline {slug}` ({escape(clip(name, 120))})" for name, slug in names[:10])
    return Message(f"Which one of yours? {told}{f' and {len(names) - 10} more' if len(names) > 10 else ''}.")


def rebased(name: str, source: str, first: str, judged: int) -> Message:
    """The answer to a decision."""
    left = BASELINE_N - judged
    when = "It is frozen within a minute" if left <= 0 else f"{judged} of {BASELINE_N} outputs are judged so far; it is frozen when {left} more are, and until then drift by {source} is not watched"
    return Message(f"The quality of {escape(name)} by {source} gets a new baseline, measured from {first} on. {when}. Your decision is kept in the audit trail.")


def sampled(name: str, watched: Watched, room: Room, *, new: bool) -> Message:
    """The answer to `Sample 12 a day`; where somebody had asked for the same, that. Whether so many reach anybody is said too."""
    sampling = watched.sampling
    if not new:
        return _undoable(f"{sampled_words(sampling)}. Nothing was changed.", watched)
    last = date.fromisoformat(sampling.until)
    return _undoable(
        f"From the next draw on, {plural(sampling.per_day, 'output')} of {name} a working day are sampled for review, until {last.day} {last:%b}; then it is {sampling.registry} again, as the registry says."
        f"{_reaching(sampling, room)} That you asked for it is kept in the audit trail.", watched,
    )  # fmt: skip


def _reaching(sampling: Sampling, room: Room) -> str:
    if not room.people:
        return " But there is nobody to ask: name reviewers in aiops.yml."
    if room.outputs + 0.01 < sampling.per_day:
        return f" But {room_words(room)}, so only about {max(int(room.outputs + 0.01), 1)} of them reach anybody: name more reviewers in aiops.yml."
    return f" {'Its reviewer finds' if room.people == 1 else f'Its {room.people} reviewers find'} them in their list of the morning."


def _undoable(words: str, watched: Watched) -> Message:
    return Message(escape(words), [section(escape(words)), actions(*sampling_buttons(watched))])


def sampled_as_before(name: str, registry: int, *, ended: bool) -> Message:
    """The answer to `Back to 5 a day`."""
    said = f"From the next draw on, {plural(registry, 'output')} of {name} a working day are sampled for review again, as the registry says. Your decision is kept in the audit trail."
    return Message(escape(said if ended else f"No more than the registry's {registry} outputs of {name} a day are sampled for review. Nothing was changed."))


def known(name: str, source: str) -> Message:
    return Message(f"Noted: the drift of {escape(name)} by {source} is known. Its notice closes; the verdict stays “watch” until quality is back or you set a new baseline.")


def nothing_open(name: str, source: str) -> Message:
    return Message(f"No drift of {escape(name)} by {source} is open. Nothing was changed.")
