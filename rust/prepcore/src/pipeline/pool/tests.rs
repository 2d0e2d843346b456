//! Order, memory, early ends and failures of the pool.

use proptest::prelude::*;
use std::time::Duration;

use super::*;

/// Segments of numbers: doubled in parallel, numbered in order, written in order.
struct Numbers {
    segments: Vec<Vec<u64>>,
    stop_after: usize,
    panic_at: Option<u64>,
}

impl Segments for Numbers {
    type Unit = u64;

    fn segments(&self) -> usize {
        self.segments.len()
    }
    fn open(&self, segment: usize) -> Result<Reader<'_, u64>> {
        Ok(Box::new(self.segments[segment].iter().copied().map(Ok)))
    }
    fn weight(&self, _: &u64) -> u64 {
        EXPECTED_UNIT
    }
}

impl Road for Numbers {
    type Source = Self;
    type Mapped = u64;
    type Job = (u64, Reservation);
    type Done = (u64, Reservation);
    type Order = Vec<String>;
    type Writer = Vec<u64>;

    fn source(&self) -> &Self {
        self
    }
    fn map(&self, unit: u64) -> Result<u64> {
        assert_ne!(Some(unit), self.panic_at, "asked to");
        Ok(unit * 2)
    }
    fn order(&self, order: &mut Vec<String>, event: Event<u64>) -> Result<Step<Self::Job>> {
        let mut step = Step::default();
        order.push(match event {
            Event::Unit(number, held) => {
                step.jobs.push((number, held));
                number.to_string()
            }
            Event::SegmentEnd(segment) => format!("/{segment}"),
            Event::End => "end".into(),
        });
        step.stop = order.len() == self.stop_after;
        Ok(step)
    }
    fn finish(&self, job: Self::Job) -> Result<Self::Done> {
        Ok((job.0 + 1, job.1))
    }
    fn write(&self, writer: &mut Vec<u64>, done: Self::Done) -> Result<()> {
        writer.push(done.0);
        Ok(())
    }
}

fn run_numbers(numbers: &Numbers, threads: usize, memory: u64) -> Result<(Vec<String>, Vec<u64>)> {
    let width = Width { threads, flight: memory };
    run(numbers, width, Vec::new(), Vec::new(), &Progress::default(), &mut |_| Ok(()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn order_is_the_input_order(
        segments in prop::collection::vec(prop::collection::vec(0_u64..1000, 0..6), 0..12),
        threads in 1_usize..8,
        units in 0_u64..6,
    ) {
        let numbers = Numbers { segments, stop_after: usize::MAX, panic_at: None };
        let (events, written) = run_numbers(&numbers, threads, units * EXPECTED_UNIT).unwrap();
        let flat: Vec<u64> = numbers.segments.iter().flatten().map(|number| number * 2 + 1).collect();
        prop_assert_eq!(written, flat);
        let mut wanted = Vec::new();
        for (segment, units) in numbers.segments.iter().enumerate() {
            wanted.extend(units.iter().map(|number| (number * 2).to_string()));
            wanted.push(format!("/{segment}"));
        }
        wanted.push("end".into());
        prop_assert_eq!(events, wanted);
    }
}

/// The most bytes that were held at once while a slow writer was waited for.
struct SlowWriter {
    most: AtomicU64,
}

impl Segments for SlowWriter {
    type Unit = ();

    fn segments(&self) -> usize {
        1
    }
    fn open(&self, _: usize) -> Result<Reader<'_, ()>> {
        Ok(Box::new((0..40).map(|_| Ok(()))))
    }
    fn weight(&self, (): &()) -> u64 {
        EXPECTED_UNIT
    }
}

impl Road for SlowWriter {
    type Source = Self;
    type Mapped = ();
    type Job = Reservation;
    type Done = Reservation;
    type Order = ();
    type Writer = ();

    fn source(&self) -> &Self {
        self
    }
    fn map(&self, (): ()) -> Result<()> {
        Ok(())
    }
    fn order(&self, (): &mut (), event: Event<()>) -> Result<Step<Reservation>> {
        let mut step = Step::default();
        if let Event::Unit((), held) = event {
            step.jobs.push(held);
        }
        Ok(step)
    }
    fn finish(&self, job: Reservation) -> Result<Reservation> {
        Ok(job)
    }
    fn write(&self, (): &mut (), done: Reservation) -> Result<()> {
        thread::sleep(Duration::from_millis(5));
        self.most.fetch_max(done.used.load(Ordering::Relaxed), Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn a_slow_writer_does_not_fill_the_memory() {
    let road = SlowWriter { most: AtomicU64::new(0) };
    let width = Width { threads: 4, flight: 3 * EXPECTED_UNIT };
    run(&road, width, (), (), &Progress::default(), &mut |_| Ok(())).unwrap();
    let most = road.most.load(Ordering::Relaxed);
    assert!(most <= 4 * EXPECTED_UNIT, "{} units were held", most / EXPECTED_UNIT);
}

#[test]
fn a_run_can_end_early() {
    let numbers = Numbers { segments: vec![(0..100).collect(); 4], stop_after: 7, panic_at: None };
    for threads in [1, 4] {
        let (events, written) = run_numbers(&numbers, threads, u64::MAX).unwrap();
        assert_eq!((events.len(), written.len()), (8, 7));
    }
}

#[test]
fn a_panic_and_a_watcher_stop_the_run() {
    let numbers = Numbers { segments: vec![(0..100).collect(); 4], stop_after: 0, panic_at: Some(50) };
    let error = run_numbers(&numbers, 3, u64::MAX).unwrap_err();
    assert!(error.to_string().contains("asked to"), "{error}");
    let endless = Numbers { segments: vec![vec![1; 10_000_000]], stop_after: 0, panic_at: None };
    let width = Width::new(2, 1 << 30);
    let stopped =
        run(&endless, width, Vec::new(), Vec::new(), &Progress::default(), &mut |_| Err(Error::Cancelled));
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

/// Units of any size; a reader holds as many bytes as it was granted, and asks for twice as many at a time.
struct Sizes {
    segments: Vec<Vec<u64>>,
    /// Bytes that readers, units and jobs hold, and the most there ever were.
    held: AtomicU64,
    most: AtomicU64,
}

/// A unit of so many bytes, or a request for so many.
struct Sized {
    bytes: u64,
    asks: bool,
}

impl Sizes {
    fn hold(&self, bytes: u64) {
        let held = self.held.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.most.fetch_max(held, Ordering::SeqCst);
    }
}

impl Segments for Sizes {
    type Unit = Sized;

    fn segments(&self) -> usize {
        self.segments.len()
    }
    fn open(&self, segment: usize) -> Result<Reader<'_, Sized>> {
        let units = self.segments[segment].iter().flat_map(move |bytes| {
            let steps = std::iter::successors(Some(EXPECTED_UNIT), move |granted| {
                (granted < bytes).then_some(2 * granted)
            });
            let last = steps.clone().count() - 1;
            steps.enumerate().map(move |(step, granted)| {
                // What was granted last is held now.
                self.hold(granted.min(*bytes) - if step == 0 { 0 } else { granted / 2 });
                match step == last {
                    true => Ok(Sized { bytes: *bytes, asks: false }),
                    false => Ok(Sized { bytes: 2 * granted, asks: true }),
                }
            })
        });
        Ok(Box::new(units))
    }
    fn weight(&self, unit: &Sized) -> u64 {
        unit.bytes
    }
    fn asks(&self, unit: &Sized) -> bool {
        unit.asks
    }
}

impl Road for Sizes {
    type Source = Self;
    type Mapped = u64;
    type Job = (u64, Reservation);
    type Done = (u64, Reservation);
    type Order = ();
    type Writer = Vec<u64>;

    fn source(&self) -> &Self {
        self
    }
    fn map(&self, unit: Sized) -> Result<u64> {
        Ok(unit.bytes)
    }
    fn order(&self, (): &mut (), event: Event<u64>) -> Result<Step<Self::Job>> {
        let mut step = Step::default();
        if let Event::Unit(bytes, held) = event {
            step.jobs.push((bytes, held));
        }
        Ok(step)
    }
    fn finish(&self, job: Self::Job) -> Result<Self::Done> {
        Ok(job)
    }
    fn write(&self, writer: &mut Vec<u64>, (bytes, _held): Self::Done) -> Result<()> {
        writer.push(bytes);
        self.held.fetch_sub(bytes, Ordering::SeqCst);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn large_units_are_reserved_as_they_grow(
        segments in prop::collection::vec(prop::collection::vec(0_u64..12, 0..5), 0..12),
        threads in 1_usize..8,
        flight in 1_u64..12,
    ) {
        let bytes = |units: &Vec<u64>| units.iter().map(|units| units * EXPECTED_UNIT).collect();
        let segments: Vec<Vec<u64>> = segments.iter().map(bytes).collect();
        let sizes = Sizes { segments, held: 0.into(), most: 0.into() };
        let width = Width { threads, flight: flight * EXPECTED_UNIT };
        let (_, written) =
            run(&sizes, width, (), Vec::new(), &Progress::default(), &mut |_| Ok(())).unwrap();
        let flat: Vec<u64> = sizes.segments.iter().flatten().copied().collect();
        prop_assert_eq!(written, flat.clone());
        // The unit that everything waits for is read whatever the budget says, and no other.
        let largest = flat.into_iter().max().unwrap_or(0);
        let most = sizes.most.into_inner();
        prop_assert!(most <= flight * EXPECTED_UNIT + largest, "{} units", most / EXPECTED_UNIT);
        prop_assert_eq!(sizes.held.into_inner(), 0);
    }
}
