//! Nexmark's queries as they are written for other engines: renoir, which is compiled Rust with windows of its own, and
//! timely dataflow, whose operators are loops over batches. Both get rows and give the same answers as ours.
//!
//! Renoir's windows begin where the first row of a key lies. So that they lie as ours do there is one key, one row
//! ahead of all others, and a table in each window. It runs a thread a stage.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    hash::BuildHasherDefault,
    rc::Rc,
    sync::Arc,
};

use renoir::prelude::{EventTimeWindow, RuntimeConfig, StreamContext};
use timely::dataflow::{
    InputHandle, ProbeHandle, Stream,
    channels::pact::Pipeline,
    operators::{Capability, Inspect, Probe, generic::Operator},
};

use crate::{
    nexmark::{Answer, Bid, SIZE, SLIDE},
    suite::plain::Multiply,
};

/// Rows of an epoch, as for our engine, and of a batch.
const EPOCH_ROWS: usize = 1 << 16;
const BATCH_ROWS: usize = 1 << 12;

type Counts = HashMap<i64, i64, BuildHasherDefault<Multiply>>;

/// Where the watermark stands after these rows.
fn watermark(bids: &[Bid]) -> i64 {
    bids.last().map_or(i64::MIN, |bid| bid.at / 1_000 * 1_000)
}

/// The answers of renoir, in no order: of all windows that have closed.
pub fn renoir(name: &str, bids: &Arc<Vec<Bid>>) -> Vec<Answer> {
    let context = StreamContext::new(RuntimeConfig::local(1).expect("one host"));
    let slide = if name == "q5" { SLIDE } else { SIZE };
    let (all, first) = (bids.clone(), slide - SIZE);
    let ahead = std::iter::once(Bid { at: first, ..Bid::default() });
    let rows = ahead.chain((0..bids.len()).map(move |row| all[row]));
    let mut seen = 0;
    let rows = context.stream_iter(rows.map(|bid| (bid.auction, bid.bidder, bid.price, bid.at)));
    let stamped = rows.add_timestamps(
        |row| row.3,
        move |_, &at| {
            seen += 1;
            (seen % EPOCH_ROWS == 0).then_some(at)
        },
    );
    let windows = stamped.window_all(EventTimeWindow::sliding(SIZE, slide));
    let numbered: Vec<Vec<Answer>> = match name {
        "q7" => {
            let top = windows.max_by_key(|&(auction, bidder, price, _)| (price, auction, bidder)).collect_vec();
            context.execute_blocking();
            let answers = top.get().into_iter().flatten();
            answers.map(|(_, (auction, bidder, price, _))| vec![[0, price, auction, bidder]]).collect()
        }
        _ => {
            let is_q5 = name == "q5";
            let count = move |counts: &mut Counts, row: &(i64, i64, i64, i64)| {
                // The row ahead has no price.
                if row.2 > 0 {
                    *counts.entry(if is_q5 { row.0 } else { row.1 }).or_default() += 1;
                }
            };
            let all = windows.fold(Counts::default(), count);
            let rows = all.map(move |(_, counts)| match is_q5 {
                true => most(counts.into_iter().map(|(auction, n)| [0, auction, n, 0])).into_iter().collect(),
                false => counts.into_iter().map(|(bidder, n)| [0, bidder, n, 0]).collect::<Vec<_>>(),
            });
            let rows = rows.collect_vec();
            context.execute_blocking();
            rows.get().into_iter().flatten().map(|(_, rows)| rows).collect()
        }
    };
    let closed = numbered.into_iter().zip((first..).step_by(slide as usize));
    let closed = closed.take_while(|(_, start)| start + SIZE <= watermark(bids));
    closed.flat_map(|(rows, start)| rows.into_iter().map(move |[_, a, b, c]| [start, a, b, c])).collect()
}

/// The auction with the most bids.
fn most(counts: impl Iterator<Item = Answer>) -> Option<Answer> {
    counts.max_by_key(|&[_, auction, n, _]| (n, auction))
}

/// The answers of timely dataflow, in no order: of all windows that have closed.
pub fn timely(name: &str, bids: &Arc<Vec<Bid>>) -> Vec<Answer> {
    let (name, bids) = (name.to_owned(), bids.clone());
    timely::execute_directly(move |worker| {
        let answers = Rc::new(RefCell::new(Vec::new()));
        let (probe, mut input) = (ProbeHandle::new(), InputHandle::new());
        worker.dataflow(|scope| {
            let bids = input.to_stream(scope);
            let made = match &name[..] {
                "q5" => windows_most(windows(bids, SLIDE, count::<true>, windows_counts)),
                "q7" => windows(bids, SIZE, top, |start, tops| {
                    tops.iter().map(|&&(price, auction, bidder)| [start, price, auction, bidder]).collect()
                }),
                _ => windows(bids, SIZE, count::<false>, windows_counts),
            };
            let to = answers.clone();
            made.inspect(move |answer| to.borrow_mut().push(*answer)).probe_with(&probe);
        });
        for epoch in bids.chunks(EPOCH_ROWS) {
            for batch in epoch.chunks(BATCH_ROWS) {
                input.send_batch(&mut batch.to_vec());
                worker.step();
            }
            input.advance_to(watermark(epoch));
            while probe.less_than(input.time()) {
                worker.step();
            }
        }
        answers.take()
    })
}

fn count<const BY_AUCTION: bool>(counts: &mut Counts, bid: &Bid) {
    *counts.entry(if BY_AUCTION { bid.auction } else { bid.bidder }).or_default() += 1;
}

fn top(top: &mut (i64, i64, i64), bid: &Bid) {
    *top = (*top).max((bid.price, bid.auction, bid.bidder));
}

fn windows_counts(start: i64, panes: &[&Counts]) -> Vec<Answer> {
    let row = |(key, n): (&i64, &i64)| [start, *key, *n, 0];
    if let [counts] = panes {
        return counts.iter().map(row).collect();
    }
    let mut all = Counts::default();
    panes.iter().copied().flatten().for_each(|(&key, &n)| *all.entry(key).or_default() += n);
    all.iter().map(row).collect()
}

/// Adds bids to panes and closes windows, each of `SIZE` and so far apart.
fn windows<'scope, S: Default + 'static>(
    bids: Stream<'scope, i64, Vec<Bid>>,
    slide: i64,
    add: impl Fn(&mut S, &Bid) + 'static,
    close: impl Fn(i64, &[&S]) -> Vec<Answer> + 'static,
) -> Stream<'scope, i64, Vec<Answer>> {
    bids.unary_frontier(Pipeline, "windows", move |_, _| {
        let mut panes: BTreeMap<i64, S> = BTreeMap::new();
        let mut open: BTreeMap<i64, Capability<i64>> = BTreeMap::new();
        move |(input, frontier), output| {
            let port = output.output_index();
            input.for_each(|capability, bids| {
                let mut rest = &bids[..];
                while let Some(first) = rest.first() {
                    let pane = first.at.div_euclid(slide) * slide;
                    let in_pane = rest.iter().position(|bid| bid.at >= pane + slide).unwrap_or(rest.len());
                    for window in (pane + slide - SIZE..=pane).step_by(slide as usize) {
                        // Its last microsecond: the watermark that closes it lies behind that.
                        open.entry(window).or_insert_with(|| capability.delayed(&(window + SIZE - 1), port));
                    }
                    let state = panes.entry(pane).or_default();
                    rest[..in_pane].iter().for_each(|bid| add(state, bid));
                    rest = &rest[in_pane..];
                }
            });
            while let Some(first) = open.first_entry().filter(|first| !frontier.less_equal(first.get().time())) {
                let (start, capability) = first.remove_entry();
                let of_window: Vec<&S> = panes.range(start..start + SIZE).map(|(_, pane)| pane).collect();
                output.session(&capability).give_iterator(close(start, &of_window).into_iter());
                panes = panes.split_off(&(start + slide));
            }
        }
    })
}

/// The auction with the most bids of each window.
fn windows_most(counts: Stream<'_, i64, Vec<Answer>>) -> Stream<'_, i64, Vec<Answer>> {
    counts.unary_frontier(Pipeline, "most", |_, _| {
        let mut tops: BTreeMap<i64, (Answer, Capability<i64>)> = BTreeMap::new();
        move |(input, frontier), output| {
            let port = output.output_index();
            input.for_each(|capability, counts| {
                for window in counts.chunk_by(|a, b| a[0] == b[0]) {
                    let Some(top) = most(window.iter().copied()) else { continue };
                    let kept =
                        tops.entry(top[0]).or_insert_with(|| (top, capability.delayed(&(top[0] + SIZE - 1), port)));
                    kept.0 = most([kept.0, top].into_iter()).unwrap_or(top);
                }
            });
            while let Some(first) = tops.first_entry().filter(|first| !frontier.less_equal(first.get().1.time())) {
                let (answer, capability) = first.remove();
                output.session(&capability).give(answer);
            }
        }
    })
}
