"""Thumbs on outputs, outputs shown to be rated, and the daily review queue."""
