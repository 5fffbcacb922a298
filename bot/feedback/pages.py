"""One person's page as HTML: small, readable by everybody and every reader, with nothing from another host: pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape


@dataclass(frozen=True)
class Choice:
    """A button that submits the form; `name` and `value` arrive in it."""

    name: str
    value: str
    label: str
    style: str = "plain"  # plain, primary, danger
    chosen: bool = False


@dataclass(frozen=True)
class Field:
    """Something to fill in: a select where it has options, a checkbox where `tick`, else lines of text."""

    name: str
    label: str
    value: str = ""
    options: Sequence[tuple[str, str]] = ()
    tick: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Sheet:
    """What a page says and asks. `news` is announced to screen readers: what the last press did."""

    title: str
    lines: Sequence[str] = ()
    quote: str | None = None
    link: str | None = None
    news: str = ""
    choices: Sequence[Choice] = ()
    fields: Sequence[Field] = ()
    after: Sequence[Choice] = field(default_factory=tuple)  # below the fields
    foot: str = ""
    status: int = 200


STYLE = """
:root{color-scheme:light dark;--ink:#1d1c1d;--soft:#5c5a5d;--paper:#fff;--ground:#f6f5f3;--line:#d8d5d0;--go:#0b6b4f;--stop:#a3212f}
@media(prefers-color-scheme:dark){:root{--ink:#ece9e6;--soft:#b3afab;--paper:#232225;--ground:#18171a;--line:#47444a;--go:#4fc39b;--stop:#f08a93}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:1.0625rem/1.55 system-ui,sans-serif}
main{max-width:38rem;margin:6vh auto;padding:2rem 1.25rem;background:var(--paper);border:1px solid var(--line);border-radius:.75rem}
h1{font-size:1.4rem;line-height:1.25;margin:0 0 .75rem}p{margin:.5rem 0}a{color:inherit}
blockquote{margin:1rem 0;padding:.25rem 0 .25rem 1rem;border-left:4px solid var(--line);white-space:pre-wrap;overflow-wrap:anywhere;max-height:24rem;overflow:auto}
.news{padding:.6rem .9rem;border:1px solid var(--go);border-radius:.5rem}.foot{color:var(--soft);font-size:.9rem;margin-top:1.5rem}
.row{display:flex;gap:.75rem;flex-wrap:wrap;margin:1.25rem 0}
button{font:inherit;min-height:2.9rem;padding:.4rem 1.25rem;border:2px solid var(--line);border-radius:.5rem;background:transparent;color:inherit;cursor:pointer}
button.primary{border-color:var(--go)}button.danger{border-color:var(--stop)}button[aria-pressed=true]{font-weight:700;box-shadow:inset 0 0 0 2px currentColor}
button:focus-visible,select:focus-visible,textarea:focus-visible,input:focus-visible,a:focus-visible,blockquote:focus-visible{outline:3px solid var(--go);outline-offset:2px}
label{display:block;font-weight:600;margin:1rem 0 .25rem}label.tick{font-weight:400;display:flex;gap:.6rem;align-items:baseline}
select,textarea{font:inherit;width:100%;padding:.5rem;border:1px solid var(--soft);border-radius:.4rem;background:var(--paper);color:inherit}
textarea{min-height:5.5rem}.hint{color:var(--soft);font-size:.9rem;margin:.15rem 0}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",  # the address is the permission: it goes nowhere
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}


def page(sheet: Sheet) -> str:
    """The whole page; every word from elsewhere is escaped here."""
    parts = [f"<h1>{escape(sheet.title)}</h1>"]
    if sheet.news:
        parts.append(f'<p class="news" role="status">{escape(sheet.news)}</p>')
    parts += [f"<p>{escape(line)}</p>" for line in sheet.lines]
    if sheet.quote is not None:
        parts.append(f'<blockquote tabindex="0" aria-label="The output">{escape(sheet.quote)}</blockquote>')
    if sheet.link:
        parts.append(f'<p><a href="{escape(sheet.link)}" rel="noreferrer noopener">Open the output where it stands</a></p>')
    if sheet.choices or sheet.fields or sheet.after:
        inner = _row(sheet.choices) + "".join(_field(each) for each in sheet.fields) + _row(sheet.after)
        parts.append(f'<form method="post">{inner}</form>')
    if sheet.foot:
        parts.append(f'<p class="foot">{escape(sheet.foot)}</p>')
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(sheet.title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{"".join(parts)}</main></body></html>'


def _row(choices: Sequence[Choice]) -> str:
    if not choices:
        return ""
    return f'<div class="row">{"".join(_button(each) for each in choices)}</div>'


def _button(choice: Choice) -> str:
    pressed = ' aria-pressed="true"' if choice.chosen else ""
    style = choice.style if choice.style in ("primary", "danger") else "plain"
    return f'<button class="{style}" name="{escape(choice.name)}" value="{escape(choice.value)}"{pressed}>{escape(choice.label)}</button>'


def _field(each: Field) -> str:
    name = escape(each.name)
    hint = f'<p class="hint" id="{name}-hint">{escape(each.hint)}</p>' if each.hint else ""
    told = f' aria-describedby="{name}-hint"' if each.hint else ""
    if each.tick:
        ticked = " checked" if each.value else ""
        return f'<label class="tick"><input type="checkbox" name="{name}" value="yes"{ticked}{told}><span>{escape(each.label)}</span></label>{hint}'
    label = f'<label for="{name}">{escape(each.label)}</label>'
    if each.options:
        options = "".join(f'<option value="{escape(value)}"{" selected" if value == each.value else ""}>{escape(words)}</option>' for value, words in each.options)
        return f'{label}<select id="{name}" name="{name}"{told}>{options}</select>{hint}'
    return f'{label}<textarea id="{name}" name="{name}" maxlength="3000"{told}>{escape(each.value)}</textarea>{hint}'
