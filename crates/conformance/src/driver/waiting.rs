//! Calls of a script, those that wait among them.

use super::{Driver, Stop};
use crate::calls::{self, Return};
use crate::compare::seconds;
use crate::constants::{number, shown};
use crate::readiness;
use crate::report::Verdict;
use crate::script::{Arg, CallSpec};

/// A call that waits.
pub(super) struct Waiting<'a> {
    line: u32,
    spec: &'a CallSpec,
    progress: u64,
    /// When it is to return, in microseconds.
    until: i64,
    tolerance: i64,
    /// When it returns although nothing has happened.
    gives_up: i64,
}

impl<'a> Driver<'a> {
    /// Makes a call; one that waits is remembered.
    pub(super) fn call(
        &mut self,
        spec: &'a CallSpec,
        until: Option<i64>,
        tolerance: i64,
    ) -> Result<(), Stop> {
        let mut progress = 0;
        let outcome =
            calls::run(&mut self.host, spec, &mut progress).map_err(|what| self.unsupported(what))?;
        self.trace_sent();
        let told = format!("{} {}: {}", seconds(self.host.now), show_call(spec), show_return(&outcome));
        self.trace.push_back(told);
        match (outcome, until) {
            (Return::Blocks, Some(until)) => {
                let line = self.line;
                let gives_up =
                    readiness::patience(&self.host, spec).map_or(i64::MAX, |us| self.host.now + us);
                self.waiting = Some(Waiting { line, spec, progress, until, tolerance, gives_up });
                Ok(())
            }
            (Return::Blocks, None) => match calls::force_write(&mut self.host, spec, progress) {
                Some(outcome) => self.compare_result(spec, &outcome),
                None => Err(self.fail(show_call(spec), "the call waits".to_owned())),
            },
            (outcome, Some(until)) if until - self.host.now > tolerance => {
                let expected = format!("{} at {}", show_call(spec), seconds(until));
                Err(self.fail(expected, format!("{} at once", show_return(&outcome))))
            }
            (outcome, _) => self.compare_result(spec, &outcome),
        }
    }

    /// Does the call that waits return now?
    pub(super) fn check_waiting(&mut self) -> Result<(), Stop> {
        let Some(mut waiting) = self.waiting.take() else { return Ok(()) };
        let outcome = calls::run(&mut self.host, waiting.spec, &mut waiting.progress)
            .map_err(|what| Verdict::Unsupported { line: waiting.line, what })?;
        let outcome = if outcome == Return::Blocks && self.host.now >= waiting.gives_up {
            readiness::given_up(&mut self.host, waiting.spec, waiting.progress)
                .map_err(|what| Verdict::Unsupported { line: waiting.line, what })?
        } else {
            outcome
        };
        let late = self.host.now > waiting.until.saturating_add(waiting.tolerance);
        if outcome == Return::Blocks && !late {
            self.waiting = Some(waiting);
            return Ok(());
        }
        self.line = waiting.line;
        let expected = format!("{} at {}", show_call(waiting.spec), seconds(waiting.until));
        if late {
            return Err(self.fail(expected, "the call waits longer".to_owned()));
        }
        if self.host.now < waiting.until - waiting.tolerance {
            let actual = format!("{} at {}", show_return(&outcome), seconds(self.host.now));
            return Err(self.fail(expected, actual));
        }
        self.compare_result(waiting.spec, &outcome)
    }

    /// Lets the call that waits return.
    pub(super) fn finish_call(&mut self) -> Result<(), Stop> {
        while let Some(waiting) = &self.waiting {
            let (line, limit) = (waiting.line, waiting.until.saturating_add(waiting.tolerance));
            match self.next_event().filter(|next| *next <= limit) {
                Some(next) => self.expire(next)?,
                None => {
                    let expected = show_call(waiting.spec);
                    self.line = line;
                    return Err(self.fail(expected, "the call still waits".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// When a timer expires next, or the patience of the call that waits ends.
    pub(super) fn next_event(&self) -> Option<i64> {
        let gives_up = self.waiting.as_ref().map(|waiting| waiting.gives_up).filter(|at| *at < i64::MAX);
        self.host.next_timeout().into_iter().chain(gives_up).min()
    }

    fn compare_result(&self, spec: &CallSpec, outcome: &Return) -> Result<(), Stop> {
        let matches = match (outcome, &spec.result) {
            (Return::Differs(expected, actual), _) => return Err(self.fail(expected.clone(), actual.clone())),
            (_, Arg::Ellipsis) => true,
            (Return::Value(value), result) => {
                spec.errno.is_none() && number(result).map_err(|what| self.unsupported(what))? == *value
            }
            (Return::Error(errno), result) => {
                let same = |wanted: &str| wanted == *errno || (wanted == "EWOULDBLOCK" && *errno == "EAGAIN");
                number(result) == Ok(-1) && spec.errno.as_deref().is_none_or(same)
            }
            (Return::Blocks, _) => false,
        };
        if matches { Ok(()) } else { Err(self.fail(show_call(spec), show_return(outcome))) }
    }
}

fn show_call(spec: &CallSpec) -> String {
    let args = spec.args.iter().map(shown).collect::<Vec<_>>().join(", ");
    let errno = spec.errno.as_ref().map(|errno| format!(" {errno}")).unwrap_or_default();
    format!("{}({args}) = {}{errno}", spec.name, shown(&spec.result))
}

fn show_return(outcome: &Return) -> String {
    match outcome {
        Return::Value(value) => value.to_string(),
        Return::Error(errno) => format!("-1 {errno}"),
        Return::Blocks => "the call waits".to_owned(),
        Return::Differs(_, actual) => actual.clone(),
    }
}
