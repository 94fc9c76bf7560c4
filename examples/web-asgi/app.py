from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


class Order(BaseModel):
    item: str
    count: int = 1


@asynccontextmanager
async def lifespan(app):
    yield {"prices": {"tea": 3, "cup": 5}}


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
async def order(order: Order, request: Request, tasks: BackgroundTasks):
    total = request.state.prices[order.item] * order.count
    tasks.add_task(print, "packing", order.count, order.item)
    return {"total": total}


@app.get("/countdown")
async def countdown():
    async def lines():
        for number in (3, 2, 1):
            yield f"{number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


@app.post("/events")
async def events(request: Request):
    event = await request.json()
    return {"records": len(event.get("Records", []))}
