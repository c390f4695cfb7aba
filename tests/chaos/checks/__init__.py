"""What a run is judged by, a promise a file. Each rule is pure: from a record to the violations in it."""
