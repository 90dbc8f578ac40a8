"""The squashfs reader beside backhand: all contents of an image read once, and all inodes listed; nothing is written.

The image is the one of bench_copy.py and is in the page cache. Only ratios of one run mean anything on a busy machine.
"""

import json
import os
import statistics
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
MANIFEST = PROJECT / "crates/squashfs-image/bench/Cargo.toml"
TARGET = PROJECT / "target/squashfs-bench"
IMAGE = Path(os.environ.get("IMAGE", PROJECT / "target/rig/copy-large/nix-store.squashfs"))
RESULTS = PROJECT / "target/bench.json"
RUNS = int(os.environ.get("RUNS", "5"))
THREADS = [1, os.cpu_count() or 1]


def run(way: str, threads: int) -> dict[str, float]:
    """One run of a way: wall and cpu in seconds, peak_mib, files, bytes."""
    program = TARGET / "release/squashfs-image-bench"
    return json.loads(subprocess.run([program, way, str(threads), IMAGE], capture_output=True, check=True).stdout)


def compare(prefix: str, threads: int) -> dict[str, float]:
    """Medians of backhand ÷ ours for a number of threads; both must find the same files and bytes."""
    ratios: dict[str, list[float]] = {"wall": [], "cpu": [], "peak_mib": []}
    for index in range(RUNS):
        ways = [f"{prefix}ours", f"{prefix}backhand"]
        runs = {way: run(way, threads) for way in (ways if index % 2 else reversed(ways))}
        ours, backhand = (runs[way] for way in ways)
        same = [(result["files"], result["bytes"]) for result in (ours, backhand)]
        if same[0] != same[1]:
            raise SystemExit(f"files and bytes differ: ours {same[0]}, backhand {same[1]}")
        for name, values in ratios.items():
            values.append(backhand[name] / ours[name])
    return {name: round(statistics.median(values), 2) for name, values in ratios.items()}


def main() -> None:
    """Builds both, measures, prints the ratios and merges them into the results."""
    if not IMAGE.exists():
        raise SystemExit(f"{IMAGE} does not exist: tests/bench_copy.py makes it")
    build = ["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", MANIFEST]
    subprocess.run(build, env=os.environ | {"CARGO_TARGET_DIR": str(TARGET)}, check=True)
    # Listing has one thread: the inodes are in one table.
    results = {"list": compare("list-", 1)}
    results |= {f"read_{threads}": compare("", threads) for threads in sorted(set(THREADS))}
    for name, ratios in results.items():
        print(f"squashfs.{name:8} backhand ÷ ours:", ", ".join(f"{key} {value}" for key, value in ratios.items()))
    merged = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    merged["squashfs"] = results
    RESULTS.write_text(json.dumps(merged, indent=2) + "\n")


main()
