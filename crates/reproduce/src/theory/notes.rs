//! Why figures are not as a formula says, and the setting in which they are.

/// What is known of a case that fails.
pub(super) fn of(row: &str, case: &str) -> Option<&'static str> {
    let known = NOTES.iter().find(|(of, begin, _)| *of == row && case.starts_with(begin));
    known.map(|(_, _, note)| *note)
}

const NOTES: [(&str, &str, &str); 18] = [
    ("1", "p 0.01:", RECOVERY),
    ("2", "p 0.01:", RECOVERY),
    ("5", "p 0.", NO_TIMEOUTS),
    ("6", "linux, p 1e-3", WHOLE_PACKETS),
    ("7", "linux, p 1e-", SELDOM),
    ("11", "buffer 0 BDP", FLUID),
    ("15", "10 Mbit/s, 50 ms: mean", STALLS),
    ("15", "mean queue", OTHER_PATHS),
    ("16", "cubic, p 0.01, delayed", DELAYED),
    ("17", "no loss: goodput, % of the link", PACING_MARGIN),
    ("19", "1000 Mbit/s, 100 us, K 20, linux", TWO_REDUCTIONS),
    ("19", "10000 Mbit/s, 100 us, K 65, linux", TWO_REDUCTIONS),
    ("2.1", "largest alpha", OTHER_ALPHA),
    ("2.2", "largest alpha", OTHER_ALPHA),
    ("2.3", "first peak", SLOW_START),
    ("2.3", "least after it", SLOW_START),
    ("20", "linux: queue", WHOLE_SEGMENTS),
    ("22", "cubic, 20 Mbit/s", RENO_REGION),
];

const RECOVERY: &str = "The formula is for small p: it has neither whole round trips nor recovery, which costs one without growth, here one in ten. \
                        With both counted the same cycle is met: next case.";

const NO_TIMEOUTS: &str = "The model has one lost packet of a round take all that follow with it, which makes timeouts of 1 s frequent, and no \
                           round trip for the repair. With independent losses it is a lower bound, with losses as it has them an upper \
                           one: next cases. Where timeouts are short it is met (row 4).";

const WHOLE_PACKETS: &str = "Linux computes the cubic in whole packets: where less than one is missing, which is up to 1.4 s before K, it \
                             counts as having returned, so that a larger window repeats itself. From p 1e-4 on this does not matter. \
                             In fractions of packets, as the RFC has it: the case before.";

const SELDOM: &str = "Linux looks at the curve at most every 31 ms while the window stays, which is three of these round trips, and counts \
                      Reno's window in whole packets: small windows grow late. As the RFC has it: the case before.";

const FLUID: &str = "The formula is of a fluid. Where nothing can wait, two packets that meet cannot both pass; with room for two (0.02) \
                     see the next case.";

const STALLS: &str = "The recorded host stalled about 100 times a minute for 5 ms. Acknowledgments that arrive together let BBR measure more \
                      bandwidth than there is, for ten round trips. How much that adds is a matter of luck: with such stalls the recorded \
                      queues of longer paths are among our runs (next cases); on this path ours reach 0.19.";

const OTHER_PATHS: &str = "The range is that of recordings at 10 Mbit/s with a buffer of 1 BDP. Other recordings have as little as 0.08 \
                           (20 Mbit/s, 100 ms): the larger the product, the smaller the part. At 10 Mbit/s: the cases above.";

const PACING_MARGIN: &str = "BBR paces at 99 % of what it measures, which the formula does not count: 98 % of that is 97.0 %. Next case.";

const DELAYED: &str = "The formula's receiver acknowledges every packet at once: the case before. Delayed acknowledgments lengthen the \
                       round trips of small windows.";

const WHOLE_SEGMENTS: &str = "Linux counts whole segments, relative to the shortest round trip: 4.8 are 4, and 4 are not too many. By its own \
                              count it keeps the band, and as the paper counts the queue does: the cases around this one.";

const RENO_REGION: &str = "The bound is for few losses. Here the windows are small, and CUBIC is in the region where it follows Reno, which \
                           has 4 to 16. At 200 Mbit/s: the case before.";

const TWO_REDUCTIONS: &str = "The formula's sender reduces its window at once, and so it holds: the cases before. Linux spreads the reduction over a round trip (PRR) and sends the \
                              first packet less after half of it; until then everything is marked, which begins a second reduction. \
                              With that counted: next case.";

const OTHER_ALPHA: &str = "That simulator's alpha is a third of what the formula of row 19 says (0.21 at 10 ms, 0.078 at 80 ms). Ours is as row 19 \
                           has it for Linux: next case.";

const SLOW_START: &str = "How slow start ends decides it: that simulator's detector lets it go on until 511; Linux's HyStart ends it at 292, and \
                          without any (here) CoDel's first drop ends it. What follows does not depend on it: next cases.";
