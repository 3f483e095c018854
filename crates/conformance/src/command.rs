//! The shell commands of scripts, interpreted: settings, routes, queues. Nothing is executed.

use crate::settings::Settings;

/// What a command does besides changing settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// Time passes, in microseconds.
    Sleep(i64),
}

/// Runs every command of `text`; what they do besides changing `settings` comes back in order.
///
/// # Errors
/// The first command that is not known.
pub(crate) fn run(text: &str, settings: &mut Settings) -> Result<Vec<Effect>, String> {
    let joined = text.replace("\\\n", " ");
    let mut effects = Vec::new();
    for command in split(&joined) {
        let words = without_redirections(words(&command)?);
        match one(&words, settings)? {
            Effect::None => {}
            effect => effects.push(effect),
        }
    }
    Ok(effects)
}

/// Commands between newlines, `;` and `&&`, outside quotes.
fn split(text: &str) -> Vec<String> {
    let mut commands = vec![String::new()];
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() => quote = Some(c),
            _ => {}
        }
        let last = commands.len() - 1;
        if quote.is_none() && (c == '\n' || c == ';' || (c == '&' && chars.peek() == Some(&'&'))) {
            if c == '&' {
                chars.next();
            }
            commands.push(String::new());
        } else {
            commands[last].push(c);
        }
    }
    commands
}

/// The words of a command, without quotes and comments.
fn words(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match c {
            '"' | '\'' if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            '#' if quote.is_none() && word.is_none() => break,
            _ if quote.is_none() && c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err(format!("command `{}`", command.trim())) } else { Ok(words) }
}

/// Without `2>&1`, `> /dev/null`, and what follows `||`: output goes nowhere, and no command fails.
fn without_redirections(words: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let to_null = |target: Option<&String>| target.is_some_and(|target| target == "/dev/null");
        match word.as_str() {
            "||" => break,
            ">" | "2>" | "&>" | "1>" if to_null(words.peek()) => {
                words.next();
            }
            "2>&1" | "2>/dev/null" | ">/dev/null" | "&>/dev/null" | "1>/dev/null" => {}
            _ => kept.push(word),
        }
    }
    kept
}

fn one(words: &[String], settings: &mut Settings) -> Result<Effect, String> {
    let unknown = || format!("command `{}`", words.join(" "));
    let Some((program, args)) = words.split_first() else { return Ok(Effect::None) };
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let name = program.rsplit('/').next().unwrap_or(program);
    if let Some((path, value)) = redirected(program, &args) {
        return file(settings, path, &value).map(|()| Effect::None);
    }
    match name {
        "defaults.sh" => settings.apply_defaults(),
        "sysctl" => sysctl(settings, &args)?,
        "set_sysctls.py" => {
            for arg in &args {
                let (path, value) = arg.split_once('=').ok_or_else(unknown)?;
                file(settings, path, value)?;
            }
        }
        "ip" => route(settings, &args).ok_or_else(unknown)?,
        "tc" => queue(settings, &args).ok_or_else(unknown)?,
        "sleep" => {
            let seconds: f64 = args.first().and_then(|arg| arg.parse().ok()).ok_or_else(unknown)?;
            return Ok(Effect::Sleep((seconds.clamp(0.0, 1e6) * 1e6) as i64));
        }
        "ethtool" | "true" | ":" | "sync" | "modprobe" | "set" | "cat" | "ss" => {}
        "nstat" if args.iter().all(|arg| arg.starts_with('-')) => {}
        _ if name.starts_with("sysctl_restore") || name.contains("restore") => {}
        "sh" | "bash" | "." | "source" if args.first().is_some_and(|arg| arg.contains("restore")) => {}
        "sh" | "bash" | "." | "source" if args.first().is_some_and(|arg| arg.ends_with("defaults.sh")) => {
            settings.apply_defaults();
        }
        _ => return Err(unknown()),
    }
    Ok(Effect::None)
}

/// `echo VALUE > FILE`
fn redirected<'a>(program: &str, args: &[&'a str]) -> Option<(&'a str, String)> {
    if program != "echo" {
        return None;
    }
    let at = args.iter().position(|arg| arg.starts_with('>'))?;
    let path = match args[at].trim_start_matches('>') {
        "" => args.get(at + 1)?,
        path => path,
    };
    Some((path, args[..at].iter().filter(|arg| **arg != "-n").copied().collect::<Vec<_>>().join(" ")))
}

fn file(settings: &mut Settings, path: &str, value: &str) -> Result<(), String> {
    if let Some(rest) = path.strip_prefix("/proc/sys/") {
        return settings.sysctl(&rest.replace('/', "."), value.trim());
    }
    if path.starts_with("/sys/module/") {
        return settings.module_parameter(path, value);
    }
    if path == "/dev/null" { Ok(()) } else { Err(format!("file {path}")) }
}

fn sysctl(settings: &mut Settings, args: &[&str]) -> Result<(), String> {
    let mut args = args.iter().filter(|arg| !arg.starts_with('-') && !arg.contains(">")).copied().peekable();
    while let Some(arg) = args.next() {
        let mut assignment = arg.to_owned();
        if !assignment.contains('=') && args.peek() == Some(&"=") {
            args.next();
            assignment = format!("{arg}={}", args.next().unwrap_or(""));
        }
        let Some((name, value)) = assignment.split_once('=') else {
            return Err(format!("command `sysctl {arg}`"));
        };
        settings.sysctl(&name.trim().replace('/', "."), value.trim())?;
    }
    Ok(())
}

/// `ip route change ... [advmss N] [mtu [lock] N] [initcwnd N] [rto_min T]`, `ip link set ... mtu N`; `None` when it does
/// something else.
fn route(settings: &mut Settings, args: &[&str]) -> Option<()> {
    let mut args = args.iter().copied().filter(|arg| !matches!(*arg, "-4" | "-6"));
    let object = args.next()?;
    if object == "tcp_metrics" {
        return Some(());
    }
    let verb = args.next()?;
    let is_route =
        "route".starts_with(object) && matches!(verb, "change" | "replace" | "add" | "append" | "chg");
    let is_link = "link".starts_with(object) && verb == "set";
    if !is_route && !is_link {
        return (is_route || "route".starts_with(object) && verb == "flush").then_some(());
    }
    args.next()?;
    while let Some(word) = args.next() {
        let mut value = |settings: &mut Settings, set: fn(&mut Settings, u16)| {
            let number = args.next().filter(|arg| *arg != "lock").or_else(|| args.next())?;
            set(settings, number.trim_end_matches("ms").parse().ok()?);
            Some(())
        };
        match word {
            "advmss" => value(settings, |settings, n| settings.advmss = Some(n))?,
            "mtu" => value(settings, |settings, n| settings.mtu = n)?,
            "initcwnd" => value(settings, |settings, n| settings.config.init_cwnd = u32::from(n).max(1))?,
            "rto_min" => value(settings, |settings, n| {
                settings.config.rto_min = tidewire_units::Span::from_ms(u64::from(n));
            })?,
            "dev" | "via" | "proto" | "scope" | "src" | "table" | "metric" | "pref" => {
                args.next()?;
            }
            "link" | "kernel" | "up" | "static" | "onlink" => {}
            _ => return None,
        }
    }
    Some(())
}

/// `tc qdisc add|replace|change|del dev DEV root [pfifo [limit N] | fq | noqueue]`
fn queue(settings: &mut Settings, args: &[&str]) -> Option<()> {
    if args.first() != Some(&"qdisc") {
        return None;
    }
    let mut rest = args.get(2..)?.iter().copied().peekable();
    let mut kind = None;
    let mut limit = None;
    while let Some(word) = rest.next() {
        match word {
            "dev" | "handle" | "parent" => {
                rest.next()?;
            }
            "root" => {}
            "limit" => limit = Some(rest.next()?.parse::<u32>().ok()?),
            "pfifo" | "bfifo" | "fq" | "pfifo_fast" | "noqueue" => kind = Some(word),
            _ => return None,
        }
    }
    let removed = matches!(args[1], "del" | "delete");
    settings.drop_all = !removed && limit == Some(0);
    settings.config.pacing = !removed && kind == Some("fq");
    (removed || kind.is_some()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_l4_transport::{EcnMode, Profile};

    fn after(text: &str) -> Settings {
        let mut settings = Settings::new(Profile::Linux);
        run(text, &mut settings).unwrap();
        settings
    }

    #[test]
    fn settings_are_changed_in_every_spelling() {
        let settings = after("../common/defaults.sh\nsysctl -q net.ipv4.tcp_congestion_control=\"reno\"");
        assert_eq!(settings.config.cc.name(), "reno");
        assert_eq!((settings.config.rcvbuf_init, settings.config.ecn), (540_000, EcnMode::Off));
        let settings =
            after("./common/set_sysctls.py /proc/sys/net/ipv4/tcp_sack=0 /proc/sys/net/ipv4/tcp_ecn=1");
        assert_eq!((settings.config.sack, settings.config.ecn), (false, EcnMode::On));
        let settings = after(
            "sysctl -w net.ipv4.tcp_rmem='4096 65536 1000000' && echo 0 > /proc/sys/net/ipv4/tcp_timestamps",
        );
        assert_eq!((settings.config.rcvbuf_init, settings.config.timestamps), (65_536, false));
    }

    #[test]
    fn routes_and_queues() {
        let settings = after(
            "ip route change 192.0.2.0/24 dev tun0 advmss 1000 initcwnd 20; tc qdisc replace dev tun0 root pfifo limit 0",
        );
        assert_eq!((settings.advmss, settings.config.init_cwnd, settings.drop_all), (Some(1000), 20, true));
        let settings = after(
            "ip route change 192.0.2.0/24 dev tun0 proto kernel scope link src 192.168.0.1 mtu lock 1280",
        );
        assert_eq!(settings.mss(), 1240);
        assert!(
            !after("tc qdisc replace dev tun0 root pfifo limit 0\ntc qdisc replace dev tun0 root pfifo")
                .drop_all
        );
    }

    #[test]
    fn what_has_no_effect_is_accepted_and_what_is_unknown_is_not() {
        after("tc qdisc del dev tun0 root 2>/dev/null || true; nstat > /dev/null 2>&1");
        after("# a comment\nethtool -K tun0 tso off gso off\n/tmp/sysctl_restore_${PPID}.sh\nnstat -n");
        for command in [
            "iptables -A INPUT",
            "sysctl net.ipv4.tcp_colour=1",
            "echo hello",
            "ip rule add",
            "tc filter x",
            "sysctl net.ipv4.tcp_ecn=5",
        ] {
            assert!(run(command, &mut Settings::new(Profile::Linux)).is_err(), "{command} is accepted");
        }
    }
}
