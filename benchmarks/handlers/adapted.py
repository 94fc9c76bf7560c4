"""The same applications behind mangum, as it is and with its lifespan off, and behind apig-wsgi."""

import apig_wsgi
import mangum
import webapp  # type: ignore[import-not-found]  # a handler finds it in its own folder

asgi = mangum.Mangum(webapp.asgi)
asgi_off = mangum.Mangum(webapp.asgi, lifespan="off")
wsgi = apig_wsgi.make_lambda_handler(webapp.wsgi)
