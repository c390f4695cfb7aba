"""Faults while jobs run, by a plan; and a checker that reads afterwards what was promised, and what came."""
