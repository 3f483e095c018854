//! Independent runs on all cores; the results come in the order of the inputs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Applies `work` to every item on `jobs` threads (0: as many as there are cores).
pub(crate) fn map<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = if jobs == 0 { cores() } else { jobs }.min(items.len());
    if jobs <= 1 {
        return items.iter().map(work).collect();
    }
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((i, item)) = Some(next.fetch_add(1, Ordering::Relaxed))
                    .and_then(|i| items.get(i).map(|item| (i, item)))
                {
                    let result = work(item);
                    done.lock().expect("a thread that panics ends the scope").push((i, result));
                }
            });
        }
    });
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
        assert_eq!(map(&items, 4, slow_first), items);
        assert_eq!(map(&items, 1, slow_first), items);
    }
}
