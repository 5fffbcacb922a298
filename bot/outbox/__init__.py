"""Messages as rows: flows write what should be shown, delivery makes Slack agree."""
