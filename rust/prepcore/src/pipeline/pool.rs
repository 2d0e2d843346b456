//! One pool of equal threads, and the two places where order rules.
//!
//! ```text
//! segments ─► read ─► map ─► [ order ] ─► finish ─► [ write ]
//!             any     any     one, in      any       one, in
//!             thread  thread  input order  thread    that order
//! ```
//!
//! Every thread takes the most downstream task there is, so that memory drains before it fills. What lies between
//! the tasks is bounded by bytes that are reserved before a unit is read: when the budget is spent, only the unit
//! that everything waits for is read. Which thread does what never shows in the result.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::stages::{Clock, Stage};
use super::watch::WATCH_EVERY;
use super::{Progress, Watcher};
use crate::guard::caught;
use crate::{Error, Result};

mod flight;
mod road;
#[cfg(test)]
mod tests;

use flight::EXPECTED_UNIT;
pub(crate) use flight::{Reservation, Width};
use road::UnitOf;
pub(crate) use road::{Event, Road, Segments, Step};

type Reader<'a, Unit> = Box<dyn Iterator<Item = Result<Unit>> + Send + 'a>;
/// A unit's place: its segment, and its number within it.
type Place = (usize, usize);

struct Open<'a, Unit> {
    /// Absent while a thread reads from it.
    reader: Option<Reader<'a, Unit>>,
    /// Units read so far.
    units: usize,
    exhausted: bool,
    /// What a reader holds that has begun a large unit and waits until the rest of it has room.
    held: Option<Reservation>,
    /// Bytes to reserve for the next unit.
    wanted: u64,
}

impl<Unit> Open<'_, Unit> {
    fn new() -> Self {
        Self { reader: None, units: 0, exhausted: false, held: None, wanted: EXPECTED_UNIT }
    }
}

struct Board<'a, R: Road> {
    next_segment: usize,
    open: BTreeMap<usize, Open<'a, UnitOf<R>>>,
    mapped: BTreeMap<Place, (R::Mapped, Reservation)>,
    head: Place,
    order: Option<R::Order>,
    /// The ordered stage was told that nothing follows.
    ended: bool,
    jobs: VecDeque<(u64, R::Job)>,
    next_job: u64,
    done: BTreeMap<u64, R::Done>,
    next_write: u64,
    writer: Option<R::Writer>,
    failure: Option<Error>,
    /// Threads that still run.
    running: usize,
}

enum Task<'a, R: Road> {
    Write(R::Writer, R::Done),
    Order(R::Order, Event<R::Mapped>),
    Finish(u64, R::Job),
    Read(usize, Option<Reader<'a, UnitOf<R>>>, Reservation),
    Wait,
    Leave,
}

impl<R: Road> Task<'_, R> {
    /// What the task's time counts for, or the rest of it: a unit is mapped by the thread that read it.
    fn stage(&self) -> Stage {
        match self {
            Self::Write(..) => Stage::Write,
            Self::Order(..) => Stage::Order,
            Self::Finish(..) => Stage::Finish,
            Self::Read(..) => Stage::Map,
            Self::Wait | Self::Leave => Stage::Wait,
        }
    }
}

struct Pool<'a, R: Road> {
    road: &'a R,
    board: Mutex<Board<'a, R>>,
    work: Condvar,
    /// Told when the last thread has left. The watcher must not wait on `work`, which never rests.
    left: Condvar,
    used: Arc<AtomicU64>,
    width: Width,
}

/// Runs a road to its end and returns what its writer remembers.
///
/// # Errors
/// The first error of any task or of the watcher; a panic of a task becomes [`Error::Internal`].
pub(crate) fn run<R: Road>(
    road: &R,
    width: Width,
    order: R::Order,
    writer: R::Writer,
    progress: &Progress,
    watcher: Watcher<'_>,
) -> Result<(R::Order, R::Writer)> {
    let board = Board {
        next_segment: 0,
        open: BTreeMap::new(),
        mapped: BTreeMap::new(),
        head: (0, 0),
        order: Some(order),
        ended: false,
        jobs: VecDeque::new(),
        next_job: 0,
        done: BTreeMap::new(),
        next_write: 0,
        writer: Some(writer),
        failure: None,
        running: width.threads,
    };
    let used = Arc::new(AtomicU64::new(0));
    let pool =
        Pool { road, board: Mutex::new(board), work: Condvar::new(), left: Condvar::new(), used, width };
    thread::scope(|scope| {
        for _ in 0..width.threads {
            scope.spawn(|| pool.work(Clock::start(&progress.stages)));
        }
        pool.watch(progress, watcher);
    });
    let board = pool.board.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (board.failure, board.order, board.writer) {
        (Some(failure), ..) => Err(failure),
        (None, Some(order), Some(writer)) => Ok((order, writer)),
        _ => Err(Error::Internal("a run ended without its stages".into())),
    }
}

impl<'a, R: Road> Pool<'a, R> {
    fn board(&self) -> MutexGuard<'_, Board<'a, R>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs on the calling thread: signals and progress.
    fn watch(&self, progress: &Progress, watcher: Watcher<'_>) {
        let mut board = self.board();
        while board.running > 0 {
            let wait = self.left.wait_timeout_while(board, WATCH_EVERY, |board| board.running > 0);
            drop(wait.unwrap_or_else(PoisonError::into_inner));
            let outcome = watcher(progress);
            board = self.board();
            if let Err(error) = outcome {
                board.failure.get_or_insert(error);
                self.road.source().stop();
                self.work.notify_all();
            }
        }
    }

    fn work(&self, mut clock: Clock<'_>) {
        let mut board = self.board();
        loop {
            match self.choose(&mut board) {
                Task::Leave => break,
                Task::Wait => {
                    board = self.work.wait(board).unwrap_or_else(PoisonError::into_inner);
                    clock.lap(Stage::Wait);
                }
                task => {
                    drop(board);
                    let stage = task.stage();
                    let outcome = caught(|| self.perform(task, &mut clock));
                    clock.lap(stage);
                    board = self.board();
                    if let Err(error) = outcome {
                        board.failure.get_or_insert(error);
                        self.road.source().stop();
                    }
                    self.work.notify_all();
                }
            }
        }
        board.running -= 1;
        if board.running == 0 {
            self.left.notify_all();
        }
    }

    /// The most downstream task there is.
    fn choose(&self, board: &mut Board<'a, R>) -> Task<'a, R> {
        if board.failure.is_some() {
            return Task::Leave;
        }
        if board.done.contains_key(&board.next_write)
            && let Some(writer) = board.writer.take()
            && let Some(done) = board.done.remove(&board.next_write)
        {
            return Task::Write(writer, done);
        }
        if board.order.is_some()
            && !board.ended
            && let Some(event) = self.next_event(board)
            && let Some(order) = board.order.take()
        {
            return Task::Order(order, event);
        }
        if let Some((number, job)) = board.jobs.pop_front() {
            return Task::Finish(number, job);
        }
        if board.ended {
            let idle = board.order.is_some() && board.writer.is_some() && board.next_write == board.next_job;
            return if idle { Task::Leave } else { Task::Wait };
        }
        self.choose_read(board)
    }

    fn next_event(&self, board: &mut Board<'a, R>) -> Option<Event<R::Mapped>> {
        let (segment, unit) = board.head;
        if let Some((mapped, reservation)) = board.mapped.remove(&board.head) {
            board.head.1 += 1;
            return Some(Event::Unit(mapped, reservation));
        }
        if segment == self.road.source().segments() {
            board.ended = true;
            return Some(Event::End);
        }
        let open = board.open.get(&segment)?;
        if open.exhausted && open.units == unit {
            board.open.remove(&segment);
            board.head = (segment + 1, 0);
            return Some(Event::SegmentEnd(segment));
        }
        None
    }

    fn choose_read(&self, board: &mut Board<'a, R>) -> Task<'a, R> {
        let segments = self.road.source().segments();
        let idle = board.open.iter().find(|(_, open)| open.reader.is_some() && !open.exhausted);
        let open_more = board.next_segment < segments && board.open.len() <= self.width.threads;
        let segment = match idle {
            Some((segment, _)) => *segment,
            None if open_more => board.next_segment,
            None => return Task::Wait,
        };
        let (wanted, held) = board.open.get(&segment).map_or((EXPECTED_UNIT, 0), |open| {
            (open.wanted, open.held.as_ref().map_or(0, |held| held.bytes))
        });
        let more = wanted.saturating_sub(held);
        let free = self.used.load(Ordering::Relaxed) + more <= self.width.flight;
        // What everything waits for is read whatever the budget says. While there are units to order and jobs to
        // finish or to write, everything waits for these: a slow writer must not fill the memory.
        let awaited = board.order.is_some()
            && board.next_write == board.next_job
            && segment == board.head.0
            && board.open.get(&segment).is_none_or(|open| open.units == board.head.1);
        if !free && !awaited {
            return Task::Wait;
        }
        if segment == board.next_segment {
            board.next_segment += 1;
            board.open.insert(segment, Open::new());
        }
        let open = board.open.get_mut(&segment);
        let (reader, held) = open.map_or((None, None), |open| (open.reader.take(), open.held.take()));
        let mut reservation = held.unwrap_or_else(|| Reservation::new(&self.used, 0));
        reservation.correct(wanted);
        Task::Read(segment, reader, reservation)
    }

    fn perform(&self, task: Task<'a, R>, clock: &mut Clock<'_>) -> Result<()> {
        match task {
            Task::Write(mut writer, done) => {
                let outcome = self.road.write(&mut writer, done);
                let mut board = self.board();
                board.writer = Some(writer);
                board.next_write += 1;
                outcome
            }
            Task::Order(mut order, event) => {
                let step = self.road.order(&mut order, event)?;
                let mut board = self.board();
                board.order = Some(order);
                for job in step.jobs {
                    let number = board.next_job;
                    board.next_job += 1;
                    board.jobs.push_back((number, job));
                }
                if step.stop {
                    // Nothing more is read; what was read beyond the end is dropped.
                    board.next_segment = self.road.source().segments();
                    board.head = (self.road.source().segments(), 0);
                    board.open.clear();
                    board.mapped.clear();
                }
                Ok(())
            }
            Task::Finish(number, job) => {
                let done = self.road.finish(job)?;
                self.board().done.insert(number, done);
                Ok(())
            }
            Task::Read(segment, reader, reservation) => self.read(segment, reader, reservation, clock),
            Task::Wait | Task::Leave => Ok(()),
        }
    }

    fn read(
        &self,
        segment: usize,
        reader: Option<Reader<'a, UnitOf<R>>>,
        mut held: Reservation,
        clock: &mut Clock<'_>,
    ) -> Result<()> {
        let mut reader = match reader {
            Some(reader) => reader,
            None => self.road.source().open(segment)?,
        };
        let next = reader.next().transpose()?;
        let mut board = self.board();
        // A run that stopped early has closed its segments.
        let Some(open) = board.open.get_mut(&segment) else { return Ok(()) };
        let Some(unit) = next else {
            open.exhausted = true;
            return Ok(());
        };
        let source = self.road.source();
        if source.asks(&unit) {
            open.wanted = source.weight(&unit);
            open.held = Some(held);
            open.reader = Some(reader);
            return Ok(());
        }
        held.correct(source.weight(&unit));
        open.wanted = EXPECTED_UNIT;
        let place = (segment, open.units);
        open.units += 1;
        open.reader = Some(reader);
        self.work.notify_all();
        drop(board);
        clock.lap(Stage::Read);
        let mapped = self.road.map(unit)?;
        let mut board = self.board();
        if board.open.contains_key(&segment) {
            board.mapped.insert(place, (mapped, held));
        }
        Ok(())
    }
}
