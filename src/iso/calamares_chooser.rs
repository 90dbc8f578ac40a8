//! The page on which a person chooses what a machine becomes: an instance of Calamares' own chooser. Its mode `required` allows no
//! next page before one is chosen; the name is left in globalStorage as `packagechooser_host` (Calamares 3.3,
//! packagechooser/Config.cpp).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::desktops::NONE;

/// The module, the page and its configuration.
pub(super) const CHOOSER: &str = "packagechooser";
pub(super) const HOST: &str = "packagechooser@host";
pub(super) const HOST_CONF: &str = "packagechooser-host.conf";

/// The page for hosts of a configuration. No entry is without a name: it could be chosen. `only_in_terminal`: the page of partitions
/// is not for that host.
pub(super) fn machines(hosts: &[String], only_in_terminal: impl Fn(&str) -> bool) -> Value {
    let item = |host: &String| {
        let mut what = format!("This machine becomes {host}, as the configuration on this medium describes it.");
        if only_in_terminal(host) {
            what = format!(
                "{host} makes its own partitions, so it is installed in a terminal: sudo nix-cfg-install --host {host} --disko wipe"
            );
        }
        json!({ "id": host, "package": host, "name": host, "description": what })
    };
    page("Machine", &hosts.iter().map(item).collect::<Vec<_>>())
}

fn page(step: &str, items: &[Value]) -> Value {
    json!({ "mode": "required", "method": "legacy", "labels": { "step": step }, "items": items })
}

/// The page for hosts that are desktops of stock NixOS: upstream's own, in the directory `modules`, with those that the ISO has.
pub(super) fn desktops(modules: &Path, hosts: &[String]) -> Value {
    let text = fs::read_to_string(modules.join("packagechooser.conf")).unwrap_or_default();
    let upstream: Value = serde_yaml::from_str(&text).unwrap_or_default();
    let known = upstream["items"].as_array().cloned().unwrap_or_default();
    // Upstream's page has the host without a desktop as the empty choice.
    let id = |item: &Value| match item["id"].as_str() {
        Some("") => NONE.to_owned(),
        id => id.unwrap_or_default().to_owned(),
    };
    let item = |host: &String| {
        let mut item = known.iter().find(|item| id(item) == *host).cloned();
        let item = item.get_or_insert_with(|| json!({ "name": host, "description": "" }));
        item["id"] = host.as_str().into();
        item["packages"] = json!([]);
        item.take()
    };
    let default = upstream["default"]
        .as_str()
        .filter(|default| hosts.iter().any(|host| host == default));
    let mut page = page("Desktop", &hosts.iter().map(item).collect::<Vec<_>>());
    page["default"] = default.or(hosts.first().map(String::as_str)).into();
    page
}
