"""Size, start-up time, and the helper's own time and memory beside those of the Nix programs that it starts."""

import json
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
BINARY = PROJECT / "target/x86_64-unknown-linux-gnu/release/nix-cfg-install"
RESULTS = PROJECT / "target/bench.json"
STARTS = 200
INSTALLS = 5


def start_ms(command: list[str]) -> float:
    """The median wall time of starting a program, in milliseconds."""
    times = []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def install(state: Path) -> dict[str, float]:
    """One installation in a live system: seconds of CPU of the helper alone and of all, and its peak memory in MiB."""
    # wait4 of the helper counts its children too; /proc/PID/stat, read by the shell just before it ends, does not.
    script = """
        nix-cfg-install --progress plain 2> /log & run=$!
        while [ -e /proc/$run/stat ]; do
          cat /proc/$run/stat > /stat.new 2> /dev/null && mv /stat.new /stat
          grep VmHWM /proc/$run/status > /hwm.new 2> /dev/null && [ -s /hwm.new ] && mv /hwm.new /hwm
          sleep 0.01
        done
        wait $run || { cat /log >&2; exit 1; }
        cat /stat /hwm
    """
    output = subprocess.run(
        [
            PROJECT / "tests/rig/live",
            "--state",
            state,
            "--target-size",
            "600M",
            "--iso-tree",
            PROJECT / "target/rig/trees/channel",
            "--bind",
            f"{BINARY}:/usr/local/sbin/nix-cfg-install",
            "--",
            "bash",
            "-c",
            script,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    fields = output.splitlines()[0].rsplit(")", 1)[1].split()
    ticks = 100
    # Fields 14 to 17 of proc(5): own user and system time, and those of the children that were waited for.
    own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", output).group(1)) / 1024
    return {"own_cpu_s": own / ticks, "nix_cpu_s": children / ticks, "peak_mib": peak}


def main() -> None:
    """Measures all of it, prints a table and merges it into the results."""
    with tempfile.TemporaryDirectory(dir=PROJECT / "target") as directory:
        runs = [install(Path(directory) / str(index)) for index in range(INSTALLS)]
    core = {
        "binary_bytes": BINARY.stat().st_size,
        "startup_ms": round(start_ms([str(BINARY), "--version"]), 3),
        "true_ms": round(start_ms(["/bin/true"]), 3),
        **{name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]},
    }
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["core"] = core
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(f"binary                    {core['binary_bytes'] / 1e6:.2f} MB")
    print(f"start                     {core['startup_ms']:.2f} ms (/bin/true: {core['true_ms']:.2f} ms)")
    print(f"one installation, CPU     helper {core['own_cpu_s']:.2f} s, Nix and the other programs {core['nix_cpu_s']:.2f} s")
    print(f"one installation, memory  helper {core['peak_mib']:.1f} MiB at its peak")
    print(f"written to {RESULTS.relative_to(PROJECT)}")


main()
