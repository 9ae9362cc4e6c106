//! Threads with room for deep evaluation.

use std::cell::Cell;

/// Bytes of stack; the limit of nesting needs a small part of it.
const STACK_BYTES: usize = 64 * 1024 * 1024;

thread_local! {
    static NESTING: Cell<u32> = const { Cell::new(0) };
    /// Whether this thread's stack is large.
    static LARGE: Cell<bool> = const { Cell::new(false) };
}

/// Says that the stack of this thread has room for evaluation (at least 8 MiB), so that no thread
/// is made for it. For callers that evaluate many texts on a thread that they have prepared.
pub fn use_this_stack() {
    LARGE.set(true);
}

/// How deep the evaluations nest that wait on this thread, see [`leaving`].
pub(crate) fn nesting() -> u32 {
    NESTING.get()
}

/// Runs what may enter the evaluator afresh on this thread, while an evaluation waits that nests
/// `depth` deep: functions of the program that call functions of the configuration, objects that
/// are made while objects are made. The new evaluation goes on counting there.
pub(crate) fn leaving<T>(depth: u32, work: impl FnOnce() -> T) -> T {
    struct Restore(u32);
    impl Drop for Restore {
        fn drop(&mut self) {
            NESTING.set(self.0);
        }
    }
    let _restore = Restore(NESTING.replace(depth));
    work()
}

/// Runs `work` on a thread with a large stack (this one, if it has one), and waits for it.
///
/// Where no thread can be had, it runs on the caller's; a panic goes on in the caller.
pub(crate) fn with_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if LARGE.get() {
        return work();
    }
    let mut work = Some(work);
    let done = std::thread::scope(|scope| {
        let slot = &mut work;
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        let spawned = builder.spawn_scoped(scope, || {
            LARGE.set(true);
            slot.take().map(|work| work())
        });
        match spawned.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => None,
        }
    });
    match (done, work) {
        (Some(done), _) => done,
        (None, Some(work)) => work(),
        (None, None) => unreachable!("the work is either done or still here"),
    }
}

/// Maps items to results on several threads; the order of the results is that of the items.
pub(crate) fn parallel<I: Sync, T: Send>(
    items: &[I],
    threads: usize,
    work: impl Fn(&[I]) -> Vec<T> + Sync,
) -> Vec<T> {
    // Below this number of items a thread costs more than it gains.
    const WORTHWHILE: usize = 64;
    parallel_from(WORTHWHILE, items, threads, work)
}

/// The same for items that are worth a thread from another number on.
pub(crate) fn parallel_from<I: Sync, T: Send>(
    worthwhile: usize,
    items: &[I],
    threads: usize,
    work: impl Fn(&[I]) -> Vec<T> + Sync,
) -> Vec<T> {
    if threads < 2 || items.len() < worthwhile {
        return work(items);
    }
    let size = items.len().div_ceil(threads * 4).max(1);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let chunks: Vec<&[I]> = items.chunks(size).collect();
    let results: Vec<std::sync::Mutex<Option<Vec<T>>>> =
        chunks.iter().map(|_| std::sync::Mutex::new(None)).collect();
    let worker = || loop {
        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (Some(chunk), Some(slot)) = (chunks.get(at), results.get(at)) else {
            break;
        };
        let done = work(chunk);
        *slot
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(done);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
            // A thread that cannot be had only makes it slower.
            let _ = builder.spawn_scoped(scope, worker);
        }
        worker();
    });
    results
        .into_iter()
        .flat_map(|slot| {
            slot.into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .unwrap_or_default()
        })
        .collect()
}
