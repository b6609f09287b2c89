"""redis-py's process in the comparison: child.go's, for the order "cycle" alone.

It is told what to do on stdin, one JSON object a line, and ends with it.
"""

import json
import os
import platform
import queue
import random
import sys
import threading
import time

import redis
from redis.lock import Lock

POLL = float(sys.argv[1])  # seconds
SUB_BITS = 5  # hist.go's


def bucket(ns):
    ns = max(ns, 0)
    e = max(ns.bit_length() - SUB_BITS - 1, 0)
    return (e << SUB_BITS) + (ns >> e)


class Runner(threading.Thread):
    """One caller; what each order means is said in proto.go."""

    def __init__(self, client, setup, order, name):
        super().__init__(daemon=True)
        self.order = order
        self.lock = Lock(client, name, timeout=setup["TTL"] / 1e9, sleep=POLL)
        self.count = self.failed = self.wait_sum = 0
        self.rate, self.failure = 0.0, ""
        self.buckets, self.events = {}, []

    def run(self):
        begin = time.monotonic_ns()
        end = begin + self.order["For"]
        paused, going = 0, True
        while going and time.monotonic_ns() < end:
            if self.order["Pause"]:
                slept = time.monotonic_ns()
                time.sleep(self.order["Pause"] / 1e9)
                paused += time.monotonic_ns() - slept
            going = self.burst(end)
        self.rate = self.count * 1e9 / (time.monotonic_ns() - begin - paused)

    def burst(self, end):
        for _ in range(max(self.order["Burst"], 1)):
            try:
                if not self.once(end):
                    return False
            except redis.RedisError as e:
                self.failed += 1
                self.failure = str(e)
        return True

    def once(self, end):
        o = self.order
        asked = time.monotonic_ns()
        patience = max(end - asked, 0) / 1e9 if o["Shared"] else None
        ok = self.lock.acquire(blocking_timeout=patience)
        got = time.monotonic_ns()
        b = bucket(got - asked)
        self.buckets[b] = self.buckets.get(b, 0) + 1
        self.wait_sum += got - asked
        if not ok:
            return False  # the time is up
        if got <= end or not o["Shared"]:
            self.count += 1
        if o["Hold"]:
            time.sleep(o["Hold"] / 1e9 * random.uniform(0.75, 1.25))
        called = time.monotonic_ns()
        self.lock.release()
        if o["Log"]:
            wall = time.time_ns() - time.monotonic_ns()
            self.events.append({"Asked": asked + wall, "Got": got + wall, "Called": called + wall})
        if o["Think"]:
            time.sleep(o["Think"] / 1e9)
        return True


def cycle(client, setup, o):
    names = [o["Name"] if o["Shared"] else f"{o['Name']}:{i}" for i in range(o["Goroutines"])]
    runners = [Runner(client, setup, o, name) for name in names]
    if o["At"]:
        time.sleep(max(o["At"] - time.time_ns(), 0) / 1e9)
    if len(runners) == 1:
        runners[0].run()
    else:
        for r in runners:
            r.start()
        for r in runners:
            r.join()
    a = {"Rate": 0.0, "Count": 0, "Failed": 0, "Failure": "", "Events": []}
    buckets, wait_sum = {}, 0
    for r in runners:
        a["Rate"] += r.rate
        a["Count"] += r.count
        a["Failed"] += r.failed
        a["Failure"] = a["Failure"] or r.failure
        a["Events"] += r.events
        wait_sum += r.wait_sum
        for b, n in r.buckets.items():
            buckets[b] = buckets.get(b, 0) + n
    a["Waits"] = {"sum": wait_sum, "buckets": buckets}
    if o["Shared"]:
        a["Rate"] = a["Count"] * 1e9 / o["For"]
    return a


def work(orders):
    setup = orders.get()
    try:
        host, port = setup["Addr"].rsplit(":", 1)
        client = redis.Redis(host, int(port), socket_timeout=30)
        with Lock(client, f"bench:first:{os.getpid()}", timeout=10):
            pass
        a = {"Version": f"{redis.__version__} on Python {platform.python_version()}"}
    except Exception as e:
        a = {"Error": repr(e)}
    while True:
        print(json.dumps(a), flush=True)
        o = orders.get()
        if o["Op"] == "cycle":
            a = cycle(client, setup, o)
        else:
            a = {"Error": "redis-py's process does not know " + o["Op"]}


def main():
    orders = queue.Queue()
    threading.Thread(target=work, args=(orders,), daemon=True).start()
    for line in sys.stdin:
        orders.put(json.loads(line))
    os._exit(0)


main()
