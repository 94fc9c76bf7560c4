def divide(event, headers):
    return str(100 / float(event))
