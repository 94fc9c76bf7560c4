"""A plugin that offers AWS's convention under another name."""

from conventions.lambda_ import lambda_


def dispatch_conventions():
    return {"lambda2": lambda_}
