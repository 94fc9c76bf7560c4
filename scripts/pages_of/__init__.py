"""The pages that are made from something else, a module for each kind."""
