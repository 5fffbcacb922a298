"""Agreed quiet: silences and maintenance windows, and whom they cover."""
