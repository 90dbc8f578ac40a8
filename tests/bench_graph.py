"""How the cost grows with hosts, packages and bytes, as a picture, from target/bench.json: `bench_graph.py OUT.svg`."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
# The same figures give the same file.
matplotlib.rcParams |= {"svg.hashsalt": "bench", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}

from matplotlib import pyplot

RESULTS = Path(__file__).resolve().parent.parent / "target/bench.json"
BLUE, ORANGE, GREY = "#1f5fa8", "#d9730d", "#8a8a8a"


def hosts(axes, iso: dict) -> None:
    """Evaluating the ISO: CPU seconds, and peak memory on a second axis."""
    count, cpu, memory = zip(*iso["by_hosts"], strict=True)
    axes.plot(count, cpu, "o-", color=BLUE)
    axes.axhline(iso["stock_cpu_s"], color=GREY, linestyle=":")
    axes.annotate("nixpkgs' own ISO, no host", (count[-1], iso["stock_cpu_s"]), textcoords="offset points", xytext=(0, 3), ha="right", color=GREY)
    axes.set(title="evaluation of the ISO", xlabel="hosts", ylim=0)
    axes.set_ylabel("CPU seconds", color=BLUE)
    beside = axes.twinx()
    beside.spines["right"].set_visible(True)
    beside.plot(count, memory, "s--", color=ORANGE)
    beside.set(ylim=0)
    beside.set_ylabel("peak memory, GB", color=ORANGE)


def packages(axes, systems: list[dict]) -> None:
    """The check on the target: Nix' evaluation, and what the installer adds."""
    count = [system["derivations"] for system in systems]
    axes.plot(count, [system["nix_seconds"] for system in systems], "o-", color=GREY, label="Nix evaluates")
    axes.plot(count, [system["own_seconds"] for system in systems], "o-", color=BLUE, label="the installer's own part")
    for system in systems:
        at = (system["derivations"], system["nix_seconds"])
        axes.annotate(system["name"], at, textcoords="offset points", xytext=(-4, 6), ha="right")
    axes.set(title="check before the installation", xlabel="derivations of the system", ylabel="seconds", ylim=0, xlim=0)
    axes.legend(frameon=False)


def copied(axes, copies: list[list]) -> None:
    """Each copy: seconds over bytes."""
    for copy in copies:
        megabytes, seconds = zip(*copy, strict=True)
        axes.plot(megabytes, seconds, "-", color=BLUE, alpha=0.6)
    axes.set(title=f"copy, verified ({len(copies)} runs)", xlabel="MB copied", ylabel="seconds", ylim=0, xlim=0)


def main() -> None:
    """Draws what was measured; what was not is left out."""
    results = json.loads(RESULTS.read_text())
    parts = [("iso", hosts, lambda iso: iso), ("check", packages, lambda check: check["systems"])]
    parts.append(("copy", copied, lambda copy: copy["progress"]))
    measured = [part for part in parts if part[0] in results]
    figure, axes = pyplot.subplots(1, len(measured), figsize=(4.2 * len(measured), 3.2), layout="constrained", squeeze=False)
    for (name, draw, of), at in zip(measured, axes[0], strict=True):
        draw(at, of(results[name]))
    figure.savefig(sys.argv[1], metadata={"Date": None})
    print(f"drawn: {', '.join(name for name, _, _ in measured)} into {sys.argv[1]}")


main()
