//! See [`nix_cfg_install::cli::iso`].

fn main() -> std::process::ExitCode {
    nix_cfg_install::cli::iso::main()
}
