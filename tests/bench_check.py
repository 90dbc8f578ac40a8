"""What the check costs beside Nix's own evaluation, on a real nixpkgs (NIXPKGS); into target/bench.json under "check"."""

import json
import os
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
BINARY = PROJECT / "target/x86_64-unknown-linux-gnu/release/nix-cfg-install"
RESULTS = PROJECT / "target/bench.json"
RUNS = 3

SYSTEMS = {
    "server": "services.openssh.enable = true; services.nginx.enable = true; services.postgresql.enable = true;",
    "gnome": "services.xserver = { enable = true; displayManager.gdm.enable = true; desktopManager.gnome.enable = true; };",
}

# A nixpkgs without the large data files of its binary cache evaluates with these stand-ins.
CONFIGURATION = """
{ lib, pkgs, ... }:
{
  imports = [ ./hardware-configuration.nix ];
  nixpkgs.overlays = [ (final: prev: let compiled = prev.hello // { compiler.bootstrapAvailable = true; }; in {
    shellcheck = prev.hello;
    shellcheck-minimal = compiled;
    pandoc = compiled;
  }) ];
  boot.loader.systemd-boot.enable = true;
  system.stateVersion = "24.05";
  users.users.alice = { isNormalUser = true; extraGroups = [ "wheel" ]; initialPassword = "x"; };
  MORE
}
"""

# The helper's memory is read as long as it runs; the times are in its log.
SCRIPT = """
    echo 'nixpkgs: /nixpkgs' > /etc/nix-cfg-install.yaml
    nix-cfg-install --check -v --progress plain --log /log > /dev/null 2>&1 & run=$!
    while [ -e /proc/$run/stat ]; do
      grep VmHWM /proc/$run/status > /hwm.new 2> /dev/null && [ -s /hwm.new ] && mv /hwm.new /hwm
      sleep 0.01
    done
    # Nothing is built: the check ends by naming the packages that are not there.
    wait $run
    cat /hwm /log
"""


def check(tree: Path, nixpkgs: str) -> dict[str, float]:
    """One check in a live system of its own."""
    with tempfile.TemporaryDirectory(dir=PROJECT / "target") as state:
        output = subprocess.run(
            [
                PROJECT / "tests/rig/live",
                "--state",
                Path(state) / "live",
                "--iso-tree",
                tree,
                "--bind",
                f"{BINARY}:/usr/local/sbin/nix-cfg-install",
                "--bind",
                f"{nixpkgs}:/nixpkgs",
                "--",
                "bash",
                "-c",
                SCRIPT,
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
    evaluation = re.search(r"\$ [^\n]*nix-instantiate [^\n]*\n.*?ended after ([0-9.]+) s", output, re.DOTALL)
    if not evaluation:
        raise SystemExit(output)
    evaluation = float(evaluation.group(1))
    stamps = [float(stamp) for stamp in re.findall(r"^ *([0-9]+\.[0-9]{3}) ", output, re.MULTILINE)]
    return {
        "own_seconds": max(stamps) - evaluation,
        "own_mib": int(re.search(r"VmHWM:\s+(\d+) kB", output).group(1)) / 1024,
        "nix_seconds": evaluation,
        "derivations": int(re.search(r"(\d+) derivations, \d+ outputs", output).group(1)),
    }


def main() -> None:
    """Measures each system, prints a table and merges the larger one into the results."""
    nixpkgs = os.environ.get("NIXPKGS")
    if not nixpkgs:
        print("*** SKIPPED: the cost of the check is measured on a real nixpkgs, which NIXPKGS names. ***")
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    systems = []
    for name, more in SYSTEMS.items():
        with tempfile.TemporaryDirectory(dir=PROJECT / "target") as directory:
            tree = Path(directory)
            tree.chmod(0o755)
            (tree / "configuration.nix").write_text(CONFIGURATION.replace("MORE", more))
            runs = [check(tree, nixpkgs) for _ in range(RUNS)]
        median = {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}
        print(
            f"check of {name:7} {median['derivations']:.0f} derivations: {median['own_seconds']:.2f} s and"
            f" {median['own_mib']:.0f} MiB beside {median['nix_seconds']:.1f} s of Nix's evaluation"
        )
        systems.append(median | {"name": name})
        results["check"] = median | {"share": round(median["own_seconds"] / median["nix_seconds"], 3), "systems": systems}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


main()
