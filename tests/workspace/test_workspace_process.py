"""The workspace as a process of its own, killed and started again."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import Store
from tests.workspace.conftest import MANIFEST, SECRET, TOKEN


async def start(folder: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.workspace", "--db", str(folder / "workspace.db"), "--seed", str(folder / "seed.json"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    return process, line.removeprefix("workspace ready at ").strip()


async def test_what_was_posted_outlives_a_kill(tmp_path: Path) -> None:
    (tmp_path / "seed.json").write_text(json.dumps({
        "people": [{"name": "maya", "id": "U0MAYA"}],
        "apps": [{"manifest": MANIFEST, "id": "A0WATCH", "bot_token": TOKEN, "signing_secret": SECRET}],
        "channels": [{"name": "support", "id": "C0SUPPORT", "members": ["maya", "night_watch"]}],
    }))
    process, url = await start(tmp_path)
    slack = AsyncWebClient(TOKEN, base_url=f"{url}/api/", retry_handlers=[])
    for number in range(20):
        await slack.chat_postMessage(channel="C0SUPPORT", text=str(number))
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process, url = await start(tmp_path)
    slack = AsyncWebClient(TOKEN, base_url=f"{url}/api/", retry_handlers=[])
    await slack.chat_postMessage(channel="C0SUPPORT", text="20")
    texts = [m["text"] for m in (await slack.conversations_history(channel="C0SUPPORT"))["messages"]]
    assert texts == [str(number) for number in reversed(range(21))]
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0


def test_thousands_of_messages_are_kept_and_found(tmp_path: Path) -> None:
    store = Store(tmp_path / "many.db")
    for number in range(5000):
        ts = store.next_ts("C1", 1_000_000_000_000_000)
        store.put_message("C1", {"ts": ts, "user": "U1", "text": str(number)})
    assert [m["text"] for m in store.history("C1", 2)] == ["4999", "4998"]
    store.close()
    again = Store(tmp_path / "many.db")
    assert len(again.every_message("C1")) == 5000
    assert again.next_ts("C1", 0) == "1000000000.005000"
    again.erase()
    assert again.every_message("C1") == []
    again.close()
