from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from jsonschema import Draft202012Validator

from bot.agents.files import BadFile, read_file, read_text, schema
from bot.agents.marked import read_marked
from bot.agents.protocols import PHASES, TYPES
from bot.checks.kinds import KINDS as REAL_KINDS
from tests.agents.kit import FILE, KINDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
BAD = """\
workspace: {timezone: Mars/Base, holidays: [25-12-2026], reviews_per_person: many, digest: {at: 9}}
people:
  omar: {}
  lea: {slack: U0LEA, wake: [email, sms]}
ladders:
  standard: [{call: everybody}]
  chan: [{call: "#x"}]
agents:
  Support Triage: {name: x}
  a:
    name: 12
    ownerz: {}
    owners: {business: U0A, opertions: U0B}
    channel: #support
    ladder: standrad
    slack_app: A0X
    stage: autonomus
    data: {store_text: forever, class: secret}
    checks:
      one: {kind: run_faild}
      two: {severity: page}
      three: {kind: no_data, withn: 1d}
      four: 5
  b:
    name: b
    owners: {business: U0A, operations: U0B}
    channel: support
    ladder: chan
    slack_app: A0X
  b: text
"""


def told(text: str | bytes) -> list[str]:
    with pytest.raises(BadFile) as caught:
        read_text(text, KINDS)
    return [str(each) for each in caught.value.mistakes]


def test_every_mistake_is_told_at_once_with_its_place_and_its_remedy() -> None:
    assert told(BAD) == snapshot(
        [
            "aiops.yml:1:23: workspace.timezone: 'Mars/Base' is not an IANA time zone, such as Europe/Paris",
            "aiops.yml:1:45: workspace.holidays[0]: '25-12-2026' is not a day. Write YYYY-MM-DD, such as 2026-12-25",
            "aiops.yml:1:78: workspace.reviews_per_person: must be a number, and is 'many'. Write it in digits, without quotes",
            "aiops.yml:1:97: workspace.digest.at: must be text, and is 9. Put it in quotes",
            "aiops.yml:3:3: people.omar: has neither `slack` nor `email`. Add one, so that Slack's directory knows who is meant",
            "aiops.yml:4:29: people.lea.wake: names the route email, but gives no `email`. Add `email: ...` to lea",
            "aiops.yml:4:37: people.lea.wake[1]: 'sms' is not one of email, webhook, pagerduty. Choose one of them",
            'aiops.yml:6:21: ladders.standard[0].call: \'everybody\' is nobody that can be called. Write operations_owner, backup, business_owner, sponsor, leads, rotation:name, a Slack id, an e-mail address, "@group", "#channel", or a name under `people`',
            "aiops.yml:9:3: agents.Support Triage: is no name to go by. Use small letters, digits and dashes, such as support-triage",
            "aiops.yml:9:19: agents.Support Triage.channel: is required. Add `channel: ...` here",
            "aiops.yml:9:19: agents.Support Triage.owners: is required. Add `owners: ...` here",
            "aiops.yml:11:11: agents.a.name: must be text, and is 12. Put it in quotes",
            "aiops.yml:12:5: agents.a.ownerz: is not a key known here. Did you mean `owners`?",
            "aiops.yml:13:13: agents.a.owners.operations: is required. Add `operations: ...` here",
            "aiops.yml:13:29: agents.a.owners.opertions: is not a key known here. Did you mean `operations`?",
            "aiops.yml:14:13: agents.a.channel: is empty. Write a value, or remove the line. Text that begins with # must be in quotes, or YAML takes it for a comment",
            "aiops.yml:15:13: agents.a.ladder: there is no ladder 'standrad'. Did you mean standard?",
            "aiops.yml:17:12: agents.a.stage: 'autonomus' is not one of shadow, assisted, autonomous, suspended, retired. Did you mean autonomous?",
            "aiops.yml:18:24: agents.a.data.store_text: 'forever' is not a duration. Write 30s, 10m, 2h or 7d",
            "aiops.yml:18:40: agents.a.data.class: 'secret' is not one of public, internal, confidential, restricted. Choose one of them",
            "aiops.yml:20:19: agents.a.checks.one.kind: 'run_faild' is not a kind of check. Did you mean run_failed? Known: no_data, quality, run_failed",
            "aiops.yml:21:12: agents.a.checks.two.kind: is required. Add `kind: ...`, one of no_data, quality, run_failed",
            "aiops.yml:22:30: agents.a.checks.three.withn: is not a key known here. Did you mean `within`?",
            "aiops.yml:23:13: agents.a.checks.four: must hold keys, and holds 5. Write the keys below it, indented",
            "aiops.yml:27:14: agents.b.channel: 'support' does not have the right form. Write \"#name\" in quotes, or the channel's id, such as C0123ABCD",
            "aiops.yml:28:13: agents.b.ladder: the ladder 'chan' reaches no person for this agent. Give it a step such as `{call: operations_owner}`",
            "aiops.yml:29:16: agents.b.slack_app: the Slack app A0X already belongs to a. An app speaks for one agent: give each its own, or leave it out",
            "aiops.yml:30:3: agents.b: the key 'b' stands twice here (first in line 24). Keep one of them",
        ]
    )


def test_broken_yaml_is_told_where_and_how_to_mend_it() -> None:
    texts: dict[str, str | bytes] = {
        "tab": "agents:\n\ta: 1\n",
        "unclosed": "agents: [a,\n b: 1\n",
        "indent": "agents: 1\n  a: 2\n",
        "at sign": "workspace: {leads: [@ai-leads]}\n",
        "two documents": "agents: {}\n---\nagents: {}\n",
        "list": "- agents\n",
        "not utf-8": b"agents: {}\n# caf\xe9\n",
        "nul": "agents: {}\n# \x00\n",
        "escaped nul": 'people: {omar: {slack: "U0\\0"}}\n',
        "own tag": "agents: !!python/object/apply:os.system [ls]\n",
        "too deep": "agents: " + "[" * 5000,
        "alias of itself": "agents: &a {b: *a}\n",
    }
    assert {case: told(text)[0] for case, text in texts.items()} == snapshot(
        {
            "tab": "aiops.yml:2:1: a tab stands where YAML allows only spaces. Indent with spaces",
            "unclosed": "aiops.yml:3:1: broken YAML: did not find expected ',' or ']'. Close the bracket, or put a comma between the entries",
            "indent": "aiops.yml:2:4: broken YAML: mapping values are not allowed in this context. Put text that holds `: ` in quotes, and look at the indentation",
            "at sign": 'aiops.yml:1:21: broken YAML: found character that cannot start any token. Put text that begins with @, `, % or * in quotes, such as "@ai-leads"',
            "two documents": "aiops.yml:2:1: broken YAML: found another document. Keep one document: remove the line ---",
            "list": "aiops.yml:1:1: the file must hold keys such as `agents:`. Begin with docs/aiops.example.yml",
            "not utf-8": "aiops.yml:2:1: this is not UTF-8 text. Save the file as UTF-8",
            "nul": "aiops.yml:2:1: the character U+0000 may not stand in YAML. Remove it",
            "escaped nul": "aiops.yml:1:10: people.omar: has neither `slack` nor `email`. Add one, so that Slack's directory knows who is meant",
            "own tag": "aiops.yml:1:9: agents: must hold keys, and holds a list. Write the keys below it, indented",
            "too deep": "aiops.yml:1:32: nested more than 24 deep. A registry is never this large: look at the indentation",
            "alias of itself": "aiops.yml:1:9: agents.b: an alias holds itself. Remove it",
        }
    )


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))
    assert "aliases make this file hold more than" in told(bomb)[0]


def test_a_file_too_large_to_be_a_registry_is_refused_unread() -> None:
    assert told(b"#" * (16 * 1024 * 1024 + 1)) == snapshot(["aiops.yml: the file is larger than 16 MiB. Split the fleet over several deployments"])


def test_a_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"there is no such file. Name it with AIOPS_CONFIG"):
        read_file(tmp_path / "aiops.yml", KINDS)


def test_an_empty_file_is_an_empty_registry() -> None:
    assert read_text("", KINDS).document == {}


def test_times_and_words_are_taken_as_they_are_written() -> None:
    assert read_marked("at: 10:30\nno: off\nday: 2026-12-25\nshare: 2%\nn: 0x10\n").value == {
        "at": "10:30",
        "no": "off",
        "day": "2026-12-25",
        "share": "2%",
        "n": "0x10",
    }


def test_shared_parts_may_be_merged() -> None:
    spec = read_text(FILE + "      extra: &x {kind: no_data}\n      more: {<<: *x, within: 2h}\n", KINDS).spec
    assert spec.agents["support-triage"].checks["more"] == {"kind": "no_data", "within": "2h"}


def test_the_document_holds_only_what_was_written() -> None:
    agent = read_text(FILE, KINDS).document["agents"]["support-triage"]
    assert "target" not in agent
    assert agent["checks"] == {"runs": {"kind": "run_failed"}}


def test_the_published_schema_is_the_one_in_code() -> None:
    published = json.loads((DOCS / "aiops.schema.json").read_text())
    assert published == schema(), "write it anew: python -m tests.agents.write_schema"
    Draft202012Validator.check_schema(published)


def test_the_example_is_valid_for_the_reader_and_for_the_schema() -> None:
    path = DOCS / "aiops.example.yml"
    kinds = {name: kind.spec for name, kind in REAL_KINDS.items()}
    found = read_file(path, kinds)
    assert set(found.spec.agents) == {"support-triage", "invoice-matcher"}
    protocol = found.spec.protocols[found.spec.agents["invoice-matcher"].protocol].document()
    assert {step["phase"] for step in protocol["steps"]} == set(PHASES)
    assert {step["type"] for step in protocol["steps"]} == set(TYPES)
    Draft202012Validator(schema()).validate(read_marked(path.read_bytes()).value)


def test_every_field_of_the_schema_says_what_it_means() -> None:
    def silent(part: object, at: str) -> list[str]:
        found = []
        if isinstance(part, dict):
            for name, each in part.get("properties", {}).items():
                if not each.get("description") and "$ref" not in str(each):
                    found.append(f"{at}.{name}")
            for key, each in part.items():
                found += silent(each, key if key not in ("properties", "$defs") else at)
        return found

    assert silent(schema(), "") == []


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="a: -[]{}&*!|>'\"#%@\n\t,?", max_size=60))
def test_any_text_is_read_or_refused_with_words(text: str) -> None:
    mistakes: list[str] = []
    try:
        read_text(text.encode("utf-8", "surrogatepass"), KINDS)
    except BadFile as bad:
        mistakes = [each.message for each in bad.mistakes] or [""]
    assert all(mistakes)
