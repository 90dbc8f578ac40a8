//! Programs that do what is expected of them, and others.

use super::*;

fn runner() -> Runner {
    Runner::new(vec![("PATH".into(), "/usr/bin:/bin".into())], Interrupt::default())
}

fn sh(script: &str) -> Invocation {
    Invocation::new("sh").args(["-c", script])
}

#[test]
fn both_outputs_are_read_and_only_stdout_is_the_result() {
    let mut lines = Vec::new();
    let finished = runner()
        .run(&sh("echo out; echo err >&2"), &mut |stream, line| {
            lines.push((stream, line.to_owned()));
        })
        .unwrap();
    assert_eq!(finished.text().unwrap(), "out");
    assert!(lines.contains(&(Stream::Stderr, "err".to_owned())), "{lines:?}");
}

#[test]
fn a_failure_carries_the_command_line_and_the_last_words() {
    let error = runner().output(&sh("echo 'it broke' >&2; exit 3")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(r#"`sh -c "echo 'it broke'"#) && text.contains("exit code 3"),
        "{text}"
    );
    assert!(text.contains("| it broke"), "{text}");
}

#[test]
fn of_too_many_paths_for_a_command_line_all_are_asked_for() {
    let paths =
        vec!["/nix/store/00000000000000000000000000000000-a-name-that-is-as-long-as-many"; 3 * PATHS_PER_CALL + 1];
    let text = runner().output_of(&sh("echo $#; exit").arg("sh"), &paths).unwrap();
    assert_eq!(text, "10000\n10000\n10000\n1\n");
    assert_eq!(runner().output_of(&sh("true"), &paths[..1]).unwrap(), "");
    assert_eq!(runner().output_of(&sh("exit 1"), &[]).unwrap(), "");
}

#[test]
fn of_an_expression_only_the_first_line_is_shown() {
    assert_eq!(sh("a b\nc").line(), "sh -c 'a b …'");
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let error = runner().output(&Invocation::new("nixos-install-nowhere")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`nixos-install-nowhere` is not on this system"),
        "{error}"
    );
}

#[test]
fn a_machine_without_nix_has_a_problem_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let runner = Runner::new(vec![("PATH".into(), directory.path().into())], Interrupt::default());
    assert!(!runner.has(NIX));
    let error = runner
        .output(&Invocation::new(NIX))
        .unwrap_err()
        .downcast::<Diagnostic>()
        .unwrap();
    assert_eq!(error.code, "no-nix");
    std::fs::write(directory.path().join(NIX), "").unwrap();
    assert!(runner.has(NIX));
}

#[test]
fn programs_see_only_the_environment_of_the_runner() {
    let text = runner()
        .output(&sh("env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | sort"))
        .unwrap();
    assert_eq!(text, "PATH=/usr/bin:/bin");
}

#[test]
fn an_interrupt_ends_the_program_and_its_children() {
    let runner = runner();
    let interrupt = runner.interrupt().clone();
    let mut seen = Vec::new();
    let error = runner
        .run(&sh("sleep 60 & echo $!; wait"), &mut |_, line| {
            seen.push(line.to_owned());
            interrupt.raise();
        })
        .unwrap_err();
    assert!(error.is::<Interrupted>(), "{error}");
    let deadline = Instant::now() + Duration::from_secs(5);
    let child = PathBuf::from(format!("/proc/{}/cmdline", seen[0]));
    while std::fs::read(&child).is_ok_and(|line| !line.is_empty()) {
        assert!(
            Instant::now() < deadline,
            "the sleep of the interrupted program lives on"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn bytes_on_stdin_are_neither_in_the_command_line_nor_lost() {
    let invocation = Invocation::new("cat").stdin(b"secret".to_vec());
    assert_eq!(invocation.line(), "cat");
    assert_eq!(runner().output(&invocation).unwrap(), "secret");
}

/// What the kernel reports, with `killed` processes that were killed for want of memory.
fn report(proc: &Path, killed: u32) {
    std::fs::write(proc.join("meminfo"), "MemTotal: 2000000 kB\nMemAvailable: 1000000 kB\n").unwrap();
    std::fs::write(proc.join("vmstat"), format!("oom_kill {killed}\n")).unwrap();
}

#[test]
fn a_program_that_was_killed_is_reported_as_killed_and_whether_the_memory_ran_out() {
    let proc = tempfile::tempdir().unwrap();
    let killed = |script: &str, before: Option<u32>| {
        if let Some(before) = before {
            report(proc.path(), before);
        }
        let mut runner = runner();
        runner.proc = proc.path().to_owned();
        // As the installer starts Nix.
        let inner = Invocation::new("nix").arg(proc.path().join("vmstat"));
        let invocation = inner.inside(sh(script));
        runner.run(&invocation, &mut |_, _| {}).unwrap_err().to_string()
    };
    let unknown = killed("kill -9 $$", None);
    assert!(
        unknown.starts_with("`nix` was killed, most likely because the memory ran out\n"),
        "{unknown}"
    );
    assert!(unknown.contains("zramctl"), "{unknown}");
    let memory = killed("echo oom_kill 8 > $1; kill -9 $$", Some(7));
    assert!(
        memory.starts_with("`nix` was killed because the memory ran out\n"),
        "{memory}"
    );
    assert!(memory.contains("has 2.05 GB of memory and 0 kB of swap."), "{memory}");
    for script in ["kill -9 $$", "sh -c 'kill -9 $$'; exit $?"] {
        let other = killed(script, Some(7));
        assert!(
            other.starts_with("`nix` was killed\n") && other.contains("systemd-oomd"),
            "{other}"
        );
    }
    let aborted = killed("kill -ABRT $$", Some(7));
    assert!(aborted.contains("was ended by the signal SIGABRT"), "{aborted}");
}
