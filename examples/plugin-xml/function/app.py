"""A handler for the convention that the plugin adds."""


def greet(root):
    root.text = f"Hello, {root.get('name')}!"
    return root
