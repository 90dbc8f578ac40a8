//! Each rule that explains an error is run against the words that it is about: what real Nix says, and what each real nixpkgs
//! of `NIXPKGS` says. A rule that has no case here fails the test. The words of boot loaders' installers, which need a firmware
//! and partitions, are in a unit test (`nix/explain/bootctl.rs`).

use std::collections::BTreeSet;
use std::process::ExitCode;

use nix_cfg_install::for_tests::{Channels, Network, environment};
use nix_cfg_install::for_tests::{Context, RULES, Words, recognize};
use rig::real::{self, Tree, on_each_tree, plain, server};
use rig::{Live, VERSIONS, project, temporary, write};

/// What provokes an error that a rule knows.
struct Case {
    rule: &'static str,
    /// The versions of Nix that have these words.
    versions: &'static [&'static str],
    /// A shell script.
    script: &'static str,
}

const fn case(rule: &'static str, script: &'static str) -> Case {
    let versions = &VERSIONS;
    Case { rule, versions, script }
}

const BY_NIX: [Case; 27] = [
    case(
        "out-of-memory",
        "ulimit -v 400000; nix-instantiate --eval --strict -E 'with builtins; concatLists (genList (x: genList (y: x + y) 100000) 10000)'",
    ),
    case(
        "disk-full",
        "mkdir /small; mount -t tmpfs -o size=600k none /small; nix copy --no-check-sigs --to /small /nix/store/*-bash-5.2",
    ),
    case(
        "read-only",
        "mkdir /ro; mount -t tmpfs -o ro none /ro; nix copy --no-check-sigs --to /ro /nix/store/*-bash-5.2",
    ),
    // The kernel's own error, of a file that cannot be read.
    case(
        "medium-unreadable",
        "mkdir -p /iso; touch /iso/bad; mount --bind /proc/1/mem /iso/bad; nix-hash --flat /iso/bad",
    ),
    Case {
        rule: "input-damaged",
        // The others do not hash the source before they use it.
        versions: &["2.26"],
        script: "for source in /nix/store/*-source; do echo damage > $source/damage; done
            nix eval --no-write-lock-file path:/trees/flake#nixosConfigurations.alpha.config.networking.hostName",
    },
    case(
        "flake-lock-incomplete",
        "mkdir f; cd f; echo '{ inputs.a.url = \"path:/trees/channel\"; inputs.a.flake = false; outputs = _: { x = 1; }; }' > flake.nix
            nix eval --no-update-lock-file path:$PWD#x",
    ),
    case(
        "flake-lock-too-new",
        "cp -r /trees/flake f; sed -i 's/\"version\": 7/\"version\": 8/' f/flake.lock; nix eval path:$PWD/f#nixosConfigurations",
    ),
    Case {
        rule: "fetch-while-evaluating",
        // 2.8 does not say that it is a builtin.
        versions: &["2.26", "2.34"],
        script: "nix-instantiate --eval -E 'import (fetchTarball \"https://example.invalid/x.tar.gz\")'",
    },
    case("fetch-without-hash", "nix eval --expr 'fetchTarball \"https://example.invalid/x.tar.gz\"'"),
    case("fetch-without-hash", "nix eval --expr 'builtins.fetchGit \"https://example.invalid/x\"'"),
    case(
        "flake-input-missing",
        "mkdir f; cd f; echo '{ inputs.a.url = \"github:example/absent\"; outputs = { a, ... }: { x = a.x; }; }' > flake.nix
            nix eval path:$PWD#x",
    ),
    case(
        "not-on-medium",
        "nix-build -E 'derivation { name = \"x.tar\"; system = \"x86_64-linux\"; builder = \"builtin:fetchurl\";
            url = \"https://example.invalid/x.tar\"; urls = [ ]; outputHashMode = \"flat\"; outputHashAlgo = \"sha256\";
            outputHash = builtins.hashString \"sha256\" \"x\"; unpack = false; executable = false; preferLocalBuild = true; }'",
    ),
    // Until Nix 2.26.
    Case {
        rule: "flake-attribute-unknown",
        versions: &["2.8", "2.26"],
        script: "mkdir f; echo '{ inputs.self.submodules = true; outputs = _: { x = 1; }; }' > f/flake.nix; nix eval path:$PWD/f#x",
    },
    case(
        "path-outside",
        "mkdir f; echo '{ outputs = _: { x = import ../x.nix; }; }' > f/flake.nix; nix eval path:$PWD/f#x",
    ),
    case("file-binary", "printf '\\0GITCRYPT\\0' > x; nix-instantiate --eval -E 'builtins.readFile ./x'"),
    case("syntax", "nix-instantiate --eval -E '{ a = ; }'"),
    case("defined-twice", "nix-instantiate --eval -E '{ a = 1; a = 2; }'"),
    case("undefined-variable", "nix-instantiate --eval -E 'nowhere'"),
    case("attribute-missing", "nix-instantiate --eval -E '{ }.nothing'"),
    case("file-missing", "nix-instantiate --eval -E 'import /nowhere.nix'"),
    case("recursion", "nix-instantiate --eval -E 'let x = x; in x'"),
    case("lookup-failed", "NIX_PATH= nix-instantiate --eval -E 'import <nixpkgs/nixos>'"),
    case("lookup-failed", "NIX_PATH=nixpkgs=/ nix-instantiate --eval -E 'import <nixpkgs/typo.nix>'"),
    case("lookup-failed", "nix eval --expr '<nixpkgs/typo.nix>'"),
    case(
        "builder-failed",
        "nix-build -E 'derivation { name = \"x\"; system = \"x86_64-linux\"; builder = \"/bin/sh\"; args = [ \"-c\" \"exit 1\" ]; }'",
    ),
    case(
        "builder-failed",
        "nix-build --option sandbox false -E 'derivation { name = \"x\"; system = \"x86_64-linux\"; builder = \"/bin/sh\"; args = [ \"-c\" \"kill -9 \\$\\$\" ]; }'",
    ),
    case(
        "tree-special-file",
        "mkdir f; mkfifo f/pipe; echo '{ outputs = _: { x = 1; }; }' > f/flake.nix; nix eval path:$PWD/f#x",
    ),
];

fn of_nixpkgs(rule: &'static str, expression: &str) -> (&'static str, String) {
    (rule, format!("nix-instantiate --eval -E '{expression}'"))
}

fn package(rule: &'static str, config: &str, attributes: &str) -> (&'static str, String) {
    let package = format!("runCommand \"refused-1\" {attributes} \"\"");
    of_nixpkgs(
        rule,
        &format!("(with import /nixpkgs {{ {config} }}; {package}).outPath"),
    )
}

fn module(rule: &'static str, module: &str, option: &str) -> (&'static str, String) {
    let system = format!("import /nixpkgs/nixos {{ configuration = {module}; }}");
    of_nixpkgs(rule, &format!("({system}).config.{option}"))
}

/// With a Nix that is new enough.
fn by_nixpkgs() -> Vec<(&'static str, String)> {
    vec![
        package("unfree", "", "{ meta.license = lib.licenses.unfree; }"),
        package("insecure", "", "{ meta.knownVulnerabilities = [ \"CVE-1\" ]; }"),
        package("broken", "", "{ meta.broken = true; }"),
        package("package-platform", "", "{ meta.platforms = [ \"aarch64-linux\" ]; }"),
        package(
            "package-refused",
            "config.allowNonSource = false;",
            "{ meta.sourceProvenance = [ lib.sourceTypes.binaryNativeCode ]; }",
        ),
        module("assertion", "{ }", "system.build.toplevel.drvPath"),
        module(
            "option-missing",
            "{ services.opensh.enable = true; }",
            "networking.hostName",
        ),
        module(
            "option-conflict",
            "{ imports = [ { time.timeZone = \"UTC\"; } { time.timeZone = \"CET\"; } ]; }",
            "time.timeZone",
        ),
        module("option-type", "{ time.timeZone = 7; }", "time.timeZone"),
        module(
            "option-unset",
            "({ lib, ... }: { options.mine = lib.mkOption { }; })",
            "mine",
        ),
    ]
}

/// With Nix 2.8. A nixpkgs that is content with it is told of an older one.
fn by_nixpkgs_to_an_old_nix() -> Vec<(&'static str, String)> {
    let older = "builtins.scopedImport { builtins = builtins // { nixVersion = \"2.2\"; }; }";
    let script = format!(
        "if [ -e /nixpkgs/lib/minfeatures.nix ]; then nix-instantiate --eval -E '(import /nixpkgs {{ }}).hello.name'
         else nix-instantiate --eval -E '({older} /nixpkgs/default.nix {{ }}).hello.name'; fi"
    );
    vec![("nix-too-old", script)]
}

/// Runs the cases in `live`, one after the other, and names those that another rule or none explains.
fn misunderstood(live: Live, cases: &[(&'static str, String)], what: &str) -> Vec<String> {
    let scripts = temporary();
    for (index, (_, script)) in cases.iter().enumerate() {
        write(&scripts, &format!("{index:02}.sh"), script);
    }
    let live = live.with(&["--bind", &format!("{}:/cases", scripts.path().display())]);
    // The settings that the installer gives to every Nix.
    let settings = environment(&Channels::default(), Network::None);
    let (_, settings) = settings.iter().find(|(name, _)| name == "NIX_CONFIG").unwrap();
    let said = live.sh(&format!(
        "export NIX_CONFIG='{}'
        for case in /cases/*.sh; do
          cd $(mktemp -d)
          unshare --mount bash $case 2>&1 > /dev/null
          printf '\\f'
        done",
        settings.to_str().unwrap()
    ));
    let texts: Vec<&str> = said.out.split_terminator('\u{c}').collect();
    assert_eq!(texts.len(), cases.len(), "{said:?}");
    let explained = cases.iter().zip(texts).map(|((rule, script), text)| {
        let (found, problem) = recognize(text, Context::default());
        (found != Some(*rule)).then(|| format!("{rule} on {what}: {found:?}, {problem}\n{script}\n{text}"))
    });
    explained.flatten().collect()
}

fn names(words: Words) -> BTreeSet<&'static str> {
    let rules = RULES.iter().filter(|rule| rule.words == words);
    rules.map(|rule| rule.name).collect()
}

fn every_rule_has_a_case() {
    let by_nix: BTreeSet<&str> = BY_NIX.iter().map(|case| case.rule).collect();
    assert_eq!(by_nix, names(Words::Nix));
    let by_nixpkgs = [by_nixpkgs(), by_nixpkgs_to_an_old_nix()].concat();
    let by_nixpkgs: BTreeSet<&str> = by_nixpkgs.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(by_nixpkgs, names(Words::Nixpkgs));
}

fn every_error_of_nix_is_known_by_its_rule() {
    let trees = project().join("target/rig/trees");
    let mut wrong = Vec::new();
    for nix in VERSIONS {
        let cases = BY_NIX.iter().filter(|case| case.versions.contains(&nix));
        let cases: Vec<(&str, String)> = cases.map(|case| (case.rule, case.script.to_owned())).collect();
        let live = Live::bare(nix).with(&["--bind", &format!("{}:/trees", trees.display())]);
        wrong.extend(misunderstood(live, &cases, &format!("Nix {nix}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn every_error_of_nixpkgs_is_known_by_its_rule(tree: &Tree) {
    let mut wrong = Vec::new();
    for nix in VERSIONS {
        let cases = if nix == "2.8" {
            by_nixpkgs_to_an_old_nix()
        } else {
            by_nixpkgs()
        };
        let live = Live::bare(nix).with(&["--bind", &format!("{}:/nixpkgs", tree.path)]);
        wrong.extend(misunderstood(
            live,
            &cases,
            &format!("Nix {nix}, nixpkgs {}", tree.release),
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// All refused packages are named in one run, and so is what else is wrong.
fn refused_packages_are_passed_over(tree: &Tree) {
    let refused = r#"
  environment.systemPackages = [
    (pkgs.runCommand "secret-1.0" { meta.license = lib.licenses.unfree; } "")
    (pkgs.runCommand "leaky-1.1" { meta.knownVulnerabilities = [ "CVE-0000-1" ]; } "")
    (pkgs.runCommand "leaky-too-1.2" { meta.knownVulnerabilities = [ "CVE-0000-2" ]; } "")
    (pkgs.runCommand "cracked-1.3" { meta.broken = true; } "")
    (pkgs.runCommand "cracked-too-1.4" { meta.broken = true; } "")
    (pkgs.runCommand "foreign-1.5" { meta.platforms = [ "aarch64-linux" ]; } "")
  ];
  users.mutableUsers = false;"#;
    let (live, _tree) = server("2.34", tree, refused);
    live.install("--check").fails(
        3,
        &[
            "The package secret-1.0 is not free software",
            "The package leaky-1.1 has known vulnerabilities",
            "CVE-0000-1",
            "permittedInsecurePackages = [ \"leaky-too-1.2\" ]",
            "The package cracked-1.3 is marked as broken",
            "The package cracked-too-1.4 is marked as broken",
            "The package foreign-1.5 is not available for this platform",
            "Nobody could log in to the installed system",
        ],
    );
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            plain(every_rule_has_a_case),
            plain(every_error_of_nix_is_known_by_its_rule),
            on_each_tree(every_error_of_nixpkgs_is_known_by_its_rule),
            on_each_tree(refused_packages_are_passed_over),
        ],
    )
}
