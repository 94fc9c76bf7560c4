"""The local platform: AWS Lambda's side of a function, on the developer's own machine."""
