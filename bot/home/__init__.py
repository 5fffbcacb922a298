"""App Home: what is yours, what waits for you, and what you could rate."""
