"""How much people are called, and how much of it was noise."""
