"""The executor on Docker. Start reading at executor.py; a room each for how it connects, words, output and pulls."""
