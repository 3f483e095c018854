//! Experiments: plan, sweep, replicate, resume, result folders, plots.
