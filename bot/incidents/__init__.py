"""Incidents: a failure worked on in a thread, along a protocol that gates the closing."""
