//! Nix sees the configuration where the installed system will have it, so that `toString ./file` is a path of that system.

use std::path::Path;

use crate::diagnostic::{Diagnostic, ProgramProblem};
use crate::process::Invocation;
use crate::tree::source::ETC_NIXOS;

/// What is mounted is seen by the program alone and is gone with it, however it ends. A live system whose /etc/nixos is
/// absent, or a link (a mount would be on what it leads to), gets an /etc in memory that leads to its own, which may be
/// read-only. `$1` is the tree, `$2` an empty directory, `$3`
/// /etc/nixos, and the rest the program.
const SCRIPT: &str = r#"place() {
  if [ -L "$3" ] || [ ! -d "$3" ]; then
    mount -t tmpfs -o mode=755 tmpfs "$2" &&
      mkdir "$2/old" "$2/etc" "$2/etc/nixos" &&
      mount --rbind /etc "$2/old" || return 1
    for entry in "$2"/old/* "$2"/old/.[!.]*; do
      # A link can be relative.
      if [ "${entry##*/}" = nixos ]; then :
      elif [ -L "$entry" ]; then cp -P "$entry" "$2/etc/"
      elif [ -e "$entry" ]; then ln -s "$entry" "$2/etc/"
      fi || return 1
    done
    mount --bind "$2/etc" /etc || return 1
  fi
  mount --bind "$1" "$3"
}
place "$1" "$2" "$3" || exit 125
shift 3
exec "$@""#;

/// The exit code of [`SCRIPT`] when it could not mount.
const NOT_MOUNTED: i32 = 125;

/// `invocation` with `tree` mounted at [`ETC_NIXOS`]; `empty` is an empty directory.
pub(super) fn at_etc_nixos(invocation: Invocation, tree: &Path, empty: &Path) -> Invocation {
    let outer = Invocation::new("unshare")
        .args(["--mount", "--propagation", "private", "--", "sh", "-c", SCRIPT, "place"])
        .arg(tree)
        .arg(empty)
        .arg(ETC_NIXOS);
    invocation.inside(outer)
}

/// Why a program that [`at_etc_nixos`] made did not come to its start.
pub(super) fn not_mounted(code: Option<i32>, said: &str) -> Option<Diagnostic> {
    let failed = code == Some(NOT_MOUNTED) || said.lines().any(|line| line.starts_with("unshare: "));
    failed.then(|| Diagnostic::from(ProgramProblem::NotMounted { place: ETC_NIXOS }).raw(said))
}
