//! `tidewire trace`: what a capture shows.

use crate::Context;
use crate::args::TraceArgs;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tidewire_lab::{
    Conversation, LabError, Tone, conversations, drawing_format, ladder_lines, results_folder, time_sequence,
    write_drawing,
};
use tidewire_metrics::{Align, TextTable};

pub fn trace(context: &Context, args: &TraceArgs) -> Result<u8, LabError> {
    let files = captures(context, args)?;
    let say = |tone: Tone, text: String| context.term.say(&vec![(tone, text)]);
    let several = files.len() > 1;
    if several && (args.conversation.is_some() || args.output.is_some()) {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let message = format!("there are {} captures; name one of\n  {}", names.len(), names.join("\n  "));
        return Err(LabError::Usage(message));
    }
    let mut found = Vec::new();
    for file in &files {
        let all = conversations(file)?;
        if !context.globals.json {
            say(Tone::Strong, file.display().to_string());
            table(&all).into_iter().for_each(|line| say(Tone::Plain, format!("  {line}")));
        }
        found.push((file, all));
    }
    if context.globals.json {
        context.term.json(&json!({ "command": "trace", "captures": found.iter().map(object).collect::<Vec<_>>(), "exit": 0 }));
        return Ok(0);
    }
    if several {
        say(Tone::Faint, format!("  look closer: tidewire trace {}", files[0].display()));
        return Ok(0);
    }
    let (_, all) = found.into_iter().next().expect("there is a capture");
    let Some(conversation) = pick(&all, args.conversation)? else {
        say(Tone::Plain, "  no IP packet was recorded".to_owned());
        return Ok(0);
    };
    say(Tone::Plain, String::new());
    ladder_lines(conversation, args.rows).into_iter().for_each(|line| say(Tone::Plain, line));
    if let Some(path) = &args.output {
        draw(conversation, path)?;
        say(Tone::Plain, format!("\n{}", path.display()));
    }
    Ok(0)
}

fn captures(context: &Context, args: &TraceArgs) -> Result<Vec<PathBuf>, LabError> {
    let root = context.results_root();
    let from = args.from.clone().or_else(|| crate::others::newest(&root));
    let from =
        from.ok_or_else(|| LabError::Usage(format!("no results below {}; name a capture", root.display())))?;
    if !from.is_dir() {
        return Ok(vec![from]);
    }
    let folder = results_folder(&from)?.join("pcap");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "pcapng" || e == "pcap"));
    files.sort();
    if files.is_empty() {
        let message = format!(
            "{} has no captures; a script makes them with link:pcap() or host:pcap()",
            from.display()
        );
        return Err(LabError::Usage(message));
    }
    Ok(files)
}

/// The conversation of that number; else the one with most packets.
fn pick(all: &[Conversation], number: Option<u16>) -> Result<Option<&Conversation>, LabError> {
    match number {
        Some(number) => all.get(usize::from(number) - 1).map(Some).ok_or_else(|| {
            LabError::Usage(format!("--conversation {number}: the capture has {}", all.len()))
        }),
        // Of equally long ones the first.
        None => Ok(all.iter().rev().max_by_key(|conversation| conversation.len())),
    }
}

fn table(all: &[Conversation]) -> Vec<String> {
    let mut table = TextTable::new([
        Align::Right,
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
    ]);
    table.row(["", "", "conversation", "packets", "bytes >", "bytes <", "from s"]);
    for (at, c) in all.iter().enumerate() {
        table.row([
            (at + 1).to_string(),
            c.protocol.to_owned(),
            c.ends.join(" - "),
            c.len().to_string(),
            c.bytes[0].to_string(),
            c.bytes[1].to_string(),
            format!("{:.6}", c.seconds().0),
        ]);
    }
    table.lines()
}

fn object((file, all): &(&PathBuf, Vec<Conversation>)) -> serde_json::Value {
    let one = |c: &Conversation| {
        json!({
            "protocol": c.protocol, "ends": c.ends, "packets": c.len(), "bytes": c.bytes,
            "first_s": c.seconds().0, "last_s": c.seconds().1,
        })
    };
    json!({ "file": file.display().to_string(), "conversations": all.iter().map(one).collect::<Vec<_>>() })
}

fn draw(conversation: &Conversation, path: &Path) -> Result<(), LabError> {
    drawing_format(path)?;
    let figure = time_sequence(conversation).ok_or_else(|| {
        LabError::Usage("this conversation carries no TCP data, which a time-sequence diagram shows; choose with --conversation".into())
    })?;
    write_drawing(path, &tidewire_lab::render(&figure))
}
