"""A Django site, as ASGI and as WSGI."""

import json

import django
from described import described
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="for tests only", USE_TZ=True,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)  # fmt: skip
django.setup()


@csrf_exempt
def echo(request, rest=""):
    query = [(name, value) for name, values in request.GET.lists() for value in values]
    return JsonResponse(described(
        request.method, request.build_absolute_uri(), request.path, query,
        request.headers.items(), request.COOKIES, request.body,
    ))  # fmt: skip


@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    return JsonResponse([file.name, file.content_type, len(file.read()), request.POST["name"]], safe=False)


def cookies(request):
    response = HttpResponse("cookies")
    response.set_cookie("a", "1", max_age=60)
    response.set_cookie("b", "2", httponly=True)
    return response


def found(request):
    return HttpResponseRedirect("/echo")


async def parts():
    for number in range(3):
        yield f"{number}\n"


def stream(request):
    return StreamingHttpResponse((f"{number}\n" for number in range(3)), content_type="text/plain")


@csrf_exempt
def events(request):
    return JsonResponse(json.loads(request.body))


def slash(request):
    return HttpResponse("slash")


urlpatterns = [
    path("echo", echo), re_path("^echo/(?P<rest>.*)$", echo), path("upload", upload), path("cookies", cookies),
    path("found", found), path("stream", stream), path("events", events), path("slash/", slash),
]  # fmt: skip
asgi = get_asgi_application()
wsgi = get_wsgi_application()
