"""Your list: one message a day per person with all that waits for them and is no page."""
