"""Results in Python, cell by cell: tidewire sweep scripts/tcp_vs_udp.lua, then python3 docs/analysis/loss.py [FOLDER]

Needs pandas; nothing but read_csv() without arguments is asked of it.
"""

# %% Load: every row carries its parameters.
import sys

import pandas as pd

folder = sys.argv[1] if len(sys.argv) > 1 else "results/tcp_vs_udp/latest"
runs = pd.read_csv(f"{folder}/runs.csv")
flows = pd.read_csv(f"{folder}/flows.csv")
links = pd.read_csv(f"{folder}/links.csv")
ledger = pd.read_csv(f"{folder}/ledger.csv")
summary = pd.read_csv(f"{folder}/summary.csv")
print(f"{len(runs)} runs, {len(flows)} flows, parameters proto and loss (as a number: loss_ratio)")
assert runs.status.eq("ok").all()
assert runs.loss_ratio.between(0, 1).all()

# %% Means over the replications of each point: the same as those of summary.csv.
means = runs.groupby(["proto", "loss_ratio"]).goodput_mbps.agg(["mean", "std", "count"]).reset_index()
print(means.pivot(index="loss_ratio", columns="proto", values="mean").round(2))
theirs = summary[summary.metric == "goodput_mbps"]
both = means.merge(theirs, on=["proto", "loss_ratio"], suffixes=("", "_theirs"))
assert len(both) == len(means)
assert (both["mean"] - both["mean_theirs"]).abs().max() < 1e-9
assert (both["std"] - both["sd"]).abs().max() < 1e-9

# %% Replications are paired: the same replication has the same luck at every point. Differences are taken run by run.
wide = runs.pivot(index=["loss_ratio", "rep"], columns="proto", values="goodput_mbps")
gap = (wide.udp - wide.tcp).groupby("loss_ratio").agg(["mean", "sem"])
print("UDP minus TCP, in Mbit/s:", gap.round(3), sep="\n")
assert gap["mean"].iloc[-1] > 1, "with much loss UDP is far ahead"

# %% Where did the packets go? The books balance: what was lost on the link is about the loss rate.
sent = ledger.groupby(["proto", "loss_ratio"]).packets.sum()
lost = ledger[ledger.cause.str.contains("loss")].groupby(["proto", "loss_ratio"]).packets.sum()
share = (lost / sent).dropna()
print("lost share of all packets:", share.round(4), sep="\n")

# %% Flows and links have their own tables.
udp = flows[flows.transport == "udp"].groupby("loss_ratio").delay_p95_ms.mean()
tcp = flows[flows.transport == "tcp"].groupby("loss_ratio").delay_p95_ms.mean()
print("95 % of bytes are delivered within, in ms:", pd.DataFrame({"tcp": tcp, "udp": udp}).round(1), sep="\n")
assert links.utilization_pct.between(0, 100).all()
print("all of it agrees")
