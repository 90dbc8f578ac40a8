"""Builds a group: unpacks .debs into one output and makes its files find each other and those of the groups that it needs.

Runs as the builder of a derivation, with the seed's Python. Environment: out, seed, debs, needs, moves and links (NAME=TARGET …),
debfiles (the module of that name).
"""

import importlib.util
import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

SPECIFICATION = importlib.util.spec_from_file_location("debfiles", os.environ["debfiles"])
debfiles = importlib.util.module_from_spec(SPECIFICATION)
sys.modules["debfiles"] = debfiles
SPECIFICATION.loader.exec_module(debfiles)

OUT = Path(os.environ["out"])
SEED = Path(os.environ["seed"])
NEEDS = [Path(path) for path in os.environ["needs"].split()]
GLIBC = next((path for path in NEEDS if (path / "lib/ld-linux-x86-64.so.2").exists()), OUT)
LOADER = GLIBC / "lib/ld-linux-x86-64.so.2"
# Text in which paths of Debian stand for files of groups.
TEXT = re.compile(
    r"^(lib/(systemd|udev|pkgconfig|(tmpfiles|sysusers|sysctl|binfmt|modprobe|environment)\.d)/|share/(pkgconfig|dbus-1|polkit-1|applications)/|etc/(dbus-1|xdg)/)"
)
PATH = re.compile(r"(?<![\w$}/.@-])/(?:usr/)?(?:s?bin|lib|lib64|libexec|share|include)/[\w@.+:/-]*[\w+]")
# systemd of Debian finds these in /usr/bin.
BARE_COMMAND = re.compile(r"^(Exec\w+=[-@:+!|]*)([\w-]+)(?=\s|$)", re.MULTILINE)

# udev of Debian finds these in /usr/lib/udev.
BARE_HELPER = re.compile(r'((?:PROGRAM|RUN|RUN\{program\}|IMPORT\{program\})\s*[+=!]+\s*")([\w-]+)(?=[ "])')

ENDS_THREADS = re.compile(rb"\0pthread_(exit|cancel)\0")


def seed_program(name: str, *arguments: str | Path, **options) -> subprocess.CompletedProcess:
    loader = [SEED / "lib/ld-linux-x86-64.so.2", "--library-path", SEED / "lib", "--argv0", name]
    program = SEED / "bin" / ("kmod" if name == "depmod" else name)
    return subprocess.run([*loader, program, *arguments], check=True, **options)


def members(deb: Path):
    """The tar archive with the files of a .deb."""
    data = deb.read_bytes()
    at = 8
    while at < len(data):
        name, size = data[at : at + 16].decode().strip().rstrip("/"), int(data[at + 48 : at + 58])
        if name.startswith("data.tar"):
            return tarfile.open(fileobj=io.BytesIO(data[at + 60 : at + 60 + size]))
        at += 60 + size + size % 2
    raise ValueError(f"{deb} has no data.tar")


def unpack(deb: Path, links: dict[str, tuple[str, str]]) -> None:
    with members(deb) as archive:
        for member in archive:
            path = debfiles.place(member.name)
            if path is None:
                continue
            if member.issym():
                links[path] = (member.name, member.linkname)
            elif member.islnk():
                (OUT / path).parent.mkdir(parents=True, exist_ok=True)
                os.link(OUT / debfiles.place(member.linkname), OUT / path)
            elif member.isfile():
                (OUT / path).parent.mkdir(parents=True, exist_ok=True)
                (OUT / path).write_bytes(archive.extractfile(member).read())
                # Nix allows no setuid bits.
                (OUT / path).chmod(0o755 if member.mode & 0o111 else 0o644)


def find(path: str | None) -> Path | None:
    """The file of this group or of one that it needs."""
    return next((base / path for base in [OUT, *NEEDS] if path and os.path.lexists(base / path)), None)


def make_links(links: dict[str, tuple[str, str]]) -> None:
    """Links to files of other groups as well; what leads nowhere is left out."""
    pending = dict(links)
    while pending:
        made = []
        for path, (original, target) in pending.items():
            goal = debfiles.link_place(original, target)
            found = find(goal)
            if goal == path or os.path.lexists(OUT / path):
                made.append(path)
            elif found:
                (OUT / path).parent.mkdir(parents=True, exist_ok=True)
                relative = found.is_relative_to(OUT)
                (OUT / path).symlink_to(os.path.relpath(found, (OUT / path).parent) if relative else found)
                made.append(path)
        if not made:
            return
        for path in made:
            del pending[path]


def library_directories() -> dict[str, Path]:
    """Where each library is, by its file name; those that are found by default before others."""
    found: dict[str, Path] = {}
    for base in [OUT, *NEEDS]:
        libraries = [path for name in ("lib", "libexec") for path in (base / name).rglob("*.so*")]
        for path in sorted(libraries, key=lambda path: (len(path.parts), path)):
            found.setdefault(path.name, path.parent)
    return found


def fix_elf(path: Path, data: bytes, elf, directories: dict[str, Path]) -> None:
    if not elf.dynamic:
        return
    options = []
    if path.is_relative_to(GLIBC / "lib"):
        if path.name == "libc.so.6":
            # It can be run, and make-initrd-ng follows what it names as its interpreter.
            path.write_bytes(data[: elf.interpreter_at] + bytes(4) + data[elf.interpreter_at + 4 :])
        return
    if elf.interpreter_at is not None:
        options += ["--set-interpreter", str(LOADER)]
    # glibc opens it then, and looks in /usr/lib only.
    if ENDS_THREADS.search(data) and "libgcc_s.so.1" not in elf.needed:
        # By itself: together with --set-rpath, patchelf 0.14.3 makes this name the rpath.
        seed_program("patchelf", "--add-needed", "libgcc_s.so.1", path)
    wanted = [str(directories[name]) for name in elf.needed + elf.opened if name in directories]
    if wanted:
        options += ["--set-rpath", ":".join(dict.fromkeys(wanted))]
    if options:
        seed_program("patchelf", *options, path)


def replace_path(match: re.Match) -> str:
    found = find(debfiles.place(match[0]))
    return str(found) if found else match[0]


def fix_script(path: Path, data: bytes) -> None:
    first, rest = data.split(b"\n", 1) if b"\n" in data else (data, b"")
    words = first[2:].decode(errors="replace").split()
    if words and words[0].endswith("/env"):
        words = words[1:]
    program = find(f"bin/{os.path.basename(words[0])}") if words else None
    if program:
        path.write_bytes(f"#!{' '.join([str(program), *words[1:]])}\n".encode() + rest)


def fix_text(path: Path, name: str) -> None:
    text = path.read_text(errors="surrogateescape")
    new = PATH.sub(replace_path, text)
    if name.startswith("lib/systemd"):
        new = BARE_COMMAND.sub(lambda match: f"{match[1]}{find('bin/' + match[2]) or match[2]}", new)
    if name.startswith("lib/udev"):
        new = BARE_HELPER.sub(lambda match: f"{match[1]}{find('lib/udev/' + match[2]) or match[2]}", new)
    if name.endswith(".pc"):
        new = re.sub(r"^(\w*prefix\s*=\s*)/usr/?$", rf"\1{OUT}", new, flags=re.MULTILINE)
        # What only static libraries need is in other groups.
        new = re.sub(r"^(Requires|Libs)\.private:.*\n", "", new.replace(f"/{debfiles.MULTIARCH}", ""), flags=re.MULTILINE)
    if new != text:
        path.write_text(new, errors="surrogateescape")


def fix_files() -> None:
    directories = library_directories()
    for path in sorted(OUT.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        name = str(path.relative_to(OUT))
        data = path.read_bytes()
        if elf := debfiles.read_elf(data):
            fix_elf(path, data, elf, directories)
        elif data.startswith(b"#!"):
            fix_script(path, data)
        elif data.startswith(b"/* GNU ld script") or TEXT.match(name):
            fix_text(path, name)


def kernel() -> None:
    """The names that nixpkgs gives to the files of a kernel, and the tables of its modules."""
    for modules in OUT.glob("lib/modules/*"):
        for name, place in (("vmlinuz", "bzImage"), ("config", "config"), ("System.map", "System.map")):
            (modules / name).rename(OUT / place)
        seed_program("depmod", "-b", OUT, modules.name)


def perl() -> None:
    """Its own modules are not where it was built to look for them."""
    program = OUT / "bin/perl"
    if not (OUT / "lib/perl-base").exists():
        return
    program.rename(OUT / "bin/.perl")
    paths = [path for pattern in ("lib/perl/5.*", "share/perl/5.*", "lib/perl-base") for path in OUT.glob(pattern) if not path.is_symlink()]
    shell = find("bin/bash")
    program.write_text(
        f'#!{shell}\nexport PERL5LIB="${{PERL5LIB:+$PERL5LIB:}}{":".join(map(str, paths))}"\nexec -a "$0" {OUT}/bin/.perl "$@"\n'
    )
    program.chmod(0o755)


def pairs(variable: str) -> list[list[str]]:
    return [word.split("=") for word in os.environ[variable].split()]


def main() -> None:
    OUT.mkdir()
    links: dict[str, tuple[str, str]] = {}
    for deb in os.environ["debs"].split():
        unpack(Path(deb), links)
    make_links(links)
    fix_files()
    for name, target in sorted(pairs("moves"), key=lambda pair: pair[1]):
        if (OUT / name).exists():
            (OUT / target).parent.mkdir(parents=True, exist_ok=True)
            (OUT / name).rename(OUT / target)
    for name, target in pairs("links"):
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
        (OUT / name).unlink(missing_ok=True)
        (OUT / name).symlink_to(target)
    if (OUT / "bin").exists():
        (OUT / "sbin").symlink_to("bin")
    kernel()
    perl()


if __name__ == "__main__":
    main()
