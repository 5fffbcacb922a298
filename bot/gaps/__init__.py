"""Domain gaps: what an agent did not know, who supplies it, and what that changed."""
