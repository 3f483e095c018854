//! Time, processes, chance, units.

use super::{Func, Kind, TIMEOUT, func, may, need};

pub(crate) static NOW: Func = func("now", "The simulated time, in seconds.").gives("s");
pub(crate) static SLEEP: Func = func("sleep", "Lets time pass.").with(&[need("time", Kind::Time)]).blocking();
pub(crate) static AT: Func = func("at", "Calls fn at a point in time.")
    .with(&[need("time", Kind::Time), need("fn", Kind::Function)])
    .gives("timer");
pub(crate) static AFTER: Func = func("after", "Calls fn after some time.")
    .with(&[need("time", Kind::Time), need("fn", Kind::Function)])
    .gives("timer");
pub(crate) static EVERY: Func = func("every", "Calls fn in regular intervals; does not keep the run alive.")
    .with(&[need("interval", Kind::Time), need("fn", Kind::Function)])
    .gives("timer");
pub(crate) static AT_END: Func =
    func("at_end", "Calls fn when the run is over; it cannot wait.").with(&[need("fn", Kind::Function)]);
pub(crate) static STOP: Func = func("stop", "Ends the run now.").with(&[may("reason", Kind::Text)]);
pub(crate) static SPAWN: Func = func("spawn", "Starts a process, after the current one waits or ends.")
    .with(&[need("fn", Kind::Function)])
    .more()
    .gives("process");
pub(crate) static WAIT_ALL: Func = func("wait_all", "Waits until all these processes have ended.")
    .with(&[need("processes", Kind::Table)])
    .blocking()
    .gives("true; or nil, error");
pub(crate) static WAIT_ANY: Func = func(
    "wait_any",
    "Waits for the first of several things, as select does: a process that has ended, a socket with something to read or accept, a flow that is over, a signal that is fired, a queue with something in it. { a, b, timeout = \"1s\" }",
)
.with(&[need("things", Kind::Table)])
.blocking()
.gives("the thing, its place in the list; or nil, \"timeout\"");
pub(crate) static JOIN: Func = func("process:join", "Waits until the process has ended.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("true and what it returned; or nil, \"timeout\"");
pub(crate) static KILL: Func =
    func("process:kill", "Ends the process where it stands; what it holds with local x <close> is closed.");
pub(crate) static CANCEL: Func = func("timer:cancel", "Forgets the callback.");
pub(crate) static QUEUE: Func =
    func("queue", "A line of values between processes; put waits when it is full.")
        .with(&[may("capacity", super::COUNT)])
        .gives("queue; #q is its length");
pub(crate) static QUEUE_PUT: Func = func("queue:put", "Adds a value at the end.")
    .with(&[need("value", Kind::Any)])
    .opts(&[TIMEOUT])
    .blocking()
    .gives("true; or nil, \"timeout\"");
pub(crate) static QUEUE_GET: Func = func("queue:get", "Takes the first value.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("value; or nil, \"timeout\"");
pub(crate) static SIGNAL: Func = func("signal", "Something that processes wait for.").gives("signal");
pub(crate) static SIGNAL_FIRE: Func =
    func("signal:fire", "Lets everybody who waits go on.").with(&[may("value", Kind::Any)]);
pub(crate) static SIGNAL_WAIT: Func = func("signal:wait", "Waits until the signal is fired the next time.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("true, value; or nil, \"timeout\"");
pub(crate) static RESOURCE: Func = func("resource", "Something that n processes can hold at a time.")
    .with(&[may("n", super::COUNT)])
    .gives("resource with the methods acquire, release and use(fn, ...)");
pub(crate) static RESOURCE_ACQUIRE: Func = func("resource:acquire", "Holds one unit; waits in line for it.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("true; or nil, \"timeout\"");
pub(crate) static RESOURCE_RELEASE: Func = func("resource:release", "Gives one unit back.");
pub(crate) static SECONDS: Func = func("seconds", "A time as a number: seconds(\"20ms\") is 0.02.")
    .with(&[need("time", Kind::Time)])
    .gives("s");
pub(crate) static BYTES: Func = func("bytes", "A size as a number: bytes(\"64KiB\") is 65536.")
    .with(&[need("size", Kind::Size)])
    .gives("bytes");
pub(crate) static BITS_PER_S: Func = func("bits_per_s", "A rate as a number: bits_per_s(\"10Mbps\") is 1e7.")
    .with(&[need("rate", Kind::Rate)])
    .gives("bit/s");
pub(crate) static READ_FILE: Func = func("read_file", "The contents of a file below the script's folder.")
    .with(&[need("name", Kind::Text)])
    .gives("text");

pub(crate) static UNIFORM: Func = func("random.uniform", "Uniform between a and b.")
    .with(&[may("a", Kind::Number), may("b", Kind::Number)])
    .gives("number");
pub(crate) static EXPONENTIAL: Func = func("random.exponential", "Exponential with this mean.")
    .with(&[need("mean", Kind::Time)])
    .gives("number");
pub(crate) static NORMAL: Func = func("random.normal", "Normal with this mean and standard deviation.")
    .with(&[need("mean", Kind::Number), need("sd", Kind::Number)])
    .gives("number");
pub(crate) static LOGNORMAL: Func =
    func("random.lognormal", "e to a normal number with this mean and standard deviation.")
        .with(&[need("mu", Kind::Number), need("sigma", Kind::Number)])
        .gives("number");
pub(crate) static PARETO: Func = func("random.pareto", "Pareto, by its scale (least value) or its mean.")
    .opts(&[&[
        super::Opt::new("shape", Kind::Number, "required", "the tail exponent"),
        super::Opt::new("scale", Kind::Number, "from the mean", "the least value"),
        super::Opt::new("mean", Kind::Number, "from the scale", "the mean; needs a shape above 1"),
    ]])
    .gives("number");
pub(crate) static ZIPF: Func = func("random.zipf", "1 to n, the k-th with a weight of k^-s.")
    .with(&[need("n", Kind::Int(1, 10_000_000)), may("s", Kind::Number)])
    .gives("whole number");
pub(crate) static INT: Func = func("random.int", "A whole number from a to b.")
    .with(&[need("a", Kind::Int(i64::MIN, i64::MAX)), need("b", Kind::Int(i64::MIN, i64::MAX))])
    .gives("whole number");
pub(crate) static CHANCE: Func = func("random.chance", "True with this probability.")
    .with(&[need("p", Kind::Probability)])
    .gives("boolean");
pub(crate) static CHOICE: Func =
    func("random.choice", "One element of a list.").with(&[need("list", Kind::Table)]).gives("value");
pub(crate) static SHUFFLE: Func = func("random.shuffle", "Puts a list in random order.")
    .with(&[need("list", Kind::Table)])
    .gives("the list");

pub(crate) static STREAM: Func = func(
    "random.stream",
    "A stream of its own with all these functions: drawing from it does not shift what others draw.",
)
.with(&[need("name", Kind::Text)])
.gives("table of the functions of random");

pub(crate) const ALL: &[&Func] = &[
    &NOW,
    &QUEUE,
    &QUEUE_PUT,
    &QUEUE_GET,
    &SIGNAL,
    &SIGNAL_FIRE,
    &SIGNAL_WAIT,
    &RESOURCE,
    &RESOURCE_ACQUIRE,
    &RESOURCE_RELEASE,
    &SLEEP,
    &AT,
    &AFTER,
    &EVERY,
    &AT_END,
    &STOP,
    &SPAWN,
    &WAIT_ALL,
    &WAIT_ANY,
    &JOIN,
    &KILL,
    &CANCEL,
    &SECONDS,
    &BYTES,
    &BITS_PER_S,
    &READ_FILE,
    &UNIFORM,
    &EXPONENTIAL,
    &NORMAL,
    &LOGNORMAL,
    &PARETO,
    &ZIPF,
    &INT,
    &CHANCE,
    &CHOICE,
    &SHUFFLE,
    &STREAM,
];
