//! Processes: the Process trait and the native traffic generators.
