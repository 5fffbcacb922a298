"""`/aiops page test`: whether a call would reach somebody, tried by each of their routes."""
