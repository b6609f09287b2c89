"""A client of redis-py's Lock, or valkey-py's, for the trials beside Holdfast.

    redispy.py redis|valkey|django_redis sync|asyncio HOST PORT

It is told what to do on stdin and answers on stdout, one JSON object a line (order and answer in worker.go), and
ends with its stdin. It has one lock at a time.
"""

import asyncio
import base64
import importlib
import json
import sys

MODULE, MODE, HOST, PORT = sys.argv[1:]
module = importlib.import_module(MODULE)
lock = None


def setup():
    """The client, and how a lock of a name and a timeout is made."""
    if MODULE == "django_redis":
        from django.conf import settings

        backend = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"redis://{HOST}:{PORT}/0"}
        settings.configure(CACHES={"default": backend})
        from django.core.cache import cache

        return cache.client.get_client(), cache.lock
    name = MODULE if MODE == "sync" else MODULE + ".asyncio"
    client = getattr(importlib.import_module(name), MODULE.capitalize())(host=HOST, port=int(PORT))
    Lock = importlib.import_module(name + ".lock").Lock
    return client, lambda key, timeout: Lock(client, key, timeout=timeout)


client, make = setup()
VERSION = module.__version__ if isinstance(module.__version__, str) else ".".join(map(str, module.VERSION))


def seconds(ms):
    return ms / 1000 if ms else None


async def finish(result):
    return await result if asyncio.iscoroutine(result) else result


async def acquire(order):
    global lock
    lock = make(order["key"], timeout=seconds(order.get("ttl")))
    if order.get("wait"):
        return await finish(lock.acquire(blocking_timeout=seconds(order["wait"])))
    return await finish(lock.acquire(blocking=False))


async def extend(order):
    return await finish(lock.extend(seconds(order["ttl"])))


async def release(order):
    await finish(lock.release())
    return True


async def adopt(order):
    global lock
    lock = make(order["key"], timeout=seconds(order["ttl"]))
    lock.local.token = base64.b64decode(order["token"])
    return True


async def token(order):
    return base64.b64encode(lock.local.token).decode()


ORDERS = {"acquire": acquire, "extend": extend, "release": release, "adopt": adopt, "token": token}


async def answer(line):
    order = json.loads(line)
    try:
        value = await ORDERS[order["op"]](order)
    except Exception as e:
        return {"error": type(e).__name__, "text": str(e)}
    return {"token": value} if order["op"] == "token" else {"ok": value}


async def main():
    await finish(client.ping())
    print(json.dumps({"version": f"{VERSION} on Python {sys.version.split()[0]}"}), flush=True)
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        print(json.dumps(await answer(line)), flush=True)


asyncio.run(main())
