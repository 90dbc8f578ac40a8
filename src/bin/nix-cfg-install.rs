//! See [`nix_cfg_install::cli::install`].

fn main() -> std::process::ExitCode {
    nix_cfg_install::cli::install::main()
}
