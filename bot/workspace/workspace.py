"""One workspace: what it remembers and its parts, how to fill it, and how to act in it and look at it from a test."""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.workspace import acts, events, messages, payloads, views
from bot.workspace.answers import Answer
from bot.workspace.api import Call
from bot.workspace.faults import Faults
from bot.workspace.hub import Hub
from bot.workspace.limits import Limits
from bot.workspace.people import Seeding
from bot.workspace.responses import ResponseUrl
from bot.workspace.sender import RETRY_AFTER, Sender
from bot.workspace.sockets import Sockets
from bot.workspace.store import Store
from bot.workspace.things import App, Channel, Doc, Person, ts_micros, ts_of

MENTION = re.compile(r"(?<![\w<])@([\w.\-]+)")


class Workspace(Seeding):
    """A Slack workspace on this machine. Fill it (`add_person`, `add_channel`, `install_app`), serve it, act in it."""

    def __init__(
        self, path: str | Path = ":memory:", *, clock: Callable[[], datetime] | None = None,
        limits: Limits | None = None, team_name: str = "Local workspace", team_id: str = "T0LOCAL",
        team_domain: str = "local", enterprise_id: str = "", charts: bool = True, answer_within: float = 3.0,
        base_url: str = "http://127.0.0.1:0", signing_clock: Callable[[], datetime] | None = None,
        keep_calls: int = 20_000, again: Sequence[float] = RETRY_AFTER,
    ) -> None:
        self.store = Store(path)
        self.now: Callable[[], datetime] = clock or (lambda: datetime.now(UTC))
        # Signatures carry the wall clock, against which Bolt checks them, also when `clock` is moved by a test.
        self.signing_clock: Callable[[], datetime] = signing_clock or (lambda: datetime.now(UTC))
        self.limits = limits or Limits.none()
        self.team_name, self.team_id, self.team_domain = team_name, team_id, team_domain
        self.enterprise_id = enterprise_id
        self.charts = charts  # whether this workspace knows data_table and data_visualization
        self.base_url = base_url
        self.demo: Doc | None = self.store.remembered("demo")  # {title, note} shown on the page
        self.faults = Faults(lambda: self.micros() / 1_000_000)
        self.hub = Hub()
        self.sender = Sender(self, answer_within, min(keep_calls, 1000), again)
        self.sockets = Sockets(self)
        self.calls: deque[Call] = deque(maxlen=keep_calls)
        self.triggers: dict[str, views.Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.stacks: dict[str, list[str]] = {}
        self.notes: deque[Doc] = deque(maxlen=1_000)  # ephemeral messages: {person, channel, message, gone}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.quiet = False  # while true, apps hear of nothing

    # parts that others use ------------------------------------------------------------------------------------
    def micros(self) -> int:
        return ts_of(self.now())

    def log(self, call: Call) -> None:
        self.calls.append(call)

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something beside the present call; without a running loop nobody could listen anyway."""
        try:
            task = asyncio.get_running_loop().create_task(work)
        except RuntimeError:
            work.close()
            return
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def settle(self) -> None:
        """Wait until every event sent so far is answered, and what the apps did about it is done."""
        while self.tasks:
            await asyncio.wait(list(self.tasks))

    async def retry_due(self) -> int:
        return await self.sender.retry_due()

    @contextlib.contextmanager
    def quietly(self) -> Iterator[None]:
        """Change things without apps hearing of it, for example while filling the workspace."""
        before, self.quiet = self.quiet, True
        try:
            yield
        finally:
            self.quiet = before

    async def close(self) -> None:
        self.hub.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.sender.close()
        self.store.close()

    # names ----------------------------------------------------------------------------------------------------
    def person(self, who: str) -> Person:
        """A person by id, handle, display name or e-mail."""
        if who in self.store.people:
            return self.store.people[who]
        name = who.removeprefix("@").lower()
        for person in self.store.people.values():
            if name in (person.name.lower(), person.display_name.lower(), person.email.lower()) and name:
                return person
        raise LookupError(f"nobody is called {who!r}")

    def channel(self, where: str) -> Channel:
        """A channel by id or by name, with or without #."""
        if where in self.store.channels:
            return self.store.channels[where]
        name = where.removeprefix("#")
        for channel in self.store.channels.values():
            if channel.name == name and channel.kind != "im":
                return channel
        raise LookupError(f"there is no channel {where!r}")

    def app(self, which: str = "") -> App:
        """An app by id or name; the first when none is named."""
        for app in self.store.apps.values():
            if which in ("", app.id, app.name, app.bot_user_id):
                return app
        raise LookupError(f"no app {which!r} is installed")

    def resolve_mentions(self, text: str, *, with_name: bool = False) -> str:
        """`@name` as typed becomes `<@U..>`, as Slack's message box does it; `#name` becomes `<#C..|name>`."""
        def person(found: re.Match[str]) -> str:
            typed = found[1]
            name = typed.rstrip(".-")
            rest = typed[len(name):]
            if name.lower() in ("channel", "here", "everyone"):
                return f"<!{name.lower()}>{rest}"
            for group in self.store.groups.values():
                if group.handle.lower() == name.lower():
                    return f"<!subteam^{group.id}>{rest}"
            try:
                who = self.person(name)
            except LookupError:
                return found[0]
            return (f"<@{who.id}|{who.name}>" if with_name else f"<@{who.id}>") + rest

        def place(found: re.Match[str]) -> str:
            named = next((c for c in self.store.channels.values() if c.name == found[1] and c.kind == "channel"), None)
            return f"<#{named.id}|{named.name}>" if named else found[0]

        return re.sub(r"(?<![\w<&])#([\w\-]+)", place, MENTION.sub(person, text))

    def permalink(self, channel: str, message: Doc) -> str:
        link = f"{self.base_url}/archives/{channel}/p{ts_micros(message['ts'])}"
        thread = message.get("thread_ts")
        return f"{link}?thread_ts={thread}&cid={channel}" if thread and thread != message["ts"] else link

    # ephemeral messages ---------------------------------------------------------------------------------------
    def show_ephemeral(self, channel: Channel, person: str, message: Doc) -> Doc:
        message = {**message, "ts": self.store.next_ts(channel.id, self.micros()), "is_ephemeral": True}
        self.notes.append({"person": person, "channel": channel.id, "message": message, "gone": ""})
        self.hub.tell([person], "ephemeral", channel=channel.id, message=message)
        return message

    def _note(self, person: str, ts: str, channel: str = "") -> Doc | None:
        return next((
            n for n in self.notes
            if n["person"] == person and n["message"]["ts"] == ts and n["channel"] == (channel or n["channel"]) and n["gone"] != "deleted"
        ), None)

    def ephemeral(self, person: str, ts: str) -> Doc | None:
        note = self._note(person, ts)
        return note["message"] if note else None

    def drop_ephemeral(self, person: str, ts: str) -> None:
        if note := self._note(person, ts):
            note["gone"] = "deleted"
            self.hub.tell([person], "deleted", channel=note["channel"], ts=ts)

    def replace_ephemeral(self, person: str, ts: str, message: Doc) -> Doc | None:
        if (note := self._note(person, ts)) is None:
            return None
        old = note["message"]
        new: Doc = {**message, "ts": ts, "is_ephemeral": True}
        if "thread_ts" in old:
            new["thread_ts"] = old["thread_ts"]
        note["message"] = new
        self.hub.tell([person], "changed", channel=note["channel"], message=new)
        return new

    # what people do -------------------------------------------------------------------------------------------
    async def say(self, who: str, where: str, text: str, thread_ts: str = "", *, settle: bool = True) -> Doc:
        """A person writes; `@name` becomes a mention. With `settle`, waits until the apps have heard it."""
        person, channel = self.person(who), self.channel(where)
        if person.id not in channel.members:
            raise LookupError(f"{person.name} is not in {channel.name or channel.id}")
        message: Doc = {
            "type": "message", "user": person.id, "text": self.resolve_mentions(text), "team": self.team_id,
            "client_msg_id": f"00000000-0000-4000-8000-{self.store.next_number('client_msg'):012x}",
        }
        if thread_ts:
            message["thread_ts"] = thread_ts
        posted = messages.post(self, channel, message)
        if settle:
            await self.settle()
        return posted

    async def press(
        self, who: str, where: str, ts: str, action_id: str, value: Any = None, *, block_id: str = "",
        stale: Doc | None = None,
    ) -> Answer:
        """Press a button, a thumb (by its value) or choose in a menu of a message, also of an ephemeral one.

        `stale` is an older copy of the message, for a press on what the person's screen still showed.
        """
        person, channel = self.person(who), self.channel(where)
        note = None if stale else self._note(person.id, ts, channel.id)
        message = stale or (note["message"] if note else self.message(channel.id, ts))
        block, element = payloads.find_element(message.get("blocks", []), action_id, block_id, value)
        action = payloads.action(self, block, element, value)
        return await acts.press_message(self, person, channel, message, [action], ephemeral=note is not None)

    async def press_view(
        self, who: str, view: str | Doc, action_id: str, value: Any = None, *, values: Doc | None = None,
        block_id: str = "",
    ) -> Answer:
        """The same inside a modal or App Home; `values` is what is filled in by then."""
        shown = self.view(view)
        block, element = payloads.find_element(shown["blocks"], action_id, block_id, value)
        action = payloads.action(self, block, element, value)
        state = payloads.state_values(shown["blocks"], values or {})
        if block["block_id"] in state and element["action_id"] in state[block["block_id"]]:
            choice = payloads.CHOICE[element["type"]]
            state[block["block_id"]][element["action_id"]][choice] = action.get(choice)
        return await acts.press_view(self, self.person(who), shown, [action], state)

    async def submit(self, who: str, view: str | Doc, values: Doc | None = None) -> Answer:
        """Fill in a modal (`values` by action_id or block_id) and submit it."""
        shown = self.view(view)
        return await acts.submit(self, self.person(who), shown, payloads.state_values(shown["blocks"], values or {}))

    async def close_view(self, who: str, view: str | Doc, *, everything: bool = False) -> Answer:
        return await acts.close(self, self.person(who), self.view(view), everything=everything)

    async def command(self, who: str, where: str, name: str, text: str = "") -> Answer:
        return await acts.command(self, self.person(who), self.channel(where), name, text)

    async def shortcut(self, who: str, callback_id: str, where: str = "", ts: str = "", *, app: str = "") -> Answer:
        """A message shortcut when `where` and `ts` name a message, else a global one."""
        known = self.app(app)
        if not ts:
            return await acts.shortcut(self, self.person(who), known, callback_id)
        channel = self.channel(where)
        return await acts.shortcut(
            self, self.person(who), known, callback_id, channel, self.message(channel.id, ts)
        )

    async def react(self, who: str, where: str, ts: str, name: str, *, remove: bool = False) -> bool:
        channel = self.channel(where)
        changed = messages.react(self, channel, self.message(channel.id, ts), self.person(who).id, name, remove=remove)
        await self.settle()
        return changed

    async def delete(self, where: str, ts: str) -> None:
        """A message disappears, as when its author deletes it by hand."""
        channel = self.channel(where)
        messages.delete(self, channel, self.message(channel.id, ts))
        await self.settle()

    async def open_home(self, who: str, app: str = "") -> Doc | None:
        """Open an app's home; answers what it shows once the app has answered (what it does later, `home` tells)."""
        acts.open_home(self, self.person(who), self.app(app))
        await self.settle()
        return self.home(who, app)

    async def uninstall(self, app: str = "") -> None:
        """The app is thrown out: it hears so once, and its tokens are good for nothing."""
        known = self.app(app)
        known.installed = False
        self.store.save(known)
        events.uninstalled(self, known)
        await self.settle()

    def set_demo(self, title: str, note: str) -> None:
        """Words at the top of the page that say this is a demonstration."""
        self.demo = {"title": title, "note": note}
        self.store.remember("demo", self.demo)
        self.hub.tell(None, "demo", demo=self.demo)

    # looking --------------------------------------------------------------------------------------------------
    def message(self, where: str, ts: str) -> Doc:
        message = self.store.message(self.channel(where).id, ts)
        if message is None:
            raise LookupError(f"no message {ts} in {where}")
        return message

    def messages(self, where: str) -> list[Doc]:
        """Everything said in a channel, threads included, oldest first."""
        return self.store.every_message(self.channel(where).id)

    def im(self, who: str, app: str = "") -> str:
        """The id of the direct message between a person and an app's bot."""
        return self.open_im(self.app(app).bot_user_id, self.person(who).id).id

    def thread(self, where: str, ts: str) -> list[Doc]:
        return self.store.thread(self.channel(where).id, ts)

    def dm(self, who: str, app: str = "") -> list[Doc]:
        """What was said between a person and an app's bot."""
        return self.store.every_message(self.im(who, app))

    def ephemerals(self, who: str) -> list[Doc]:
        """The ephemeral messages a person got and that were not deleted, oldest first; each with its `channel`."""
        person = self.person(who).id
        return [
            {**note["message"], "channel": note["channel"]} for note in self.notes
            if note["person"] == person and note["gone"] != "deleted"
        ]

    def views(self, who: str) -> list[Doc]:
        """The modals open before a person, the top one last."""
        return [self.store.views[view] for view in self.stacks.get(self.person(who).id, [])]

    def view(self, view: str | Doc) -> Doc:
        view_id = view if isinstance(view, str) else view["id"]
        if view_id not in self.store.views:
            raise LookupError(f"the view {view_id} is no longer open")
        return self.store.views[view_id]

    def home(self, who: str, app: str = "") -> Doc | None:
        return views.home_of(self, self.app(app).id, self.person(who).id)

    def pings(self, who: str) -> list[tuple[str, str, str]]:
        """(channel, ts, how) of everything that notified a person."""
        return self.store.pings(self.person(who).id)

    def called(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]
