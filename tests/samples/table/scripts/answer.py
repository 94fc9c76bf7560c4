def main(handler, event):
    return {"handler": handler, "event": event}
