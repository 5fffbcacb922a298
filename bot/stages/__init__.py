"""What each agent must obey now: who ordered it, and why."""
