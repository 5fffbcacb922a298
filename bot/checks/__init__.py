"""Promises about agents: looked at when due, judged purely, and opened as problems when they fail."""
