//! Who may know whom: nothing to the left of the pipeline knows anything to the right.

use crate::harness::root;
use std::path::{Path, PathBuf};

/// A module and the modules that it may use. `error` and `schema` are for all but `schema` itself.
const MAY_USE: [(&str, &[&str]); 17] = [
    ("schema", &[]),
    ("error", &[]),
    ("cloud", &[]),
    ("cores", &[]),
    ("heaps", &[]),
    ("lock", &["error"]),
    ("parquet_files", &[]),
    ("input", &["cloud", "error"]),
    ("scan", &["cores", "input", "schema", "error"]),
    ("events", &["scan", "schema"]),
    ("report", &["schema", "error"]),
    ("engine", &["events", "report", "schema", "error"]),
    ("sink", &["error", "parquet_files"]),
    ("store", &["cloud", "input", "lock", "parquet_files", "scan", "events", "schema", "error"]),
    ("config", &["error"]),
    ("alert", &["error", "report", "schema", "sink"]),
    (
        "cli",
        &[
            "alert", "cloud", "config", "cores", "engine", "error", "events", "heaps", "input", "lock",
            "report", "scan", "schema", "sink", "store",
        ],
    ),
];

fn sources(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The modules that a file names behind `crate::`.
fn used(text: &str) -> Vec<&str> {
    let behind = text.split("crate::").skip(1);
    behind.map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap()).collect()
}

#[test]
fn every_module_uses_only_what_it_may() {
    let source = root().join("src");
    for path in sources(&source) {
        let relative = path.strip_prefix(&source).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let (_, allowed) =
            MAY_USE.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{module} is new"));
        for name in used(&std::fs::read_to_string(&path).unwrap()) {
            assert!(name == module || allowed.contains(&name), "{} uses {name}", relative.display());
        }
    }
}

#[test]
fn every_file_says_what_it_holds_and_is_short() {
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let head = if path.extension().is_some_and(|ending| ending == "rs") { "//! " } else { "/* " };
        assert!(text.starts_with(head), "{}", path.display());
        assert!(text.lines().count() <= 450, "{} has {} lines", path.display(), text.lines().count());
    }
}

#[test]
fn unsafe_code_is_in_five_files() {
    // Vector instructions, a check that Polars need not repeat, memory, and the cores that threads begin on.
    let allowed = [
        "src/scan/stops.rs",
        "src/scan/vectors.rs",
        "src/engine/categories.rs",
        "src/heaps.rs",
        "src/cores.rs",
    ];
    for path in sources(&root().join("src")) {
        let allows = std::fs::read_to_string(&path).unwrap().contains("allow(unsafe_code)");
        let expected = allowed.iter().any(|file| path.ends_with(file));
        assert_eq!(allows, expected, "{}", path.display());
    }
}
