"""HTTP in: requests to the engine's verbs, and what they return to answers. It decides nothing itself."""
