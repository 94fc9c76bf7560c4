"""Queues whose servers and brokers are killed while messages are under way."""
