"""Filling a workspace: people, channels, groups and apps, in plain calls or from one JSON document."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.workspace import events, messages
from bot.workspace.things import COLORS, App, Channel, Doc, Group, Person, ts_of, ts_text

if TYPE_CHECKING:
    from bot.workspace.store import Store
    from bot.workspace.workspace import Workspace


class Seeding:
    """The part of a workspace that adds and changes things; every change is told to pages and apps."""

    store: "Store"
    now: Callable[[], datetime]
    team_id: str

    def _ws(self) -> "Workspace":
        from bot.workspace.workspace import Workspace

        assert isinstance(self, Workspace)
        return self

    # people ---------------------------------------------------------------------------------------------------
    def add_person(self, name: str, real_name: str = "", *, id: str = "", **more: Any) -> Person:
        """A person; `more` are fields of Person: email, tz, title, is_restricted, is_stranger, team_id..."""
        person = Person(
            id=id or self.store.new_id("U"), name=name, real_name=real_name or name.title(),
            updated=ts_of(self.now()) // 1_000_000, **more,
        )
        person.team_id = person.team_id or ("T0STRANGER" if person.is_stranger else self.team_id)
        person.color = person.color or COLORS[len(self.store.people) % len(COLORS)]
        self.store.save(person)
        events.person_changed(self._ws(), person, new=True)
        return person

    def change_person(self, who: str, **changes: Any) -> Person:
        """For example `deleted=True`, `tz="Europe/Paris"`, `dnd_until=...`; apps hear user_change."""
        person = self._ws().person(who)
        for key, value in changes.items():
            if not hasattr(person, key):
                raise AttributeError(f"a person has no {key}")
            setattr(person, key, value)
        person.updated = ts_of(self.now()) // 1_000_000
        self.store.save(person)
        events.person_changed(self._ws(), person)
        self._ws().hub.tell(None, "reset")
        return person

    def set_dnd(self, who: str, start: str = "", end: str = "") -> Person:
        """The daily hours (HH:MM in their zone) in which nothing notifies them; none: it always does. Apps hear of it."""
        return self._set_quiet(who, dnd_start=start, dnd_end=end)

    def snooze(self, who: str, minutes: float) -> Person:
        """Pause notifications from now on; 0 ends the pause."""
        now = self.now().timestamp()
        return self._set_quiet(who, dnd_from=now if minutes else 0, dnd_until=now + 60 * minutes if minutes else 0)

    def _set_quiet(self, who: str, **changes: Any) -> Person:
        person = self._ws().person(who)
        for key, value in changes.items():
            setattr(person, key, value)
        self.store.save(person)
        events.quiet_changed(self._ws(), person)
        return person

    # channels -------------------------------------------------------------------------------------------------
    def add_channel(
        self, name: str, members: Iterable[str] = (), *, id: str = "", private: bool = False, creator: str = "",
        **more: Any,
    ) -> Channel:
        """A channel; members by id or name. `more`: topic, purpose, shared, archived."""
        ws = self._ws()
        channel = Channel(
            id=id or self.store.new_id("C"), name=name, kind="private" if private else "channel",
            created=ts_of(self.now()) // 1_000_000, creator=creator,
            members=list(dict.fromkeys(ws.person(member).id for member in members)), **more,
        )
        self.store.save(channel)
        if not private:
            events.channel_changed(ws, channel, "channel_created", channel={
                "id": channel.id, "name": name, "created": channel.created, "creator": creator,
            })
        ws.hub.tell(messages.audience(ws, channel), "channel", channel=channel.id)
        return channel

    def join(self, who: str, where: str, *, inviter: str = "") -> None:
        ws = self._ws()
        person, channel = ws.person(who), ws.channel(where)
        if person.id in channel.members:
            return
        channel.members.append(person.id)
        self.store.save(channel)
        self.store.mark_read(person.id, channel.id)
        events.joined(ws, channel, person.id, inviter)
        ws.hub.tell(messages.audience(ws, channel), "channel", channel=channel.id)

    def leave(self, who: str, where: str) -> None:
        ws = self._ws()
        person, channel = ws.person(who), ws.channel(where)
        if person.id not in channel.members:
            return
        events.left(ws, channel, person.id)
        channel.members.remove(person.id)
        self.store.save(channel)
        ws.hub.tell(None, "channel", channel=channel.id)

    def rename_channel(self, where: str, name: str) -> Channel:
        ws = self._ws()
        channel = ws.channel(where)
        channel.previous_names, channel.name = [channel.name, *channel.previous_names], name
        self.store.save(channel)
        renamed = {"id": channel.id, "name": name, "created": channel.created}
        kind = "channel_rename" if channel.kind == "channel" else "group_rename"
        events.channel_changed(ws, channel, kind, channel=renamed)
        ws.hub.tell(messages.audience(ws, channel), "channel", channel=channel.id)
        return channel

    def archive_channel(self, where: str, *, back: bool = False) -> None:
        ws = self._ws()
        channel = ws.channel(where)
        channel.archived = not back
        self.store.save(channel)
        events.channel_changed(ws, channel, "channel_unarchive" if back else "channel_archive", channel=channel.id)
        ws.hub.tell(messages.audience(ws, channel), "channel", channel=channel.id)

    def share_channel(self, where: str, new_id: str = "") -> Channel:
        """Shared by Slack Connect; its id may change, which apps hear as channel_id_changed."""
        ws = self._ws()
        channel = ws.channel(where)
        channel.shared = True
        if new_id:
            self.store.move_channel(channel, new_id)
            events.channel_changed(ws, channel, "channel_id_changed", old_channel_id=where, new_channel_id=new_id)
        self.store.save(channel)
        events.channel_changed(ws, channel, "channel_shared", connected_team_id="T0STRANGER", channel=channel.id)
        ws.hub.tell(None, "reset")
        return channel

    def open_im(self, one: str, other: str) -> Channel:
        """The direct message between two, made when first needed."""
        pair = f"{min(one, other)}{max(one, other)}"
        im_id = "D0" + hashlib.sha256(pair.encode()).hexdigest()[:9].upper()
        if im_id not in self.store.channels:
            channel = Channel(im_id, "", "im", members=[one, other], created=ts_of(self.now()) // 1_000_000)
            self.store.save(channel)
            self._ws().hub.tell([one, other], "channel", channel=im_id)
        return self.store.channels[im_id]

    def open_mpim(self, people: list[str]) -> Channel:
        name = "mpdm-" + "--".join(sorted(self._ws().person(one).name for one in people)) + "-1"
        known = next((c for c in self.store.channels.values() if c.name == name), None)
        if known is None:
            known = Channel(
                self.store.new_id("G"), name, "mpim", members=list(people), created=ts_of(self.now()) // 1_000_000
            )
            self.store.save(known)
            self._ws().hub.tell(people, "channel", channel=known.id)
        return known

    def write(self, who: str, where: str, text: str, *, at: datetime | None = None, thread_ts: str = "") -> Doc:
        """A person's message placed without ceremony, also in the past (for a history to start with)."""
        ws = self._ws()
        person, channel = ws.person(who), ws.channel(where)
        message: Doc = {"type": "message", "user": person.id, "text": ws.resolve_mentions(text), "team": self.team_id}
        if thread_ts:
            message["thread_ts"] = thread_ts
        ts = ts_text(ts_of(at)) if at is not None else ""
        while ts and self.store.message(channel.id, ts) is not None:
            ts = ts_text(int(ts.replace(".", "")) + 1)
        return messages.post(ws, channel, message, ts=ts)

    # groups ---------------------------------------------------------------------------------------------------
    def add_group(self, handle: str, users: Iterable[str], *, name: str = "", id: str = "") -> Group:
        ws = self._ws()
        group = Group(
            id or self.store.new_id("S"), handle, name or handle.title(), [ws.person(user).id for user in users],
            updated=ts_of(self.now()) // 1_000_000,
        )
        self.store.save(group)
        events.group_changed(ws, group, new=True)
        return group

    def change_group(self, handle: str, users: Iterable[str], *, disabled: bool = False) -> Group:
        ws = self._ws()
        group = next(g for g in self.store.groups.values() if handle in (g.handle, g.id))
        group.users, group.disabled = [ws.person(user).id for user in users], disabled
        group.updated = ts_of(self.now()) // 1_000_000
        self.store.save(group)
        events.group_changed(ws, group)
        return group

    # apps -----------------------------------------------------------------------------------------------------
    def install_app(
        self, manifest: Doc, *, bot_token: str, signing_secret: str, app_token: str = "", request_url: str = "",
        id: str = "", bot_user_id: str = "", scopes: Iterable[str] | None = None, channels: Iterable[str] = (),
    ) -> App:
        """Install an app as its manifest says; `scopes` grants fewer (or more). Installing again updates it."""
        ws, oauth = self._ws(), manifest.get("oauth_config", {}).get("scopes", {})
        features, settings = manifest.get("features", {}), manifest.get("settings", {})
        name = manifest.get("display_information", {}).get("name", "App")
        old = next((a for a in self.store.apps.values() if a.id == id or (not id and a.name == name)), None)
        granted = [*oauth.get("bot", []), *oauth.get("bot_optional", [])] if scopes is None else list(scopes)
        shortcuts = features.get("shortcuts", [])
        number = hashlib.sha256(name.encode()).hexdigest()[:16]
        app = App(
            id=old.id if old else id or self.store.new_id("A"), name=name,
            bot_user_id=old.bot_user_id if old else bot_user_id or self.store.new_id("U"),
            bot_id=old.bot_id if old else self.store.new_id("B"), bot_token=bot_token, app_token=app_token,
            signing_secret=signing_secret, request_url=request_url, scopes=list(dict.fromkeys(granted)),
            events=list(settings.get("event_subscriptions", {}).get("bot_events", [])),
            commands=list(features.get("slash_commands", [])),
            message_shortcuts=[one for one in shortcuts if one.get("type") == "message"],
            global_shortcuts=[one for one in shortcuts if one.get("type") == "global"],
            has_home=bool(features.get("app_home", {}).get("home_tab_enabled")), verification_token=number,
        )
        bot_name = features.get("bot_user", {}).get("display_name", name)
        self.store.save(app)
        if old is None:
            handle = bot_name.lower().replace(" ", "_")
            self.add_person(
                handle, bot_name, id=app.bot_user_id, display_name=bot_name, is_bot=True, app_id=app.id,
                bot_id=app.bot_id,
            )
        for channel in channels:
            self.join(app.bot_user_id, channel)
        ws.hub.tell(None, "reset")
        return app

    def revoke(self, token: str) -> None:
        """The token is good for nothing from now on (`token_revoked`)."""
        for app in self.store.apps.values():
            if token in (app.bot_token, app.app_token):
                app.revoked.append(token)
                self.store.save(app)

    def seed(self, document: Doc) -> None:
        """People, channels, groups and apps from one document: lists of the arguments of the calls above.

        Things that are there already stay as they are, apps are updated; nobody hears of it.
        """
        with self._ws().quietly():
            self._seed(document)

    def _seed(self, document: Doc) -> None:
        for person in document.get("people", []):
            if person.get("id") not in self.store.people:
                self.add_person(**person)
        for app in document.get("apps", []):
            self.install_app(**app)
        for channel in document.get("channels", []):
            if channel.get("id") not in self.store.channels:
                self.add_channel(**channel)
        for group in document.get("groups", []):
            if group.get("id") not in self.store.groups:
                self.add_group(**group)
