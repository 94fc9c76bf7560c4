"""Queues of SQS as event sources."""
