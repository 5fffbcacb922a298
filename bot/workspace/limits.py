"""How often an app may call each method, as Slack counts it: tiers per minute, one post a second per channel, and so many a second in all."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.workspace.errors import SlackError

TIERS = {1: 1, 2: 20, 3: 50, 4: 100}  # calls a minute, per method and app
METHOD_TIERS = {
    "apps.connections.open": 1,
    "auth.revoke": 3,
    "blocks.validate": 3,
    "bots.info": 3,
    "chat.delete": 3,
    "chat.postEphemeral": 4,
    "chat.update": 3,
    "conversations.create": 2,
    "conversations.history": 3,
    "conversations.info": 3,
    "conversations.invite": 3,
    "conversations.join": 3,
    "conversations.leave": 3,
    "conversations.list": 2,
    "conversations.members": 4,
    "conversations.open": 3,
    "conversations.replies": 3,
    "dnd.info": 3,
    "dnd.teamInfo": 2,
    "files.completeUploadExternal": 4,
    "files.getUploadURLExternal": 4,
    "files.info": 4,
    "reactions.add": 3,
    "reactions.get": 3,
    "reactions.remove": 2,
    "team.info": 3,
    "usergroups.list": 2,
    "usergroups.users.list": 2,
    "users.conversations": 3,
    "users.info": 4,
    "users.list": 2,
    "users.lookupByEmail": 3,
    "views.open": 4,
    "views.publish": 4,
    "views.push": 4,
    "views.update": 4,
}


@dataclass
class Limits:
    """`enforce=False` lets everything pass; the numbers can be changed for a test.

    Slack publishes "about one post a second per channel, short bursts tolerated": a bucket of `burst` posts that
    fills by one each second. A method over its tier is refused until its oldest call is a minute old.
    """

    enforce: bool = False
    tiers: dict[int, int] = field(default_factory=lambda: dict(TIERS))
    methods: dict[str, int] = field(default_factory=lambda: dict(METHOD_TIERS))
    posts_per_second: float = 1.0
    burst: int = 3
    posts_per_second_whole: float = 10.0  # to the whole workspace and app: Slack has such a limit and does not publish it; 0: none
    _seen: dict[tuple[str, str], deque[float]] = field(default_factory=dict, repr=False)
    _buckets: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict, repr=False)

    @classmethod
    def slack(cls) -> "Limits":
        return cls(enforce=True)

    @classmethod
    def none(cls) -> "Limits":
        return cls(enforce=False)

    def check(self, app: str, method: str, channel: str, now: Callable[[], float]) -> None:
        """Counts the call or refuses it with `ratelimited` and Retry-After."""
        if not self.enforce:
            return
        if method == "chat.postMessage":
            self._check_post(app, channel, now())
            return
        tier = self.methods.get(method)
        if tier is None:
            return
        seen, moment = self._seen.setdefault((app, method), deque()), now()
        while seen and seen[0] <= moment - 60:
            seen.popleft()
        if len(seen) >= self.tiers[tier]:
            raise too_many(math.ceil(seen[0] + 60 - moment))
        seen.append(moment)

    def floor(self, posts: Mapping[str, int]) -> float:
        """The least seconds in which so many posts can be accepted, by channel: what no sender can beat."""
        if not self.enforce or not posts:
            return 0.0
        by_channel = max(max(0, count - self.burst) / self.posts_per_second for count in posts.values())
        whole = self.posts_per_second_whole
        return max(by_channel, max(0.0, sum(posts.values()) - whole) / whole if whole else 0.0)

    def _check_post(self, app: str, channel: str, moment: float) -> None:
        whole = self.posts_per_second_whole
        if whole:
            room, at = self._buckets.get((app, ""), (whole, moment))
            room = min(whole, room + max(0.0, moment - at) * whole)
            if room < 1:
                raise too_many(1)
        left, since = self._buckets.get((app, channel), (float(self.burst), moment))
        left = min(float(self.burst), left + max(0.0, moment - since) * self.posts_per_second)
        if left < 1:
            self._buckets[(app, channel)] = (left, moment)
            raise too_many(math.ceil((1 - left) / self.posts_per_second))
        self._buckets[(app, channel)] = (left - 1, moment)
        if whole:
            self._buckets[(app, "")] = (room - 1, moment)


def too_many(seconds: int) -> SlackError:
    return SlackError("ratelimited", status=429, headers={"Retry-After": str(max(1, seconds))})
