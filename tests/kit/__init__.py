"""What the tests share: databases built by the migrations, a moved clock, and a house with a Slack-like world outside."""
