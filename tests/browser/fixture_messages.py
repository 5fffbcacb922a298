"""What the fixture workspace contains: people, channels, and a message for every kind of block."""

from __future__ import annotations

from typing import Any

Doc = dict[str, Any]

ZONE = "Asia/Beirut"
HOSTILE = (
    "<script>window.pwned=1</script> <img src=x onerror=window.pwned=1> &lt;b onclick=alert(1)&gt;not bold&lt;/b&gt; "
    "<javascript:alert(1)|press me> <https://example.com/\" onmouseover=\"window.pwned=1|a link>"
)

PEOPLE: list[Doc] = [
    {"id": "U0OMAR", "name": "omar", "real_name": "Omar Haddad", "title": "Operations owner", "tz": ZONE, "color": "#2b6cb0"},
    {"id": "U0MAYA", "name": "maya", "real_name": "Maya Khoury", "title": "Head of customer service", "tz": ZONE, "color": "#9f4d95"},
    {"id": "U0LEA", "name": "lea", "real_name": "Lea Nasser", "title": "Support agent, second shift", "tz": "Europe/Paris", "color": "#3d8b40"},
    {"id": "U0SAM", "name": "sam", "real_name": "Sam Okafor", "title": "Chief operating officer", "tz": "America/New_York", "color": "#d9730d"},
    {"id": "U0GUEST", "name": "ines", "real_name": "Ines Duarte", "title": "Auditor", "tz": "Europe/Lisbon", "color": "#666666", "is_restricted": True},
    {"id": "U0BOT", "name": "aiops", "real_name": "AIOps", "title": "", "tz": "UTC", "color": "#31295c", "is_bot": True, "app_id": "A0AIOPS"},
]
for someone in PEOPLE:
    someone.update(
        display_name=someone["real_name"], email=f"{someone['name']}@example.com", tz_label=someone["tz"], deleted=False,
        is_bot=someone.get("is_bot", False), app_id=someone.get("app_id"), is_restricted=someone.get("is_restricted", False),
        is_ultra_restricted=False, is_stranger=False, initials="".join(part[0] for part in someone["real_name"].split()),
    )

APPS: list[Doc] = [{
    "id": "A0AIOPS", "name": "AIOps", "bot_user_id": "U0BOT", "has_home": True,
    "commands": [{"command": "/aiops", "description": "How your AI agents are doing", "usage_hint": "[status | mine | page | silence | help]"}],
    "message_shortcuts": [{"name": "Rate this output", "callback_id": "rate_output"}, {"name": "Open incident", "callback_id": "open_incident"}],
    "global_shortcuts": [{"name": "Page an owner", "callback_id": "page_owner"}],
}]

CHANNELS: list[Doc] = [
    {"id": "C0SUPPORT", "name": "support-ai", "kind": "channel", "topic": "Support triage: pages, digests and outputs. Runbook: <https://example.com/runbook|here>", "unread": 2, "mention_count": 1},
    {"id": "C0BLOCKS", "name": "every-block", "kind": "channel", "topic": "One message for every block"},
    {"id": "C0LONG", "name": "a-channel-with-a-remarkably-long-name-that-has-to-wrap-or-be-cut-somewhere-sensible", "kind": "private", "topic": ""},
    {"id": "C0MANY", "name": "many-messages", "kind": "channel", "topic": "", "unread": 3},
    {"id": "C0OPEN", "name": "not-joined-yet", "kind": "channel", "topic": "Anyone may join", "is_member": False},
    {"id": "D0BOT", "name": "", "kind": "im", "with": "U0BOT"},
    {"id": "D0MAYA", "name": "", "kind": "im", "with": "U0MAYA", "unread": 1},
]
for place in CHANNELS:
    place.setdefault("is_member", True)
    place.setdefault("unread", 0)
    place.setdefault("mention_count", 0)
    place.setdefault("with", None)
    place.setdefault("topic", "")
    place.update(purpose="", last_ts=None, member_ids=["U0OMAR", place["with"]] if place["with"] else [p["id"] for p in PEOPLE])


def plain(text: str) -> Doc:
    return {"type": "plain_text", "text": text, "emoji": True}


def mrkdwn(text: str) -> Doc:
    return {"type": "mrkdwn", "text": text}


def option(text: str, value: str, description: str | None = None) -> Doc:
    return {"text": plain(text), "value": value, **({"description": plain(description)} if description else {})}


CHOICES = [option("Wrong answer", "wrong"), option("Outdated", "outdated", "The source has changed since"), option("Tone", "tone")]


def button(text: str, action_id: str, **more: Any) -> Doc:
    return {"type": "button", "text": plain(text), "action_id": action_id, "value": action_id, **more}


def page_blocks(now: int) -> list[Doc]:
    return [
        {"type": "header", "block_id": "h", "text": plain(":rotating_light: Support triage is failing its nightly check")},
        {"type": "section", "block_id": "what", "text": mrkdwn(f"<@U0OMAR>, the queue for the 6 AM shift was not built. Expected by 3:20 AM, nothing since <!date^{now - 5400}^{{date_short_pretty}} at {{time}}|earlier>.")},
        {"type": "section", "block_id": "facts", "fields": [mrkdwn("*Check*\nnightly heartbeat"), mrkdwn("*Severity*\npage"), mrkdwn(f"*Failing since*\n<!date^{now - 5400}^{{time}} ({{ago}})|earlier>"), mrkdwn("*Next*\n<@U0LEA> in 10 minutes")]},
        {"type": "actions", "block_id": "page", "elements": [
            button("Acknowledge", "acknowledge", style="primary"), button("Human review", "human_review"),
            button("Stop agent", "stop", style="danger", confirm={"title": plain("Stop Support triage?"), "text": mrkdwn("It obeys at its next look at the gate, within *30 seconds*."), "confirm": plain("Stop it"), "deny": plain("Keep it running"), "style": "danger"}),
            {"type": "overflow", "action_id": "more", "options": [option("Snooze 30 minutes", "snooze"), option("Escalate now", "escalate")]},
        ]},
        {"type": "context", "block_id": "why", "elements": [mrkdwn("Why this check: the 6 AM shift starts from its queue  ·  `P-1042`")]},
    ]


def output_blocks() -> list[Doc]:
    return [
        {"type": "section", "block_id": "out", "text": mrkdwn("*Reply to order 88-1204*\n> Your parcel left our warehouse this morning and arrives on Monday.\nSource: `orders/88-1204`")},
        {"type": "context_actions", "block_id": "rate", "elements": [
            {"type": "feedback_buttons", "action_id": "rate", "positive_button": {"text": plain("Good"), "value": "up", "accessibility_label": "This output is good"}, "negative_button": {"text": plain("Bad"), "value": "down", "accessibility_label": "This output is bad"}},
            {"type": "icon_button", "icon": "trash", "text": plain("Take back"), "action_id": "take_back", "value": "x"},
        ]},
    ]


CHART_DATA = [{"label": day, "value": value} for day, value in [("Mon", 0.86), ("Tue", 0.84), ("Wed", 0.88), ("Thu", 0.79), ("Fri", 0.72)]]
OTHER_DATA = [{"label": day, "value": value} for day, value in [("Mon", 0.81), ("Tue", 0.82), ("Wed", 0.8), ("Thu", 0.83), ("Fri", 0.85)]]


def chart(kind: str) -> Doc:
    if kind == "pie":
        return {"type": "data_visualization", "block_id": "pie", "title": "Where the money went", "chart": {"type": "pie", "segments": [{"label": "Tokens", "value": 45}, {"label": "Review", "value": 38}, {"label": "Rework", "value": 17}]}}
    return {"type": "data_visualization", "block_id": kind, "title": f"Quality this week ({kind})", "chart": {
        "type": kind, "series": [{"name": "People", "data": CHART_DATA}, {"name": "Machine", "data": OTHER_DATA}],
        "axis_config": {"categories": [point["label"] for point in CHART_DATA], "x_label": "Day", "y_label": "Share of good outputs"}}}


RICH = {"type": "rich_text", "block_id": "rich", "elements": [
    {"type": "rich_text_section", "elements": [
        {"type": "text", "text": "Hello "}, {"type": "user", "user_id": "U0OMAR"}, {"type": "text", "text": " see "}, {"type": "channel", "channel_id": "C0BLOCKS"},
        {"type": "text", "text": " bold", "style": {"bold": True}}, {"type": "text", "text": " italic", "style": {"italic": True}}, {"type": "text", "text": " strike", "style": {"strike": True}},
        {"type": "text", "text": " "}, {"type": "text", "text": "code", "style": {"code": True}}, {"type": "text", "text": " "}, {"type": "emoji", "name": "tada"},
        {"type": "link", "url": "https://example.com/?a=1&b=2", "text": " a link"}, {"type": "text", "text": " "}, {"type": "broadcast", "range": "here"}, {"type": "text", "text": " "}, {"type": "color", "value": "#2eb67d"},
        {"type": "text", "text": " "}, {"type": "date", "timestamp": 1732100000, "format": "{date_num}", "fallback": "a date"}]},
    {"type": "rich_text_list", "style": "bullet", "indent": 0, "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "first"}]}, {"type": "rich_text_section", "elements": [{"type": "text", "text": "second"}]}]},
    {"type": "rich_text_list", "style": "ordered", "indent": 1, "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "inner"}]}]},
    {"type": "rich_text_quote", "elements": [{"type": "text", "text": "A quote"}]},
    {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "SELECT 1;\nSELECT 2;"}]},
]}

MARKDOWN = "## What changed\nThe **prompt** went from `v13` to `v14`, *carefully*.\n\n1. Retrieval\n2. Answering\n   - shorter\n   - with source\n\n- [x] reviewed\n- [ ] announced\n\n> Worth watching.\n\n| Agent | Score |\n|---|---:|\n| Triage | 0.86 |\n\n```python\nprint('hi')\n```\n[The report](https://example.com/report) ~~old~~"

PICTURE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNkYPj/n4EIwDiqkL4KAQBrPQoBk2yXTgAAAABJRU5ErkJggg=="

ROWS = [[{"type": "raw_text", "text": name}, {"type": "raw_number", "value": value}] for name, value in [("Triage", 0.86), ("Invoices", 0.91), ("Returns", 0.64), ("Search", 0.78), ("Drafts", 0.88), ("Routing", 0.95), ("Tags", 0.7)]]

BLOCKS: dict[str, list[Doc]] = {
    "section": [{"type": "section", "block_id": "s1", "text": mrkdwn("*bold* _italic_ ~strike~ `code` <https://example.com|link> <@U0LEA> <#C0SUPPORT> :large_green_circle: :+1: 3 &lt; 4 &amp; 5 &gt; 2\n```\nfenced *not bold*\n```\n> quoted *line*\nafter"), "accessory": button("Details", "details")}],
    "accessories": [
        {"type": "section", "block_id": "a1", "text": mrkdwn("Reason"), "accessory": {"type": "static_select", "action_id": "reason", "placeholder": plain("Pick a reason"), "options": CHOICES}},
        {"type": "section", "block_id": "a2", "text": mrkdwn("When"), "accessory": {"type": "datepicker", "action_id": "day", "initial_date": "2026-11-20"}},
        {"type": "section", "block_id": "a3", "text": mrkdwn("Which"), "accessory": {"type": "checkboxes", "action_id": "which", "options": CHOICES}},
        {"type": "section", "block_id": "a4", "text": mrkdwn("With a picture"), "accessory": {"type": "image", "image_url": PICTURE, "alt_text": "A purple square"}},
    ],
    "actions": [{"type": "actions", "block_id": "all", "elements": [
        button("Plain", "plain"), button("Never answers", "fail"), button("Slow", "slow", style="primary"), button("Open form", "open_modal"),
        button("Elsewhere", "link", url="https://example.com"),
        {"type": "users_select", "action_id": "who", "placeholder": plain("Pick a person")},
        {"type": "conversations_select", "action_id": "where", "placeholder": plain("Pick a conversation")},
        {"type": "channels_select", "action_id": "channel", "placeholder": plain("Pick a channel")},
        {"type": "external_select", "action_id": "outside", "placeholder": plain("Search agents"), "min_query_length": 2},
        {"type": "multi_static_select", "action_id": "many", "placeholder": plain("Pick several"), "options": CHOICES, "max_selected_items": 2},
        {"type": "timepicker", "action_id": "time", "initial_time": "09:30"}, {"type": "datetimepicker", "action_id": "moment", "initial_date_time": 1732100000},
        {"type": "radio_buttons", "action_id": "one", "options": CHOICES}, {"type": "overflow", "action_id": "rest", "options": [option("One", "1"), option("Two", "2")]},
    ]}],
    "rich_text": [RICH], "markdown": [{"type": "markdown", "block_id": "md", "text": MARKDOWN}],
    "table": [{"type": "table", "block_id": "t", "column_settings": [{"is_wrapped": True}, {"align": "right"}], "rows": [[{"type": "raw_text", "text": "Agent"}, {"type": "raw_text", "text": "Score"}], *ROWS[:3]]}],
    "data_table": [{"type": "data_table", "block_id": "dt", "caption": "Scores of the fleet", "rows": [[{"type": "raw_text", "text": "Agent"}, {"type": "raw_text", "text": "Score"}], *ROWS]}],
    "charts": [chart("line"), chart("bar")], "more charts": [chart("area"), chart("pie")],
    "image": [{"type": "image", "block_id": "i", "image_url": PICTURE, "alt_text": "A chart of latency", "title": plain("Latency")}],
    "card": [{"type": "carousel", "block_id": "c", "elements": [{"type": "card", "block_id": f"c{n}", "title": mrkdwn(f"*Agent {n}*"), "subtitle": mrkdwn("Customer service"), "body": mrkdwn("0.86 good of 412"), "actions": [button("Open", f"open{n}")]} for n in range(4)]}],
    "alert": [{"type": "alert", "block_id": "al", "level": "warning", "text": mrkdwn("The source is *three days* old.")}],
    "divider": [{"type": "divider", "block_id": "d"}, {"type": "context", "block_id": "cx", "elements": [{"type": "image", "image_url": PICTURE, "alt_text": "dot"}, mrkdwn("as of 9:00 AM")]}],
    "unknown": [{"type": "hologram", "block_id": "x"}],
}

FORM: Doc = {
    "id": "V1", "type": "modal", "app_id": "A0AIOPS", "title": plain("Tell more"), "submit": plain("Save"), "close": plain("Cancel"), "hash": "1", "state": {"values": {}}, "root_view_id": "V1", "previous_view_id": None,
    "blocks": [
        {"type": "section", "block_id": "intro", "text": mrkdwn("What was wrong with *this output*?")},
        {"type": "input", "block_id": "reason", "label": plain("Reason"), "element": {"type": "static_select", "action_id": "reason", "placeholder": plain("Pick one"), "options": CHOICES}},
        {"type": "input", "block_id": "words", "label": plain("In your words"), "hint": plain("The owner reads this without your name."), "element": {"type": "plain_text_input", "action_id": "words", "multiline": True, "min_length": 5, "max_length": 300}},
        {"type": "input", "block_id": "minutes", "label": plain("Minutes lost"), "optional": True, "element": {"type": "number_input", "action_id": "minutes", "is_decimal_allowed": False, "min_value": "0", "max_value": "600"}},
        {"type": "input", "block_id": "mail", "label": plain("Answer to"), "optional": True, "element": {"type": "email_text_input", "action_id": "mail"}},
        {"type": "input", "block_id": "ask", "label": plain("May the owner ask you?"), "optional": True, "element": {"type": "checkboxes", "action_id": "ask", "options": [option("You may ask me", "yes")]}},
        {"type": "input", "block_id": "live", "label": plain("Search"), "optional": True, "dispatch_action": True, "element": {"type": "plain_text_input", "action_id": "live"}},
        {"type": "actions", "block_id": "act", "elements": [button("Add a field", "grow")]},
    ],
}

HOME: Doc = {
    "id": "VH", "type": "home", "app_id": "A0AIOPS", "hash": "1", "blocks": [
        {"type": "header", "block_id": "hh", "text": plain("Your agents")},
        {"type": "section", "block_id": "hs", "text": mrkdwn(":large_yellow_circle: *Support triage*  watch, 0.81 good of 412\n:large_green_circle: *Invoices*  worth using"), "accessory": button("Status", "status")},
        {"type": "divider", "block_id": "hd"},
        {"type": "context", "block_id": "hc", "elements": [mrkdwn("Nothing waits for you.")]},
    ],
}
