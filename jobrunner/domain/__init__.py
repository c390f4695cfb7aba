"""What the words mean: states, outcomes, specifications, and the ports that the engine speaks through. No I/O."""
