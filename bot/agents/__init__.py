"""The registry: who owns what, from aiops.yml and from Slack."""
