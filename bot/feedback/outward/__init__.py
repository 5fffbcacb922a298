"""What people said of outputs goes back to where the agent can learn from it."""
