"""What agents ask of people: hand-offs and approvals, and what they may do without asking."""
