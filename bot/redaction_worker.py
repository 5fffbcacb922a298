"""Applies a registry's patterns to texts, one line of JSON each; stops itself (SIGALRM) on a text that takes too long."""

import json
import re
import signal
import sys


def work() -> None:
    """Read one question from standard input, and write one answer a line."""
    asked = json.load(sys.stdin)
    patterns = [(re.compile(pattern), f"[{name}]") for name, pattern in asked["patterns"].items()]
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the system ends the process, also in the middle of a match
    for text in asked["texts"]:
        signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
        for pattern, put in patterns:
            text = pattern.sub(put, text)  # a name holds nothing that a replacement would read as a group
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(json.dumps(text) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    work()
