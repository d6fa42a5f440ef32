//! The shape of the code, held by a test: pure rooms touch nothing outside, shell files do not know each other,
//! `unsafe` has one home, and no file outgrows a reader.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// What a pure room must not name, and what it would mean if it did.
const FORBIDDEN_IN_PURE_ROOMS: &[(&str, &str)] = &[
    ("tokio", "an async runtime"),
    ("rumqttc", "the network"),
    ("sled", "the disk"),
    ("socketcan", "the network"),
    ("nix::", "system calls"),
    ("std::fs", "files"),
    ("std::net", "sockets"),
    ("std::os", "the operating system"),
    ("std::io::stdin", "the terminal"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("std::env", "the environment"),
    ("Instant::now", "a clock"),
    ("SystemTime", "a clock"),
    ("Timestamp::now", "a clock"),
    ("Zoned::now", "a clock"),
    ("getrandom", "a random source"),
    ("RandomState", "a random source"),
    ("HashMap", "an order that differs from run to run"),
    ("HashSet", "an order that differs from run to run"),
];

/// Rooms and files that are allowed to touch the outside world.
const SHELL: &[&str] = &["io", "cli", "main.rs", "runtime.rs", "runtime"];

/// A file longer than this no longer fits into a head: split it along its seams.
const MAX_LINES: usize = 600;

#[test]
fn pure_rooms_touch_nothing_outside() {
    let mut faults = Vec::new();
    let mut pure_files = 0;
    for path in sources() {
        let room = room_of(&path);
        if SHELL.contains(&room.as_str()) {
            continue;
        }
        pure_files += 1;
        for (number, line) in code_lines(&path) {
            for (word, meaning) in FORBIDDEN_IN_PURE_ROOMS {
                if line.contains(word) {
                    faults.push(format!(
                        "{}:{number}: `{word}` is {meaning}: pass it in, or move it to io/",
                        path.display()
                    ));
                }
            }
            if line.contains("crate::io") || line.contains("crate::runtime") || line.contains("crate::cli") {
                faults.push(format!("{}:{number}: a pure room must not know the shell", path.display()));
            }
        }
    }
    assert!(pure_files > 10, "found only {pure_files} pure files: is the test looking in the right place?");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn shell_files_do_not_know_each_other() {
    let parts: Vec<String> = modules_of("src/io");
    let mut faults = Vec::new();
    for path in sources().into_iter().filter(|path| room_of(path) == "io") {
        let own = part_of(&path);
        for (number, line) in code_lines(&path) {
            for part in parts.iter().filter(|part| **part != own && *part != "sys") {
                let direct = format!("crate::io::{part}");
                let sideways = format!("super::{part}::");
                if line.contains(&direct) || (line.contains(&sideways) && path.parent() == Some(Path::new("src/io"))) {
                    faults
                        .push(format!("{}:{number}: `{own}` uses `{part}`; wire them in the runtime", path.display()));
                }
            }
        }
    }
    assert!(parts.len() > 3, "found only {parts:?} in src/io");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn unsafe_code_has_one_home() {
    let mut homes = Vec::new();
    for path in sources() {
        if code_lines(&path).iter().any(|(_, line)| line.contains("unsafe {") || line.contains("unsafe fn")) {
            homes.push(path);
        }
    }
    assert!(homes.iter().all(|path| path.ends_with("io/sys.rs")), "unsafe outside io/sys.rs: {homes:?}");
}

#[test]
fn no_file_outgrows_a_reader() {
    let long: Vec<String> = sources()
        .iter()
        .map(|path| (path, read(path).lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{} has {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "split along the seams, at most {MAX_LINES} lines:\n{}", long.join("\n"));
}

/// Every `.rs` file below `src`, relative to the package.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the package root is the working directory of a test") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The room: the folder or file directly below `src`.
fn room_of(path: &Path) -> String {
    path.components().nth(1).expect("below src").as_os_str().to_string_lossy().into_owned()
}

/// The part of `src/io` that a file belongs to, be it a file or a folder.
fn part_of(path: &Path) -> String {
    let name = path.components().nth(2).expect("below src/io").as_os_str().to_string_lossy().into_owned();
    name.trim_end_matches(".rs").to_owned()
}

fn modules_of(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = sources()
        .iter()
        .filter(|path| path.starts_with(folder))
        .map(|path| part_of(path))
        .filter(|name| name != "mod")
        .collect();
    names.dedup();
    names
}

/// The numbered lines of code: without comments, and without the tests at the end of a file, which may use anything.
fn code_lines(path: &Path) -> Vec<(usize, String)> {
    if path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|part| part.as_os_str() == "tests")
    {
        return Vec::new();
    }
    let text = read(path);
    let lines: Vec<&str> = text.lines().collect();
    let end = (0..lines.len()).find(|&index| opens_tests(&lines, index)).unwrap_or(lines.len());
    (1..)
        .zip(&lines[..end])
        .map(|(number, line)| (number, line.split("//").next().unwrap_or_default().to_owned()))
        .collect()
}

/// Whether the module of tests begins at this line; `#[cfg(test)] mod tests;` only names another file.
fn opens_tests(lines: &[&str], index: usize) -> bool {
    lines[index].trim_start().starts_with("#[cfg(test)]") && lines.get(index + 1).is_some_and(|next| next.contains('{'))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a source file is UTF-8")
}
