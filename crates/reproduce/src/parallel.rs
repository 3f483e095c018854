//! Independent runs on all cores; the results come in the order of the inputs.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// On how many threads, and who is told how far it is.
#[derive(Clone, Copy, Default)]
pub struct Workers<'a> {
    /// Threads; 0 for as many as there are cores.
    pub jobs: usize,
    /// Is called after each item with how many are done and how many there are.
    pub tell: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

impl From<usize> for Workers<'_> {
    fn from(jobs: usize) -> Self {
        Workers { jobs, tell: None }
    }
}

impl fmt::Debug for Workers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

/// Applies `work` to every item.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    workers: Workers<'_>,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = if workers.jobs == 0 { cores() } else { workers.jobs }.clamp(1, items.len().max(1));
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    let busy = || {
        while let Some((i, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| items.get(i).map(|item| (i, item)))
        {
            let result = work(item);
            let mut done = done.lock().expect("a thread that panics ends the scope");
            done.push((i, result));
            if let Some(tell) = workers.tell {
                tell(done.len(), items.len());
            }
        }
    };
    if jobs == 1 {
        busy();
    } else {
        std::thread::scope(|scope| (0..jobs).for_each(|_| drop(scope.spawn(busy))));
    }
    let mut done = done.into_inner().expect("all threads have ended");
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_inputs() {
        let items: Vec<u64> = (0..100).collect();
        let slow_first =
            |item: &u64| (0..(100 - item) * 1000).fold(*item, |sum, i| std::hint::black_box(sum + i - i));
        assert_eq!(map(&items, 4.into(), slow_first), items);
        assert_eq!(map(&items, 1.into(), slow_first), items);
        assert!(map(&[], 4.into(), slow_first).is_empty());
    }

    #[test]
    fn who_waits_is_told_after_each_item() {
        let told = Mutex::new(Vec::new());
        let tell = |done, all| told.lock().unwrap().push((done, all));
        map(&[1, 2, 3], Workers { jobs: 2, tell: Some(&tell) }, |x| x + 1);
        assert_eq!(told.into_inner().unwrap(), [(1, 3), (2, 3), (3, 3)]);
    }
}
