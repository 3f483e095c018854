//! Why figures are not as a formula says, where that is understood.

/// What is known of a case that fails.
pub(super) fn of(row: &str, case: &str) -> Option<&'static str> {
    let known = NOTES.iter().find(|(of, begin, _)| *of == row && case.starts_with(begin));
    known.map(|(_, _, note)| *note)
}

const NOTES: [(&str, &str, &str); 8] = [
    ("1", "p 0.01", RECOVERY),
    ("2", "p 0.01", RECOVERY),
    (
        "5",
        "p 0.",
        "The model's sender has no SACK and waits for timeouts of 1 s where SACK and RACK repair within a round trip: it is a lower bound.",
    ),
    (
        "6",
        "p 1e-3",
        "Linux computes the cubic in whole packets: on its plateau, where less than one packet is missing, it counts as having returned up to \
         1.4 s early, and stays at a larger window. From p 1e-4 on this does not matter.",
    ),
    (
        "7",
        "p 1e-",
        "In short cycles the round trip of recovery counts, which the formula does not have; besides, Linux renews its target at most every \
         31 ms while the window does not change, which is three round trips here.",
    ),
    (
        "11",
        "buffer 0 BDP",
        "The formula is of a fluid. Where nothing can wait, two packets that meet cannot both pass; with room for two (0.02) it holds.",
    ),
    (
        "15",
        "mean queue",
        "The range is that of recordings at 10 Mbit/s. In all of them, also at 20 Mbit/s and 100 ms, 6 to 14 packets wait: it is a number of \
         packets rather than a part of the bandwidth-delay product.",
    ),
    (
        "17",
        "no loss",
        "BBR paces at 99 % of what it measures, which the formula does not count: 98 % of that is 97 %.",
    ),
];

const RECOVERY: &str = "The formula has no recovery. A loss costs a round trip without growth, here one in ten: 1/p packets in h + 2 round \
                        trips from h to 2h give a mean of 10.7 and at most 14.7 at p 0.01.";
