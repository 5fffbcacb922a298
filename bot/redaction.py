"""Blacking out what must not leave in texts: known kinds at once, a registry's own patterns in a process that can be stopped."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import orjson

SECONDS = 1.0  # for one text and all the patterns of a registry
WITHHELD = "[withheld: a redaction pattern took too long on this text]"
LONGEST = 500  # characters of a pattern

_WORKER = Path(__file__).with_name("redaction_worker.py")
_MOST_STUCK = 3  # texts on which a pattern may be stopped; then it is not tried on the rest, and they are withheld too

_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}\b", re.IGNORECASE)
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d])")
_PHONE = re.compile(r"(?<![\w.@-])(?:\+|00)\d(?:[ ./()-]{0,2}\d){6,14}(?!\w)|(?<![\w.@:/-])\(?0\d{1,4}\)?(?:[ ./-]?\d){5,10}(?![\w-])|(?<![\w.@-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\w)")
# Keys that programs sign in with, by the marks that their makers gave them.
_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]{1,20} ){0,3}PRIVATE KEY-----[^-]{0,8000}(?:-----END (?:[A-Z]{1,20} ){0,3}PRIVATE KEY-----)?"
    r"|\b(?:sk|rk|pk)[-_](?:[a-z]{2,8}[-_]){0,3}(?=[A-Za-z_-]{0,200}\d)[A-Za-z0-9_-]{16,200}"
    r"|\b(?:gh[oprsu]_|github_pat_|glpat-|hf_|npm_|lsv2_(?:pt|sk)_|xox[a-z]-|xapp-|aiops_[0-9a-f]{12}_)[A-Za-z0-9_-]{16,255}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{35}"
    r"|\beyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,1000}"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/-]{20,4000}={0,2}"
)
_IP = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.]*\d)|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?![\w:])")


def _is_card(text: str) -> bool:
    """Luhn's check digit (ISO/IEC 7812-1, annex B)."""
    digits = [int(each) for each in text if each.isdigit()]
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * each, 10)) for each in digits[-2::-2])
    return 13 <= len(digits) <= 19 and total % 10 == 0 and len(set(digits)) > 1


def _iban_length(text: str) -> int:
    """How many characters of what looks like an IBAN are one (ISO 13616: remainder 1 of 97); 0 where none are."""
    for end in range(len(text), 14, -1):
        plain = re.sub(r"[ -]", "", text[:end]).upper()
        if not text[end - 1].isalnum() or not 15 <= len(plain) <= 34:
            continue
        if end < len(text) and text[end].isalnum():
            continue
        if int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1:
            return end
    return 0


def _iban(found: re.Match[str]) -> str:
    length = _iban_length(found[0])
    return "[iban]" + found[0][length:] if length else found[0]


# In this order: what is longest and surest first, so that a card's digits are not taken for a telephone's.
NAMES: dict[str, tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = {
    "key": (_KEY, lambda _: "[key]"),
    "email": (_EMAIL, lambda _: "[email]"),
    "iban": (_IBAN, _iban),
    "card": (_CARD, lambda found: "[card]" if _is_card(found[0]) else found[0]),
    "ip": (_IP, lambda _: "[ip]"),
    "phone": (_PHONE, lambda found: found[0] if _is_date(found[0]) else "[phone]"),
}


def _is_date(text: str) -> bool:
    return re.fullmatch(r"\d{2}[./-]\d{2}[./-]\d{4}", text) is not None


def why_unsafe(pattern: str) -> str | None:
    """Why a registry may not have this pattern, as the end of a sentence; None where it may."""
    if len(pattern) > LONGEST:
        return f"is longer than {LONGEST} characters"
    try:
        made = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    if made.fullmatch("") or made.search(""):
        return "also matches where there is nothing: it would hide between every two letters"
    return None


def redact(text: str, hide: Sequence[str]) -> str:
    """The text without the known kinds of personal data."""
    for name, (pattern, put) in NAMES.items():
        if name in hide:
            text = pattern.sub(put, text)
    return text


def redact_all(texts: Sequence[str], hide: Sequence[str], patterns: Mapping[str, str], *, seconds: float = SECONDS) -> list[str]:
    """All of them, the registry's own patterns first; a text on which those take longer than `seconds` is withheld whole.

    Python's regular expressions cannot be interrupted: they run in a process of their own, which is stopped.
    """
    given = list(texts)
    if patterns and any(given):
        given = _by_patterns(given, patterns, seconds)
    return [each if each == WITHHELD else redact(each, hide) for each in given]


def _by_patterns(texts: list[str], patterns: Mapping[str, str], seconds: float) -> list[str]:
    done: list[str] = []
    while len(done) < len(texts):
        left = texts[len(done) :]
        with subprocess.Popen([sys.executable, "-I", "-S", str(_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:  # noqa: S603 - our own file
            stuck = _work_off(worker, orjson.dumps({"patterns": dict(patterns), "texts": left, "seconds": seconds}), len(left), done, seconds)
        if stuck:
            done.append(WITHHELD)
            if done.count(WITHHELD) >= _MOST_STUCK:
                done += [WITHHELD] * (len(texts) - len(done))
    return done


def _work_off(worker: subprocess.Popen[bytes], asked: bytes, count: int, done: list[str], seconds: float) -> bool:
    """Take over what the worker finished; True where it was stopped at the next one."""
    try:
        answer, _ = worker.communicate(asked, timeout=seconds * count + 10)
    except subprocess.TimeoutExpired as late:  # its own alarm did not stop it: we do
        worker.kill()
        answer = late.stdout or b""
        worker.communicate()
    lines = [line for line in answer.split(b"\n") if line]
    done.extend(orjson.loads(line) for line in lines[:count])
    return len(lines) < count
