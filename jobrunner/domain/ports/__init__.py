"""What the engine needs from the outside world, as Protocols: a room a neighbour.

Adapters implement them; tests/contracts judge them. Every method may raise the ServiceUnavailable of its service
(StoreUnavailable, QueueUnavailable, EngineUnavailable).
"""
