"""Every Slack scope and event the product uses, why, and what stops without it. A test holds manifest.yml equal to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """One right the app asks for; an optional one may be declined, and only what it says stops."""

    name: str
    why: str
    without: str
    optional: bool = False


@dataclass(frozen=True)
class Heard:
    """One kind of event Slack tells us; any of the scopes lets it through (none: it needs no scope)."""

    why: str
    scopes: tuple[str, ...] = ()


SCOPES: dict[str, Scope] = {
    scope.name: scope
    for scope in (
        Scope("app_mentions:read", "hear `@aiops ...`, the only way to ask inside a thread", "mentions of the bot get no answer; `/aiops` goes on"),
        Scope("channels:history", "look a message up before repeating it, and hear the outputs of agents with a Slack app of their own", "after a dropped connection a message may stand twice, and outputs posted by other apps in public channels are not heard"),
        Scope("channels:read", "know public channels, and whether the bot is in them", "public channels cannot be named in aiops.yml, and renames go unnoticed"),
        Scope("chat:write", "post and edit messages", "nothing can be posted: no summary, no page, no incident"),
        Scope("commands", "`/aiops` and the message shortcuts", "there is no `/aiops`, and no shortcut on messages"),
        Scope("im:history", "hear what people write to the bot, and look up calls before repeating them", "direct messages to the bot get no answer, and a call may come twice after a dropped connection"),
        Scope("im:write", "open the direct message in which people are called", "nobody can be called by direct message"),
        Scope("users:read", "know who is a full member, a guest, or gone, and in which time zone they live", "owners cannot be named, and nobody who presses a button can be checked"),
        Scope("dnd:read", "know when Slack does not ring for somebody, so that a page takes their other routes at once", "a page in somebody's quiet hours waits in silence for the next step of its ladder, and nobody is told who cannot be woken", optional=True),
        Scope("files:write", "show charts as pictures where the workspace has no chart block and in App Home, and share the review of an incident as a file in its thread", "charts are shown as words and bars there, or as a link to a picture where AIOPS_PUBLIC_URL is set, and reviews as text in the thread, and as a page", optional=True),
        Scope("groups:history", "the same as channels:history in private channels", "outputs posted by other apps in private channels are not heard, and after a dropped connection a message there may stand twice", optional=True),
        Scope("groups:read", "know the private channels the bot was invited to", "private channels cannot be named in aiops.yml", optional=True),
        Scope("reactions:read", "put messages marked with a pushpin on an incident's timeline, and count emoji as thumbs where aiops.yml turns that on", "pushpins and emoji count for nothing; the buttons and `note` go on", optional=True),
        Scope("usergroups:read", "resolve user groups such as `@ai-leads`", "user groups cannot be named as leads, reviewers or on a ladder", optional=True),
        Scope("users:read.email", "find people by their e-mail address", "people are found by Slack id only, and ratings that name an e-mail address are not joined to the person", optional=True),
    )
}

CHANNELS, GROUPS = ("channels:read",), ("groups:read",)
BOTH = CHANNELS + GROUPS

EVENTS: dict[str, Heard] = {
    "app_home_opened": Heard("draw App Home when somebody opens it"),
    "app_mention": Heard("answer a mention", ("app_mentions:read",)),
    "app_uninstalled": Heard("learn at once that Slack is shut, so that calls take the other routes"),
    "channel_archive": Heard("know that a channel is closed", CHANNELS),
    "channel_id_changed": Heard("follow a channel whose id changes when it is shared", BOTH),
    "channel_left": Heard("know that the bot was removed from a channel", CHANNELS),
    "channel_rename": Heard("know a channel's new name", CHANNELS),
    "channel_shared": Heard("know that another company reads along", BOTH),
    "channel_unarchive": Heard("know that a channel is open again", CHANNELS),
    "channel_unshared": Heard("know that nobody else reads along any more", BOTH),
    "dnd_updated_user": Heard("know at once that somebody paused their notifications", ("dnd:read",)),
    "group_archive": Heard("the same for a private channel", GROUPS),
    "group_left": Heard("the same for a private channel", GROUPS),
    "group_rename": Heard("the same for a private channel", GROUPS),
    "group_unarchive": Heard("the same for a private channel", GROUPS),
    "member_joined_channel": Heard("introduce the bot where it was invited", BOTH),
    "member_left_channel": Heard("know that the bot left", BOTH),
    "message.channels": Heard("outputs of agents with a Slack app of their own; everything else is dropped unread", ("channels:history",)),
    "message.groups": Heard("the same in private channels", ("groups:history",)),
    "message.im": Heard("answer people who write to the bot", ("im:history",)),
    "reaction_added": Heard("a pushpin in an incident's thread, and emoji as thumbs where aiops.yml turns that on", ("reactions:read",)),
    "reaction_removed": Heard("a thumb taken back", ("reactions:read",)),
    "subteam_created": Heard("know a new user group", ("usergroups:read",)),
    "subteam_members_changed": Heard("know who is in a user group", ("usergroups:read",)),
    "subteam_updated": Heard("know a user group's new name or members", ("usergroups:read",)),
    "team_join": Heard("know new people", ("users:read",)),
    "tokens_revoked": Heard("learn at once that the token is void, so that calls take the other routes"),
    "user_change": Heard("know who left, became a guest, or moved to another time zone", ("users:read",)),
}
