"""The web application: the Invoke API, function URLs and the page."""
