"""A script whose `main()` receives the handler string and the parsed event."""


def main(handler, event):
    return {"handler": handler, "words": len(event["text"].split())}
