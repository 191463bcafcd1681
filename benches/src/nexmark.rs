//! Bids of the Nexmark auction site, made by the rules of its generators: of fifty events 46 are bids; half of them go
//! to the hottest auction, the others to one of the last hundred; three quarters come from the hottest bidder, the
//! others from one of the last thousand people; prices are spread evenly over six powers of ten. Ten thousand events a
//! second, as in Apache Beam's version.

use std::collections::{BTreeMap, HashMap};

use firesteel_core::{
    block::{Block, BlockRef},
    limits::BLOCK_ROWS,
    time::MICROS_PER_SECOND,
};

use crate::stream::{Random, blocks};

/// A bid without its texts: 32 bytes.
pub const BIDS: &str = "auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP";

const EVENTS_PER_SECOND: i64 = 10_000;
const EVENTS_PER_EPOCH: i64 = 50;
const PEOPLE_PER_EPOCH: i64 = 1;
const AUCTIONS_PER_EPOCH: i64 = 3;
const BIDS_PER_EPOCH: i64 = 46;
const HOT_STEP: i64 = 100;
const AUCTIONS_OPEN: i64 = 100;
const PEOPLE_ACTIVE: i64 = 1_000;
const FIRST_ID: i64 = 1_000;

/// A bid by row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bid {
    /// Of what
    pub auction: i64,
    /// By whom
    pub bidder: i64,
    /// In cents
    pub price: i64,
    /// Microseconds
    pub at: i64,
}

/// So many bids, one after the other in time.
pub fn bids(count: usize) -> Vec<Bid> {
    let mut random = Random(7);
    let bid = |n: i64| {
        let epoch = n / BIDS_PER_EPOCH;
        let event = epoch * EVENTS_PER_EPOCH + PEOPLE_PER_EPOCH + AUCTIONS_PER_EPOCH + n % BIDS_PER_EPOCH;
        let last_auction = (epoch + 1) * AUCTIONS_PER_EPOCH - 1;
        let last_person = (epoch + 1) * PEOPLE_PER_EPOCH - 1;
        let auction = match random.below(2) {
            0 => last_auction / HOT_STEP * HOT_STEP,
            _ => (last_auction - random.below(AUCTIONS_OPEN as u64)).max(0),
        };
        let bidder = match random.below(4) {
            0 => (last_person - random.below(PEOPLE_ACTIVE as u64)).max(0),
            _ => last_person / HOT_STEP * HOT_STEP + 1,
        };
        let price = (10_f64.powf(random.below(1 << 30) as f64 / (1 << 30) as f64 * 6.0) * 100.0).ceil() as i64;
        Bid {
            auction: FIRST_ID + auction,
            bidder: FIRST_ID + bidder,
            price,
            at: event * (MICROS_PER_SECOND / EVENTS_PER_SECOND),
        }
    };
    (0..count as i64).map(bid).collect()
}

/// The same bids by column.
pub fn columns(bids: &[Bid]) -> Vec<Block> {
    let column = |of: fn(&Bid) -> i64| bids.iter().map(of).collect();
    blocks(BIDS, &[column(|b| b.auction), column(|b| b.bidder), column(|b| b.price), column(|b| b.at)], BLOCK_ROWS)
}

/// A query: what it is called, its text, and the rows that it gives.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name in Nexmark.
    pub name: &'static str,
    /// The query.
    pub sql: &'static str,
    /// By definition, from rows, in order: the closed windows alone.
    pub naive: fn(&[Bid]) -> Vec<Answer>,
    /// By hand, from columns.
    pub plain: fn(&[Block]) -> Vec<Answer>,
}

/// The start of a window, and up to three more numbers.
pub type Answer = [i64; 4];

/// q5: the auction with the most bids of the last ten seconds, every two seconds; of several the one opened last.
/// q7: the highest bid of each ten seconds; of several by the largest auction number. q12: the bids of each bidder in
/// ten seconds, of event time.
pub const CASES: [Case; 3] = [
    Case {
        name: "q5",
        sql: "SELECT window.start AS at, most.auction, most.n FROM (
                SELECT window, max(struct(n, auction)) AS most FROM (
                  SELECT window, auction, count(*) AS n
                  FROM STREAM bids WATERMARK date_time DELAY OF INTERVAL 0 SECONDS
                  GROUP BY window(date_time, '10 seconds', '2 seconds'), auction)
                GROUP BY window)",
        naive: naive_q5,
        plain: plain_q5,
    },
    Case {
        name: "q7",
        sql: "SELECT window.start AS at, top.price, top.auction, top.bidder FROM (
                SELECT window, max(struct(price, auction, bidder)) AS top
                FROM STREAM bids WATERMARK date_time DELAY OF INTERVAL 0 SECONDS
                GROUP BY window(date_time, '10 seconds'))",
        naive: naive_q7,
        plain: plain_q7,
    },
    Case {
        name: "q12",
        sql: "SELECT window.start AS at, bidder, count(*) AS n
              FROM STREAM bids WATERMARK date_time DELAY OF INTERVAL 0 SECONDS
              GROUP BY window(date_time, '10 seconds'), bidder",
        naive: naive_q12,
        plain: plain_q12,
    },
];

/// Length of all windows, and distance of those of q5.
pub const SIZE: i64 = 10 * MICROS_PER_SECOND;
/// See [`SIZE`].
pub const SLIDE: i64 = 2 * MICROS_PER_SECOND;

/// The windows that hold a time.
fn windows(at: i64, slide: i64) -> impl Iterator<Item = i64> {
    let last = at.div_euclid(slide) * slide;
    (0..SIZE / slide).map(move |i| last - i * slide)
}

/// The windows that the latest bid has closed.
fn closed<T>(bids: &[Bid], windows: BTreeMap<i64, T>) -> impl Iterator<Item = (i64, T)> {
    let until = bids.iter().map(|bid| bid.at).max().unwrap_or_default() / 1_000 * 1_000;
    windows.into_iter().filter(move |(start, _)| start + SIZE <= until)
}

fn counts(bids: &[Bid], slide: i64, key: fn(&Bid) -> i64) -> BTreeMap<i64, HashMap<i64, i64>> {
    let mut counts: BTreeMap<i64, HashMap<i64, i64>> = BTreeMap::new();
    for bid in bids {
        for window in windows(bid.at, slide) {
            *counts.entry(window).or_default().entry(key(bid)).or_default() += 1;
        }
    }
    counts
}

fn naive_q5(bids: &[Bid]) -> Vec<Answer> {
    let most = |counts: HashMap<i64, i64>| counts.into_iter().map(|(auction, n)| (n, auction)).max();
    let all = closed(bids, counts(bids, SLIDE, |bid| bid.auction));
    all.filter_map(|(start, counts)| most(counts).map(|(n, auction)| [start, auction, n, 0])).collect()
}

fn naive_q7(bids: &[Bid]) -> Vec<Answer> {
    let mut tops: BTreeMap<i64, (i64, i64, i64)> = BTreeMap::new();
    for bid in bids {
        let top = tops.entry(bid.at.div_euclid(SIZE) * SIZE).or_default();
        *top = (*top).max((bid.price, bid.auction, bid.bidder));
    }
    closed(bids, tops).map(|(start, (price, auction, bidder))| [start, price, auction, bidder]).collect()
}

fn naive_q12(bids: &[Bid]) -> Vec<Answer> {
    let all = closed(bids, counts(bids, SIZE, |bid| bid.bidder));
    let mut rows: Vec<Answer> = all.flat_map(|(at, n)| n.into_iter().map(move |(who, n)| [at, who, n, 0])).collect();
    rows.sort_unstable();
    rows
}

/// Counts by number, all of which lie close together for a while.
#[derive(Debug, Default)]
struct Tally {
    first: i64,
    counts: Vec<i64>,
}

impl Tally {
    fn add(&mut self, key: i64, count: i64) {
        if self.counts.is_empty() {
            self.first = key - PEOPLE_ACTIVE;
        }
        let at = (key - self.first) as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += count;
    }

    fn entries(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let all = (self.first..).zip(self.counts.iter().copied());
        all.filter(|(_, count)| *count > 0)
    }
}

/// Calls `close` with the counts of each pane when it is over.
fn tally(blocks: &[Block], key: usize, pane: i64, mut close: impl FnMut(i64, &Tally)) {
    let (mut tally, mut start, mut end) = (Tally::default(), i64::MIN, i64::MIN);
    for block in blocks {
        let view: BlockRef<'_> = block.view();
        let (keys, times) = (view.column(key).as_slice::<i64>(), view.column(3).as_slice::<i64>());
        for (&key, &at) in keys.iter().zip(times) {
            if at >= end {
                if start != i64::MIN {
                    close(start, &tally);
                }
                (start, tally.counts) = (at.div_euclid(pane) * pane, Vec::new());
                end = start + pane;
            }
            tally.add(key, 1);
        }
    }
    let latest = blocks.last().and_then(|b| b.columns()[3].view().as_slice::<i64>().last().copied());
    if latest.is_some_and(|at| at / 1_000 * 1_000 >= end) {
        close(start, &tally);
    }
}

fn plain_q5(blocks: &[Block]) -> Vec<Answer> {
    let mut panes: Vec<Tally> = Vec::new();
    let mut answers = Vec::new();
    tally(blocks, 0, SLIDE, |pane, counts| {
        panes.push(Tally { first: counts.first, counts: counts.counts.clone() });
        let mut all = Tally::default();
        let last = &panes[panes.len().saturating_sub((SIZE / SLIDE) as usize)..];
        last.iter().flat_map(Tally::entries).for_each(|(key, count)| all.add(key, count));
        if let Some((n, auction)) = all.entries().map(|(auction, n)| (n, auction)).max() {
            answers.push([pane + SLIDE - SIZE, auction, n, 0]);
        }
    });
    answers
}

fn plain_q7(blocks: &[Block]) -> Vec<Answer> {
    let (mut answers, mut top, mut start, mut end) = (Vec::new(), (0, 0, 0), i64::MIN, i64::MIN);
    for block in blocks {
        let [auctions, bidders, prices, times] = [0, 1, 2, 3].map(|c| block.columns()[c].view().as_slice::<i64>());
        for (row, &at) in times.iter().enumerate() {
            if at >= end {
                if start != i64::MIN {
                    answers.push([start, top.0, top.1, top.2]);
                }
                (top, start) = ((0, 0, 0), at.div_euclid(SIZE) * SIZE);
                end = start + SIZE;
            }
            top = top.max((prices[row], auctions[row], bidders[row]));
        }
    }
    answers
}

fn plain_q12(blocks: &[Block]) -> Vec<Answer> {
    let mut answers = Vec::new();
    tally(blocks, 1, SIZE, |at, counts| answers.extend(counts.entries().map(|(who, n)| [at, who, n, 0])));
    answers
}
