"""conversations.* and users.conversations: which channels there are, what was said in them, who is in them."""

import re

from bot.workspace import messages
from bot.workspace.asking import READ, TYPE_NAMES, Ask, make_cursor, read_cursor
from bot.workspace.errors import SlackError
from bot.workspace.things import Channel, Doc, ts_micros


def shown(ask: Ask, channel: Channel) -> Doc:
    other = ask.ws.store.people.get(channel.other(ask.me)) if channel.kind == "im" else None
    return channel.as_slack(ask.ws.team_id, ask.me, deleted=bool(other and other.deleted))


def wanted_kinds(ask: Ask) -> set[str]:
    """The kinds named in `types`; each needs its own scope."""
    names = ask.names("types") or ["public_channel"]
    kinds = {kind for kind, name in TYPE_NAMES.items() if name in names}
    if len(kinds) != len(set(names)):
        raise SlackError("invalid_types")
    ask.need_scope(*(f"{READ[kind]}:read" for kind in TYPE_NAMES if kind in kinds))
    return kinds


async def list_channels(ask: Ask) -> Doc:
    kinds, skip_archived = wanted_kinds(ask), ask.flag("exclude_archived")
    rows = [
        channel for channel in ask.ws.store.channels.values()
        if channel.kind in kinds and not (skip_archived and channel.archived)
        and (channel.kind == "channel" or ask.me in channel.members)
    ]
    page, cursor = ask.page(rows)
    listed = [{**shown(ask, c), "num_members": len(c.members)} if c.kind != "im" else shown(ask, c) for c in page]
    return {"channels": listed, "response_metadata": {"next_cursor": cursor}}


async def list_of_user(ask: Ask) -> Doc:
    kinds, user = wanted_kinds(ask), ask.text("user") or ask.me
    ask.person(user)
    rows = [
        c for c in ask.ws.store.channels.values()
        if c.kind in kinds and user in c.members and not (ask.flag("exclude_archived") and c.archived)
        and (c.kind == "channel" or ask.me in c.members)
    ]
    page, cursor = ask.page(rows)
    return {"channels": [shown(ask, c) for c in page], "response_metadata": {"next_cursor": cursor}}


async def info(ask: Ask) -> Doc:
    channel = ask.channel(scope="read")
    answer = shown(ask, channel)
    if ask.flag("include_num_members"):
        answer["num_members"] = len(channel.members)
    if ask.flag("include_locale"):
        answer["locale"] = "en-US"
    return {"channel": answer}


def told(ask: Ask, message: Doc) -> Doc:
    """A message as history tells it; metadata only when asked for."""
    return message if ask.flag("include_all_metadata") else messages.without_metadata(message)


async def history(ask: Ask) -> Doc:
    channel = ask.channel(scope="history", member=True)
    limit, inclusive = ask.number("limit", 100, 999), ask.flag("inclusive")
    oldest, latest = ts_micros(ask.text("oldest", "0")), ts_micros(ask.text("latest")) or 2**62
    if cursor := ask.text("cursor"):
        latest, inclusive_now = read_cursor(cursor, "next_ts"), True
    else:
        inclusive_now = inclusive
    rows = ask.ws.store.history(
        channel.id, limit + 1, latest=latest if inclusive_now else latest - 1,
        oldest=oldest if inclusive else oldest + 1, inclusive=True,
    )
    more = len(rows) > limit
    answer: Doc = {
        "messages": [told(ask, message) for message in rows[:limit]], "has_more": more, "pin_count": 0,
        "channel_actions_ts": None, "channel_actions_count": 0,
    }
    if more:
        answer["response_metadata"] = {"next_cursor": make_cursor("next_ts", ts_micros(rows[limit]["ts"]))}
    return answer


async def replies(ask: Ask) -> Doc:
    """The root first, then its replies, oldest first."""
    channel = ask.channel(scope="history", member=True)
    thread = ask.need("ts", "thread_not_found")
    limit, inclusive = ask.number("limit", 1000, 1000), ask.flag("inclusive")
    rows = ask.ws.store.thread(channel.id, thread)
    if not rows:
        raise SlackError("thread_not_found")
    oldest, latest = ts_micros(ask.text("oldest", "0")), ts_micros(ask.text("latest")) or 2**62
    root, later = rows[:1], rows[1:]
    later = [
        m for m in later
        if (oldest < ts_micros(m["ts"]) < latest) or (inclusive and ts_micros(m["ts"]) in (oldest, latest))
    ]
    start = read_cursor(ask.text("cursor"), "bookmark")
    rows = [*root, *later]
    page = rows[start : start + limit]
    more = start + limit < len(rows)
    answer: Doc = {"messages": [told(ask, message) for message in page], "has_more": more}
    if more:
        answer["response_metadata"] = {"next_cursor": make_cursor("bookmark", start + limit)}
    return answer


async def members(ask: Ask) -> Doc:
    channel = ask.channel(scope="read")
    page, cursor = ask.page(channel.members)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


async def open_channel(ask: Ask) -> Doc:
    """Opens the direct message with one person, or a group of several."""
    ws, users = ask.ws, [user for user in ask.names("users") if user != ask.me]
    if not users and ask.text("channel"):
        return {"channel": {"id": ask.channel().id}}
    if not users:
        raise SlackError("users_list_not_supplied")
    ask.need_scope("im:write" if len(users) == 1 else "mpim:write")
    for user in users:
        person = ask.person(user)
        if person.deleted:
            raise SlackError("user_disabled")
        if person.is_bot:
            raise SlackError("cannot_dm_bot")
    before = len(ws.store.channels)
    channel = ws.open_im(ask.me, users[0]) if len(users) == 1 else ws.open_mpim([ask.me, *users])
    known = len(ws.store.channels) == before
    answer: Doc = {"channel": shown(ask, channel) if ask.flag("return_im") else {"id": channel.id}}
    if known:
        answer |= {"no_op": True, "already_open": True}
    return answer


async def join(ask: Ask) -> Doc:
    channel = ask.channel()
    if channel.kind != "channel":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.archived:
        raise SlackError("is_archived")
    if ask.me in channel.members:
        return {
            "channel": shown(ask, channel), "warning": "already_in_channel",
            "response_metadata": {"warnings": ["already_in_channel"]},
        }
    ask.ws.join(ask.me, channel.id)
    return {"channel": shown(ask, channel)}


async def leave(ask: Ask) -> Doc:
    channel = ask.channel()
    if ask.me not in channel.members:
        return {"not_in_channel": True}
    ask.ws.leave(ask.me, channel.id)
    return {}


async def create(ask: Ask) -> Doc:
    private, name = ask.flag("is_private"), ask.need("name", "invalid_name_required")
    ask.need_scope("groups:write" if private else "channels:manage")
    if len(name) > 80:
        raise SlackError("invalid_name_maxlength")
    if not re.fullmatch(r"[\w\-]+", name) or name != name.lower():
        raise SlackError("invalid_name_specials")
    if any(channel.name == name for channel in ask.ws.store.channels.values()):
        raise SlackError("name_taken")
    channel = ask.ws.add_channel(name, private=private, members=[ask.me], creator=ask.me)
    return {"channel": shown(ask, channel)}


async def invite(ask: Ask) -> Doc:
    channel = ask.channel(member=True)
    if channel.kind == "channel":
        ask.need_any_scope("channels:manage", "channels:write.invites")
    else:
        ask.need_any_scope("groups:write", "groups:write.invites")
    if channel.archived:
        raise SlackError("is_archived")
    users = ask.names("users")
    if not users:
        raise SlackError("no_user")
    for user in users:
        if ask.person(user).deleted:
            raise SlackError("user_is_deactivated")
        if user == ask.me:
            raise SlackError("cant_invite_self")
    fresh = [user for user in users if user not in channel.members]
    if not fresh:
        raise SlackError("already_in_channel")
    for user in fresh:
        ask.ws.join(user, channel.id, inviter=ask.me)
    return {"channel": shown(ask, channel)}
