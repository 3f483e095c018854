//! Progress on stderr: a bar on a terminal, one plain line every ten seconds otherwise.

use crate::Context;
use crate::args::Globals;
use crate::term::{Term, clock};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tidewire_lab::{Plan, Status, Tone, shown};
use tidewire_metrics::human_count;

const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows a sweep's status.
pub struct Display {
    term: Term,
    form: Form,
    told: u32,
}

enum Form {
    None,
    Bar(ProgressBar),
    Plain { name: String, last: Instant },
}

impl Display {
    pub fn new(plan: &Plan, globals: &Globals, term: Term) -> Self {
        let form = if globals.no_progress || globals.quiet {
            Form::None
        } else if term.err_is_terminal {
            let bar = ProgressBar::with_draw_target(
                Some(plan.runs.len() as u64),
                ProgressDrawTarget::stderr_with_hz(10),
            );
            let template = "  [{bar:40}]  {pos}/{len}   {percent} %{msg}";
            bar.set_style(
                ProgressStyle::with_template(template).expect("a fixed template").progress_chars("=>-"),
            );
            Form::Bar(bar)
        } else {
            Form::Plain { name: plan.experiment.name.clone(), last: Instant::now() }
        };
        Display { term, form, told: 0 }
    }

    /// Runs `write`, which writes to a stream, without disturbing the bar.
    pub fn beside<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.form {
            Form::Bar(bar) => bar.suspend(write),
            _ => write(),
        }
    }

    pub fn update(&mut self, status: &Status) {
        if status.asked > self.told {
            self.told = status.asked;
            if let Form::Bar(_) = self.form {
                // The terminal's "^C" has wrapped to a line below the bar, which fills its lines: take it back.
                eprint!("\r\x1b[2K\x1b[1A");
            }
            let running = status.running.len();
            let text = match (self.told, running) {
                (_, 0) => "stopping".to_owned(),
                (1, 1) => "stopping after the running run (Ctrl-C again to stop now)".to_owned(),
                (1, n) => format!("stopping after the {n} running runs (Ctrl-C again to stop now)"),
                (_, n) => {
                    format!("stopping now; {n} running run{} cut", if n == 1 { " is" } else { "s are" })
                }
            };
            self.beside(|| self.term.note(Tone::Strong, &text));
        }
        match &mut self.form {
            Form::None => {}
            Form::Bar(bar) => {
                bar.set_position((status.found + status.finished) as u64);
                bar.set_message(bar_text(status));
            }
            Form::Plain { name, last } => {
                if last.elapsed() >= PLAIN_EVERY {
                    *last = Instant::now();
                    let (done, total) = (status.found + status.finished, status.total);
                    let line = format!(
                        "{name}: {done}/{total} runs{}, {} failed",
                        speed(status, ", "),
                        status.failed
                    );
                    self.term.note(Tone::Plain, &line);
                }
            }
        }
    }

    pub fn finish(&self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }
}

/// Shows how many of some things are done, from any thread.
pub struct Counter {
    term: Term,
    form: Option<Result<ProgressBar, Mutex<Instant>>>,
}

impl Counter {
    pub fn new(context: &Context) -> Self {
        let (globals, term) = (&context.globals, context.term);
        let form = if globals.no_progress || globals.quiet {
            None
        } else if term.err_is_terminal {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            let template = "  [{bar:40}]  {pos}/{len}   {percent} %   {elapsed}";
            bar.set_style(
                ProgressStyle::with_template(template).expect("a fixed template").progress_chars("=>-"),
            );
            Some(Ok(bar))
        } else {
            Some(Err(Mutex::new(Instant::now())))
        };
        Counter { term, form }
    }

    /// So many of so many are done.
    pub fn tell(&self, done: usize, all: usize) {
        match &self.form {
            None => {}
            Some(Ok(bar)) if done == all => {
                bar.finish_and_clear();
                bar.reset();
            }
            Some(Ok(bar)) => {
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            }
            Some(Err(last)) => {
                let mut last = last.lock().expect("nobody panics with it");
                if last.elapsed() >= PLAIN_EVERY {
                    *last = Instant::now();
                    self.term.note(Tone::Plain, &format!("{done}/{all}"));
                }
            }
        }
    }
}

fn speed(status: &Status, gap: &str) -> String {
    let wall = status.wall.as_secs_f64();
    let mut text = String::new();
    if status.finished > 0 && wall > 0.0 {
        text.push_str(&format!("{gap}{} events/s", human_count(status.events as f64 / wall)));
        text.push_str(&format!("{gap}{:.0}x real time", status.sim_s / wall));
    }
    if let Some(eta) = status.eta {
        text.push_str(&format!("{gap}ETA {}", clock(eta.as_secs_f64())));
    }
    text
}

fn bar_text(status: &Status) -> String {
    let mut text = speed(status, "   ");
    if let Some((run, since)) = status.running.first() {
        let more = status.running.len() - 1;
        let others = if more > 0 { format!("   and {more} more") } else { String::new() };
        let point = if run.point.is_empty() { String::new() } else { format!("{} ", shown(&run.point)) };
        text.push_str(&format!(
            "\n  running  {point}rep={}   {}{others}",
            run.rep,
            clock(since.as_secs_f64())
        ));
    }
    let (passed, failed) = status.checks;
    let checks = if passed + failed > 0 {
        format!("        checks {passed}/{}", passed + failed)
    } else {
        String::new()
    };
    text.push_str(&format!("\n  failed   {}{checks}", status.failed));
    text
}
