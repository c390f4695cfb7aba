"""Tell people and programs outside what became of an execution: webhooks and e-mail."""
