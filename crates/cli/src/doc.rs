//! `tidewire doc`: the reference of functions and options, from the table that also checks them.

use crate::Context;
use crate::args::DocArgs;
use std::fmt::Write;
use tidewire_lab::LabError;
use tidewire_script::spec::{Fields, Func, Kind, Opt, Param, Row, all, fields, rows};

/// Prints the functions that a topic names, or one line for each function there is.
pub fn doc(context: &Context, args: &DocArgs) -> Result<u8, LabError> {
    let functions = all();
    if args.markdown {
        context.term.raw(&markdown(&functions));
        return Ok(0);
    }
    let words: Vec<String> = args.topic.iter().map(|word| word.to_lowercase()).collect();
    let (search, words) = match words.split_first() {
        Some((first, rest)) if first == "search" && !rest.is_empty() => (true, rest.to_vec()),
        _ => (false, words),
    };
    if words.first().is_some_and(|word| word == "rows" || word == "row") && !search {
        return subjects(context, &words[1..]);
    }
    if words.is_empty() {
        context.term.raw(&overview(&functions));
        let things: Vec<&str> = fields().iter().map(|fields| fields.of).collect();
        context.term.raw(&format!("\n  Fields and metrics: {}\n", things.join(", ")));
        return Ok(0);
    }
    let find = |search: bool| -> (Vec<&Func>, Vec<&Fields>) {
        let named = functions.iter().copied();
        let named = named.filter(|f| if search { mentions(f, &words) } else { is_named(f, &words) });
        (named.collect(), fields().iter().filter(|fields| has_fields(fields, &words, search)).collect())
    };
    let (mut found, mut read) = find(search);
    if found.is_empty() && read.is_empty() && !search {
        (found, read) = find(true);
        if !found.is_empty() || !read.is_empty() {
            let name = |f: &&Func| !words.iter().all(|word| f.name.to_lowercase().contains(word.as_str()));
            found.sort_by_key(name);
            let pages = pages(&words);
            let about = if pages.is_empty() {
                String::new()
            } else {
                format!(" {} {} about it, and", pages.join(", "), if pages.len() == 1 { "is" } else { "are" })
            };
            let text = format!("nothing is called '{}';{about} these speak of it:", words.join(" "));
            context.term.note(tidewire_lab::Tone::Plain, &text);
        }
    }
    match found.as_slice() {
        [] if !read.is_empty() => {
            read.iter().for_each(|fields| context.term.raw(&listed(fields)));
            Ok(0)
        }
        [] => {
            let topic = words.join(" ");
            Err(LabError::Usage(if search {
                format!("nothing in the reference speaks of '{topic}'; 'tidewire doc' lists all functions")
            } else {
                let names = functions.iter().flat_map(|f| [f.name, f.short()]);
                let meant = tidewire_lab::did_you_mean(&topic, names);
                let meant = meant.map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"));
                format!("no function is called '{topic}'{meant}; 'tidewire doc search WORD' looks for a word")
            }))
        }
        few if few.len() <= 6 => {
            few.iter().for_each(|f| context.term.raw(&entry(f)));
            read.iter().for_each(|fields| context.term.raw(&listed(fields)));
            Ok(0)
        }
        many => {
            context.term.raw(&overview(many));
            read.iter().for_each(|fields| context.term.raw(&format!("\n{}", listed(fields))));
            Ok(0)
        }
    }
}

/// The pages of the documentation whose names or titles are these words, or have them.
fn pages(words: &[String]) -> Vec<String> {
    let lines = include_str!("../../../docs/SUMMARY.md").lines();
    let entries = lines.filter_map(|line| line.split_once('[')?.1.strip_suffix(')')?.split_once("]("));
    let is_about = |(title, path): &(&str, &str)| {
        let title = title.to_lowercase();
        let parts: Vec<&str> = title.split(|c: char| !c.is_alphanumeric()).collect();
        let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".md"));
        stem == Some(&words.join("-")) || words.iter().all(|word| parts.contains(&word.as_str()))
    };
    entries.filter(is_about).map(|(_, path)| format!("docs/{path}")).collect()
}

/// What shows a subject of the checklist: `doc rows`, `doc row 22`, `doc rows handshake`.
fn subjects(context: &Context, words: &[String]) -> Result<u8, LabError> {
    let wanted = |row: &&Row| {
        let text = row.subject.to_lowercase();
        words.iter().all(|word| match word.parse::<u8>() {
            Ok(number) => row.rows.contains(&number),
            Err(_) => text.contains(word.as_str()),
        })
    };
    let found: Vec<&Row> = rows().iter().filter(wanted).collect();
    if found.is_empty() {
        return Err(LabError::Usage(format!("no row '{}'; 'tidewire doc rows' lists them", words.join(" "))));
    }
    for row in found {
        let (numbers, functions) = (numbers(row), row.functions.join(", "));
        let line =
            format!("  {numbers:9} {:60} {functions}\n            scripts/{}\n", row.subject, row.script);
        context.term.raw(&line);
    }
    Ok(0)
}

fn numbers(row: &Row) -> String {
    row.rows.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether a topic means these fields: by their thing, by a part of its name, or in a search by a word.
fn has_fields(fields: &Fields, words: &[String], search: bool) -> bool {
    if search {
        return fields.all.iter().any(|field| {
            let text = format!("{} {} {}", fields.of, field.name, field.doc).to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        });
    }
    let topic = words.join(" ");
    let dotted = words.join(".").replace(':', ".");
    let of = fields.of.replace(':', ".");
    fields.of == topic || of == dotted || of.rsplit('.').next() == Some(&topic)
}

fn listed(fields: &Fields) -> String {
    let width = fields.all.iter().map(|field| field.name.len()).max().unwrap_or(0);
    let mut text = format!("{}: {}\n", fields.of, fields.doc.replace('`', ""));
    for field in fields.all {
        let unit = if field.unit.is_empty() { String::new() } else { format!("  ({})", field.unit) };
        let _ = writeln!(text, "    {:width$}  {}{unit}", field.name, field.doc);
    }
    text + "\n"
}

/// Every function and option as one page of Markdown.
pub fn markdown(functions: &[&Func]) -> String {
    let mut page = String::from(
        "# Functions and options\n\nMade by `tidewire doc --markdown` from the table that also checks scripts.\n",
    );
    let mut owner = None;
    for f in functions {
        if owner != Some(f.owner()) {
            owner = Some(f.owner());
            let title = if f.owner().is_empty() { "Functions" } else { f.owner() };
            let _ = writeln!(page, "\n## {title}");
        }
        let _ = writeln!(page, "\n### `{}`\n\n{}{}", signature(f), f.doc, note(f));
        let options: Vec<&Opt> = f.opts.iter().copied().flatten().collect();
        if !options.is_empty() {
            page.push_str("\n| option | may be | default | |\n|---|---|---|---|\n");
            options.iter().for_each(|opt| {
                let cells = [opt.name.to_owned(), kind(opt.kind), opt.default.to_owned(), opt.doc.to_owned()];
                let cells = cells.map(|cell| cell.replace('|', "\\|"));
                let _ = writeln!(page, "| `{}` | {} | {} | {} |", cells[0], cells[1], cells[2], cells[3]);
            });
        }
    }
    page.push_str(
        "\n## What shows what\n\nAlso `tidewire doc rows`.\n\n| row | subject | functions | script |\n|---|---|---|---|\n",
    );
    for row in rows() {
        let functions: Vec<String> = row.functions.iter().map(|name| format!("`{name}`")).collect();
        let link = format!("[{0}](../scripts/{0})", row.script);
        let _ = writeln!(page, "| {} | {} | {} | {link} |", numbers(row), row.subject, functions.join(", "));
    }
    page.push_str("\n## Fields and metrics\n");
    for fields in fields() {
        let _ = writeln!(page, "\n### `{}`\n\n{}\n\n| | unit | |\n|---|---|---|", fields.of, fields.doc);
        for field in fields.all {
            let _ = writeln!(page, "| `{}` | {} | {} |", field.name, field.unit, field.doc);
        }
    }
    page
}

fn is_named(f: &Func, words: &[String]) -> bool {
    let name = f.name.to_lowercase();
    let dotted = words.join(":");
    name == dotted
        || name.replace('.', ":") == dotted.replace('.', ":")
        || words.len() == 1 && (f.short() == words[0] || f.owner() == words[0])
}

fn mentions(f: &Func, words: &[String]) -> bool {
    let mut text = format!("{} {}", f.name, f.doc);
    f.opts.iter().copied().flatten().for_each(|opt| {
        let _ = write!(text, " {} {} {}", opt.name, opt.doc, opt.aliases.join(" "));
    });
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

fn overview(functions: &[&Func]) -> String {
    let width = functions.iter().map(|f| f.name.len()).max().unwrap_or(0);
    functions.iter().map(|f| format!("  {:width$}  {}\n", f.name, f.doc)).collect()
}

fn entry(f: &Func) -> String {
    let mut text = format!("{}\n  {}{}\n", signature(f), f.doc, note(f));
    let options: Vec<&Opt> = f.opts.iter().copied().flatten().collect();
    let width = options.iter().map(|opt| opt.name.len()).max().unwrap_or(0);
    for opt in options {
        let _ = writeln!(
            text,
            "    {:width$}  {}: {} (default {})",
            opt.name,
            opt.doc,
            kind(opt.kind),
            opt.default
        );
    }
    text + "\n"
}

fn signature(f: &Func) -> String {
    let mut parts: Vec<String> = Vec::new();
    let shown = |p: &Param| if p.optional { format!("[{}]", p.name) } else { p.name.to_owned() };
    parts.extend(f.params.iter().map(shown));
    if f.rest {
        parts.push("...".to_owned());
    }
    if !f.opts.is_empty() {
        parts.push("{ options }".to_owned());
    }
    let returns = if f.returns.is_empty() { String::new() } else { format!(" -> {}", f.returns) };
    format!("{}({}){returns}", f.name, parts.join(", "))
}

fn note(f: &Func) -> &'static str {
    if f.waits { " May take simulated time." } else { "" }
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Options(groups) => {
            let names: Vec<&str> = groups.iter().copied().flatten().map(|opt| opt.name).collect();
            format!("a table of {}", names.join(", "))
        }
        other => other.describe(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_the_documentation_is_the_one_that_the_command_prints() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference.md");
        let written = std::fs::read_to_string(path).expect("docs/reference.md");
        assert!(
            written == markdown(&all()),
            "docs/reference.md is out of date: cargo run -- doc --markdown > docs/reference.md"
        );
    }

    #[test]
    fn functions_are_found_by_name_owner_and_words() {
        let named = |topic: &str| {
            let words: Vec<String> = topic.split(' ').map(str::to_owned).collect();
            all().into_iter().filter(|f| is_named(f, &words)).count()
        };
        assert_eq!(named("net link"), 1);
        assert_eq!(named("net:link"), 1);
        assert!(named("net") > 10);
        assert_eq!(named("nonsense"), 0);
        let about = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            all().into_iter().filter(|f| mentions(f, &words)).count()
        };
        assert!(about(&["loss"]) > 0);
        let written = |topic: &str| pages(&topic.split(' ').map(str::to_owned).collect::<Vec<_>>()).join(" ");
        assert_eq!(written("quic"), "docs/quic.md");
        assert_eq!(written("packet lost"), "docs/what-happens-on-loss.md");
        assert_eq!(written("nonsense"), "");
    }
}
