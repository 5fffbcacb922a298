"""When the next post, edit or call of a method may go out: our own pace, and what Slack's 429 asked for."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from bot.outbox.rules import Rhythm, edits_for, posts_for

SECOND = timedelta(seconds=1)
LATE = timedelta(milliseconds=250)  # so late a post may be taken without moving the others: that many more may fall into one second


class Pacer:
    """Kept in memory by the one process that delivers; what a 429 asked for is also a row, so that a restart obeys it."""

    def __init__(self, rhythm: Rhythm) -> None:
        self.rhythm = rhythm
        self.blocked: dict[str, datetime] = {}  # by 429: post:<target>, method:<method>
        self._next: dict[str, datetime] = {}  # by our own pace: target -> when its next post may go
        self._edits: deque[datetime] = deque()
        self._posts: deque[datetime] = deque(maxlen=max(rhythm.posts_per_second, 1))  # the places in time of the last ones

    def post_at(self, target: str, now: datetime) -> datetime:
        """When a post to this target may go; `now` when at once."""
        return max(now, self._next.get(target, now), self.blocked.get(f"post:{target}", now))

    def whole_at(self, priority: int, now: datetime) -> datetime:
        """When the workspace bears another post of this priority: the oldest of the last second must first be forgotten."""
        if not self.rhythm.posts_per_second:
            return now
        most = posts_for(priority, self.rhythm.posts_per_second)
        return max(now, self._posts[-most] + SECOND) if len(self._posts) >= most else now

    @property
    def gap(self) -> timedelta:
        """Between two posts to the workspace, on average."""
        return SECOND / self.rhythm.posts_per_second if self.rhythm.posts_per_second else timedelta()

    def posted(self, target: str, now: datetime) -> None:
        if self.rhythm.posts_per_second:
            self._posts.append(self._place(now))
        if self.rhythm.post_every:
            if len(self._next) > 5000:
                self._next = {name: at for name, at in self._next.items() if at > now}
            self._next[target] = now + self.rhythm.post_every

    def _place(self, now: datetime) -> datetime:
        """When this post could have gone: taking it a moment late must not make all that follow later, too."""
        if len(self._posts) < self.rhythm.posts_per_second:
            return now
        planned = self._posts[0] + SECOND
        return max(planned, now - LATE) if planned <= now < planned + SECOND else now

    def edit_at(self, priority: int, now: datetime) -> datetime:
        """When an edit of this priority may go: the oldest edits of the last minute must first be forgotten."""
        at = max(now, self.method_at("chat.update", now))
        if not self.rhythm.edits_per_minute:
            return at
        minute = timedelta(minutes=1)
        while self._edits and self._edits[0] <= now - minute:
            self._edits.popleft()
        over = len(self._edits) - edits_for(priority, self.rhythm.edits_per_minute)
        return at if over < 0 else max(at, self._edits[over] + minute)

    def edited(self, now: datetime) -> None:
        if self.rhythm.edits_per_minute:
            self._edits.append(now)

    def method_at(self, method: str, now: datetime) -> datetime:
        return max(now, self.blocked.get(f"method:{method}", now))

    def block(self, scope: str, until: datetime) -> None:
        """Slack said when to come back."""
        self.blocked[scope] = max(until, self.blocked.get(scope, until))
        if len(self.blocked) > 1000:
            self.blocked = {name: at for name, at in self.blocked.items() if at > until - timedelta(minutes=10)}
