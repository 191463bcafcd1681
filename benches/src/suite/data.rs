//! Rows with the schemas, the pace and the numbers of distinct keys of the data that LightSaber's authors measured
//! with; the values themselves are made up. A data set is cut to whole blocks.

use firesteel_core::{block::Block, limits::BLOCK_ROWS, time::MICROS_PER_SECOND};

use crate::stream::{Random, Ring, blocks};

/// Computer cluster monitoring, rows of 64 bytes there.
pub const CLUSTER: &str = "ts TIMESTAMP, job BIGINT, task BIGINT, machine BIGINT, event_type INT, user INT, \
                           category INT, priority INT, cpu FLOAT, ram FLOAT, disk FLOAT, constraints INT";
/// Smart grid, 32 bytes.
pub const GRID: &str = "ts TIMESTAMP, value FLOAT, property INT, plug INT, household INT, house INT";
/// Linear road, 32 bytes.
pub const ROAD: &str = "ts TIMESTAMP, vehicle INT, speed FLOAT, highway INT, lane INT, direction INT, position INT";
/// Advertisements, 128 bytes: their identifiers have 16 bytes, these have eight.
pub const ADS: &str = "ts TIMESTAMP, user_id BIGINT, page_id BIGINT, ad_id BIGINT, ad_type BIGINT, \
                       event_type BIGINT, ip BIGINT";
/// Whose advertisements they are.
pub const CAMPAIGNS: &str = "campaign_ad BIGINT, campaign_id BIGINT";

const ADVERTISEMENTS: u64 = 1_000;
const ADS_PER_CAMPAIGN: usize = 10;
const PLUGS: i64 = 470;
const VEHICLES: i64 = 1_499;

/// 16,384 rows over 647 seconds, four categories; eight times over, as 8 MiB of rows there.
pub fn cluster() -> Ring {
    let mut random = Random(1);
    ring(CLUSTER, 16_384, 647, 8, |_, _| {
        let mut id = |bound| random.below(bound);
        let (job, task, machine) = (id(800), id(5_000), id(9_000));
        let more = [id(9), id(300), id(4), id(12), id(2_000), id(2_000), id(2_000), id(2)];
        [&[job, task, machine][..], &more].concat()
    })
}

/// 32,768 rows over 82 seconds, 470 plugs in ten houses; sixteen times over, 16 MiB of rows there.
pub fn grid() -> Ring {
    let mut random = Random(2);
    let mut plugs: Vec<i64> = (0..PLUGS).collect();
    let mut next = 0;
    ring(GRID, 32_768, 82, 16, |_, _| {
        // Every plug reports about once a second, in no order.
        if next % plugs.len() == 0 {
            random.shuffle(&mut plugs);
        }
        let plug = plugs[next % plugs.len()];
        next += 1;
        vec![random.below(4_000), 1, plug % 8, plug / 8 % 6, plug / 48]
    })
}

/// 16,384 rows over 520 seconds: 1,499 vehicles, each on the road for five and a half minutes and heard of every 30
/// seconds, most of them in one segment all the time; 32 times over, 16 MiB of rows there.
pub fn road() -> Ring {
    let mut random = Random(3);
    let mut reports: Vec<(i64, i64, [i64; 4])> = Vec::new();
    for vehicle in 0..VEHICLES {
        let highway = random.below(2);
        let trip = [random.below(50), highway, random.below(2), random.below(45 * 5_280)];
        let first = vehicle * 195 / VEHICLES - 2;
        reports.extend((0..11).map(|n| (first + n * 30 + random.below(2), vehicle, trip)));
    }
    reports.sort_by_key(|report| report.0);
    ring(ROAD, 16_384, 520, 32, |row, _| {
        let (at, vehicle, [pace, highway, direction, from]) = reports[row % 16_384];
        let speed = pace * 2 + random.below(220);
        vec![vehicle, speed, highway, random.below(4), direction, from + at * pace / 5]
    })
}

/// A thousand advertisements in turn, a third of the events views: a thousand rows a second, 128 Ki rows as 16 MiB
/// there, or more. Shuffled, nobody can tell what comes next.
pub fn ads(rows: usize, is_shuffled: bool) -> Ring {
    let mut random = Random(4);
    let row = |i: usize, random: &mut Random| {
        let i = if is_shuffled { random.below(1 << 30) } else { i as i64 };
        let ad = i % ADVERTISEMENTS as i64;
        let event = if is_shuffled { random.below(3) } else { i % 3 };
        vec![i % 100, i % 77, ad, i % 5, event, i % 256]
    };
    ring(ADS, rows, rows as i64 / 1_000, 1, |i, _| row(i, &mut random))
}

/// The campaign of each advertisement, a hundred campaigns with numbers up to a million.
pub fn campaigns() -> Block {
    let mut random = Random(5);
    let mut ids: Vec<i64> = Vec::new();
    while ids.len() < ADVERTISEMENTS as usize / ADS_PER_CAMPAIGN {
        let id = random.below(1_000_000);
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let ads: Vec<i64> = (0..ADVERTISEMENTS as i64).collect();
    let campaigns = ads.iter().map(|&ad| ids[ad as usize / ADS_PER_CAMPAIGN]).collect();
    blocks(CAMPAIGNS, &[ads, campaigns], ADVERTISEMENTS as usize).remove(0)
}

/// `times` data sets of `rows` rows one after the other, each `seconds` long; `columns` makes all but the time.
fn ring(ddl: &str, rows: usize, seconds: i64, times: usize, mut columns: impl FnMut(usize, i64) -> Vec<i64>) -> Ring {
    let mut made: Vec<Vec<i64>> = Vec::new();
    for row in 0..rows * times {
        let second = row as i64 * seconds / rows as i64;
        let values = columns(row, second);
        made.resize_with(values.len() + 1, || Vec::with_capacity(rows * times));
        made[0].push(second * MICROS_PER_SECOND);
        values.into_iter().zip(&mut made[1..]).for_each(|(value, column)| column.push(value));
    }
    Ring::new(blocks(ddl, &made, BLOCK_ROWS), 0, seconds * times as i64 * MICROS_PER_SECOND)
}
