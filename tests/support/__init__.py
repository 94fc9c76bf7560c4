"""What the tests share: runtimes to start, what they talk to, and what they leave behind."""
