"""How good an agent's outputs are: observations, scores, baselines, verdicts."""
