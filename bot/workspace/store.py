"""What the workspace remembers: one SQLite file (or memory), written through, so a restart or a kill loses nothing."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bot.workspace.things import App, Channel, Doc, Group, Person, Thing, to_doc, ts_micros, ts_text

SCHEMA = """
CREATE TABLE IF NOT EXISTS things (kind TEXT, id TEXT, doc TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS messages (
    channel TEXT, ts INTEGER, thread INTEGER, broadcast INTEGER NOT NULL DEFAULT 0, author TEXT, doc TEXT NOT NULL,
    PRIMARY KEY (channel, ts)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS messages_by_thread ON messages (channel, thread, ts);
CREATE TABLE IF NOT EXISTS pings (person TEXT, channel TEXT, ts INTEGER, how TEXT, PRIMARY KEY (person, channel, ts));
CREATE TABLE IF NOT EXISTS reads (person TEXT, channel TEXT, ts INTEGER, PRIMARY KEY (person, channel));
CREATE TABLE IF NOT EXISTS files (id TEXT PRIMARY KEY, doc TEXT NOT NULL, content BLOB);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Store:
    """People, channels, groups and apps are kept in memory and written through; messages live in SQLite."""

    def __init__(self, path: str | Path = ":memory:") -> None:
        self.db = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
        # WAL without waiting for the disk: what a killed process wrote is kept, only a power cut could lose it.
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=OFF")
        self.db.executescript(SCHEMA)
        self.people: dict[str, Person] = self._load("person", Person)
        self.channels: dict[str, Channel] = self._load("channel", Channel)
        self.groups: dict[str, Group] = self._load("group", Group)
        self.apps: dict[str, App] = self._load("app", App)
        self.views: dict[str, Doc] = self._docs("view")
        self.homes: dict[str, str] = {key: doc["view"] for key, doc in self._docs("home").items()}
        self.last_ts: dict[str, int] = dict(self.db.execute("SELECT channel, MAX(ts) FROM messages GROUP BY channel"))

    def close(self) -> None:
        self.db.close()

    # things ---------------------------------------------------------------------------------------------------
    def _docs(self, kind: str) -> dict[str, Doc]:
        rows = self.db.execute("SELECT id, doc FROM things WHERE kind = ? ORDER BY rowid", (kind,))
        return {key: json.loads(doc) for key, doc in rows}

    def _load(self, kind: str, cls: type[Thing]) -> dict[str, Thing]:
        return {key: cls(**doc) for key, doc in self._docs(kind).items()}

    def save(self, thing: Person | Channel | Group | App) -> None:
        """Keep a person, channel, group or app, new or changed."""
        match thing:
            case Person():
                self.people[thing.id] = thing
            case Channel():
                self.channels[thing.id] = thing
            case Group():
                self.groups[thing.id] = thing
            case App():
                self.apps[thing.id] = thing
        self._put(type(thing).__name__.lower(), thing.id, to_doc(thing))

    def save_view(self, view: Doc) -> None:
        self.views[view["id"]] = view
        self._put("view", view["id"], view)

    def drop_view(self, view_id: str) -> None:
        if self.views.pop(view_id, None) is not None:
            self.db.execute("DELETE FROM things WHERE kind = 'view' AND id = ?", (view_id,))

    def save_home(self, app_id: str, person: str, view_id: str) -> None:
        self.homes[f"{app_id} {person}"] = view_id
        self._put("home", f"{app_id} {person}", {"view": view_id})

    def remember(self, name: str, doc: Doc) -> None:
        """Any other small document, such as the team or the note of the demo."""
        self._put("note", name, doc)

    def remembered(self, name: str) -> Doc | None:
        row = self.db.execute("SELECT doc FROM things WHERE kind = 'note' AND id = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def _put(self, kind: str, key: str, doc: Doc) -> None:
        self.db.execute(
            "INSERT INTO things (kind, id, doc) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET doc = excluded.doc",
            (kind, key, json.dumps(doc)),
        )

    def next_number(self, name: str) -> int:
        row = self.db.execute(
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            (name,),
        ).fetchone()
        return int(row[0])

    def new_id(self, prefix: str) -> str:
        """A fresh id that looks like Slack's: a letter or two and capitals and digits; the same in every run."""
        number, text = self.next_number("id " + prefix), ""
        while number:
            number, digit = divmod(number, 36)
            text = DIGITS[digit] + text
        return f"{prefix}0A{text.rjust(7, '0')}"

    # messages -------------------------------------------------------------------------------------------------
    def next_ts(self, channel: str, micros: int) -> str:
        """A timestamp of this channel that is later than all before it."""
        micros = max(micros, self.last_ts.get(channel, 0) + 1)
        self.last_ts[channel] = micros
        return ts_text(micros)

    def put_message(self, channel: str, message: Doc) -> None:
        ts = ts_micros(message["ts"])
        thread = ts_micros(message["thread_ts"]) if message.get("thread_ts") else None
        broadcast = 1 if message.get("subtype") == "thread_broadcast" else 0
        self.db.execute(
            "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?)",
            (channel, ts, thread, broadcast, message.get("user") or message.get("bot_id"), json.dumps(message)),
        )
        self.last_ts[channel] = max(self.last_ts.get(channel, 0), ts)

    def message(self, channel: str, ts: str) -> Doc | None:
        row = self.db.execute(
            "SELECT doc FROM messages WHERE channel = ? AND ts = ?", (channel, ts_micros(ts))
        ).fetchone()
        return json.loads(row[0]) if row else None

    def drop_message(self, channel: str, ts: str) -> None:
        self.db.execute("DELETE FROM messages WHERE channel = ? AND ts = ?", (channel, ts_micros(ts)))
        self.db.execute("DELETE FROM pings WHERE channel = ? AND ts = ?", (channel, ts_micros(ts)))

    def history(
        self, channel: str, limit: int, *, latest: int = 2**62, oldest: int = 0, inclusive: bool = False
    ) -> list[Doc]:
        """Newest first, as conversations.history has it: thread replies stay in their thread unless broadcast."""
        inside = 0 if inclusive else 1
        rows = self.db.execute(
            "SELECT doc FROM messages WHERE channel = ? AND ts BETWEEN ? AND ?"
            " AND (thread IS NULL OR thread = ts OR broadcast = 1) ORDER BY ts DESC LIMIT ?",
            (channel, oldest + inside, latest - inside, limit),
        )
        return [json.loads(row[0]) for row in rows]

    def thread(self, channel: str, ts: str) -> list[Doc]:
        """The root and its replies, oldest first."""
        micros = ts_micros(ts)
        rows = self.db.execute(
            "SELECT doc FROM messages WHERE channel = ? AND (ts = ? OR thread = ?) ORDER BY ts", (channel, micros, micros)
        )
        return [json.loads(row[0]) for row in rows]

    def every_message(self, channel: str) -> list[Doc]:
        rows = self.db.execute("SELECT doc FROM messages WHERE channel = ? ORDER BY ts", (channel,))
        return [json.loads(row[0]) for row in rows]

    def move_channel(self, channel: Channel, new_id: str) -> None:
        """A channel gets another id, with all that was said in it."""
        old = channel.id
        self.db.execute("UPDATE messages SET channel = ? WHERE channel = ?", (new_id, old))
        self.db.execute("UPDATE pings SET channel = ? WHERE channel = ?", (new_id, old))
        self.db.execute("UPDATE reads SET channel = ? WHERE channel = ?", (new_id, old))
        self.db.execute("DELETE FROM things WHERE kind = 'channel' AND id = ?", (old,))
        self.channels.pop(old, None)
        self.last_ts[new_id] = self.last_ts.pop(old, 0)
        channel.id = new_id
        self.save(channel)

    # unread and pings -----------------------------------------------------------------------------------------
    def ping(self, people: Iterable[str], channel: str, ts: str, how: str) -> None:
        self.db.executemany(
            "INSERT OR IGNORE INTO pings VALUES (?, ?, ?, ?)", [(p, channel, ts_micros(ts), how) for p in people]
        )

    def pings(self, person: str) -> list[tuple[str, str, str]]:
        """(channel, ts, how) of everything that notified this person, oldest first."""
        rows = self.db.execute("SELECT channel, ts, how FROM pings WHERE person = ? ORDER BY ts", (person,))
        return [(channel, ts_text(ts), how) for channel, ts, how in rows]

    def mark_read(self, person: str, channel: str, micros: int | None = None) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO reads VALUES (?, ?, ?)",
            (person, channel, self.last_ts.get(channel, 0) if micros is None else micros),
        )

    def unread(self, person: str, channel: str) -> tuple[int, int]:
        """How many messages the person has not read, and how many of them mention or wake them."""
        row = self.db.execute("SELECT ts FROM reads WHERE person = ? AND channel = ?", (person, channel)).fetchone()
        since = row[0] if row else 0
        unread = self.db.execute(
            "SELECT COUNT(*) FROM messages WHERE channel = ? AND ts > ? AND author IS NOT ?"
            " AND (thread IS NULL OR thread = ts OR broadcast = 1)",
            (channel, since, person),
        ).fetchone()[0]
        pings = self.db.execute(
            "SELECT COUNT(*) FROM pings WHERE person = ? AND channel = ? AND ts > ?", (person, channel, since)
        ).fetchone()[0]
        return unread, pings

    # files ----------------------------------------------------------------------------------------------------
    def put_file(self, doc: Doc, content: bytes | None = None) -> None:
        self.db.execute(
            "INSERT INTO files VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc,"
            " content = COALESCE(excluded.content, content)",
            (doc["id"], json.dumps(doc), content),
        )

    def file(self, file_id: str) -> tuple[Doc, bytes | None] | None:
        row = self.db.execute("SELECT doc, content FROM files WHERE id = ?", (file_id,)).fetchone()
        return (json.loads(row[0]), row[1]) if row else None

    def erase(self) -> None:
        """Forget everything (the demo starts over)."""
        self.db.executescript(
            "DELETE FROM things; DELETE FROM messages; DELETE FROM pings; DELETE FROM reads; DELETE FROM files;"
            " DELETE FROM counters;"
        )
        caches: tuple[dict[str, Any], ...] = (
            self.people, self.channels, self.groups, self.apps, self.views, self.homes, self.last_ts,
        )
        for cache in caches:
            cache.clear()
