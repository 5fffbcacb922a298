"""The places that can be told of a vote: one file each, one list of them all in `known.py`."""
