"""`/aiops status`: the fleet at a glance and each agent in depth, from folded rows; and the words of help."""
