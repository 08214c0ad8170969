//! What the README shows is what happens.

use crate::harness::{program, root, skip};
use std::process::Command;

struct Block {
    language: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let parts: Vec<&str> = readme.split("```").collect();
    let fenced = parts.iter().skip(1).step_by(2);
    fenced
        .map(|part| {
            let (language, text) = part.split_once('\n').unwrap();
            Block { language: language.trim().into(), text: text.into() }
        })
        .collect()
}

/// A shell in which `loganalyze` is the built program, in a copy of the sample logs.
fn shell(script: &str, folder: &std::path::Path) -> std::process::Output {
    let built = std::path::Path::new(program().get_program()).parent().unwrap().to_owned();
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap());
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .env("PATH", path)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sample_logs", "examples", "queries"] {
        std::os::unix::fs::symlink(root().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// On a terminal, where the reader is, a result is a table.
fn as_on_a_terminal(command: &str) -> String {
    const CHOSEN: [&str; 6] = ["--format", " -o ", "|", "schema", "--explain", "--help"];
    const WITHOUT_RESULT: [&str; 5] = ["ingest", "nightly", "store verify", "store prune", "store compact"];
    let chosen = CHOSEN.iter().chain(&WITHOUT_RESULT).any(|word| command.contains(word));
    if chosen { command.to_owned() } else { format!("{command} --format table") }
}

#[test]
fn every_command_shown_gives_the_output_shown() {
    let folder = folder();
    let mut shown = 0;
    for block in blocks().iter().filter(|block| block.language == "console") {
        let mut steps = block.text.split("$ ");
        assert_eq!(steps.next().unwrap().trim(), "", "a console block begins with a command");
        for step in steps {
            let (command, expected) = step.split_once('\n').unwrap();
            let output = shell(&as_on_a_terminal(command), folder.path());
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command}: {stderr}");
            if !expected.trim().is_empty() {
                assert_eq!(
                    String::from_utf8_lossy(&output.stdout).trim_end(),
                    expected.trim_end(),
                    "{command}"
                );
                shown += 1;
            }
        }
    }
    assert!(shown >= 5, "the README shows too little");
}

#[test]
fn the_notebook_recipes_run() {
    let folder = folder();
    let home = std::env::var("HOME").unwrap_or_default();
    let python = std::env::var("LOGANALYZE_PYTHON")
        .unwrap_or_else(|_| format!("{home}/.cache/loganalyze/venv/bin/python3"));
    let views = "loganalyze product-views sample_logs --quiet -o views.parquet; \
                 loganalyze sql 'SELECT * FROM events' sample_logs --quiet -o events.parquet";
    let lake = "loganalyze nightly --inputs sample_logs --quiet --store lake --out reports --metrics loganalyze.prom \
                --date 2025-03-10..2025-03-14";
    let made = shell(&format!("{views}; {lake}"), folder.path());
    assert!(made.status.success());
    for block in blocks().iter().filter(|block| block.language == "python") {
        let module = block.text.split([' ', '\n', '.']).nth(1).unwrap();
        let import = Command::new(&python).args(["-c", &format!("import {module}")]).output();
        if !import.is_ok_and(|output| output.status.success()) {
            skip(&format!("Python's {module} is not installed"));
            continue;
        }
        let output =
            Command::new(&python).args(["-c", &block.text]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}: {}", block.text, String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{} prints nothing", block.text);
    }
}

#[test]
fn there_are_exactly_two_commands_to_begin_with() {
    let first = &blocks().into_iter().find(|block| block.language == "sh").unwrap().text;
    let commands: Vec<&str> = first.lines().collect();
    assert_eq!(commands, ["cargo run --release -- product-views sample_logs", "cargo test --release"]);
}

#[test]
fn the_configuration_shown_can_be_used() {
    let folder = folder();
    let block = blocks().into_iter().find(|block| block.language == "toml").unwrap();
    let used = |text: String| {
        std::fs::write(folder.path().join("loganalyze.toml"), &text).unwrap();
        let output = shell("loganalyze config show --format csv", folder.path());
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(
        used(block.text.clone()).contains("alert broken lines,rejects > 1% (warning),loganalyze.toml line ")
    );
    // Also with what is commented out.
    let shown = used(
        block
            .text
            .replace("\n# ", "\n")
            .replace("    without", "    # without")
            .replace("    of the", "    # of the"),
    );
    assert!(shown.contains("\nkeep,400d,") && shown.contains("\nformat,parquet,"), "{shown}");
}
