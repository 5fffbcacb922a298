"""What people do in Slack, and how they are answered: the edge that every room's handlers stand behind."""
