"""A FastAPI application with what such applications use."""

from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Cookie, Depends, FastAPI, File, Form, Header, HTTPException, Request, UploadFile
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from pydantic import BaseModel

import dispatch


class Item(BaseModel):
    name: str
    price: float


@asynccontextmanager
async def lifespan(app):
    yield {"prices": {}}


app = FastAPI(lifespan=lifespan)
app.add_middleware(GZipMiddleware, minimum_size=500)
app.add_middleware(CORSMiddleware, allow_origins=["https://example.com"], allow_methods=["*"])


async def closing():
    yield "open"


@app.post("/items", status_code=201)
async def create(item: Item, request: Request, kept: Annotated[str, Depends(closing)]):
    request.state.prices[item.name] = item.price
    return {**item.model_dump(), "kept": kept}


@app.get("/items/{name}")
def read(name: str, request: Request, limit: int = 1, theme: Annotated[str, Cookie()] = "", x_own: Annotated[str, Header()] = ""):
    if name == "missing":
        raise HTTPException(404, "no such item", {"x-reason": "missing"})
    return {"name": name, "limit": limit, "theme": theme, "x_own": x_own}


@app.post("/files")
async def files(file: Annotated[UploadFile, File()], name: Annotated[str, Form()]):
    return {"size": len(await file.read()), "type": file.content_type, "file": file.filename, "name": name}


@app.get("/long")
def long():
    return {"text": "long " * 500}


@app.get("/invocation")
def invocation(request: Request):
    """In a thread of a pool."""
    return {
        "same": dispatch.current().request_id == request.scope["aws.context"].aws_request_id,
        "path": request.scope["aws.event"]["rawPath"],
    }


@app.get("/fail")
async def fail():
    raise LookupError("no such thing")
