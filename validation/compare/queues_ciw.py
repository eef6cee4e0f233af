"""M/M/1, M/M/4, M/D/1, two priorities and M/M/1-PS in Ciw: mean time in system, 95 % interval over trials, customers per second.

pip install ciw, then: python queues_ciw.py [customers per trial] [trials]
"""
import statistics
import sys
import time

import ciw
from scipy.stats import t as student

CUSTOMERS = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
TRIALS = int(sys.argv[2]) if len(sys.argv) > 2 else 10
EXP = ciw.dists.Exponential


def network(name, rho):
    if name == "M/M/4":
        return ciw.create_network(arrival_distributions=[EXP(4 * rho)], service_distributions=[EXP(1)], number_of_servers=[4]), 4 * rho
    if name == "M/D/1":
        return ciw.create_network(arrival_distributions=[EXP(rho)], service_distributions=[ciw.dists.Deterministic(1)], number_of_servers=[1]), rho
    if name in ("priority", "priority-preemptive"):
        kind = "resume" if name.endswith("preemptive") else False
        return ciw.create_network(
            arrival_distributions={"1": [EXP(0.5)], "2": [EXP(0.3)]},
            service_distributions={"1": [EXP(1)], "2": [EXP(1)]},
            priority_classes=({"1": 0, "2": 1}, [kind]),
            number_of_servers=[1],
        ), 0.8
    if name == "M/M/1-PS":
        return ciw.create_network(arrival_distributions=[EXP(rho)], service_distributions=[EXP(1)], number_of_servers=[float("inf")], ps_thresholds=[1]), rho
    return ciw.create_network(arrival_distributions=[EXP(rho)], service_distributions=[EXP(1)], number_of_servers=[1]), rho


def run(name, rho, exact):
    means, start, served = [], time.perf_counter(), 0
    for trial in range(TRIALS):
        net, rate = network(name, rho)
        warmup, end = 0.1 * CUSTOMERS / rate, 1.1 * CUSTOMERS / rate
        ciw.seed(trial)
        node = ciw.PSNode if name == "M/M/1-PS" else ciw.Node
        sim = ciw.Simulation(net, node_class=node)
        sim.simulate_until_max_time(end)
        records = [r for r in sim.get_all_records(only=["service"]) if r.arrival_date > warmup]
        served += len(records)
        if name.startswith("priority"):
            records = [r for r in records if r.customer_class == "2"]
        means.append(statistics.fmean(r.exit_date - r.arrival_date for r in records))
    seconds = time.perf_counter() - start
    half = student.ppf(0.975, TRIALS - 1) * statistics.stdev(means) / TRIALS**0.5
    print(f"{name},{rho},{exact},{statistics.fmean(means):.4f},{half:.4f},{1.1 * served / seconds:.0f}", flush=True)


if __name__ == "__main__":
    print("model,rho,exact W,W,half-width,customers per second")
    for name, rho, exact in [("M/M/1", 0.5, 2), ("M/M/1", 0.9, 10), ("M/M/4", 0.9, 2.9694), ("M/D/1", 0.9, 5.5),
                             ("priority", 0.8, 9), ("priority-preemptive", 0.8, 10), ("M/M/1-PS", 0.8, 5)]:
        run(name, rho, exact)
