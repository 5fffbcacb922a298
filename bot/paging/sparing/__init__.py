"""What spares people calls: one page for several problems, failures that come from another, those that come and go, agreed quiet."""
