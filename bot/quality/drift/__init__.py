"""Whether quality has moved since its baseline: noticed as early as the promise on false alarms allows."""
