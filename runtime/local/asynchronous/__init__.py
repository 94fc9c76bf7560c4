"""Events that no caller waits for: the queue, its file, and the destinations of what fails."""
