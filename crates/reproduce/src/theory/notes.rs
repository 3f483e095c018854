//! Why figures are not as a formula says, where that is understood.

/// What is known of a case that fails.
pub(super) fn of(row: &str, case: &str) -> Option<&'static str> {
    if case.contains("without SACK") {
        return None;
    }
    let known = NOTES.iter().find(|(of, begin, _)| *of == row && case.starts_with(begin));
    known.map(|(_, _, note)| *note)
}

const NOTES: [(&str, &str, &str); 11] = [
    ("1", "p 0.01", RECOVERY),
    ("2", "p 0.01", RECOVERY_OF_EVERY_SECOND),
    ("5", "p 0.", NO_TIMEOUTS),
    ("6", "p 1e-3", WHOLE_PACKETS),
    ("7", "p 1e-", RECOVERY_OF_CUBIC),
    ("11", "buffer 0 BDP", FLUID),
    ("15", "mean queue", OTHER_PATHS),
    ("16", "cubic, p 0.01, delayed", DELAYED),
    ("17", "no loss", PACING_MARGIN),
    ("22", "reno, 20 Mbit/s, queue 83", LONG_QUEUE),
    ("22", "cubic, 20 Mbit/s, queue 16", RENO_REGION),
];

const RECOVERY: &str = "The formula has no recovery. A loss costs a round trip without growth, here one in ten: 1/p packets in h + 2 round \
                        trips from h to 2h give a mean of 10.7 and at most 14.7.";

const RECOVERY_OF_EVERY_SECOND: &str =
    "The formula has no recovery, which costs a round trip without growth in each of these short cycles.";

const NO_TIMEOUTS: &str = "The model's sender has no SACK and waits for timeouts of 1 s where SACK and RACK repair within a round trip: \
                           it is a lower bound.";

const WHOLE_PACKETS: &str = "Linux computes the cubic in whole packets: where less than one is missing, which is up to 1.4 s before K, it \
                             counts as having returned, so that a larger window repeats itself. From p 1e-4 on this does not matter.";

const RECOVERY_OF_CUBIC: &str = "The formula has no recovery; with it, 11.1 and 37.0 are to be expected at p 1e-2 and 1e-3. The rest is not \
                                 explained.";

const FLUID: &str = "The formula is of a fluid. Where nothing can wait, two packets that meet cannot both pass; with room for two (0.02) \
                     see the next case.";

const OTHER_PATHS: &str = "The range is that of recordings at 10 Mbit/s. Recordings with a buffer of 1 BDP have 0.37 (10 Mbit/s, 20 ms) to \
                           0.08 (20 Mbit/s, 100 ms): the larger the product, the smaller the part.";

const PACING_MARGIN: &str =
    "BBR paces at 99 % of what it measures, which the formula does not count: 98 % of that is 97.0 %.";

const DELAYED: &str = "The formula's receiver acknowledges every packet at once. Delayed acknowledgments lengthen the round trips of small windows.";

const LONG_QUEUE: &str =
    "A full queue adds 50 ms to both round trips and makes them alike: 70 to 130 ms is a ratio of 1.9.";

const RENO_REGION: &str = "The bound is for few losses. Here the windows are small, and CUBIC is in the region where it follows Reno, which has 4 to 16.";
