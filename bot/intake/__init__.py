"""What agents report over HTTP or from files: read, judged, stored in groups, and handed to the rooms that own it."""
