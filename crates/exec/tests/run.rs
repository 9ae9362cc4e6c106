//! Real programs, really run. No assertion depends on how fast this machine is, except that what
//! would take a hundred seconds must not be awaited.

use std::future::pending;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use bheka_exec::{Exit, Outcome, STATUS_FAILED, Spec, run};

fn shell(script: &str) -> Spec {
    Spec::new(["/bin/sh", "-c", script])
}

async fn finished(spec: Spec) -> Outcome {
    run(spec, pending()).await
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8(outcome.text()).expect("text")
}

/// Waits until no living process has this number; zombies would count.
async fn gone(pid: u32) -> bool {
    for _ in 0..200 {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    false
}

#[tokio::test]
async fn both_streams_go_into_one_buffer_in_order() {
    let outcome = finished(shell("echo out; echo err >&2; echo again; exit 1")).await;
    assert_eq!(outcome.exit, Exit::Code(1));
    assert_eq!(outcome.exit_status(), 1);
    assert_eq!(text(&outcome), "out\nerr\nagain\n");
    assert!(outcome.pid.is_some());
    assert!(outcome.ended_seconds() >= outcome.started_seconds());
    assert!(!outcome.timed_out && !outcome.cancelled && !outcome.killed);
}

#[tokio::test]
async fn a_signal_is_told_in_icingas_words() {
    let outcome = finished(shell("echo hi; kill -SEGV $$")).await;
    assert_eq!(outcome.exit, Exit::Signal(11));
    assert_eq!(outcome.exit_status(), STATUS_FAILED);
    assert_eq!(
        text(&outcome),
        "hi\n<Terminated by signal 11 (Segmentation fault).>"
    );
}

#[tokio::test]
async fn programs_that_do_not_start_are_outcomes() {
    let folder = tempfile::tempdir().expect("folder");
    let script = folder.path().join("bad-interpreter");
    std::fs::write(&script, "#!/nonexistent/interpreter\n").expect("write");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("mode");
    let script = script.to_str().expect("path");
    for (program, words) in [
        ("/nonexistent/x", "No such file or directory"),
        ("no-such-program-anywhere", "No such file or directory"),
        ("/etc/passwd", "Permission denied"),
        ("/tmp", "Permission denied"),
        (script, "No such file or directory"),
    ] {
        let outcome = finished(Spec::new([program, "argument"])).await;
        assert!(
            matches!(outcome.exit, Exit::NotStarted { .. }),
            "{program}: {outcome:?}"
        );
        assert_eq!(outcome.exit_status(), STATUS_FAILED);
        assert_eq!(
            text(&outcome),
            format!("execvpe({program}) failed: {words}")
        );
        assert_eq!(outcome.pid, None);
    }
    let outcome = finished(Spec::new(Vec::<String>::new())).await;
    assert_eq!(outcome.exit_status(), STATUS_FAILED);
    let outcome = finished(Spec::new(["/bin/echo", "a\0b"])).await;
    assert_eq!(
        outcome.exit_status(),
        STATUS_FAILED,
        "a zero byte cannot be passed on"
    );
}

#[tokio::test]
async fn a_script_without_interpreter_line_goes_to_the_shell() {
    let folder = tempfile::tempdir().expect("folder");
    let script = folder.path().join("check");
    std::fs::write(&script, "echo \"$0 $1\"; exit 2\n").expect("write");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("mode");
    let outcome = finished(Spec::new([script.to_str().expect("path"), "one"])).await;
    assert_eq!(outcome.exit_status(), 2);
    assert_eq!(text(&outcome), format!("{} one\n", script.display()));
}

#[tokio::test]
async fn the_environment_is_inherited_and_added_to() {
    let mut spec = shell("echo $LC_NUMERIC $FOO ${HOME:+home}; cat; sleep 0.3; nice");
    spec.env.push(("FOO".into(), "bar".into()));
    spec.nice = 5;
    let outcome = finished(spec).await;
    let text = text(&outcome);
    let expected = if std::env::var_os("HOME").is_some() {
        "C bar home\n"
    } else {
        "C bar\n"
    };
    assert!(text.starts_with(expected), "{text}");
    // The niceness is set right after the start, long before the sleep is over.
    assert_eq!(text.lines().nth(1), Some("5"), "{text}");
}

#[tokio::test]
async fn the_programs_own_path_variable_counts() {
    let folder = tempfile::tempdir().expect("folder");
    let script = folder.path().join("only-here");
    std::fs::write(&script, "#!/bin/sh\necho found\n").expect("write");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("mode");
    let mut spec = Spec::new(["only-here"]);
    spec.env
        .push(("PATH".into(), folder.path().to_str().expect("path").into()));
    assert_eq!(text(&finished(spec).await), "found\n");
}

#[tokio::test]
async fn output_beyond_the_limit_is_counted_and_dropped() {
    let mut spec = shell("head -c 300000 /dev/zero | tr '\\0' a; exit 1");
    spec.output_bytes_max = 1000;
    let outcome = finished(spec).await;
    assert_eq!(
        outcome.exit_status(),
        1,
        "the program was not blocked by a full pipe"
    );
    assert_eq!(outcome.output.len(), 1000);
    assert_eq!(outcome.discarded_bytes, 299_000);
    assert!(text(&outcome).ends_with("\n<Output limit exceeded, 299000 bytes discarded.>"));
}

#[tokio::test]
async fn the_timeout_ends_the_whole_group() {
    let mut spec = shell("echo before; sleep 100 & echo $!; wait");
    spec.timeout = Duration::from_millis(500);
    let outcome = finished(spec).await;
    assert!(outcome.timed_out && !outcome.killed);
    assert_eq!(outcome.exit, Exit::Signal(15));
    assert_eq!(outcome.exit_status(), STATUS_FAILED);
    let text = text(&outcome);
    assert!(text.starts_with("before\n"), "{text}");
    assert!(text.ends_with("\n<Timeout exceeded.><Terminated by signal 15 (Terminated).>"));
    let sleeper: u32 = text
        .lines()
        .nth(1)
        .and_then(|pid| pid.parse().ok())
        .expect("pid");
    assert!(gone(sleeper).await, "the background process was ended, too");
}

#[tokio::test]
async fn who_ignores_the_term_signal_is_killed() {
    let mut spec = shell("trap '' TERM; echo before; while :; do sleep 1; done");
    spec.timeout = Duration::from_millis(500);
    let outcome = finished(spec).await;
    assert!(outcome.timed_out && outcome.killed);
    assert_eq!(outcome.exit, Exit::Signal(9));
    assert_eq!(
        text(&outcome),
        "before\n<Timeout exceeded.><Terminated by signal 9 (Killed).>"
    );
    assert!(gone(outcome.pid.expect("pid")).await);
}

#[tokio::test]
async fn an_answer_after_the_timeout_is_still_a_timeout() {
    let mut spec = shell("trap 'echo late; exit 0' TERM; sleep 100 & wait");
    spec.timeout = Duration::from_secs(1);
    let outcome = finished(spec).await;
    assert_eq!(outcome.exit, Exit::Code(0));
    assert_eq!(outcome.exit_status(), STATUS_FAILED);
    assert_eq!(text(&outcome), "<Timeout exceeded.>late\n");
}

fn lives(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_background_process_on_the_pipe_neither_hangs_the_run_nor_outlives_it() {
    let outcome = finished(shell("sleep 100 & echo $!; exit 1")).await;
    assert_eq!(outcome.exit, Exit::Code(1));
    assert_eq!(outcome.exit_status(), 1, "the plugin's own answer counts");
    assert!(!outcome.timed_out && !outcome.killed);
    let sleeper: u32 = text(&outcome).trim().parse().expect("pid");
    assert!(gone(sleeper).await, "orphans must not pile up");
}

#[tokio::test]
async fn what_may_stay_stays() {
    let mut event_handler = shell("sleep 100 & echo $!; exit 0");
    event_handler.leave_children = true;
    let detached = shell("sleep 100 >/dev/null 2>&1 & echo $!; exit 0");
    for spec in [event_handler, detached] {
        let outcome = finished(spec).await;
        assert_eq!(outcome.exit, Exit::Code(0));
        assert!(!outcome.timed_out);
        let sleeper: u32 = text(&outcome).trim().parse().expect("pid");
        assert!(lives(sleeper), "it may go on");
        let _ = finished(shell(&format!("kill {sleeper}"))).await;
    }
}

#[tokio::test]
async fn cancelling_ends_the_group() {
    let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(run(shell("echo x; sleep 100"), async {
        let _ = cancelled.await;
    }));
    tokio::time::sleep(Duration::from_millis(100)).await;
    cancel.send(()).expect("running");
    let outcome = task.await.expect("task");
    assert!(outcome.cancelled && !outcome.timed_out);
    assert_eq!(outcome.exit_status(), STATUS_FAILED);
    assert!(gone(outcome.pid.expect("pid")).await);
}

#[tokio::test]
async fn dropping_the_run_ends_the_group() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("pid");
    let script = format!(
        "echo $$ > {0}.new; mv {0}.new {0}; sleep 100",
        file.display()
    );
    let task = tokio::spawn(finished(shell(&script)));
    let pid: u32 = loop {
        match std::fs::read_to_string(&file) {
            Ok(pid) => break pid.trim().parse().expect("pid"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    task.abort();
    let _ = task.await;
    assert!(gone(pid).await, "ended and reaped");
}

#[tokio::test]
async fn many_at_once_leave_no_zombies() {
    let runs: Vec<_> = (0..100)
        .map(|n| tokio::spawn(finished(shell(&format!("exit {}", n % 4)))))
        .collect();
    for (n, run) in runs.into_iter().enumerate() {
        let outcome = run.await.expect("task");
        assert_eq!(outcome.exit_status(), i32::try_from(n % 4).expect("small"));
        assert!(!Path::new(&format!("/proc/{}", outcome.pid.expect("pid"))).exists());
    }
}

#[tokio::test]
async fn the_limit_of_open_files_can_be_set() {
    let mut spec = shell("sleep 0.3; ulimit -Sn; ulimit -Hn");
    spec.open_files = Some(77);
    let text = text(&finished(spec).await);
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let hard = hard.map_or_else(|| "unlimited".to_owned(), |hard| hard.to_string());
    assert_eq!(text, format!("77\n{hard}\n"));
}
