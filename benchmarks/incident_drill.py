"""Play a whole incident with the product killed by SIGKILL between every two steps, and look for what was lost or doubled.

    python benchmarks/incident_drill.py                                 every step, SQLite (three minutes: Slack tells an event that met a dead process again after one)
    python benchmarks/incident_drill.py --database-url postgresql       ... on the PostgreSQL that comes as a wheel
    python benchmarks/incident_drill.py --every 4                       ... killed after each fourth step
    python benchmarks/incident_drill.py --again 0 2 10                  ... where Slack tells again sooner, for the impatient
    python benchmarks/incident_drill.py --control blind                 a control: a press is believed although it met a dead process

From a failing run to a follow-up that did not hold: people press, submit forms and write in a Slack-like server, which is a
process of its own; so is the product. Half of the kills come as soon as a step was answered, the others while it is under
way; whoever got no answer looks in Slack whether it took effect, and presses again if not. In the end Slack must show each
thing once, and the database must hold one effect of each. The exit code is 1 on anything lost or doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import drilling
from benchmarks.drilling import Served, Workspace, marker
from bot.db import Database
from bot.tables import Decision, FollowUp, Incident, IncidentItem, RegressionCase, TimelineEntry

AGENT, CHANNEL = "drilled", "C0C0"
OMAR, LEA, MAYA = "U0P0", "U0P1", "U0P2"
REGISTRY = f"""
workspace: {{timezone: UTC, leads: [{MAYA}]}}
agents:
  {AGENT}:
    name: Drilled agent
    department: Drills
    stage: autonomous
    channel: {CHANNEL}
    runbook: https://wiki.example.com/drilled
    owners: {{operations: {OMAR}, backup: {LEA}, business: {MAYA}}}
    checks: {{runs: {{kind: run_failed, why: people wait}}}}
"""
GIVEN = {"confirm": None, "choose": "prompt", "decision": "we went back to the last version", "number": "12", "evidence": "https://example.com/proof", "person": LEA}


@dataclass
class Step:
    """One thing a person or the agent does: `act` says whether it was answered, `seen` whether Slack shows its effect."""

    name: str
    act: Callable[[], bool]
    seen: Callable[[], bool]


@dataclass
class Drill:
    options: argparse.Namespace
    dice: random.Random
    ws: Workspace
    house: Served
    token: str
    gate: str
    forms: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    said_at: float = 0.0  # when somebody mentioned the bot last
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10, trust_env=False))

    # --- looking -------------------------------------------------------------------------------------------------

    def watch(self, person: str) -> None:
        """Remember the forms that open on this person's screen."""
        self.forms[person] = []

        def listen() -> None:
            try:
                with httpx.stream("GET", f"{self.ws.url}/ui/stream", params={"as": person}, timeout=None, trust_env=False) as lines:
                    for line in lines.iter_lines():
                        if line.startswith("data: ") and (news := json.loads(line[6:])).get("type") == "view_opened":
                            self.forms[person].append(news["view"])
            except httpx.HTTPError:
                return  # the workspace has ended

        threading.Thread(target=listen, daemon=True).start()

    def messages(self) -> list[dict[str, Any]]:
        return self.ws.standing(CHANNEL)

    def root(self, number: int = 1) -> dict[str, Any] | None:
        heading = f"Incident #{number}: "
        return next((each for each in self.messages() if any(block["type"] == "header" and block["text"]["text"].startswith(heading) for block in each.get("blocks") or [])), None)

    def thread(self, number: int = 1) -> list[dict[str, Any]]:
        root = self.root(number)
        return [each for each in self.messages() if root is not None and each.get("thread_ts") == root["ts"] and each["ts"] != root["ts"]]

    def shows(self, words: str, number: int = 1) -> bool:
        root = self.root(number)
        return root is not None and words in json.dumps([root["text"], root["blocks"]], ensure_ascii=False)

    def tells(self, words: str, number: int = 1) -> bool:
        return any(words in each["text"] for each in self.thread(number))

    # --- doing ---------------------------------------------------------------------------------------------------

    def ui(self, act: str, person: str, **body: Any) -> bool:
        answer = self.http.post(f"{self.ws.url}/ui/{act}", json={"as": person, **body}).json()
        return bool(answer.get("ok")) and not answer.get("errors")

    def press(self, person: str, message: dict[str, Any], action_id: str, value: str = "", channel: str = CHANNEL) -> bool:
        """Press a button, or choose in a menu by its value."""
        for block in message.get("blocks") or []:
            elements = block.get("elements") or ([block["accessory"]] if block.get("accessory") else [])
            for element in elements:
                if element.get("action_id") != action_id or (value and element["type"] == "button" and element.get("value") != value):
                    continue
                action: dict[str, Any] = {"type": element["type"], "action_id": action_id, "block_id": block["block_id"]}
                if element["type"] == "overflow":
                    action["selected_option"] = next((each for each in element["options"] if each["value"] == value), None)
                    if action["selected_option"] is None:
                        continue
                else:
                    action["value"] = element.get("value", "")
                container = {"type": "message", "channel": channel, "ts": message["ts"]}
                return self.ui("press", person, container=container, block_id=block["block_id"], action=action)
        return False

    def fill(self, person: str, pressed: Callable[[], bool], values: dict[str, Any]) -> bool:
        """Press what opens a form, and send it in."""
        known = len(self.forms[person])
        if not pressed():
            return False
        until = time.monotonic() + 5
        while len(self.forms[person]) == known:
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        view = self.forms[person][-1]
        return self.ui("submit", person, view_id=view["id"], state={"values": self._state(view, values)})

    def _state(self, view: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        state: dict[str, Any] = {}
        for block in view["blocks"]:
            if block["type"] == "input" and block["block_id"] in values:
                element, given = block["element"], values[block["block_id"]]
                shape = {"plain_text_input": ("value", given), "users_select": ("selected_user", given), "static_select": ("selected_option", {"text": {"type": "plain_text", "text": str(given)}, "value": given})}
                key, shown = shape[element["type"]]
                state[block["block_id"]] = {element["action_id"]: {"type": element["type"], key: shown}}
        return state

    def say(self, person: str, words: str) -> bool:
        root, self.said_at = self.root(), time.monotonic()
        return root is not None and self.ui("post", person, channel=CHANNEL, thread_ts=root["ts"], text=f"@aiops {words}")

    def report(self, name: str, type: str = "run", **more: Any) -> bool:
        event = {"id": name, "type": type, "agent": AGENT, "at": datetime.now(UTC).isoformat(), **more}
        try:
            answer = self.http.post(f"http://127.0.0.1:{self.house.port}/v1/events", json=event, headers={"Authorization": f"Bearer {self.token}"})
        except httpx.HTTPError:
            return False
        return answer.status_code == 202

    def read_gate(self) -> bool:
        try:
            return self.http.get(f"http://127.0.0.1:{self.house.port}/v1/agents/{AGENT}/gate", headers={"Authorization": f"Bearer {self.gate}"}).status_code == 200
        except httpx.HTTPError:
            return False

    # --- the story -----------------------------------------------------------------------------------------------

    def page(self, number: int) -> dict[str, Any] | None:
        found = [each for each in self.messages() if each["text"].startswith("PAGE Drilled agent") and each.get("thread_ts") in (None, each["ts"])]
        return found[number - 1] if len(found) >= number else None

    def open_from_page(self, number: int) -> bool:
        page = self.page(number)
        if page is None:
            return False
        option = next((each["value"] for block in page["blocks"] for element in block.get("elements") or [] if element.get("type") == "overflow" for each in element["options"] if each["value"].startswith("incidents.open ")), "")
        return bool(option) and self.press(OMAR, page, "surface.menu", option)

    def checklist(self) -> dict[str, Any] | None:
        return next((each for each in self.thread() if each["text"].startswith("Checklist of incident #1")), None)

    def do_item(self, number: int) -> bool:
        listed = self.checklist()
        found = None
        for block in (listed or {}).get("blocks", []):
            for element in block.get("elements") or []:
                if element.get("action_id") == "incidents.done" and element.get("accessibility_label") == f"Step {number} is done":
                    found = element
        if listed is None or found is None:
            return False
        kind = {"Done": "confirm", "Choose": "choose", "Link": "evidence", "Decide": "decision", "Count": "number", "Name": "person"}[found["text"]["text"]]
        if kind == "confirm":
            return self.press(OMAR, listed, "incidents.done", found["value"])
        return self.fill(OMAR, lambda: self.press(OMAR, listed, "incidents.done", found["value"]), {"answer": GIVEN[kind]})

    def item_done(self, number: int) -> bool:
        listed = self.checklist()
        return listed is not None and f"\n{number}. :white_check_mark:" in listed["text"]

    def mark(self) -> bool:
        written = next((each for each in self.thread() if each["text"] == "The vendor moved the index"), None)
        if written is None:
            root = self.root()
            if root is None or not self.ui("post", LEA, channel=CHANNEL, thread_ts=root["ts"], text="The vendor moved the index"):
                return False
            written = next(each for each in self.thread() if each["text"] == "The vendor moved the index")
        return any(each["name"] == "pushpin" for each in written.get("reactions") or []) or self.ui("react", MAYA, channel=CHANNEL, ts=written["ts"], name="pushpin")

    def follow_up_line(self) -> dict[str, Any] | None:
        return next((each for each in self.thread() if any(element.get("action_id") == "followups.done" for block in each.get("blocks") or [] for element in block.get("elements") or [])), None)

    def story(self) -> list[Step]:
        def rooted(do: Callable[[dict[str, Any]], bool], number: int = 1) -> Callable[[], bool]:
            return lambda: (root := self.root(number)) is not None and do(root)

        def page_says(words: str, number: int = 1) -> Callable[[], bool]:
            return lambda: (page := self.page(number)) is not None and words in json.dumps(page)

        steps = [
            Step("it runs", lambda: self.report("r0", status="ok", version="prompt-13", stage="autonomous"), lambda: True),
            Step("it reads its gate", self.read_gate, lambda: True),
            Step("its run fails", lambda: self.report("r1", status="failed", error="the index is gone", version="prompt-14", stage="autonomous"), lambda: self.page(1) is not None),
            Step("an output is posted", lambda: self.report("o1", "output", text="It costs 9 euros."), lambda: True),
            Step("the incident is opened", lambda: self.open_from_page(1), lambda: self.root() is not None),
            Step("somebody leads", rooted(lambda root: self.press(LEA, root, "incidents.lead")), lambda: self.shows("*Lead*\nPerson 001")),
            Step("human review", rooted(lambda root: self.press(LEA, root, "autonomy.review")), lambda: self.shows("under human review")),
            Step("the agent obeys", self.read_gate, lambda: self.shows("it read the order at its gate")),
        ]
        for number in range(1, 11):
            steps.append(Step(f"step {number}", lambda number=number: self.do_item(number), lambda number=number: self.item_done(number)))  # type: ignore[misc]
            if number == 4:
                steps += [
                    Step("an output is judged bad", lambda: self.report("v1", "rating", output="o1", person=MAYA, good=False, reason="wrong"), lambda: True),
                    Step("a note", lambda: self.say(OMAR, "note the vendor confirmed it"), lambda: True),
                    Step("a status update", lambda: self.say(OMAR, "update half of the index is rebuilt"), lambda: self.tells("half of the index is rebuilt")),
                    Step("a pushpin", self.mark, lambda: True),
                ]
        steps += [
            Step("a follow-up", lambda: self.say(OMAR, "followup @p1 test every index before it is served"), lambda: self.follow_up_line() is not None),
            Step("it runs again", lambda: self.report("r2", status="ok", version="prompt-15", stage="assisted"), page_says("It is over")),
            Step("it is closed", rooted(lambda root: self.fill(LEA, lambda: self.press(LEA, root, "incidents.close"), {})), lambda: self.shows("Closed after")),
            Step("the review", rooted(lambda root: self.press(LEA, root, "incidents.review")), lambda: any(each.get("files") for each in self.thread())),
            Step(
                "the follow-up is done",
                lambda: (line := self.follow_up_line()) is not None and self.fill(LEA, lambda: self.press(LEA, line or {}, "followups.done"), {"evidence": "https://example.com/test", "version": "prompt-15"}),
                lambda: self.root() is not None and self.follow_up_line() is None,
            ),
            Step("it fails again", lambda: self.report("r3", status="failed", error="the index is gone", version="prompt-15", stage="assisted"), lambda: self.page(2) is not None),
            Step("the second incident", lambda: self.open_from_page(2), lambda: self.shows("This happened before", 2)),
        ]
        return steps

    def play(self) -> None:
        steps = self.story()
        for number, step in enumerate(steps):
            killing = step.name == self.options.only if self.options.only else (number + 1) % self.options.every == 0
            self._perform(step, killing=killing)
            drilling.show_progress(f"{number + 1} of {len(steps)}: {step.name}")
        self._wait(lambda: self.shows("This happened before", 2), "the second incident to be shown")

    def _perform(self, step: Step, *, killing: bool) -> None:
        during = killing and self.dice.random() < 0.5
        until = time.monotonic() + sum(self.options.again) + 60  # so late Slack may tell an event again that nobody took
        while True:
            killer = threading.Timer(self.dice.uniform(0.0, 0.12), self.house.end) if during else None
            if killer is not None:
                killer.start()
            answered = step.act()
            if killer is not None:
                killer.join()
                self.counts["kills while a step was under way"] += 1
                self.house.start()
            if answered:
                break
            self.counts["acts that got no answer"] += killer is not None
            if killer is not None and self.options.control == "blind":
                return  # nobody looks, nobody presses again
            # A person who got no answer looks whether it happened; an agent sends the same event again.
            if killer is not None and self._becomes(step.seen, 3.0) and not step.name.startswith(("it ", "an output", "a note", "a pushpin", "its ")):
                self.counts["acts that had taken effect all the same"] += 1
                break
            during = False
            if time.monotonic() > until:
                raise SystemExit(f"nobody could do this: {step.name}")
            time.sleep(0.1)
        if killing and not during:
            self.house.end()
            self.counts["kills between two steps"] += 1
            self.house.start()

    def _becomes(self, true: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True

    def _wait(self, true: Callable[[], bool], what: str) -> None:
        if not self._becomes(true, 60):
            raise SystemExit(f"waited in vain for {what}")

    def told_alone(self) -> list[str]:
        """What people were told alone in the thread: where it is stuck, the reason stands there."""
        root, found = self.root(), []
        for person in (OMAR, LEA) if root is not None else ():
            shown = self.http.get(f"{self.ws.url}/ui/thread", params={"as": person, "channel": CHANNEL, "ts": root["ts"] if root else ""}).json()["messages"]
            known = {each["ts"] for each in self.thread()}
            found += [f"{person} was told: {each['text'][:500]}" for each in shown if each["ts"] not in known and each["ts"] != (root or {})["ts"]]
        return found

    def come_to_rest(self) -> None:
        # What was said to a dead process Slack tells again after a minute; whether that was so, nobody outside can see.
        soon, late = self.options.again[1] + 10, sum(self.options.again) + 40
        self._becomes(lambda: time.monotonic() - self.said_at > soon, soon + 5 if self.counts.total() else 0)
        self._becomes(lambda: any(marker(each) and "half of the index is rebuilt" in each["text"] for each in self.thread()), late)
        last, since, latest = "", time.monotonic(), time.monotonic() + 120
        while time.monotonic() - since < 6:
            now = repr([(each["ts"], each["text"], each.get("files")) for each in self.messages()])
            if now != last:
                last, since = now, time.monotonic()
            if time.monotonic() > latest:
                raise SystemExit("it does not come to rest")
            time.sleep(0.5)


def judge(drill: Drill, db: Database) -> list[str]:
    """Everything that is not as it must be, in words."""
    found: list[str] = []

    def must(holds: bool, words: str) -> None:
        if not holds:
            found.append(words)

    everything = [*drill.messages(), *(message for person in (OMAR, LEA, MAYA) for message in drill.ws.standing(drill.ws.dm(person)))]
    found += [f"{count} copies of {name}" for name, count in Counter(marker(each) for each in everything if marker(each)).items() if count > 1]
    roots = [each for each in drill.messages() if any(block["type"] == "header" and re.match(r"Incident #\d+: ", block["text"]["text"]) for block in each.get("blocks") or [])]
    must(len(roots) == 2, f"{len(roots)} incidents stand in the channel, not 2")
    must(drill.shows("Closed after"), "the first incident's root does not say that it is closed")
    must(drill.shows("This happened before", 2), "the second incident does not say that it happened before")
    listed = drill.checklist()
    must(listed is not None and listed["text"].count(":white_check_mark:") == 10, "the checklist does not show ten steps done")
    for words, many in (("is closed by", 1), ("half of the index is rebuilt", 1), ("leads this incident now", 1)):
        count = sum(words in each["text"] for each in drill.thread() if marker(each))
        must(count == many, f"{words!r} stands {count} times in the thread")
    must(sum("The page is over" in each["text"] for each in drill.thread()) <= 1, "the thread says more than once that the page is over")
    files = sum(len(each.get("files") or []) for each in drill.thread())
    must(files == 1, f"the review is {files} files")
    told = [each for each in drill.ws.standing(drill.ws.dm(MAYA)) if "fixed in prompt-15" in each["text"]]
    must(len(told) == 1, f"who had reported the output was told {len(told)} times that it is fixed")
    with db.reading() as tx:
        acted = Counter(tx.scalars(select(Decision.action)))
        once = {"incident.open": 2, "incident.done": 10, "incident.lead": 1, "incident.close": 1, "stage.order": 1, "stage.obeyed": 1}
        for action, many in once.items():
            must(acted[action] == many, f"{action} is on record {acted[action]} times, not {many}")
        must(all(item.state == "done" for item in tx.scalars(select(IncidentItem).where(IncidentItem.incident_id == 1))), "a step of the first incident is not done")
        incident = tx.get(Incident, 1)
        must(incident is not None and incident.closed_at is not None, "the first incident is not closed")
        followed = list(tx.scalars(select(FollowUp)))
        must([(each.turns, each.reopened_for, each.closed_at) for each in followed] == [(1, 2, None)], f"follow-ups: {[(each.turns, each.reopened_for) for each in followed]}")
        kept = list(tx.scalars(select(RegressionCase.id)))
        must(len(kept) == 1, f"{len(kept)} outputs joined the regression set, not 1")
        lines = [entry.words for entry in tx.scalars(select(TimelineEntry).where(TimelineEntry.incident_id == 1))]
        for words in ("noted: the vendor confirmed it", "told how it stands: half of the index is rebuilt", "marked what Person 001 wrote: The vendor moved the index", "ordered the stage assisted", "closed the incident"):
            count = sum(line.startswith(words) for line in lines)
            must(count == 1, f"the timeline says {count} times {words!r}")
    return found


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="incident_drill.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="kill it after each so many steps")
    parser.add_argument("--only", default="", metavar="STEP", help="kill it at this step alone, such as 'a follow-up'")
    parser.add_argument("--seed", type=int, default=None, help="repeat an earlier drill's choices")
    parser.add_argument("--database-url", default="", help="an empty database; `postgresql` starts the one that comes as a wheel")
    parser.add_argument("--again", type=float, nargs="+", default=[0.0, 60.0, 300.0], metavar="SECONDS", help="after which an event that met a dead process is told again; as given, Slack's")
    parser.add_argument("--control", choices=["blind"], help="prove that the drill can fail")
    return parser.parse_args()


def main() -> int:
    options = read_options()
    options.seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    folder = Path(tempfile.mkdtemp(prefix="incident-drill-"))
    began = time.monotonic()
    with drilling.database(options.database_url, folder) as url:
        port = drilling.free_port()
        ws = Workspace(folder, drilling.seed(3, 1, port))
        ws.start(again=options.again)
        token = asyncio.run(drilling.make_ready(url, ws.url, REGISTRY))
        gate = asyncio.run(drilling.make_ready(url, ws.url, REGISTRY, scopes=["gate"], agents=[AGENT]))
        house = Served(url, ws.url, port, folder / "house.log", keeps_spare=True)
        drill = Drill(options, random.Random(options.seed), ws, house, token, gate)
        db = Database(url)
        try:
            for person in (OMAR, LEA, MAYA):
                drill.watch(person)
            house.start()
            try:
                drill.play()
                drill.come_to_rest()
                found = judge(drill, db)
            except SystemExit as stuck:
                found = [str(stuck), *drill.told_alone()]
        finally:
            house.stop()
            db.close()
            ws.stop()
    for words, count in drill.counts.items():
        print(f"{words}: {count}")
    for words in found:
        print(f"NOT SO: {words}")
    well = not found
    ending = "nothing lost, nothing doubled" if well else "NOT WELL"
    if options.control:
        well = not well
        ending = f"the control {'failed as it must' if well else 'did NOT fail: the drill sees nothing'}"
    print(f"seed {options.seed}: {ending}, in {time.monotonic() - began:.0f} s")
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"the logs and the workspace are in {folder}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
