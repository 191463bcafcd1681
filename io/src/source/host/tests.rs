//! The sensors of the machine that runs the tests.

use super::*;
use crate::{
    ring::{RingOptions, StreamFolder},
    source::testing::{epoch, epochs, open, plan, table},
};

const DDL: &str = "ts TIMESTAMP, sensor STRING, value DOUBLE, unit STRING";

#[test]
fn samples_come_at_their_interval() {
    let mut source = open(table("host", DDL, &[("interval", "20ms"), ("sensors", "load.1m,memory.*")]), true).unwrap();
    assert_eq!(source.description(), "HostSource[interval=20ms]");
    assert!(plan(&mut *source).unwrap().is_none(), "not due yet");
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 {
        source.wait(Duration::from_secs(1), Wait::Adaptive).unwrap();
        if let Some(rows) = epoch(&mut *source, 4) {
            assert_eq!(rows[0][1].as_str(), Some("load.1m"));
            assert!(rows.len() >= 2 && rows.iter().all(|row| row[0] == rows[0][0]), "{rows:?}");
            times.push(rows[0][0].as_i64().unwrap());
        }
    }
    assert!(started.elapsed() >= Duration::from_millis(40) && times.is_sorted());
    source.freeze().unwrap();
    while !source.is_exhausted() {
        source.wait(Duration::from_secs(1), Wait::Adaptive).unwrap();
        epoch(&mut *source, 1);
    }
    assert!(plan(&mut *source).unwrap().is_none());
}

#[test]
fn one_thread_samples_into_a_ring_and_a_query_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    StreamFolder::create(&path, &schema(), &RingOptions::default()).unwrap();
    let mut producer = Producer::open(&path, Some("host")).unwrap();
    let mut sampler = Sampler::new(Sensors::parse("load.*")).unwrap();
    assert_eq!(sampler.write_to(&mut producer).unwrap(), 3);
    let mut source = open(table("ring", DDL, &[("path", path.to_str().unwrap())]), true).unwrap();
    assert_eq!(epochs(&mut *source)[0].len(), 3);
}

#[test]
fn the_table_brings_its_columns() {
    assert_eq!(crate::source::schema_of("host", &[]).unwrap().unwrap().to_ddl(), DDL);
    assert!(open(table("host", DDL, &[]), false).unwrap_err().hint_text().unwrap().contains("STREAM"));
    assert!(open(table("host", DDL, &[("sensors", "nonsense")]), true).is_err());
}
