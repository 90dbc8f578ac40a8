use super::*;

#[test]
fn facts_are_read_from_traces_and_a_fact_that_throws_is_absent() {
    let mut facts = Facts::default();
    assert!(facts.take(r#"trace: nix-cfg-install: platform "x86_64-linux""#));
    assert!(facts.take("trace: nix-cfg-install: users null"));
    assert!(facts.take(r#"trace: nix-cfg-install: boot {"loaders":["grub"],"grub_devices":["/dev/sda"]}"#));
    assert!(!facts.take("trace: something of the user's own"));
    assert!(!facts.take("warning: unknown setting"));
    assert_eq!(facts.platform.as_deref(), Some("x86_64-linux"));
    assert_eq!(facts.users, None);
    assert_eq!(facts.boot.unwrap().grub_devices, ["/dev/sda"]);
}
