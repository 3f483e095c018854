//! `tidewire conformance`: what TCP test scripts say, against what this TCP does.

use crate::Context;
use crate::args::ConformanceArgs;
use std::io;
use tidewire_conformance::{Checks, Command, Options, Profile};
use tidewire_lab::LabError;

/// A file that cannot be read or written.
const BROKEN: u8 = 5;

/// Runs TCP test scripts; exit code 1 when one failed or could not be understood.
pub fn conformance(context: &Context, args: &ConformanceArgs) -> Result<u8, LabError> {
    let options =
        Options { profile: Profile::Linux, tolerance_us: args.tolerance_usecs, checks: Checks::default() };
    let (json, trace, paths) = (args.json_file.clone(), args.trace.clone(), args.paths.clone());
    let mut command = Command { options, json, trace, paths };
    command.set_profile(&args.profile).map_err(LabError::Usage)?;
    command.set_checks(&args.check).map_err(LabError::Usage)?;
    let done = tidewire_conformance::execute(&command, &mut io::stdout().lock());
    Ok(done.unwrap_or_else(|error| complain(context, &error.to_string())))
}

fn complain(context: &Context, message: &str) -> u8 {
    context.term.error(message);
    BROKEN
}
