"""The demo fleet: 18 made-up agents in 4 departments, with a clearly marked synthetic history and a live trickle."""
