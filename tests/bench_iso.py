"""What evaluating an ISO costs, beside the stock Calamares ISO of the same nixpkgs (NIXPKGS), and how that grows with the hosts."""

import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
TARGET = "x86_64-unknown-linux-gnu"
TOOL = PROJECT / "target" / TARGET / "release/nix-cfg-iso"
RESULTS = PROJECT / "target/bench.json"
# The commit that the improvements are measured from.
BEFORE = "4c65c31"
# What that commit cannot evaluate of NixOS 26.11.
OMITTED = ["bindfs", "boot.isNspawnContainer", "hardware.cpu.intel.npu.enable", "nixpkgs.config.allowUnfreePackages"]
HOSTS = [1, 2, 4, 10, 30]
# With so much memory, Nix collects hardly any garbage (docs/closure.md).
LARGE_HEAP = "GC_INITIAL_HEAP_SIZE=4G "
CONFIG = """export NIX_SHOW_STATS=1 NIX_SHOW_STATS_PATH=/tmp/stats NIX_CONFIG='extra-experimental-features = nix-command flakes
substituters =
fsync-metadata = false
flake-registry ='
"""
STOCK = """{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";
  outputs = { nixpkgs, ... }: {
    iso = (nixpkgs.lib.nixosSystem {
      modules = [
        (nixpkgs + "/nixos/modules/installer/cd-dvd/installation-cd-graphical-calamares-gnome.nix")
        { nixpkgs.hostPlatform = "x86_64-linux"; }
      ];
    }).config.system.build.isoImage;
  };
}
"""
SERVERS = """{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";
  outputs = { nixpkgs, ... }: {
    nixosConfigurations = nixpkgs.lib.genAttrs (map (at: "host${toString at}") (nixpkgs.lib.range 1 COUNT)) (
      name: nixpkgs.lib.nixosSystem {
        modules = [ (import ./systems.nix).server { networking.hostName = nixpkgs.lib.mkForce name; } ];
      }
    );
  };
}
"""


class Machine:
    """A live system with that nixpkgs in its store."""

    def __init__(self, nixpkgs: str, directory: Path) -> None:
        self.nixpkgs, self.directory = nixpkgs, directory
        (directory / "isos").mkdir()
        self.narhash = self.run(
            "path=$(nix-store --add-fixed --recursive sha256 /inputs/nixpkgs/source)\n"
            "nix hash to-sri --type sha256 $(nix-store -q --hash $path)"
        )[0].strip()

    def run(self, script: str) -> tuple[str, float]:
        """What it says, and the peak memory (GB) of the largest program that it starts."""
        command = [PROJECT / "tests/rig/live", "--nix", "2.34", "--state", self.directory / "state", "--empty-store"]
        command += ["--bind", f"{self.nixpkgs}:/inputs/nixpkgs/source", "--bind", f"{self.directory / 'isos'}:/isos"]
        command += ["--", "bash", "-c", CONFIG + script]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            raise SystemExit(f"failed: {script}")
        return output, usage.ru_maxrss / 1e6

    def lock(self, directory: Path) -> None:
        """As a person's Nix would have locked it, with a network."""
        nixpkgs = {"type": "github", "owner": "NixOS", "repo": "nixpkgs"}
        locked = nixpkgs | {"rev": "3" * 40, "lastModified": 1717000000, "narHash": self.narhash}
        nodes = {"root": {"inputs": {"nixpkgs": "nixpkgs"}}}
        nodes["nixpkgs"] = {"locked": locked, "original": nixpkgs | {"ref": "nixos-24.05"}}
        lock = {"version": 7, "root": "root", "nodes": nodes}
        (directory / "flake.lock").write_text(json.dumps(lock))

    def stock(self) -> None:
        directory = self.directory / "isos/stock"
        directory.mkdir()
        (directory / "flake.nix").write_text(STOCK)
        self.lock(directory)

    def iso(self, name: str, hosts: int, tool: Path) -> None:
        """An ISO of servers that differ in their names, from that nix-cfg-iso."""
        tree = self.directory / f"tree-{name}"
        tree.mkdir()
        for file in ["systems.nix", "hardware-configuration.nix"]:
            (tree / file).write_text((PROJECT / "tests/closure" / file).read_text())
        (tree / "flake.nix").write_text(SERVERS.replace("COUNT", str(hosts)))
        self.lock(tree)
        names = [word for at in range(hosts) for word in ("--host", f"host{at + 1}")]
        command = [tool, "init", self.directory / "isos" / name, "--config", tree, *names]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def evaluate(self, name: str, variable: str = "") -> dict[str, float]:
        """The CPU seconds and the heap (GB) of evaluating it, as Nix reports them, and the peak memory (GB)."""
        _, peak = self.run(f"{variable}nix eval --raw path:/isos/{name}#iso.drvPath --no-write-lock-file")
        stats = json.loads((self.directory / "state/upper/tmp/stats").read_text())
        return {"cpu": stats["cpuTime"], "heap": stats["gc"]["heapSize"] / 1e9, "rss": peak}

    def thrice(self, name: str) -> dict[str, float]:
        """The medians: what Nix' garbage collector keeps differs from run to run."""
        runs = [self.evaluate(name) for _ in range(3)]
        return {kind: statistics.median(run[kind] for run in runs) for kind in runs[0]}


def tool_of_before() -> Path:
    """The nix-cfg-iso of that commit."""
    checkout = PROJECT / "target" / f"before-{BEFORE}"
    if not checkout.exists():
        archive = subprocess.run(["git", "-C", PROJECT, "archive", BEFORE], check=True, stdout=subprocess.PIPE).stdout
        checkout.mkdir()
        subprocess.run(["tar", "x", "-C", checkout], check=True, input=archive)
    command = ["cargo", "build", "--quiet", "--release", "--target", TARGET, "--bins"]
    static = os.environ | {"RUSTFLAGS": "-C target-feature=+crt-static"}
    subprocess.run(command, check=True, cwd=checkout, env=static)
    return checkout / "target" / TARGET / "release/nix-cfg-iso"


def measure(nixpkgs: str, directory: Path) -> dict:
    """The figures; `by_hosts` has the number of hosts, CPU seconds, and peak memory in GB."""
    machine = Machine(nixpkgs, directory)
    machine.stock()
    machine.iso("before", 1, tool_of_before())
    # It refuses NixOS 26.11 otherwise.
    omitted = "".join(f'variants."{name}" = false; ' for name in OMITTED)
    flake = directory / "isos/before/flake.nix"
    flake.write_text(flake.read_text().replace("variants = { };", omitted))
    for hosts in HOSTS:
        machine.iso(f"hosts{hosts}", hosts, TOOL)
    names = ["stock", "before", *(f"hosts{hosts}" for hosts in HOSTS)]
    often = ["stock", "hosts1", "hosts10"]
    cost = {name: (machine.thrice if name in often else machine.evaluate)(name) for name in names}
    one, figures = cost["hosts1"], {}
    for beside in ["stock", "before"]:
        figures |= {f"{kind}_vs_{beside}": one[kind] / cost[beside][kind] for kind in ["cpu", "heap"]}
    for hosts in HOSTS[1:]:
        figures |= {f"hosts{hosts}_{kind}": cost[f"hosts{hosts}"][kind] / one[kind] for kind in ["cpu", "rss"]}
    large = machine.evaluate("hosts10", LARGE_HEAP)
    figures["hosts10_large_heap_cpu"] = large["cpu"] / cost["hosts10"]["cpu"]
    figures |= {"stock_cpu_s": cost["stock"]["cpu"], "stock_gb": cost["stock"]["heap"], "one_gb": one["heap"]}
    figures = {name: round(value, 2) for name, value in figures.items()}
    figures["by_hosts"] = [[hosts, *(round(cost[f"hosts{hosts}"][kind], 2) for kind in ["cpu", "rss"])] for hosts in HOSTS]
    return figures


def main() -> None:
    """Measures all of it, prints it and merges it into the results."""
    trees = [tree for tree in os.environ.get("NIXPKGS", "").split(":") if tree]
    if not trees:
        print("*** SKIPPED: evaluating an ISO needs NIXPKGS in the environment. ***")
        return
    with tempfile.TemporaryDirectory(dir=PROJECT / "target") as directory:
        iso = measure(trees[0], Path(directory))
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["iso"] = iso
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    for name, value in iso.items():
        print(f"iso.{name:<24} {value}")


main()
