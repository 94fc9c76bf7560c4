"""What a handler string was probably meant to be, if it cannot be used as it is."""

from __future__ import annotations


def intended(spec: str) -> str:
    """What is wrong with a handler string that nearly names a function or a script, and what to write.

    Returns:
        A clause for an error message, or an empty string for a string that does not look like either.
    """
    text = spec.strip()
    module, colon, attribute = (part.strip() for part in text.partition(":"))
    if colon:
        if not _is_name(module) or not all(name.isidentifier() for name in attribute.split(".")):
            return ""
        return (
            f"the colon is how web servers and Nuclio write it; {_advice(module, attribute)}, or set "
            "HANDLER_CONVENTION to asgi or wsgi for a web application, or to nuclio; these accept the colon"
        )
    if text != spec and _is_name(text) and "." in text:
        return f"there are spaces or line ends around it; write {text}"
    return ""


def _advice(module: str, attribute: str) -> str:
    if module.endswith((".pyz", ".zip")):
        return f"write {module}/{attribute}"
    if module.endswith(".py") and attribute == "main":
        return f"write {module}, which calls its main()"
    module = module.removesuffix(".py")
    if "." in attribute:
        return f"bind {attribute} to a name in the module, and write {module}.name"
    return f"write {module}.{attribute}"


def _is_name(text: str) -> bool:
    """Whether it may be the path of a file or the dotted name of a module."""
    parts = text.replace("/", ".").split(".")
    return bool(text) and all(part.replace("-", "_").isidentifier() for part in parts if part)
