"""An owner hands over and the knowledge travels; an agent retires and nothing of it is left lying."""
