"""The pager watches itself: it finds what nobody would hear of, repairs it, and says so."""
