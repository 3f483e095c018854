//! `tidewire new`: a script to begin with, and definitions for editors.

use crate::Context;
use crate::args::NewArgs;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tidewire_lab::{LabError, Tone, suggestion, write_whole};

/// Name, what it shows, the shipped script that it is made of, and its text.
struct Template(&'static str, &'static str, &'static str, &'static str);

macro_rules! template {
    ($name:literal, $shows:literal, $file:literal) => {
        Template($name, $shows, $file, include_str!(concat!("../../../scripts/", $file)))
    };
}

const TEMPLATES: &[Template] = &[
    template!("hello", "two hosts, a ping, the textbook pair of socket programs", "hello.lua"),
    template!(
        "tcp-udp",
        "an experiment: goodput and delay against loss, thresholds, plots",
        "tcp_vs_udp.lua"
    ),
    template!(
        "fairness",
        "several TCP flows at one bottleneck, Jain's index, windows over time",
        "dumbbell.lua"
    ),
    template!("protocol", "a reliable protocol of your own over UDP", "go_back_n.lua"),
    template!("client-server", "one server, more and more clients", "client_server.lua"),
    template!("http", "a web server, requests by hand and by function, ranges, status codes", "web/http.lua"),
    template!("web-chain", "load balancer, web and application servers, cache, database", "web/chain.lua"),
    template!("p2p", "a file for many peers, from a server or from each other", "p2p.lua"),
    template!("hybrid", "a rendezvous server introduces peers that then talk directly", "hybrid.lua"),
    template!(
        "failover",
        "strangers become neighbours, a link breaks: how long is the outage",
        "routing/ospf_convergence.lua"
    ),
    template!("congestion", "a congestion control of your own, in Lua", "tcp/own_congestion_control.lua"),
    template!("queues", "a call beside an upload: seven queue disciplines", "links/queues.lua"),
    template!("device", "a switch of your own, in Lua", "devices/switch.lua"),
];

const LUARC: &str = r#"{
  "runtime.version": "Lua 5.5",
  "runtime.builtin": { "io": "disable", "os": "disable", "debug": "disable", "package": "disable", "ffi": "disable", "jit": "disable" },
  "workspace.library": [".tidewire/meta"],
  "workspace.checkThirdParty": false
}
"#;

/// Where the definitions are, below the folder of scripts.
const META: &str = ".tidewire/meta/tidewire.lua";

/// Writes a script and what an editor needs.
pub fn new(context: &Context, args: &NewArgs) -> Result<u8, LabError> {
    if args.list {
        return Ok(list(context));
    }
    let mut written = Vec::new();
    let mut folder = PathBuf::new();
    let mut template = None;
    if let Some(name) = args.name.as_deref().filter(|_| !args.meta) {
        let chosen = find(&args.template)?;
        let path = if name.extension().is_some_and(|e| e == "lua") {
            name.to_owned()
        } else {
            name.with_added(".lua")
        };
        if path.exists() {
            let message = format!("{} is there already; choose another name", path.display());
            return Err(LabError::Usage(message));
        }
        folder = path.parent().unwrap_or(Path::new("")).to_owned();
        save(&path, &personal(chosen, &path), &mut written)?;
        template = Some((chosen, path));
    }
    let luarc = folder.join(".luarc.json");
    if !luarc.exists() {
        save(&luarc, LUARC, &mut written)?;
    }
    save(&folder.join(META), &tidewire_script::spec::meta(), &mut written)?;
    if context.globals.json {
        context.term.json(&json!({ "command": "new", "files": written, "exit": 0 }));
        return Ok(0);
    }
    written.iter().for_each(|file| context.term.say(&vec![(Tone::Plain, format!("wrote {file}"))]));
    if let Some((chosen, path)) = template {
        let verb = if chosen.3.contains("experiment {") { "sweep" } else { "run" };
        context.term.note(Tone::Faint, &format!("next: tidewire {verb} {}", path.display()));
    }
    Ok(0)
}

trait WithAdded {
    fn with_added(&self, ending: &str) -> PathBuf;
}

impl WithAdded for Path {
    /// `a.b` becomes `a.b.lua`, not `a.lua`.
    fn with_added(&self, ending: &str) -> PathBuf {
        let mut name = self.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        self.with_file_name(name)
    }
}

fn find(name: &str) -> Result<&'static Template, LabError> {
    TEMPLATES.iter().find(|template| template.0 == name).ok_or_else(|| {
        let hint = suggestion(name, "templates", TEMPLATES.iter().map(|template| template.0));
        LabError::Usage(format!("there is no template '{name}'{hint}"))
    })
}

fn list(context: &Context) -> u8 {
    if context.globals.json {
        let all: Vec<_> = TEMPLATES.iter().map(|t| json!({ "name": t.0, "shows": t.1 })).collect();
        context.term.json(&json!({ "command": "new", "templates": all, "exit": 0 }));
    } else {
        let line =
            |t: &Template| vec![(Tone::Strong, format!("  {:14}", t.0)), (Tone::Plain, t.1.to_owned())];
        TEMPLATES.iter().for_each(|template| context.term.say(&line(template)));
    }
    0
}

/// The template under the user's name: the command line in its head, and the name of its experiment.
fn personal(template: &Template, path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let own = Path::new(template.2).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let shown = path.display().to_string();
    let mut text = template.3.replace(&format!("scripts/{}", template.2), &shown);
    let name = |spaces: &str| format!("name{spaces}= \"{own}\"");
    for spaces in [" ", "   ", "     "] {
        text = text.replacen(&name(spaces), &name(spaces).replace(&own, &stem), 1);
    }
    text
}

fn save(path: &Path, text: &str, written: &mut Vec<String>) -> Result<(), LabError> {
    let failed = |error| LabError::io("cannot write", path, error, "");
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    write_whole(path, text.as_bytes()).map_err(failed)?;
    written.push(path.display().to_string());
    Ok(())
}
