//! This machine as a table: how busy it is, how warm, what passes through it. One row a sensor and sample.
//!
//! ```text
//!   ts TIMESTAMP, sensor STRING, value DOUBLE, unit STRING
//!   09:15:00.100  cpu.total      41.7          %
//! ```
//! A [`Sampler`] reads the sensors; it serves the table `USING host` as well as programs that put samples into a ring.

mod probe;
mod sampler;

pub use sampler::{Reading, Sampler, Sensors};

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use firesteel_core::{
    Error, Result,
    block::{Block, BlockRef},
    plan::Table,
    schema::{DataType, Field, Schema},
};
use serde_json::{Value as Json, json};

use super::{Part, Reader, Source, options};
use crate::ring::{Producer, Wait};

/// Time between two samples unless told otherwise.
const INTERVAL: Duration = Duration::from_millis(100);

/// The columns of the table.
pub fn schema() -> Schema {
    Schema::new(vec![
        Field::new("ts", DataType::Timestamp),
        Field::new("sensor", DataType::String),
        Field::new("value", DataType::Float64),
        Field::new("unit", DataType::String),
    ])
}

impl Sampler {
    /// Puts a sample of now into a ring with the columns of [`schema`], and publishes it. Gives the number of rows.
    pub fn write_to(&mut self, producer: &mut Producer) -> Result<u64> {
        let ts = now_us();
        let mut rows = 0;
        let mut result = Ok(());
        self.sample(&mut |reading| {
            let row = [ts.into(), reading.sensor.into(), reading.value.into(), reading.unit.into()];
            if result.is_ok() {
                result = producer.push(&row).map(|stored| rows += u64::from(stored));
            }
        });
        producer.publish();
        result.map(|()| rows)
    }
}

/// The table of this machine's sensors.
#[derive(Debug)]
pub struct HostSource {
    // Fixed properties.
    interval: Duration,
    sampler: Arc<Mutex<Sampler>>,
    // State.
    /// When the next sample is due.
    due: Instant,
    samples: u64,
    /// Samples that a frozen source still takes.
    samples_left: Option<u64>,
}

impl HostSource {
    /// Finds the sensors; the first sample is due one interval from now, because rates need a stretch of time.
    pub fn open(table: &Table) -> Result<Self> {
        let interval = options::duration(table, "interval", Duration::from_millis(1))?.unwrap_or(INTERVAL);
        let interval = interval.max(Duration::from_millis(1));
        let sensors = table.option("sensors").map_or_else(Sensors::all, Sensors::parse);
        let sampler = Arc::new(Mutex::new(Sampler::new(sensors)?));
        Ok(Self { interval, sampler, due: Instant::now() + interval, samples: 0, samples_left: None })
    }
}

impl Source for HostSource {
    fn description(&self) -> String {
        format!("HostSource[interval={}ms]", self.interval.as_millis())
    }

    fn plan(&mut self, parts: &mut Vec<Part>) -> Result<bool> {
        let now = Instant::now();
        if now < self.due || self.samples_left == Some(0) {
            return Ok(false);
        }
        // Samples that were missed are not made up.
        let late = now.duration_since(self.due).as_nanos() / self.interval.as_nanos();
        self.due += self.interval * (u32::try_from(late).unwrap_or(u32::MAX - 1) + 1);
        if let Some(left) = &mut self.samples_left {
            *left -= 1;
        }
        self.samples += 1;
        parts.push(Part::Live);
        Ok(true)
    }

    fn offset(&self) -> Json {
        if self.samples == 0 { Json::Null } else { json!({ "samples": self.samples }) }
    }

    fn reader(&mut self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(HostReader { sampler: self.sampler.clone(), block: Block::new(&schema()) }))
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn wait(&mut self, timeout: Duration, _how: Wait) -> Result<()> {
        thread::sleep(timeout.min(self.due.saturating_duration_since(Instant::now())));
        Ok(())
    }

    /// What is there now is one sample.
    fn freeze(&mut self) -> Result<()> {
        self.samples_left.get_or_insert(1);
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        self.samples_left == Some(0)
    }
}

#[derive(Debug)]
struct HostReader {
    sampler: Arc<Mutex<Sampler>>,
    block: Block,
}

impl Reader for HostReader {
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        if !matches!(part, Part::Live) {
            return Err(Error::internal(format!("the sensors were asked to read {part:?}")));
        }
        let Self { sampler, block } = self;
        let ts = now_us();
        let mut rows = 0;
        block.clear();
        let [times, sensors, values, units] = block.columns_mut() else { unreachable!("the schema has four columns") };
        sampler.lock().unwrap_or_else(PoisonError::into_inner).sample(&mut |reading| {
            times.push(ts);
            sensors.push_str(reading.sensor);
            values.push(reading.value);
            units.push_str(reading.unit);
            rows += 1;
        });
        block.set_len(rows);
        sink(&block.view())?;
        Ok(rows as u64)
    }
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
