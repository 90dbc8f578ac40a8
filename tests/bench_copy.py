"""The copy: stock `nix-env --set` (what nixos-install does), `nix copy`, ours, and `unsquashfs` as what is attainable.

Squashfs to ext4, caches dropped, the disk synced within the measured time, all ways alternated. Only the ratios of one
run mean anything on a busy machine.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from math import copysign
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RIG = PROJECT / "tests/rig"
EXAMPLE = PROJECT / "target/x86_64-unknown-linux-gnu/release/copy-closure"
RESULTS = PROJECT / "target/bench.json"
RUNS = int(os.environ.get("RUNS", "5"))
PROFILE = "-p /mnt/nix/var/nix/profiles/system --set"
NIX = "nix --extra-experimental-features nix-command"
WAYS = {
    "stock": "nix-env --store /mnt --extra-substituters 'auto?trusted=1' {profile} {root}",
    "nix copy": "{nix} copy --no-check-sigs --to /mnt {root} && nix-env --store /mnt {profile} {root}",
    "by kernel": "KERNEL=1 copy-closure /mnt {root} > /events && nix-env --store /mnt {profile} {root}",
    "ours": "copy-closure /mnt {root} > /events && nix-env --store /mnt {profile} {root}",
}


def store(kind: str) -> Path:
    """The store to copy from; made once."""
    directory = PROJECT / f"target/rig/copy-{kind}"
    if not directory.exists():
        print(f"making the store to copy ({kind})", flush=True)
        new = directory.with_suffix(".new")
        subprocess.run([RIG / "copy-store", kind, new], check=True)
        new.rename(directory)
    return directory


def drop_caches() -> None:
    """As after a boot."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def live(source: Path, state: Path, script: str) -> str:
    """What a script in a live system prints."""
    command = [RIG / "live", "--nix", "2.26", "--state", state, "--store", source, "--target-size", "4G"]
    command += ["--bind", f"{EXAMPLE}:/usr/local/sbin/copy-closure", "--", "bash", "-ec", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def root(source: Path) -> str:
    """The store path that refers to all others."""
    return (source / "root").read_text().strip()


def measure(way: str, source: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one copy."""
    with tempfile.TemporaryDirectory(dir=PROJECT / "target") as directory:
        state = Path(directory, "state")
        live(source, state, "true")
        drop_caches()
        if way == "unsquashfs":
            return unsquash(source, state)
        command = WAYS[way].format(root=root(source), profile=PROFILE, nix=NIX)
        script = f"TIMEFORMAT='%R %U %S'; {{ time {{ {{ {command}; }} > /dev/null 2> /said; sync -f /mnt; }}; }} 2> /times; cat /times"
        wall, user, system = map(float, live(source, state, script).split())
        return wall, user + system


def unsquash(source: Path, state: Path) -> tuple[float, float]:
    """The same without hashes and database, by a reader of squashfs in userland."""
    mount = state / "mount"
    mount.mkdir()
    subprocess.run(["mount", "-o", "loop", state / "target.img", mount], check=True)
    try:
        before, began = os.times(), time.perf_counter()
        unpack = ["unsquashfs", "-quiet", "-no-progress", "-p", "2", "-d", mount / "store", source / "nix-store.squashfs"]
        subprocess.run(unpack, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["sync", "-f", mount], check=True)
        wall, after = time.perf_counter() - began, os.times()
    finally:
        subprocess.run(["umount", mount], check=True)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu


def peak_mib(source: Path, command: str) -> float:
    """The largest resident size of a program's own process."""
    script = f"""
        {command.format(root=root(source), profile=PROFILE, nix=NIX)} > /dev/null 2> /said & run=$!
        while grep VmHWM /proc/$run/status > /new 2> /dev/null && [ -s /new ]; do mv /new /peak; sleep 0.01; done
        wait $run; cat /peak
    """
    with tempfile.TemporaryDirectory(dir=PROJECT / "target") as directory:
        return int(live(source, Path(directory, "state"), script).split()[1]) / 1024


def progress(source: Path) -> list[tuple[float, dict]]:
    """The events of one copy, each with the seconds since the first; the last one is when the disk has all of it."""
    script = f"""
        copy-closure /mnt {root(source)} | while read -r line; do printf '%s %s\\n' $EPOCHREALTIME "$line"; done
        echo $EPOCHREALTIME '{{}}'
    """
    with tempfile.TemporaryDirectory(dir=PROJECT / "target") as directory:
        state = Path(directory, "state")
        live(source, state, "true")
        drop_caches()
        lines = [line.split(" ", 1) for line in live(source, state, script).splitlines()]
    return [(float(at) - float(lines[0][0]), json.loads(event)) for at, event in lines]


def estimate_error(events: list[tuple[float, dict]]) -> float:
    """How far the estimate of the time that is left is from the truth, after the first third: 0.1 is ten per cent. It is in whole seconds:
    half a second is no error."""
    end, _ = events[-1]
    for at, event in events:
        if event.get("eta_seconds") is not None and event["done"] * 3 >= event["total"]:
            left, error = end - at, event["eta_seconds"] - (end - at)
            return copysign(max(abs(error) - 0.5, 0), error) / left
    raise SystemExit("the copy was too fast for an estimate")


def show(name: str, values: list[float]) -> str:
    """Median and range."""
    return f"{name} {statistics.median(values):6.2f} [{min(values):.2f}–{max(values):.2f}]"


def main() -> None:
    """Measures, prints the table, and merges the figures into the results."""
    source, larger = store("large"), store("larger")
    # Of the smaller store too little is left after a third for an estimate in whole seconds. Measured first: later the disk is still
    # busy with what the other ways wrote.
    copies = [progress(larger) for _ in range(5)]
    ways = [*WAYS, "unsquashfs"]
    runs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for index in range(RUNS):
        for way in ways[index % len(ways) :] + ways[: index % len(ways)]:
            runs[way].append(measure(way, source))
    pairs = {}
    for way, values in runs.items():
        pairs[way] = [[stock[field] / value[field] for stock, value in zip(runs["stock"], values, strict=True)] for field in (0, 1)]
        table = [show("wall s", [value[0] for value in values]), show("CPU s", [value[1] for value in values])]
        table += [show("stock ÷ it, wall", pairs[way][0]), show("CPU", pairs[way][1])]
        print(f"{way:10}", " | ".join(table), flush=True)
    errors = [estimate_error(events) for events in copies]
    beside = [[ours[field] / plain[field] for ours, plain in zip(runs["ours"], runs["unsquashfs"], strict=True)] for field in (0, 1)]
    copy = {
        "wall_ratio": round(statistics.median(pairs["ours"][0]), 2),
        "cpu_ratio": round(statistics.median(pairs["ours"][1]), 2),
        "vs_unsquashfs_wall": round(statistics.median(beside[0]), 2),
        "vs_unsquashfs_cpu": round(statistics.median(beside[1]), 2),
        "peak_mib": round(peak_mib(source, WAYS["ours"].split(">")[0]), 1),
        "stock_peak_mib": round(peak_mib(source, WAYS["stock"]), 1),
        "many_files_peak_mib": round(peak_mib(store("many"), WAYS["ours"].split(">")[0]), 1),
        "estimate_error": round(max(map(abs, errors)), 3),
        # Of each copy: the MB that were copied and after how many seconds.
        "progress": [[[round(one["done"] / 1e6, 1), round(at, 2)] for at, one in events if "done" in one] for events in copies],
    }
    print(json.dumps(copy | {"progress": "…"}, indent=2))
    print("estimate after a third, error:", ", ".join(f"{error:+.0%}" for error in errors))
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["copy"] = copy
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


main()
