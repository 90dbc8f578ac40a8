"""The reader of .drv files, and how small a closure is: in the rig with bytes, and with a real nixpkgs (NIXPKGS)."""

import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
TOOL = PROJECT / "target/x86_64-unknown-linux-gnu/release/nix-cfg-iso"
RESULTS = PROJECT / "target/bench.json"
DERIVATIONS = 10_000
# What a derivation of a real Plasma 6 system has on average: 3.4 kB, and nine inputs.
FILLER = "x" * 2200
INPUTS = 9
RUNS = 5
CONFIG = """export NIX_CONFIG='extra-experimental-features = nix-command
substituters =
fsync-metadata = false'
"""


def reader() -> dict[str, float]:
    """Reads a graph of many derivations, and finds its frontier: seconds (median) and peak MiB."""
    with tempfile.TemporaryDirectory() as directory:
        for at in range(DERIVATIONS):
            inputs = range(at + 1, min(at + 1 + INPUTS, DERIVATIONS))
            needs = ",".join(f'("{directory}/{"h" * 32}-package-{one}.drv",["out"])' for one in inputs)
            text = (
                f'Derive([("out","/nix/store/{"h" * 32}-package-{at}","","")],[{needs}],[],"x86_64-linux","/bin/sh",[],'
                f'[("buildCommand","echo \\"{at}\\"\\n{FILLER}"),("name","package-{at}"),("stdenv","/nix/store/stdenv")])'
            )
            Path(directory, f"{'h' * 32}-package-{at}.drv").write_text(text)
        command = [TOOL, "frontier", "--out", "/dev/null", f"target={directory}/{'h' * 32}-package-0.drv"]
        times = []
        for _ in range(RUNS):
            began = time.perf_counter()
            subprocess.run(command, check=True)
            times.append(time.perf_counter() - began)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "reader_derivations": DERIVATIONS,
        "reader_seconds": round(statistics.median(times), 3),
        "reader_mib": round(peak, 1),
    }


def live(state: str, binds: list[str], script: str) -> tuple[str, float, float]:
    """What a command in a live system with an empty store says, its seconds and its peak GB."""
    command = [PROJECT / "tests/rig/live", "--state", state, "--empty-store"]
    for bind in binds:
        command += ["--bind", bind]
    began = time.perf_counter()
    process = subprocess.Popen([*command, "--", "bash", "-c", CONFIG + script], stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"failed: {script}")
    return output, time.perf_counter() - began, usage.ru_maxrss / 1e6


def miniature() -> dict[str, float]:
    """Paths and bytes of the miniature's closures, really built."""
    script = """
        nixpkgs=$(nix-store --add-fixed --recursive sha256 /inputs/nixpkgs/source)
        NIX_PATH=nixpkgs=$nixpkgs bash /add-sources
        cat > /closure.nix << NIX
        let target = import $nixpkgs/nixos/lib/eval-config.nix {
          modules = [ /trees/channel/configuration.nix { nixpkgs.config.allowUnfree = true; } ];
        };
        in (import /project-nix/closure.nix {
          inherit target; tool = "\\${/tool/nix-cfg-iso}"; hardware = [ /trees/channel/hardware-configuration.nix ];
        }) // { toplevel = target.config.system.build.toplevel; }
NIX
        facts=$(nix eval --impure --json --expr 'let c = import /closure.nix; in
          { paths = map builtins.unsafeDiscardStringContext c.storePaths; drvs = map (one: one.drv) c.facts.frontier;
            inherit (c.facts) counts; system = builtins.unsafeDiscardStringContext c.toplevel.drvPath; }')
        system=$(nix-store --realise $(jq -r .system <<< "$facts"))
        nix-store --realise $(jq -r '.drvs[]' <<< "$facts") > /dev/null
        sum() { nix-store -q --size "$@" | jq -s -c '[length, add]'; }
        full=$(nix-store -qR --include-outputs $(jq -r .system <<< "$facts") | grep -v '[.]drv$' |
          while read -r path; do nix-store --check-validity "$path" 2> /dev/null && echo "$path"; done)
        runtime=$(sum $(nix-store -qR $system))
        image=$(sum $(nix-store -qR $system $(jq -r '.paths[]' <<< "$facts")))
        jq -c --argjson full "$(sum $full)" --argjson image "$image" --argjson runtime "$runtime" \
          '{counts, $full, $image, $runtime}' <<< "$facts"
    """
    rig = PROJECT / "tests/rig"
    binds = [
        f"{PROJECT}/target/rig/nixpkgs:/inputs/nixpkgs/source",
        f"{rig}/add-sources:/add-sources",
        f"{PROJECT}/target/rig/trees:/trees",
        f"{PROJECT}/nix:/project-nix",
        f"{TOOL}:/tool/nix-cfg-iso",
    ]
    with tempfile.TemporaryDirectory(dir=PROJECT / "target") as directory:
        output, _, _ = live(f"{directory}/state", binds, script)
    told = json.loads(output.splitlines()[-1])
    names = {"full": "rig_full", "image": "rig_image", "runtime": "rig_runtime"}
    return {
        f"{name}_{unit}": value
        for key, name in names.items()
        for unit, value in zip(["paths", "bytes"], told[key], strict=True)
    }


def real(nixpkgs: str) -> dict[str, float]:
    """The counts for a real nixpkgs, and what evaluating the family costs beside the system alone."""
    binds = [
        f"{nixpkgs}:/nixpkgs",
        f"{PROJECT}/tests:/project/tests",
        f"{PROJECT}/nix:/project/nix",
        f"{TOOL}:/tool/nix-cfg-iso",
    ]
    result: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=PROJECT / "target") as directory:

        def evaluate(system: str, what: str) -> tuple[str, float, float]:
            expression = (
                f'let all = import /project/tests/closure/evaluate.nix {{ nixpkgs = /nixpkgs; system = "{system}"; '
                f'tool = "${{/tool/nix-cfg-iso}}"; changed.alone = {{ }}; }}; in all.{what}'
            )
            return live(f"{directory}/state", binds, f"nix eval --impure --json --expr '{expression}'")

        _, result["plain_seconds"], result["plain_gb"] = evaluate("server", "changed.alone")
        output, result["family_seconds"], result["family_gb"] = evaluate("server", "facts.counts")
        result = {name: round(value, 2) for name, value in result.items()}
        counts = {"server": json.loads(output)}
        for system in ["gnome", "plasma6"]:
            counts[system] = json.loads(evaluate(system, "facts.counts")[0])
    for system, told in counts.items():
        prefix = "" if system == "server" else f"{system}_"
        result[f"{prefix}full_outputs"] = told["full_outputs"]
        result[f"{prefix}frontier_outputs"] = told["frontier_outputs"]
    return result


def main() -> None:
    """Measures all of it, prints it and merges it into the results."""
    closure = reader() | miniature()
    nixpkgs = os.environ.get("NIXPKGS")
    if nixpkgs:
        closure |= real(nixpkgs)
    else:
        print("*** SKIPPED: the closures of a real nixpkgs need NIXPKGS in the environment. ***")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["closure"] = closure
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    for name, value in closure.items():
        print(f"closure.{name:<24} {value:,}")


main()
