"""A worker that holds locks by redis-py, for the tests beside it.

It is told what to do on stdin and answers on stdout, one JSON object a line. Names and
tokens are any bytes, in base64. It ends with its stdin.

    peer.py HOST PORT
"""

import base64
import json
import sys
import time

import redis
from redis.lock import Lock


def client(**options):
    return redis.Redis(sys.argv[1], int(sys.argv[2]), socket_timeout=30, **options)


raw, decoding = client(), client(decode_responses=True)
locks = []


def data(order, key):
    """The bytes of a name or token, or the str if the order says that it is text."""
    if order.get(key) is None:
        return None
    value = base64.b64decode(order[key])
    return value.decode() if order.get("text") else value


def make(order):
    conn = decoding if order.get("text") else raw
    locks.append(Lock(conn, data(order, "name"), order.get("timeout"), order["sleep"]))
    return len(locks) - 1


def acquire(lock, order):
    return lock.acquire(
        blocking=order.get("blocking"),
        blocking_timeout=order.get("wait"),
        token=data(order, "token"),
    )


def adopt(lock, order):
    """Takes a token up as if this lock had been acquired with it."""
    lock.local.token = base64.b64decode(order["token"])
    return True


def token(lock, order):
    return base64.b64encode(lock.local.token).decode()


def count(lock, order):
    """Increments a key for some seconds, not atomically, under the lock; how often?"""
    end, n = time.monotonic() + order["seconds"], 0
    while time.monotonic() < end:
        if not lock.acquire(blocking_timeout=20):
            raise TimeoutError("not acquired within 20 s")
        value = int(raw.get(order["key"]) or 0)
        time.sleep(order["pause"])
        raw.set(order["key"], value + 1)
        lock.release()
        n += 1
        time.sleep(4 * order["pause"])
    return n


ORDERS = {
    "acquire": acquire,
    "adopt": adopt,
    "count": count,
    "extend": lambda lock, order: lock.extend(order["seconds"], order.get("replace", False)),
    "locked": lambda lock, order: lock.locked(),
    "owned": lambda lock, order: lock.owned(),
    "reacquire": lambda lock, order: lock.reacquire(),
    "release": lambda lock, order: lock.release() is None,
    "token": token,
}

for line in sys.stdin:
    order = json.loads(line)
    try:
        if order["op"] == "lock":
            answer = {"value": make(order)}
        else:
            answer = {"value": ORDERS[order["op"]](locks[order["lock"]], order)}
    except Exception as e:
        answer = {"raised": type(e).__name__, "text": str(e)}
    print(json.dumps(answer), flush=True)
