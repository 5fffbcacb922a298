"""The `aiops` command: `up` starts at once, everything else goes through the command line's parser."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["up"]:
        # The one command whose start somebody waits for: the parser alone costs a quarter of a second, and while
        # importing makes only what stays, there is nothing to collect (the server turns collecting on again).
        gc.disable()
        from bot.serve import start

        start()
    else:
        from bot.cli import main as command_line

        command_line()


if __name__ == "__main__":
    main()
