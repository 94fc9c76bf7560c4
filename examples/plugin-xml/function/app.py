"""A handler for the plugin's convention."""


def greet(root):
    root.text = f"Hello, {root.get('name')}!"
    return root
