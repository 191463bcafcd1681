//! Rows of 24 bytes (a timestamp, an id, a value) from one core to another: how soon one is there, and how many a
//! second. Our ring beside queues of rows (rtrb, heapless, crossbeam, disruptor; iceoryx2 with `--features iceoryx2`),
//! and beside what no transport can beat: the time that a cache line takes from core to core, measured in the same run.
//!
//! The ring is between processes: each side maps the lane for itself, and could as well be another program. Of the
//! queues only iceoryx2's is; the others share memory of one process. Their rows lie one behind the other, the ring's
//! column by column. Each receiver adds up all three values of each row, and the sums are checked.
//!
//! `cargo bench --bench transport [-- NAME]` measures; `cargo test --benches` sends a few rows through each.
#![allow(clippy::unwrap_used, reason = "a bench whose ring cannot be made has failed")]

use std::{
    hint::spin_loop,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam::{queue::ArrayQueue, utils::CachePadded};
use firesteel_core::{
    block::{Block, BlockRef},
    schema::Schema,
};
use firesteel_io::{
    ring::{self, ReaderOptions, RingOptions, StreamFolder},
    sys,
};

/// Rows of a batch; also what the queues hold, twice.
const BATCH_ROWS: usize = 4096;
const QUEUE_ROWS: usize = 2 * BATCH_ROWS;

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    ts: i64,
    id: i64,
    value: f64,
}

impl Row {
    fn new(n: usize) -> Self {
        Self { ts: n as i64 * 1_000, id: (n % 1_000) as i64, value: (n % 64) as f64 }
    }

    fn sum(self) -> f64 {
        self.ts as f64 + self.id as f64 + self.value
    }
}

/// The sending side. Both calls wait while there is no room.
trait Sender {
    fn send(&mut self, row: Row);

    fn send_batch(&mut self, batch: &Batch);

    /// Lets the receiver see all rows that were sent.
    fn flush(&mut self) {}
}

/// The receiving side: takes what is there, gives the number of rows and adds their values to the sum.
trait Receiver {
    fn receive(&mut self, sum: &mut f64) -> usize;
}

/// The same rows as each transport takes them.
struct Batch {
    rows: Vec<Row>,
    block: Block,
    sum: f64,
}

impl Batch {
    fn new() -> Self {
        let rows: Vec<Row> = (0..BATCH_ROWS).map(Row::new).collect();
        let mut block = Block::new(&schema());
        for row in &rows {
            let columns = block.columns_mut();
            columns[0].push(row.ts);
            columns[1].push(row.id);
            columns[2].push(row.value);
        }
        block.set_len(BATCH_ROWS);
        Self { sum: rows.iter().map(|row| row.sum()).sum(), rows, block }
    }
}

/// How much is sent.
struct Plan {
    trips: usize,
    rows: usize,
    batches: usize,
    repeats: usize,
}

fn main() {
    let is_full = std::env::args().any(|a| a == "--bench");
    let plan = match is_full {
        true => Plan { trips: 20_000, rows: 4 << 20, batches: 8_192, repeats: 11 },
        // No more than a queue holds: nobody waits for room.
        false => Plan { trips: 20, rows: 2_000, batches: 2, repeats: 1 },
    };
    sys::pin_to_core(0);
    let floor = median((0..plan.repeats).map(|_| core_to_core(plan.trips)));
    println!("{:28} {:>12} {:>9} {:>14} {:>14}", "medians", "round trip", "of floor", "one by one", "in batches");
    println!("{:28} {:9.0} ns {:>9} {:>14} {:>14}", "a cache line, there and back", floor, 1.0, "", "");
    let mut bench = Bench { plan, floor, publish_every: 1, batch: Batch::new() };
    bench.run("firesteel ring", ring);
    bench.publish_every = 64;
    bench.run("firesteel ring, 64 at a time", ring);
    bench.run("rtrb", |_| rtrb());
    bench.run("heapless spsc", |_| heapless());
    bench.run("crossbeam ArrayQueue", |_| array_queue());
    bench.run("disruptor", |_| disruptor());
    #[cfg(feature = "iceoryx2")]
    {
        // A row takes as long as a dozen of the others': fewer will do.
        bench.plan.rows = bench.plan.rows.min(1 << 20);
        bench.plan.batches = bench.plan.batches.min(256);
        bench.run("iceoryx2", |_| iceoryx::channel());
    }
}

struct Bench {
    plan: Plan,
    floor: f64,
    /// Rows sent one by one that are published together, where that can be chosen.
    publish_every: usize,
    batch: Batch,
}

impl Bench {
    fn run<S: Sender + Send, R: Receiver + Send>(&self, name: &str, make: impl Fn(usize) -> (S, R)) {
        if !is_wanted(name) {
            return;
        }
        let Plan { trips, rows, batches, repeats } = self.plan;
        let trip = median((0..repeats).map(|_| round_trip(make(1), make(1), trips)));
        let single = median((0..repeats).map(|_| {
            let sum = (0..rows).map(|n| Row::new(n).sum()).sum();
            throughput(make(self.publish_every), rows, sum, |sender| (0..rows).for_each(|n| sender.send(Row::new(n))))
        }));
        let batched = median((0..repeats).map(|_| {
            let sum = self.batch.sum * batches as f64;
            let send = |sender: &mut S| (0..batches).for_each(|_| sender.send_batch(&self.batch));
            throughput(make(1), batches * BATCH_ROWS, sum, send)
        }));
        let ratio = trip / self.floor;
        println!("{name:28} {trip:9.0} ns {ratio:9.1} {:8.1} M/s {:10.1} M/s", single / 1e6, batched / 1e6);
    }
}

/// Whether the command line names this transport, or none.
fn is_wanted(name: &str) -> bool {
    let mut names = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    names.peek().is_none() || names.any(|wanted| name.contains(&wanted))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Spins until it is so. On a machine whose cores have other work, too, the other side may need this one to make it so.
fn until(mut is_so: impl FnMut() -> bool) {
    let mut looks: u32 = 0;
    while !is_so() {
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(4096) { std::thread::yield_now() } else { spin_loop() }
    }
}

/// Runs `f` on core 1, if there is one, and `here` on this one as soon as the other thread is there.
fn beside<T: Send>(f: impl FnOnce() -> T + Send, here: impl FnOnce() -> f64) -> (f64, T) {
    let (tell, is_there) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let there = scope.spawn(move || {
            sys::pin_to_core(1);
            tell.send(()).unwrap();
            f()
        });
        is_there.recv().unwrap();
        let result = here();
        (result, there.join().unwrap())
    })
}

/// Nanoseconds for a word to the other core and back: two lines, each written by one side and read by the other.
fn core_to_core(trips: usize) -> f64 {
    let (ping, pong) = (CachePadded::new(AtomicU64::new(0)), CachePadded::new(AtomicU64::new(0)));
    let await_word = |word: &AtomicU64, n: u64| {
        until(|| word.load(Ordering::Acquire) == n);
    };
    let answer = || {
        for n in 1..=2 * trips as u64 {
            await_word(&ping, n);
            pong.store(n, Ordering::Release);
        }
    };
    let ask = || {
        let mut clock = Instant::now();
        for n in 1..=2 * trips as u64 {
            // The first half is for warmth.
            if n == trips as u64 + 1 {
                clock = Instant::now();
            }
            ping.store(n, Ordering::Release);
            await_word(&pong, n);
        }
        clock.elapsed().as_nanos() as f64 / trips as f64
    };
    beside(answer, ask).0
}

/// Nanoseconds for a row to the other core and for one back.
fn round_trip<S: Sender + Send, R: Receiver + Send>(ping: (S, R), pong: (S, R), trips: usize) -> f64 {
    let ((mut ping_to, mut ping_from), (mut pong_to, mut pong_from)) = (ping, pong);
    let receive_one = |from: &mut R, sum: &mut f64| {
        until(|| from.receive(sum) > 0);
    };
    let answer = || {
        let mut sum = 0.0;
        for n in 0..2 * trips {
            receive_one(&mut ping_from, &mut sum);
            pong_to.send(Row::new(n));
        }
        sum
    };
    let mut sum = 0.0;
    let ask = || {
        let mut clock = Instant::now();
        for n in 0..2 * trips {
            if n == trips {
                clock = Instant::now();
            }
            ping_to.send(Row::new(n));
            receive_one(&mut pong_from, &mut sum);
        }
        clock.elapsed().as_nanos() as f64 / trips as f64
    };
    let (nanos, seen) = beside(answer, ask);
    let expected: f64 = (0..2 * trips).map(|n| Row::new(n).sum()).sum();
    assert_eq!((sum, seen), (expected, expected));
    nanos
}

/// Rows a second from one core to the other, until the last was received.
fn throughput<S: Sender, R: Receiver + Send>(
    channel: (S, R),
    rows: usize,
    expected: f64,
    send: impl FnOnce(&mut S),
) -> f64 {
    let (mut sender, mut receiver) = channel;
    let receive = move || {
        let (mut received, mut sum) = (0, 0.0);
        until(|| {
            received += receiver.receive(&mut sum);
            received >= rows
        });
        (Instant::now(), received, sum)
    };
    let mut start = Instant::now();
    let (_, (end, received, sum)) = beside(receive, || {
        start = Instant::now();
        send(&mut sender);
        sender.flush();
        0.0
    });
    assert_eq!((received, sum), (rows, expected));
    rows as f64 / end.duration_since(start).as_secs_f64()
}

struct RingSender {
    producer: ring::Producer,
    /// How many rows that are sent one by one are published together.
    publish_every: usize,
    stored: usize,
    _folder: Arc<Folder>,
}

struct RingReceiver {
    reader: ring::Reader,
    _folder: Arc<Folder>,
}

/// A stream in memory, removed when both sides are gone.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn schema() -> Schema {
    Schema::parse_ddl("ts TIMESTAMP NOT NULL, id BIGINT NOT NULL, value DOUBLE NOT NULL").unwrap()
}

fn ring(publish_every: usize) -> (RingSender, RingReceiver) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = base.join(format!("firesteel-transport-{}-{number}", std::process::id()));
    let options = RingOptions::parse([("capacity", "1MB")]).unwrap();
    let folder = StreamFolder::create(&path, &schema(), &options).unwrap();
    let reader = ring::Reader::open_in(folder.clone(), ReaderOptions::default()).unwrap();
    let producer = ring::Producer::open_in(folder, None).unwrap();
    let folder = Arc::new(Folder(path));
    (
        RingSender { producer, publish_every, stored: 0, _folder: folder.clone() },
        RingReceiver { reader, _folder: folder },
    )
}

impl Sender for RingSender {
    fn send(&mut self, row: Row) {
        self.producer.push(&[row.ts.into(), row.id.into(), row.value.into()]).unwrap();
        self.stored += 1;
        if self.stored.is_multiple_of(self.publish_every) {
            self.producer.publish();
        }
    }

    fn flush(&mut self) {
        self.producer.publish();
    }

    fn send_batch(&mut self, batch: &Batch) {
        self.producer.append(&batch.block.view()).unwrap();
    }
}

impl Receiver for RingReceiver {
    fn receive(&mut self, sum: &mut f64) -> usize {
        let rows = self.reader.poll(Duration::ZERO, |_, block: &BlockRef<'_>| {
            let (ts, id) = (block.column(0).as_slice::<i64>(), block.column(1).as_slice::<i64>());
            *sum += (ts.iter().sum::<i64>() + id.iter().sum::<i64>()) as f64 + total(block.column(2).as_slice());
            Ok(())
        });
        let rows = rows.unwrap();
        if rows > 0 {
            self.reader.commit_read().unwrap();
        }
        rows as usize
    }
}

/// Sums in eight lanes, as adding one after the other is slower than any transport. The values are small whole
/// numbers, so every order gives the same.
fn total(values: &[f64]) -> f64 {
    let (eights, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    eights.iter().for_each(|eight| lanes.iter_mut().zip(eight).for_each(|(lane, value)| *lane += value));
    lanes.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

/// The same for rows.
fn total_rows(rows: &[Row]) -> f64 {
    let (eights, rest) = rows.as_chunks::<8>();
    let mut lanes = [(0, 0.0); 8];
    for eight in eights {
        lanes.iter_mut().zip(eight).for_each(|(lane, row)| *lane = (lane.0 + row.ts + row.id, lane.1 + row.value));
    }
    lanes.iter().map(|lane| lane.0 as f64 + lane.1).sum::<f64>() + rest.iter().map(|row| row.sum()).sum::<f64>()
}

fn rtrb() -> (rtrb::Producer<Row>, rtrb::Consumer<Row>) {
    rtrb::RingBuffer::new(QUEUE_ROWS)
}

impl Sender for rtrb::Producer<Row> {
    fn send(&mut self, row: Row) {
        until(|| self.push(row).is_ok());
    }

    fn send_batch(&mut self, batch: &Batch) {
        for part in batch.rows.chunks(1024) {
            until(|| {
                let chunk = self.write_chunk_uninit(part.len());
                chunk.map(|chunk| chunk.fill_from_iter(part.iter().copied())).is_ok()
            });
        }
    }
}

impl Receiver for rtrb::Consumer<Row> {
    fn receive(&mut self, sum: &mut f64) -> usize {
        let rows = self.slots();
        if rows > 0 {
            let chunk = self.read_chunk(rows).unwrap();
            let (a, b) = chunk.as_slices();
            *sum += total_rows(a) + total_rows(b);
            chunk.commit_all();
        }
        rows
    }
}

type Heapless = heapless::spsc::Queue<Row, QUEUE_ROWS>;

/// The queue lives as long as the process: its two sides borrow it.
fn heapless() -> (heapless::spsc::Producer<'static, Row>, heapless::spsc::Consumer<'static, Row>) {
    Box::leak(Box::new(Heapless::new())).split()
}

impl Sender for heapless::spsc::Producer<'_, Row> {
    fn send(&mut self, row: Row) {
        until(|| self.enqueue(row).is_ok());
    }

    fn send_batch(&mut self, batch: &Batch) {
        batch.rows.iter().for_each(|&row| self.send(row));
    }
}

impl Receiver for heapless::spsc::Consumer<'_, Row> {
    fn receive(&mut self, sum: &mut f64) -> usize {
        drain(std::iter::from_fn(|| self.dequeue()), sum)
    }
}

fn array_queue() -> (Arc<ArrayQueue<Row>>, Arc<ArrayQueue<Row>>) {
    let queue = Arc::new(ArrayQueue::new(QUEUE_ROWS));
    (queue.clone(), queue)
}

impl Sender for Arc<ArrayQueue<Row>> {
    fn send(&mut self, row: Row) {
        until(|| self.push(row).is_ok());
    }

    fn send_batch(&mut self, batch: &Batch) {
        batch.rows.iter().for_each(|&row| self.send(row));
    }
}

impl Receiver for Arc<ArrayQueue<Row>> {
    fn receive(&mut self, sum: &mut f64) -> usize {
        drain(std::iter::from_fn(|| self.pop()), sum)
    }
}

type DisruptorProducer = disruptor::SingleProducer<Row, disruptor::SingleConsumerBarrier>;
type DisruptorPoller = disruptor::EventPoller<Row, disruptor::SingleProducerBarrier>;

fn disruptor() -> (DisruptorProducer, DisruptorPoller) {
    let builder = disruptor::build_single_producer(QUEUE_ROWS, Row::default, disruptor::BusySpin);
    let (poller, builder) = builder.new_event_poller();
    (builder.build(), poller)
}

impl Sender for DisruptorProducer {
    fn send(&mut self, row: Row) {
        disruptor::Producer::publish(self, |event| *event = row);
    }

    fn send_batch(&mut self, batch: &Batch) {
        for part in batch.rows.chunks(1024) {
            disruptor::Producer::batch_publish(self, part.len(), |events| {
                events.zip(part).for_each(|(event, row)| *event = *row);
            });
        }
    }
}

impl Receiver for DisruptorPoller {
    fn receive(&mut self, sum: &mut f64) -> usize {
        // What a guard has is given back as a whole: no more than is taken.
        let Ok(mut events) = self.take(BATCH_ROWS as u64) else { return 0 };
        drain((&mut events).copied(), sum)
    }
}

/// Takes rows one by one, a batch at most.
fn drain(rows: impl Iterator<Item = Row>, sum: &mut f64) -> usize {
    let (mut count, mut whole, mut fraction) = (0, 0, 0.0);
    for row in rows.take(BATCH_ROWS) {
        whole += row.ts + row.id;
        fraction += row.value;
        count += 1;
    }
    *sum += whole as f64 + fraction;
    count
}

/// What is there is taken sample by sample, as its API has it.
#[cfg(feature = "iceoryx2")]
mod iceoryx {
    use iceoryx2::{
        port::{publisher::Publisher, subscriber::Subscriber},
        prelude::*,
    };

    use super::{AtomicU64, BATCH_ROWS, Batch, Ordering, Receiver, Row, Sender, drain, until};

    type Payload = [u64; 3];

    pub struct To(Publisher<ipc_threadsafe::Service, Payload, ()>);

    pub struct From(Subscriber<ipc_threadsafe::Service, Payload, ()>);

    pub fn channel() -> (To, From) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("firesteel-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        // It says at each start that it found no configuration.
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new().create::<ipc_threadsafe::Service>().unwrap();
        let service = node.service_builder(&name.as_str().try_into().unwrap()).publish_subscribe::<Payload>();
        let service = service.subscriber_max_buffer_size(BATCH_ROWS).enable_safe_overflow(false).create().unwrap();
        let publisher = service.publisher_builder().create().unwrap();
        (To(publisher), From(service.subscriber_builder().create().unwrap()))
    }

    impl Sender for To {
        fn send(&mut self, row: Row) {
            let payload = [row.ts as u64, row.id as u64, row.value.to_bits()];
            // No room for a sample is no room for a row.
            until(|| self.0.loan_uninit().is_ok_and(|sample| sample.write_payload(payload).send().is_ok()));
        }

        fn send_batch(&mut self, batch: &Batch) {
            batch.rows.iter().for_each(|&row| self.send(row));
        }
    }

    impl Receiver for From {
        fn receive(&mut self, sum: &mut f64) -> usize {
            let row = |&[ts, id, value]: &Payload| Row { ts: ts as i64, id: id as i64, value: f64::from_bits(value) };
            drain(std::iter::from_fn(|| self.0.receive().unwrap().map(|sample| row(&sample))), sum)
        }
    }
}
