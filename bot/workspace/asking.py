"""One call of the Web API: who asks, with which arguments, and the checks that many methods share."""

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.workspace.errors import SlackError
from bot.workspace.things import App, Channel, Doc, Person

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace

READ = {"channel": "channels", "private": "groups", "im": "im", "mpim": "mpim"}
TYPE_NAMES = {"channel": "public_channel", "private": "private_channel", "im": "im", "mpim": "mpim"}


@dataclass
class Ask:
    """The arguments of one call by one app; `me` is the app's bot user."""

    ws: "Workspace"
    app: App
    method: str
    args: Doc
    token: str = ""

    @property
    def me(self) -> str:
        return self.app.bot_user_id

    # arguments ------------------------------------------------------------------------------------------------
    def text(self, name: str, default: str = "") -> str:
        value = self.args.get(name)
        return default if value is None else str(value)

    def need(self, name: str, error: str = "invalid_arguments") -> str:
        value = self.args.get(name)
        if value is None or value == "":
            also: Doc = {}
            if error == "invalid_arguments":
                also["response_metadata"] = {"messages": [f"[ERROR] missing required field: {name}"]}
            raise SlackError(error, **also)
        return str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.args.get(name)
        return default if value is None else str(value).lower() in ("1", "true", "t", "yes")

    def number(self, name: str, default: int, most: int) -> int:
        try:
            value = int(self.args.get(name) or default)
        except ValueError:
            raise SlackError("invalid_arguments") from None
        if value < 1:
            raise SlackError("invalid_limit")
        return min(value, most)

    def names(self, name: str) -> list[str]:
        """A list given as JSON or separated by commas."""
        value = self.args.get(name)
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return [str(part) for part in value or []]

    def structure(self, name: str, error: str) -> Any:
        """Blocks, views and metadata come as JSON or, in forms, as JSON inside a string."""
        value = self.args.get(name)
        if isinstance(value, str):
            if not value:
                return None
            try:
                return json.loads(value)
            except ValueError:
                raise SlackError(error) from None
        return value

    # rights ---------------------------------------------------------------------------------------------------
    def need_scope(self, *scopes: str) -> None:
        """All of these scopes."""
        if any(scope not in self.app.scopes for scope in scopes):
            raise SlackError("missing_scope", needed=",".join(scopes), provided=",".join(self.app.scopes))

    def need_any_scope(self, *scopes: str) -> None:
        """At least one of these scopes."""
        if not any(scope in self.app.scopes for scope in scopes):
            raise SlackError("missing_scope", needed=",".join(scopes), provided=",".join(self.app.scopes))

    def channel(self, name: str = "channel", *, scope: str = "", member: bool = False) -> Channel:
        """The channel an argument names: private ones exist only for members.

        `scope` is "read" or "history": the right for this kind of channel. `member` asks for membership.
        """
        channel = self.ws.store.channels.get(self.need(name, "channel_not_found"))
        if channel is None:
            raise SlackError("channel_not_found")
        if scope:
            self.need_scope(f"{READ[channel.kind]}:{scope}")
        inside = self.me in channel.members
        if not inside and channel.kind != "channel":
            raise SlackError("channel_not_found")
        if member and not inside:
            raise SlackError("not_in_channel")
        return channel

    def person(self, user: str) -> Person:
        person = self.ws.store.people.get(user)
        if person is None:
            raise SlackError("user_not_found")
        return person

    # pages ----------------------------------------------------------------------------------------------------
    def page(self, rows: list[Any], default: int = 100, most: int = 1000) -> tuple[list[Any], str]:
        """One page of a list and the cursor of the next."""
        limit, start = self.number("limit", default, most), read_cursor(self.text("cursor"), "at")
        following = start + limit
        return rows[start:following], (make_cursor("at", following) if following < len(rows) else "")


def make_cursor(kind: str, value: int) -> str:
    return base64.b64encode(f"{kind}:{value}".encode()).decode()


def read_cursor(cursor: str, kind: str, default: int = 0) -> int:
    if not cursor:
        return default
    try:
        name, _, value = base64.b64decode(cursor.encode(), validate=True).decode().partition(":")
        if name != kind:
            raise ValueError
        return int(value)
    except ValueError:
        raise SlackError("invalid_cursor") from None
