"""Charts of quality for people who look rather than read: values, words, Slack's own chart block, and a picture. Pure."""
