"""How much an agent may do, and the way back to what it could do before."""
