//! The configuration: layers, what is said of wrong ones, and `init`.

use crate::harness::{Output, program, root, text};
use std::path::Path;

/// Runs the program in a folder.
pub fn run_in(folder: &Path, words: &[&str], environment: &[(&str, &str)]) -> Output {
    let output = program()
        .args(words)
        .envs(environment.iter().copied())
        .current_dir(folder)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    Output {
        code: output.status.code().expect("the program was killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Key, value and origin of each row of `config show`.
fn shown(folder: &Path, words: &[&str], environment: &[(&str, &str)]) -> Vec<[String; 3]> {
    let words = [&["config", "show", "--format", "tsv"], words].concat();
    let output = run_in(folder, &words, environment);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let row = |line: &str| -> [String; 3] {
        line.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
    };
    output.stdout.lines().skip(1).map(row).collect()
}

fn row(rows: &[[String; 3]], key: &str) -> [String; 2] {
    let [_, value, from] = rows.iter().find(|row| row[0] == key).unwrap_or_else(|| panic!("no {key}"));
    [value.clone(), from.clone()]
}

const NEEDED: &str = "inputs = ['logs']\nstore = 'lake'\nout = 'out'\n";

#[test]
fn each_layer_is_stronger_than_the_one_before_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home/loganalyze");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("config.toml"), "tz = 'UTC'\nkeep = '9d'\ngap = '5m'\nbots = 'only'").unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir_all(work.join("deep")).unwrap();
    std::fs::write(
        work.join("loganalyze.toml"),
        format!("{NEEDED}keep = '8d'\ngap = '6m'\nbots = 'exclude'"),
    )
    .unwrap();
    let config_home = folder.path().join("home");
    let environment =
        [("XDG_CONFIG_HOME", text(&config_home)), ("LOGANALYZE_GAP", "7m"), ("LOGANALYZE_BOTS", "include")];
    let rows = shown(&work, &["--bots", "only"], &environment);
    for (key, value, from) in [
        ("page", "true", "default"),
        ("tz", "UTC", "/home/loganalyze/config.toml line 1"),
        ("keep", "8d", "loganalyze.toml line 4"),
        ("gap", "7m", "$LOGANALYZE_GAP"),
        ("bots", "only", "--bots"),
        ("metrics", "", "not set"),
    ] {
        let [found, origin] = row(&rows, key);
        assert_eq!(found, value, "{key}");
        assert!(origin.ends_with(from), "{key}: {origin}");
    }
    // A file that is named takes the place of the one that is there, and its paths are relative to it.
    let named = work.join("deep/other.toml");
    std::fs::write(&named, NEEDED).unwrap();
    let rows = shown(&work, &["--config", "deep/other.toml"], &environment);
    assert_eq!(row(&rows, "keep")[0], "9d");
    assert_eq!(row(&rows, "out")[0], text(&work.join("deep/out")));
    let gone = run_in(&work, &["config", "show", "--config", "gone.toml"], &[]);
    assert_eq!(gone.code, 1);
    assert!(gone.stderr.contains("gone.toml"), "{}", gone.stderr);
}

#[test]
fn secrets_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "{NEEDED}[notify.webhook]\nurl = 'https://hooks.slack.com/services/T0/s3cret'\n[notify.alertmanager]\n\
         url = 'http://u:s3cret@localhost:9093'\n[[alert]]\nname = 'attacks'\nreport = 'login-incidents'\nwhen = 'any'"
    );
    std::fs::write(folder.path().join("loganalyze.toml"), config).unwrap();
    let rows = shown(folder.path(), &[], &[]);
    assert_eq!(row(&rows, "notify.webhook.url")[0], "https://hooks.slack.com/***");
    assert_eq!(row(&rows, "alert attacks"), ["login-incidents: any (warning)", "loganalyze.toml line 9"]);
    assert!(!rows.iter().flatten().any(|cell| cell.contains("s3cret")), "{rows:?}");
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_was_perhaps_meant() {
    let folder = tempfile::tempdir().unwrap();
    for (more, place, hint) in [
        ("inptus = []", "line 4", "'inputs'"),
        ("tz = 'Asia/Soul'", "line 4", "Asia/Seoul"),
        ("format = 'parket'", "line 4", "'parquet'"),
        ("reports = ['event-count']", "line 4", "'event-counts'"),
        ("reports = ['app-errors']", "line 4", "system logs"),
        ("keep = '5x'", "line 4", "no duration"),
        ("keep = '5h'", "line 4", "less than a day"),
        ("max_rejects = 'many'", "line 4", "10%"),
        ("memory_limit = '1 potato'", "line 4", "512MB"),
        ("threads = 0", "line 4", "from 1 to 1024"),
        ("metrics = 'metrics.txt'", "line 4", ".prom"),
        ("hash_pii = true", "line 4", "$LOGANALYZE_PII_KEY"),
        ("[notify.webhook]\nform = 'slack'", "line 5", "notify.webhook.url"),
        ("[notify.mail]\nto = ['a@b\\nBcc: c@d']", "line 5", "no address"),
        ("[notify.mail]\nto = [\"a@b\\nBcc: c@d\"]", "line 5", "no address"),
        ("[[alert]]\nname = 'x'\nreport = 'errros'\nwhen = 'any'", "line 6", "'errors'"),
        ("[[alert]]\nname = 'x'\nreport = 'errors'\nwhen = 'error_rat > 5%'", "line 7", "'error_rate'"),
        ("[[alert]]\nname = 'x'\nwhen = 'rows > 5'", "line 6", "lines and rejects"),
    ] {
        std::fs::write(folder.path().join("loganalyze.toml"), format!("{NEEDED}{more}")).unwrap();
        for command in [&["config", "show"][..], &["nightly"]] {
            let output = run_in(folder.path(), command, &[]);
            assert_eq!(output.code, 2, "{more}: {}", output.stderr);
            let said = &output.stderr;
            assert!(
                said.contains(&format!("loganalyze.toml {place}: ")) && said.contains(hint),
                "{more}: {said}"
            );
        }
        assert!(!folder.path().join("out").exists(), "{more}");
    }
    for (words, environment, place, hint) in [
        (&["--top", "x"][..], &[][..], "--top: ", "whole number"),
        (&[], &[("LOGANALYZE_PAGE", "yes")], "$LOGANALYZE_PAGE: ", "true or false"),
        (&["--reports", "event-count"], &[], "--reports: ", "'event-counts'"),
    ] {
        std::fs::write(folder.path().join("loganalyze.toml"), NEEDED).unwrap();
        let output = run_in(folder.path(), &[&["nightly"], words].concat(), environment);
        assert_eq!(output.code, 2);
        assert!(output.stderr.contains(place) && output.stderr.contains(hint), "{}", output.stderr);
    }
    let near = run_in(folder.path(), &["config", "show"], &[("LOGANALYZE_STOER", "x")]);
    assert!(near.stderr.contains("did you mean $LOGANALYZE_STORE?"), "{}", near.stderr);
    std::fs::write(folder.path().join("loganalyze.toml"), "").unwrap();
    let none = run_in(folder.path(), &["nightly"], &[]);
    assert!(none.code == 2 && none.stderr.contains("loganalyze init"), "{}", none.stderr);
}

#[test]
fn init_writes_what_suits_the_folder_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (deep, name) in
        [("logs", "user_activity-2025-03-13.log"), ("odd \"name\"/old", "user_activity-2025-03-14.log")]
    {
        let to = folder.path().join("my shop").join(deep);
        std::fs::create_dir_all(&to).unwrap();
        std::fs::copy(root().join("sample_logs").join(name), to.join(name)).unwrap();
    }
    let units = folder.path().join("units");
    std::fs::create_dir(&units).unwrap();
    let made = run_in(
        folder.path(),
        &["init", "my shop", "--tz", "UTC", "--systemd", "units"],
        &[("TZ", "Asia/Tokyo")],
    );
    assert_eq!(made.code, 0, "{}", made.stderr);
    let config = folder.path().join("my shop/loganalyze.toml");
    let written = std::fs::read_to_string(&config).unwrap();
    assert!(written.contains(r#"inputs = ["logs", "odd \"name\"/old"]"#), "{written}");
    // 00:20 UTC is 09:20 in Tokyo.
    assert!(made.stdout.contains("\n  20 9 * * *  "), "{}", made.stdout);
    assert!(made.stdout.contains(&format!("--config '{}'", config.display())), "{}", made.stdout);
    let service = std::fs::read_to_string(units.join("loganalyze.service")).unwrap();
    assert!(service.contains(&format!("nightly --quiet --config \"{}\"", config.display())), "{service}");
    let timer = std::fs::read_to_string(units.join("loganalyze.timer")).unwrap();
    assert!(timer.contains("OnCalendar=*-*-* 00:20:00 UTC"), "{timer}");

    // Nothing is there twice, and nothing by half.
    std::fs::remove_file(&config).unwrap();
    let again = run_in(folder.path(), &["init", "my shop", "--systemd", "units"], &[]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("loganalyze.service") && !config.exists(), "{}", again.stderr);
    let nowhere = run_in(folder.path(), &["init", "my shop", "--systemd", "nowhere"], &[]);
    assert!(nowhere.code == 1 && nowhere.stderr.contains("there is no folder"), "{}", nowhere.stderr);
    assert!(!config.exists());
    std::fs::write(&config, "mine").unwrap();
    assert_eq!(run_in(folder.path(), &["init", "my shop"], &[]).code, 1);
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "mine");

    // What it writes works, also with all that is commented out there.
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(inside) if inside.starts_with('[') || inside.contains(" = ") => inside.to_owned(),
        _ => line.to_owned(),
    };
    let all: Vec<String> = written.lines().map(line).collect();
    for text in [written.clone(), all.join("\n").replace("/var/lib/node_exporter/", "")] {
        std::fs::write(&config, &text).unwrap();
        let shown = run_in(folder.path(), &["config", "show", "--config", "my shop/loganalyze.toml"], &[]);
        assert_eq!(shown.code, 0, "{text}\n{}", shown.stderr);
    }
    std::fs::write(&config, &written).unwrap();
    let night = ["nightly", "--config", "my shop/loganalyze.toml", "--date", "2025-03-14"];
    let night = run_in(folder.path(), &night, &[]);
    assert_eq!(night.code, 0, "{}", night.stderr);
    assert!(folder.path().join("my shop/reports/date=2025-03-14/event-counts.csv").exists());
}

#[test]
fn init_finds_logs_in_the_folder_itself_or_says_that_there_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let none = run_in(folder.path(), &["init"], &[]);
    assert_eq!(none.code, 0, "{}", none.stderr);
    assert!(none.stdout.contains("no logs here yet"), "{}", none.stdout);
    std::fs::remove_file(folder.path().join("loganalyze.toml")).unwrap();
    std::fs::write(folder.path().join("user_activity.log"), "{}\n").unwrap();
    assert_eq!(run_in(folder.path(), &["init"], &[]).code, 0);
    let config = std::fs::read_to_string(folder.path().join("loganalyze.toml")).unwrap();
    assert!(config.contains("inputs = [\".\"]"), "{config}");
    assert_eq!(run_in(folder.path(), &["init", "gone"], &[]).code, 1);
}
