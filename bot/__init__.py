"""aiops-bot: the operations layer that AI agents lack, lived in Slack."""

__version__ = "0.1.0"
