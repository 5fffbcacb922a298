"""Identity, roles, and who may do what."""
