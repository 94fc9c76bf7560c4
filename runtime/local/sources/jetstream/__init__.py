"""Streams of NATS JetStream as event sources."""
