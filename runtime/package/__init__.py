"""Builds archives for AWS Lambda (layers, functions, a self-contained bootstrap), checks them, and publishes them."""
