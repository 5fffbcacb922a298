"""Real data, which nobody here wrote, replayed through the whole product and counted once more by hand."""
