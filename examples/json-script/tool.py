"""A script whose main() gets the handler string and the parsed event."""


def main(handler, event):
    return {"handler": handler, "words": len(event["text"].split())}
