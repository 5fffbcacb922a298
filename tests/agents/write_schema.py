"""Write docs/aiops.schema.json anew from the code: `python -m tests.agents.write_schema`."""

import json
from pathlib import Path

from bot.agents.files import schema

(Path(__file__).resolve().parents[2] / "docs" / "aiops.schema.json").write_text(json.dumps(schema(), indent=2) + "\n")
