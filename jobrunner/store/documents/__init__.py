"""The documents in MongoDB: their fields, and each index beside the query that needs it."""
