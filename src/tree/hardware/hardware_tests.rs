//! Which file is chosen in trees as people have them.

use super::*;
use crate::diagnostic::Diagnostic;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn pick(files: &[(&str, &str)], kind: ConfigKind, host: Option<&str>, named: Option<&str>) -> Result<Hardware> {
    choose(tree(files).path(), kind, host, named.map(Path::new))
}

#[test]
fn the_only_file_is_taken_wherever_it_is() {
    let files = [("flake.nix", "{}"), ("system/host/x/hardware-configuration.nix", "{}")];
    let chosen = pick(&files, ConfigKind::Flake, Some("other"), None).unwrap();
    assert_eq!(chosen.path, Path::new("system/host/x/hardware-configuration.nix"));
    assert!(!chosen.imported);
}

#[test]
fn among_several_the_directory_of_the_host_decides() {
    let files = [
        ("hosts/a/hardware-configuration.nix", "{}"),
        ("hosts/b/hardware-configuration.nix", "{}"),
        ("hosts/b/default.nix", "{ imports = [ ./hardware-configuration.nix ]; }"),
    ];
    let chosen = pick(&files, ConfigKind::Flake, Some("b"), None).unwrap();
    assert_eq!(chosen.path, Path::new("hosts/b/hardware-configuration.nix"));
    assert!(chosen.imported);
    let error = pick(&files, ConfigKind::Flake, Some("c"), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("hosts/a/hardware-configuration.nix\n      hosts/b/hardware-configuration.nix"),
        "{error}"
    );
}

#[test]
fn a_channel_configuration_takes_the_top_one_of_several() {
    let files = [
        ("hardware-configuration.nix", "{}"),
        ("old/hardware-configuration.nix", "{}"),
    ];
    assert_eq!(
        pick(&files, ConfigKind::Channel, None, None).unwrap().path,
        Path::new(HARDWARE_CONFIGURATION)
    );
    pick(&files, ConfigKind::Flake, None, None).unwrap_err();
}

#[test]
fn a_channel_configuration_takes_the_one_that_it_imports() {
    let files = [
        (
            "configuration.nix",
            "{ imports = [ ./pc.nix\n# ./old/hardware-configuration.nix\n]; }",
        ),
        ("hardware-configuration.nix", "{}"),
        ("old/hardware-configuration.nix", "{}"),
        ("pc.nix", "{ imports = [ ./pc/hardware-configuration.nix ]; }"),
        ("pc/hardware-configuration.nix", "{}"),
    ];
    let chosen = |files| pick(files, ConfigKind::Channel, None, None);
    assert_eq!(chosen(&files).unwrap().path, Path::new("pc/hardware-configuration.nix"));
    assert_eq!(chosen(&files[1..]).unwrap().path, Path::new(HARDWARE_CONFIGURATION));
    chosen(&files[2..]).unwrap_err();
}

#[test]
fn a_missing_file_goes_where_the_tree_imports_it() {
    let files = [
        ("flake.nix", "{}"),
        (
            "machines/x/default.nix",
            "{ imports = [ ./hardware-configuration.nix ../../common.nix ]; }",
        ),
    ];
    let chosen = pick(&files, ConfigKind::Flake, None, None).unwrap();
    assert_eq!(chosen.path, Path::new("machines/x/hardware-configuration.nix"));
    assert!(chosen.imported);
}

#[test]
fn a_missing_file_that_nothing_imports_goes_beside_configuration_nix() {
    let files = [
        ("flake.nix", "{}"),
        ("nixos/configuration.nix", "# ./hardware-configuration.nix\n{ }"),
    ];
    let chosen = pick(&files, ConfigKind::Flake, None, None).unwrap();
    assert_eq!(chosen.path, Path::new("nixos/hardware-configuration.nix"));
    assert!(!chosen.imported, "a comment is no import");
}

#[test]
fn the_named_file_goes_before_all_and_must_stay_inside() {
    let files = [("hardware-configuration.nix", "{}")];
    let chosen = pick(&files, ConfigKind::Channel, None, Some("./hosts/../hw.nix")).unwrap();
    assert_eq!(chosen.path, Path::new("hw.nix"));
    for bad in ["/etc/passwd", "../x.nix", "a/../..", "."] {
        pick(&files, ConfigKind::Channel, None, Some(bad)).unwrap_err();
    }
}

#[test]
fn what_is_no_module_that_describes_a_machine_is_never_replaced() {
    let files = [("docs/sub/notes", ""), ("motd", ""), ("configuration.nix", "{ }")];
    for (named, because) in [
        ("docs", NotReplaceable::Directory),
        ("docs/sub", NotReplaceable::Directory),
        ("motd", NotReplaceable::NotNix),
        ("facter.json", NotReplaceable::NotNix),
        ("configuration.nix", NotReplaceable::Entry),
        ("flake.nix", NotReplaceable::Entry),
    ] {
        let error = pick(&files, ConfigKind::Channel, None, Some(named)).unwrap_err();
        let path = named.into();
        let problem = HardwareProblem::NotReplaceable { path, because };
        assert_eq!(error.downcast::<Diagnostic>().unwrap(), problem.into());
    }
}

const IMPORTS: &str = "{ imports = [ ./hardware-configuration.nix ]; }";

/// The path that is chosen for the host, or who the only file belongs to.
fn for_host(files: &[(&str, &str)], host: &str) -> String {
    let chosen = pick(files, ConfigKind::Flake, Some(host), None).unwrap();
    match chosen.doubt {
        None => chosen.path.display().to_string(),
        Some(HardwareProblem::OtherHost { owner, .. }) => format!("of {owner}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_only_file_is_doubted_where_it_belongs_to_another_host() {
    let computed = ("flake.nix", "{ outputs = i: { nixosConfigurations = f ./hosts; }; }");
    let named = (
        "flake.nix",
        "{ outputs = i: { nixosConfigurations = { a = f { modules = [ ./machines/a ]; }; b = f ./machines/b; }; }; }",
    );
    let by_path = (
        "flake.nix",
        "{ outputs = i: { nixosConfigurations.a = f [ ./hardware-configuration.nix ]; nixosConfigurations.b = f [ ./b.nix ]; }; }",
    );
    let hosts: [&[(&str, &str)]; 6] = [
        &[
            computed,
            ("hosts/a/hardware-configuration.nix", "{}"),
            ("hosts/a/default.nix", IMPORTS),
            ("hosts/b/default.nix", "{}"),
        ],
        &[
            computed,
            ("hosts/a/hardware-configuration.nix", "{}"),
            ("hosts/b.nix", "{}"),
        ],
        &[
            computed,
            ("hosts/nixos/a/hardware-configuration.nix", "{}"),
            ("hosts/nixos/a/default.nix", IMPORTS),
            ("hosts/nixos/b/default.nix", "{}"),
        ],
        &[
            named,
            ("machines/a/hardware-configuration.nix", "{}"),
            ("machines/a/default.nix", IMPORTS),
            ("machines/b/default.nix", "{}"),
        ],
        &[
            computed,
            ("nixos/a/hardware-configuration.nix", "{}"),
            ("nixos/a/configuration.nix", IMPORTS),
            ("nixos/b/configuration.nix", "{}"),
        ],
        &[by_path, ("hardware-configuration.nix", "{}"), ("b.nix", "{}")],
    ];
    for files in hosts {
        assert_eq!(for_host(files, "b"), "of a", "{files:?}");
        let own = for_host(files, "a");
        assert!(own.ends_with("hardware-configuration.nix"), "{own}");
    }
}

#[test]
fn a_file_under_another_name_is_suggested_where_the_only_one_is_doubted() {
    let files = [
        ("flake.nix", "{}"),
        ("hosts/a/hardware-configuration.nix", "{}"),
        ("hosts/a/default.nix", IMPORTS),
        ("hosts/b/default.nix", "{ imports = [ ./hardware.nix ]; }"),
        ("hosts/b/hardware.nix", "{}"),
        ("hosts/c/facter.json", "{}"),
        ("disk.nix", "# It was generated by ‘nixos-generate-config’\n{ }"),
    ];
    let chosen = pick(&files, ConfigKind::Flake, Some("b"), None).unwrap();
    let error = Diagnostic::from(chosen.doubt.unwrap()).to_string();
    assert!(
        error.contains("seems to belong to `a`, and the host `b` is installed"),
        "{error}"
    );
    assert!(
        error.contains("disk.nix\n      hosts/b/hardware.nix\n      hosts/c/facter.json"),
        "{error}"
    );
}

#[test]
fn the_file_that_the_host_imports_is_certain_though_it_is_absent_or_elsewhere() {
    let a = ("hosts/a/hardware-configuration.nix", "{}");
    let c = ("hosts/c/hardware-configuration.nix", "{}");
    let b = ("hosts/b/default.nix", IMPORTS);
    assert_eq!(for_host(&[a, b], "b"), "hosts/b/hardware-configuration.nix");
    assert_eq!(for_host(&[a, b, c], "b"), "hosts/b/hardware-configuration.nix");
    // A directory that hosts share.
    let shared = ("hosts/common/hardware-configuration.nix", "{}");
    let common = ("hosts/common/default.nix", IMPORTS);
    let b = ("hosts/b/default.nix", "{ imports = [ ../common ]; }");
    assert_eq!(
        for_host(&[shared, common, b], "b"),
        "hosts/common/hardware-configuration.nix"
    );
    assert_eq!(
        for_host(&[shared, common, b, c], "b"),
        "hosts/common/hardware-configuration.nix"
    );
}

#[test]
fn a_tree_of_one_host_is_never_doubted() {
    let flake = (
        "flake.nix",
        "{ outputs = i: { nixosConfigurations.nixos = f [ ./system ]; }; }",
    );
    let computed = ("flake.nix", "{ outputs = i: { nixosConfigurations = f; }; }");
    for directory in [
        "",
        "nixos/",
        "hosts/laptop/",
        "machines/x/",
        "system/hardware/",
        "a/nixos/b/",
    ] {
        let file = format!("{directory}hardware-configuration.nix");
        let files = [
            (file.as_str(), "{}"),
            ("system/default.nix", "{}"),
            ("home/default.nix", "{}"),
            ("modules/x/default.nix", "{}"),
        ];
        for flake in [flake, computed] {
            assert_eq!(for_host(&[&[flake], files.as_slice()].concat(), "nixos"), file);
        }
        assert_eq!(
            pick(&files, ConfigKind::Flake, None, None).unwrap().path,
            Path::new(&file)
        );
    }
}

#[test]
fn which_host_is_asked_for_where_it_decides() {
    let a = ("hosts/a/hardware-configuration.nix", "{}");
    let files = [
        a,
        ("hosts/a/default.nix", IMPORTS),
        ("hosts/b.nix", "{}"),
        ("flake.nix", "{}"),
    ];
    let error = pick(&files, ConfigKind::Flake, None, None).unwrap_err().to_string();
    assert!(
        error.contains("belongs to the host `a`, and the host to install is not known"),
        "{error}"
    );
}

#[test]
fn the_file_that_is_imported_and_missing_goes_before_one_that_nothing_imports() {
    let stray = ("old/hardware-configuration.nix", "{}");
    let missing = "machine/hardware-configuration.nix";
    let inner = ("machine/default.nix", IMPORTS);
    let entry = ("configuration.nix", "{ imports = [ ./machine ]; }");
    let chosen = |files: &[(&str, &str)], kind, host| {
        let chosen = pick(files, kind, host, None).unwrap();
        assert!(chosen.doubt.is_none(), "{chosen:?}");
        chosen.path.display().to_string()
    };
    let channel = |files: &[(&str, &str)]| chosen(files, ConfigKind::Channel, None);
    assert_eq!(channel(&[stray, inner, entry]), missing);
    let another = ("older/hardware-configuration.nix", "{}");
    assert_eq!(channel(&[stray, another, inner, entry]), missing);
    let flake = (
        "flake.nix",
        "{ outputs = i: { nixosConfigurations.a = f [ ./configuration.nix ]; }; }",
    );
    for host in [None, Some("a")] {
        assert_eq!(chosen(&[stray, inner, entry, flake], ConfigKind::Flake, host), missing);
    }
    // A file that nothing reaches, or that imports the one that is there, decides nothing.
    assert_eq!(channel(&[stray, inner, ("configuration.nix", "{ }")]), stray.0);
    let both = (
        "configuration.nix",
        "{ imports = [ ./machine ./old/hardware-configuration.nix ]; }",
    );
    assert_eq!(channel(&[stray, inner, both]), stray.0);
}
