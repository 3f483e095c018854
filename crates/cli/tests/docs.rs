//! The documentation is true: every block of code in it is run, and what it shows is what comes out.
//!
//! | in a page | what happens |
//! |---|---|
//! | `<!-- file: name.lua -->` before a block | the block becomes a file of the page |
//! | a block `lua` | runs as a script; a following block `text` is what it prints |
//! | `<!-- with: ... -->` before it | what comes before it in the script |
//! | a block `lua,error` | fails; the following block `text` is the message |
//! | a block `console` | lines with `$ ` are run, the others are what comes out |
//! | a block `sh` | its commands succeed in a copy of the repository's `scripts` |
//! | a block `python`, `r` | runs, where python3 has pandas and matplotlib, and where there is Rscript |
//! | a block of no kind | is only shown |
//!
//! Times of the clock on the wall, speeds and keys of result folders are not compared. A line `...` stands for any lines.
//! `TIDEWIRE_DOCS=write cargo test -p tidewire --test docs` writes what comes out into the pages.

mod place;

use place::{Place, text};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// A piece of a page.
enum Piece {
    Prose(String),
    Block { kind: String, text: String },
}

fn pieces(page: &str) -> Vec<Piece> {
    let mut all = Vec::new();
    let mut prose = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            prose.push_str(line);
            prose.push('\n');
            continue;
        };
        all.push(Piece::Prose(std::mem::take(&mut prose)));
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        all.push(Piece::Block { kind: kind.to_owned(), text: body.join("\n") });
    }
    all.push(Piece::Prose(prose));
    all
}

/// The text of `<!-- word: ... -->` at the end of a stretch of prose.
fn note<'a>(prose: &'a str, word: &str) -> Option<&'a str> {
    let inside = prose.trim_end().strip_suffix("-->")?;
    let (_, last) = inside.rsplit_once("<!--")?;
    Some(last.trim().strip_prefix(word)?.strip_prefix(':')?.trim())
}

/// The same line without what differs from run to run.
fn masked(line: &str) -> String {
    let is_key = |part: &str| part.len() == 8 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let mut words: Vec<String> = line
        .split(' ')
        .map(|word| {
            word.split('/').map(|part| if is_key(part) { "KEY" } else { part }).collect::<Vec<_>>().join("/")
        })
        .collect();
    for at in 0..words.len() {
        let numeric = |word: &String| word.starts_with(|c: char| c.is_ascii_digit());
        let rest = &words[at + 1..];
        if words[at] == "in"
            && rest.len() >= 2
            && numeric(&rest[0])
            && ["ms", "s", "us", "min"].contains(&rest[1].trim_end_matches(','))
        {
            words[at + 1] = "TIME".into();
            words[at + 2].clear();
        } else if words[at].starts_with("events/s") || words[at].starts_with("thread") {
            let from = at.saturating_sub(if words[at].starts_with("thread") { 1 } else { 2 });
            words[from..at].iter_mut().for_each(|word| word.clear());
            words[at] = "SPEED".into();
        }
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// Whether what came out is what is shown, where `...` stands for any lines.
fn agrees(shown: &str, came: &str) -> bool {
    let lines = |text: &str| text.lines().map(masked).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let (shown, came) = (lines(shown), lines(came));
    let mut at = 0;
    let mut skips = false;
    for line in &shown {
        if line == "..." {
            skips = true;
            continue;
        }
        match came[at.min(came.len())..].iter().position(|other| other == line) {
            Some(0) => at += 1,
            Some(n) if skips => at += n + 1,
            _ => return false,
        }
        skips = false;
    }
    skips || at == came.len()
}

struct Page {
    place: Place,
    name: String,
    /// The page with what really comes out.
    written: String,
    wrong: Vec<String>,
}

impl Page {
    /// Output on both streams, in the order in which a terminal would mostly show it.
    fn run(&self, line: &str) -> (String, Option<i32>) {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        match words.next() {
            Some("tidewire") => {
                let mut command = self.place.command("");
                let rest = line.split_once(' ').map_or("", |(_, rest)| rest);
                command.args(shell_words(rest));
                let output = command.output().expect("the command starts");
                let (out, err) = (text(&output.stdout), text(&output.stderr));
                // A sweep says first what it will do; what others add to their output comes last.
                let both = if rest.starts_with("sweep") { err + &out } else { out + &err };
                (both, output.status.code())
            }
            Some("cat") => (words.map(|name| self.read(name)).collect(), Some(0)),
            Some("head") => {
                let n: usize = words.nth(1).and_then(|n| n.parse().ok()).expect("head -n N FILE");
                let all = self.read(words.next().expect("head -n N FILE"));
                (all.lines().take(n).map(|line| format!("{line}\n")).collect(), Some(0))
            }
            other => panic!("{}: cannot run {other:?}", self.name),
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.place.path(name))
            .unwrap_or_else(|error| panic!("{}: {name}: {error}", self.name))
    }

    fn compare(&mut self, what: &str, shown: &str, came: &str) {
        if !agrees(shown, came) {
            self.wrong.push(format!("{}: {what}\n--- shown\n{shown}\n--- came\n{came}", self.name));
        }
    }

    fn script(&mut self, script: &str, hidden: usize, fails: bool, shown: Option<&str>) -> String {
        fs::write(self.place.path("script.lua"), script).unwrap();
        let (came, code) = self.run("tidewire run script.lua -q");
        let came = renumbered(&came, hidden);
        if (code == Some(0)) == fails {
            self.wrong.push(format!("{}: exit code {code:?}\n{script}\n{came}", self.name));
        }
        if let Some(shown) = shown {
            self.compare(script, shown, &came);
        }
        came
    }

    /// Blocks of which only is asked that they succeed.
    fn elsewhere(&mut self, kind: &str, block: &str) {
        let failed = match kind {
            "sh" => {
                let scripts = self.place.path("scripts");
                if !scripts.exists() {
                    copy(&docs().join("../scripts"), &scripts);
                }
                let commands = block.lines().map(|line| line.split(" #").next().unwrap_or(line).trim());
                let run = |line: &str| match self.run(line) {
                    (_, Some(0)) => None,
                    (came, code) => Some(format!("{line}: {code:?}\n{came}")),
                };
                commands.filter(|line| !line.is_empty()).find_map(run)
            }
            "python" if python_has_pandas() => self.program("python3", "block.py", block),
            "r" if can("Rscript", &["--version"]) => self.program("Rscript", "block.R", block),
            other => {
                println!("{}: nothing here that runs {other}", self.name);
                None
            }
        };
        self.wrong.extend(failed.map(|why| format!("{}: {why}", self.name)));
    }

    fn program(&self, program: &str, file: &str, block: &str) -> Option<String> {
        fs::write(self.place.path(file), block).unwrap();
        let mut command = Command::new(program);
        command.arg(file).current_dir(self.place.path("")).env("MPLBACKEND", "Agg");
        let output = command.output().expect("it was there a moment ago");
        (!output.status.success()).then(|| format!("{block}\n{}", text(&output.stderr)))
    }

    fn console(&mut self, block: &str) {
        let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in block.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command, Vec::new())),
                (None, Some((_, shown))) => shown.push(line),
                (None, None) => panic!("{}: a console block begins with '$ '", self.name),
            }
        }
        for (command, shown) in commands {
            let (came, _) = self.run(command);
            let _ = writeln!(self.written, "$ {command}");
            let shown = shown.join("\n");
            if agrees(&shown, &came) && !shown.is_empty() {
                let _ = writeln!(self.written, "{}", shown.trim_end());
            } else {
                self.compare(command, &shown, &came);
                came.lines().for_each(|line| {
                    let _ = writeln!(self.written, "{}", line.trim_end());
                });
            }
        }
    }
}

fn can(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn python_has_pandas() -> bool {
    can("python3", &["-c", "import pandas, matplotlib"])
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Messages count the lines of what is seen.
fn renumbered(came: &str, hidden: usize) -> String {
    let mut parts = came.split("script.lua:");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let line: usize = part[..digits].parse().unwrap_or(0);
        let _ = write!(text, "script.lua:{}{}", line.saturating_sub(hidden), &part[digits..]);
    }
    text
}

fn shell_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().expect("one at least").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn check(path: &Path) -> Page {
    let name = path.strip_prefix(docs()).unwrap_or(path).display().to_string();
    let source = fs::read_to_string(path).unwrap();
    let mut page = Page { place: Place::new(&[]), name, written: String::new(), wrong: Vec::new() };
    let pieces = pieces(&source);
    let mut before = "";
    let mut printed: Option<String> = None;
    for (at, piece) in pieces.iter().enumerate() {
        let (kind, block) = match piece {
            Piece::Prose(prose) => {
                before = prose;
                page.written.push_str(prose);
                continue;
            }
            Piece::Block { kind, text } => (kind.as_str(), text.as_str()),
        };
        let _ = writeln!(page.written, "```{kind}");
        let shown = match (pieces.get(at + 1), pieces.get(at + 2)) {
            (Some(Piece::Prose(between)), Some(Piece::Block { kind, text }))
                if kind == "text" && between.lines().filter(|line| !line.is_empty()).count() <= 1 =>
            {
                Some(text.as_str())
            }
            _ => None,
        };
        match (kind, note(before, "file")) {
            (_, Some(file)) => {
                fs::write(page.place.path(file), format!("{block}\n")).unwrap();
                let _ = writeln!(page.written, "{block}");
            }
            ("lua" | "lua,error", None) => {
                let with = note(before, "with").map(|with| format!("{with}\n")).unwrap_or_default();
                let came =
                    page.script(&format!("{with}{block}"), with.lines().count(), kind == "lua,error", shown);
                printed = shown.map(|_| came);
                let _ = writeln!(page.written, "{block}");
            }
            ("console", None) => page.console(block),
            ("sh" | "python" | "r", None) => {
                page.elsewhere(kind, block);
                let _ = writeln!(page.written, "{block}");
            }
            ("text", None) => {
                let came = printed.take();
                let differs = came.as_ref().filter(|came| !agrees(block, came));
                let _ = writeln!(page.written, "{}", differs.map_or(block, |came| came.trim_end()));
            }
            ("", None) => {
                let _ = writeln!(page.written, "{block}");
            }
            _ => panic!("{}: a block of the kind '{kind}' that nothing runs", page.name),
        }
        page.written.push_str("```\n");
    }
    page
}

fn check_all(paths: Vec<PathBuf>) {
    let write = std::env::var("TIDEWIRE_DOCS").is_ok_and(|value| value == "write");
    let mut wrong = Vec::new();
    for path in paths {
        let page = check(&path);
        if write && !page.wrong.is_empty() {
            fs::write(&path, &page.written).unwrap();
        }
        wrong.extend(page.wrong);
    }
    assert!(wrong.is_empty(), "{} in the documentation:\n{}", wrong.len(), wrong.join("\n\n"));
}

fn pages_below(folder: &str, deep: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    pages(&docs().join(folder), &mut found);
    if !deep {
        found.retain(|path| path.parent() == Some(&docs().join(folder)));
    }
    found
}

#[test]
fn every_block_of_the_pages_runs_and_shows_what_comes_out() {
    check_all(pages_below("", false));
}

#[test]
fn every_block_of_the_tutorial_runs_and_shows_what_comes_out() {
    check_all(pages_below("tutorial", true));
}

#[test]
fn every_block_of_the_how_to_pages_runs_and_shows_what_comes_out() {
    check_all(pages_below("how-to", true));
}

#[test]
fn every_block_of_the_korean_pages_runs_and_shows_what_comes_out() {
    check_all(pages_below("ko", true));
}

#[test]
fn the_table_of_contents_has_every_page_and_every_link_leads_somewhere() {
    let mut all = Vec::new();
    pages(&docs(), &mut all);
    let summary = fs::read_to_string(docs().join("SUMMARY.md")).unwrap();
    for path in &all {
        let name = path.strip_prefix(docs()).unwrap().display().to_string();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "SUMMARY.md lacks {name}");
    }
    for path in all {
        let page = fs::read_to_string(&path).unwrap();
        for piece in pieces(&page) {
            let Piece::Prose(prose) = piece else { continue };
            for target in prose.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
                let outside = target.is_empty() || target.contains("://") || target.contains(' ');
                let there = path.parent().unwrap().join(target).exists();
                assert!(outside || there, "{}: {target} is not there", path.display());
            }
        }
    }
}

#[test]
fn what_differs_from_run_to_run_is_not_compared() {
    assert!(agrees("a: 3 s simulated in 2 ms, 5 events", "a: 3 s simulated in 17 ms, 5 events\n"));
    assert!(!agrees("a: 3 s simulated in 2 ms, 5 events", "a: 4 s simulated in 2 ms, 5 events"));
    assert!(agrees("results/x/3f9a1c07/runs.csv", "results/x/00000000/runs.csv"));
    assert!(agrees("one\n...\nfour", "one\ntwo\nthree\nfour"));
    assert!(!agrees("one\nfour", "one\ntwo\nfour"));
    assert!(agrees("x  12 runs in 49 ms  489 k events/s", "x  12 runs in 1 s  1.2 M events/s"));
}
