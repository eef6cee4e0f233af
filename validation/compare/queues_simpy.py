"""The same models written in SimPy: mean time in system, 95 % interval over trials, customers per second.

pip install simpy, then: python queues_simpy.py [customers per trial] [trials]
SimPy has processes and resources; processor sharing would have to be written by hand, and is left out.
"""
import random
import statistics
import sys
import time

import simpy
from scipy.stats import t as student

CUSTOMERS = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
TRIALS = int(sys.argv[2]) if len(sys.argv) > 2 else 10


def customer(env, server, rng, name, priority, log):
    arrival, left = env.now, 1.0 if name == "M/D/1" else rng.expovariate(1)
    while left > 0:
        request = server.request() if priority is None else server.request(priority=priority)
        with request:
            yield request
            start = env.now
            try:
                yield env.timeout(left)
                left = 0
            except simpy.Interrupt:
                left -= env.now - start
    log.append((arrival, env.now, priority))


def source(env, server, rng, name, rate, priority, log):
    while True:
        yield env.timeout(rng.expovariate(rate))
        env.process(customer(env, server, rng, name, priority, log))


def run(name, rho, exact):
    means, start, served = [], time.perf_counter(), 0
    for trial in range(TRIALS):
        rng, env, log = random.Random(trial), simpy.Environment(), []
        servers = 4 if name == "M/M/4" else 1
        if name == "priority":
            server = simpy.PriorityResource(env, 1)
        elif name == "priority-preemptive":
            server = simpy.PreemptiveResource(env, 1)
        else:
            server = simpy.Resource(env, servers)
        streams = [(0.5, 0), (0.3, 1)] if name.startswith("priority") else [(servers * rho, None)]
        for rate, priority in streams:
            env.process(source(env, server, rng, name, rate, priority, log))
        total = sum(rate for rate, _ in streams)
        warmup, end = 0.1 * CUSTOMERS / total, 1.1 * CUSTOMERS / total
        env.run(until=end)
        served += len(log)
        means.append(statistics.fmean(out - arrival for arrival, out, p in log if arrival > warmup and p in (None, 1)))
    seconds = time.perf_counter() - start
    half = student.ppf(0.975, TRIALS - 1) * statistics.stdev(means) / TRIALS**0.5
    print(f"{name},{rho},{exact},{statistics.fmean(means):.4f},{half:.4f},{served / seconds:.0f}", flush=True)


if __name__ == "__main__":
    print("model,rho,exact W,W,half-width,customers per second")
    for name, rho, exact in [("M/M/1", 0.5, 2), ("M/M/1", 0.9, 10), ("M/M/4", 0.9, 2.9694), ("M/D/1", 0.9, 5.5),
                             ("priority", 0.8, 9), ("priority-preemptive", 0.8, 10)]:
        run(name, rho, exact)
