"""A Slack-like server on this machine: the outside world of the local mode, of the tests and of the drills.

    async with serve(Workspace(clock=clock.now)) as ws:
        ws.add_person("maya", "Maya Haddad", id="U0MAYA", email="maya@example.com")
        ws.install_app(manifest, bot_token="xoxb-1", signing_secret="s", request_url="http://127.0.0.1:1/slack/events")
        ws.add_channel("support", members=["maya", "aiops"], id="C0SUPPORT")
        answer = await ws.press("maya", "support", ts, "acknowledge")   # answer.ok, .took, .body, .error
        ws.messages("support"), ws.dm("maya"), ws.ephemerals("maya"), ws.views("maya"), ws.pings("maya"), ws.calls

The same slack_sdk and Bolt code that talks to Slack talks to it: `base_url=f"{ws.base_url}/api/"`. It knows only Slack's
HTTP and imports nothing else of this package. Inside another server: mount `create_workspace(ws)` at `/` and hold
`tended(ws, base_url)` open. Seeding inside `with ws.quietly():` sends no events. All time comes from `clock`, but for
signatures, which carry the wall clock (Bolt checks them against it) unless `signing_clock` is given. `python -m bot.workspace --port 8090` runs it as a process of its own.
"""

from bot.workspace.answers import Answer
from bot.workspace.api import Call
from bot.workspace.asgi import create_workspace
from bot.workspace.errors import SlackError
from bot.workspace.faults import Fault, Faults
from bot.workspace.limits import Limits
from bot.workspace.sender import signature
from bot.workspace.server import serve, tended
from bot.workspace.store import Store
from bot.workspace.things import App, Channel, Group, Person
from bot.workspace.workspace import Workspace

__all__ = [
    "Answer", "App", "Call", "Channel", "Fault", "Faults", "Group", "Limits", "Person", "SlackError", "Store", "Workspace",
    "create_workspace", "serve", "signature", "tended",
]
