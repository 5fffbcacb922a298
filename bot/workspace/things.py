"""The people, channels, groups and apps of a workspace, and how Slack shows each of them in JSON."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

Doc = dict[str, Any]
Kind = str  # "channel" (public), "private", "im", "mpim"

COLORS = ("9f69e7", "4bbe2e", "e7392d", "3c989f", "674b1b", "e96699", "e0a729", "684b6c", "5b89d5", "2b6836", "99a949")


@dataclass
class Person:
    id: str
    name: str
    real_name: str = ""
    display_name: str = ""
    title: str = ""
    email: str = ""
    tz: str = "Asia/Beirut"
    locale: str = "en-US"
    team_id: str = ""
    is_admin: bool = False
    is_bot: bool = False
    app_id: str = ""
    bot_id: str = ""
    deleted: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    dnd_until: float = 0  # unix seconds; paused until then
    dnd_from: float = 0
    dnd_start: str = ""  # HH:MM in their own zone: the daily plan in which nothing notifies
    dnd_end: str = ""
    color: str = ""
    updated: int = 0

    @property
    def shown_name(self) -> str:
        return self.display_name or self.real_name or self.name

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in (self.real_name or self.name).split()[:2]).upper()

    def as_slack(self, now: datetime, *, email: bool = True, locale: bool = False) -> Doc:
        """The user object of users.info; deleted people have no zone, and mail needs users:read.email."""
        words = self.real_name.split(" ", 1)
        profile: Doc = {
            "title": self.title, "phone": "", "skype": "", "real_name": self.real_name,
            "real_name_normalized": self.real_name, "display_name": self.display_name,
            "display_name_normalized": self.display_name, "fields": None, "status_text": "", "status_emoji": "",
            "status_expiration": 0, "avatar_hash": "", "first_name": words[0],
            "last_name": words[1] if len(words) > 1 else "", "team": self.team_id,
        }
        if email and self.email and not self.is_bot and not self.is_stranger:
            profile["email"] = self.email
        if self.is_bot:
            profile |= {"api_app_id": self.app_id, "bot_id": self.bot_id, "always_active": True}
        user: Doc = {
            "id": self.id, "team_id": self.team_id, "name": self.name, "deleted": self.deleted,
            "color": self.color, "real_name": self.real_name, "profile": profile,
            "is_bot": self.is_bot, "is_app_user": False, "updated": self.updated,
        }
        if not self.deleted:
            zone = ZoneInfo(self.tz)
            offset = now.astimezone(zone).utcoffset()
            user |= {
                "tz": self.tz, "tz_label": now.astimezone(zone).tzname() or self.tz,
                "tz_offset": int(offset.total_seconds()) if offset else 0, "is_admin": self.is_admin,
                "is_owner": False, "is_primary_owner": False, "is_restricted": self.is_restricted,
                "is_ultra_restricted": self.is_ultra_restricted, "is_email_confirmed": True,
                "who_can_share_contact_card": "EVERYONE",
            }
        if self.is_stranger:
            user["is_stranger"] = True
        if locale:
            user["locale"] = self.locale
        return user

    def dnd(self, now: datetime, *, own: bool = False) -> Doc:
        """As dnd.info tells it: the present or next quiet time, 1 where there is none. Only the one who asks sees a snooze as such."""
        paused = bool(self.dnd_until and self.dnd_until > now.timestamp())
        window = (self.dnd_from or now.timestamp(), self.dnd_until) if paused else self._planned(now)
        status: Doc = {
            "dnd_enabled": window is not None, "next_dnd_start_ts": int(window[0]) if window else 1,
            "next_dnd_end_ts": int(window[1]) if window else 1,
        }
        if own:
            status["snooze_enabled"] = paused
            if paused:
                status |= {"snooze_endtime": int(self.dnd_until), "snooze_remaining": int(self.dnd_until - now.timestamp())}
        return status

    def _planned(self, now: datetime) -> tuple[float, float] | None:
        if not self.dnd_start or not self.dnd_end or self.dnd_start == self.dnd_end:
            return None
        zone = ZoneInfo(self.tz)
        today = now.astimezone(zone).date()
        begins, ends = time.fromisoformat(self.dnd_start), time.fromisoformat(self.dnd_end)
        for day in (today + timedelta(days=ahead) for ahead in (-1, 0, 1, 2)):
            since = datetime.combine(day, begins, zone).timestamp()
            until = datetime.combine(day + timedelta(days=ends <= begins), ends, zone).timestamp()
            if until > now.timestamp():
                return since, until
        return None


@dataclass
class Channel:
    id: str
    name: str
    kind: Kind = "channel"
    topic: str = ""
    purpose: str = ""
    creator: str = ""
    created: int = 0
    members: list[str] = field(default_factory=list)
    archived: bool = False
    shared: bool = False  # Slack Connect: people of other teams may be in it
    previous_names: list[str] = field(default_factory=list)

    @property
    def payload_name(self) -> str:
        return {"im": "directmessage", "private": "privategroup"}.get(self.kind, self.name)

    def other(self, person: str) -> str:
        """The person at the other end of a direct message."""
        return next((m for m in self.members if m != person), person)

    def as_slack(self, team_id: str, viewer: str, *, deleted: bool = False) -> Doc:
        if self.kind == "im":
            return {
                "id": self.id, "created": self.created, "is_archived": False, "is_im": True, "is_org_shared": False,
                "context_team_id": team_id, "updated": self.created * 1000, "user": self.other(viewer),
                "is_user_deleted": deleted, "priority": 0,
            }
        private = self.kind != "channel"
        return {
            "id": self.id, "name": self.name, "is_channel": not private, "is_group": self.kind == "private",
            "is_im": False, "is_mpim": self.kind == "mpim", "is_private": private, "created": self.created,
            "is_archived": self.archived, "is_general": self.name == "general", "unlinked": 0,
            "name_normalized": self.name, "is_shared": self.shared, "is_org_shared": False,
            "is_pending_ext_shared": False, "pending_shared": [], "context_team_id": team_id,
            "updated": self.created * 1000, "parent_conversation": None, "creator": self.creator,
            "is_ext_shared": self.shared, "shared_team_ids": [team_id], "pending_connected_team_ids": [],
            "is_member": viewer in self.members,
            "topic": {"value": self.topic, "creator": self.creator if self.topic else "", "last_set": 0},
            "purpose": {"value": self.purpose, "creator": self.creator if self.purpose else "", "last_set": 0},
            "previous_names": self.previous_names,
        }


@dataclass
class Group:
    id: str
    handle: str
    name: str
    users: list[str] = field(default_factory=list)
    disabled: bool = False
    updated: int = 0

    def as_slack(self, team_id: str, *, users: bool, count: bool) -> Doc:
        group: Doc = {
            "id": self.id, "team_id": team_id, "is_usergroup": True, "is_subteam": True, "name": self.name,
            "description": "", "handle": self.handle, "is_external": False, "date_create": self.updated,
            "date_update": self.updated, "date_delete": self.updated if self.disabled else 0, "auto_type": None,
            "auto_provision": False, "enterprise_subteam_id": "", "created_by": "", "updated_by": "",
            "deleted_by": None, "prefs": {"channels": [], "groups": []},
        }
        if users:
            group["users"] = list(self.users)
        if users or count:
            group["user_count"] = len(self.users)
        return group


@dataclass
class App:
    id: str
    name: str
    bot_user_id: str
    bot_id: str
    bot_token: str
    signing_secret: str
    app_token: str = ""
    request_url: str = ""
    scopes: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    commands: list[Doc] = field(default_factory=list)
    message_shortcuts: list[Doc] = field(default_factory=list)
    global_shortcuts: list[Doc] = field(default_factory=list)
    has_home: bool = False
    installed: bool = True
    revoked: list[str] = field(default_factory=list)
    verification_token: str = ""

    def profile(self, team_id: str) -> Doc:
        return {
            "id": self.bot_id, "app_id": self.id, "user_id": self.bot_user_id, "name": self.name,
            "icons": {}, "deleted": not self.installed, "updated": 0, "team_id": team_id,
        }


Thing = TypeVar("Thing", Person, Channel, Group, App)


def to_doc(thing: Person | Channel | Group | App) -> Doc:
    return asdict(thing)


def ts_of(moment: datetime) -> int:
    """Microseconds since 1970, exactly (floats lose the last digit)."""
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def ts_text(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def ts_micros(ts: str) -> int:
    """Microseconds of a Slack timestamp; 0 when it is none."""
    whole, _, part = ts.partition(".")
    try:
        return int(whole or 0) * 1_000_000 + int((part + "000000")[:6])
    except ValueError:
        return 0
