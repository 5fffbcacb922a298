"""The values that pass between Slack's edge and the rooms: a press comes in, an answer goes out after the commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from bot.blocks import Message
from bot.people.flows import Actor


@dataclass(frozen=True)
class Press:
    """One thing one person did: a button, a submitted form, a shortcut, words after /aiops or after a mention."""

    actor: Actor
    now: datetime
    came_from: str  # button, view, shortcut, command, mention, event
    name: str  # action_id, callback_id, or the first word
    value: str = ""  # the button's or chosen option's value, or the view's private_metadata
    words: tuple[str, ...] = ()  # the words after the first, for commands and mentions
    values: Mapping[str, Any] = field(default_factory=dict)  # a form's values by block_id, already unwrapped to text
    channel: str | None = None
    message_ts: str | None = None  # of the message pressed, or that a shortcut was used on
    thread_ts: str | None = None
    message: Mapping[str, Any] = field(default_factory=dict)  # that message, as Slack sent it
    view_id: str | None = None
    local: bool = False  # in the local workspace


@dataclass(frozen=True)
class Quiet:
    """Nothing more to say: what changed is shown where it stands."""


@dataclass(frozen=True)
class Tell:
    """Words for this person alone (ephemeral; in a DM or thread of ours: a plain reply).

    `share` adds a button with which they may post the same words for all to see; `replace` puts the words in the
    place of the ephemeral note that was pressed.
    """

    message: Message
    share: bool = False
    replace: bool = False
    heading: str = "Done"  # of the small window in which a form's answer is shown


@dataclass(frozen=True)
class Ask:
    """A form: opened, or pushed on or put in the place of the one that is open."""

    view: dict[str, Any]
    how: str = "open"  # open, push, update


@dataclass(frozen=True)
class Mend:
    """What is wrong in a submitted form, by block_id."""

    errors: dict[str, str]


@dataclass(frozen=True)
class Gone:
    """Take away the ephemeral note that was pressed."""


class HomeTab(Protocol):
    """App Home: shown when it is opened, and again after a press in it."""

    async def opened(self, actor: Actor) -> None: ...

    async def pressed(self, actor: Actor) -> None: ...


Answer = Quiet | Tell | Ask | Mend | Gone
Handler = Callable[[Session, Press], Answer]
MENU = "surface.menu"  # the one action of a menu whose options belong to several rooms
FORM = "surface.form"  # words said in a mention that want a form, said again by a button


@dataclass
class Surface:
    """Every handler of every room, by name; the composition root fills it from each room's explicit lists."""

    actions: dict[str, Handler] = field(default_factory=dict)  # by action_id
    views: dict[str, Handler] = field(default_factory=dict)  # by callback_id
    shortcuts: dict[str, Handler] = field(default_factory=dict)  # message shortcuts, by callback_id
    words: dict[str, Handler] = field(default_factory=dict)  # /aiops <word>, and a mention of the bot
    events: dict[str, list[Callable[[Session, dict[str, Any], datetime], None]]] = field(default_factory=dict)  # by event type
    home: HomeTab | None = None

    def __post_init__(self) -> None:
        self.actions[MENU] = self.choose
        self.actions[FORM] = self.say_again

    def choose(self, tx: Session, press: Press) -> Answer:
        """An option of a menu: its value names an action and that action's own value (`incidents.open page:12`)."""
        name, _, value = press.value.partition(" ")
        handler = self.actions.get(name) if name != MENU else None
        if handler is None:
            return Tell(Message("This menu is from an older message and no longer does anything. Look for the newest one."))
        return handler(tx, replace(press, name=name, value=value))

    def say_again(self, tx: Session, press: Press) -> Answer:
        """What was said in a mention, where Slack opens no form: pressed, it is as if typed after `/aiops`."""
        said = press.value.split()
        handler = self.words.get(said[0].lower()) if said else None
        if handler is None:
            return Tell(Message("This is from an older message and no longer does anything. Say it again."))
        return handler(tx, replace(press, name=said[0].lower(), words=tuple(said[1:]), value="", came_from="command"))

    def add(
        self,
        *,
        actions: Mapping[str, Handler] | None = None,
        views: Mapping[str, Handler] | None = None,
        shortcuts: Mapping[str, Handler] | None = None,
        words: Mapping[str, Handler] | None = None,
    ) -> None:
        """Take a room's handlers in; two rooms claiming one name is a mistake of ours, told at start."""
        for mine, theirs in (
            (self.actions, actions),
            (self.views, views),
            (self.shortcuts, shortcuts),
            (self.words, words),
        ):
            for name, handler in (theirs or {}).items():
                if name in mine:
                    raise ValueError(f"two handlers for {name!r}")
                mine[name] = handler
