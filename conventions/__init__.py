"""The conventions that come with the project: one plugin each, made as anyone's."""
