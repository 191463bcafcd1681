//! Reading JSON lines of sensors into blocks, and writing them back: rows and bytes a second. Beside ours: one column
//! of three, keys in another order than the schema has them, and serde_json into a struct.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firesteel_benches::text::{self, Expected, ROWS};
use firesteel_core::{block::Block, schema::Schema};
use firesteel_io::format::{
    Decoder, Format, Options,
    write::{JsonWriter, Style},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reading<'a> {
    ts: &'a str,
    id: i32,
    value: f64,
}

fn json(criterion: &mut Criterion) {
    let (file, expected) = text::json(ROWS);
    let options = Options::default();
    let mut group = criterion.benchmark_group("json");
    group.throughput(Throughput::Bytes(file.len() as u64));
    for (name, needed) in [("all columns", [true; 3]), ("value only", [false, false, true])] {
        let decoder =
            || Decoder::new(Format::Json, &text::schema(), &options, &needed, &text::zone()).expect("options");
        let read = || Expected::of(decoder(), &file);
        assert_eq!(read(), expected.seen_through(&needed), "rows of {name}");
        group.bench_with_input(BenchmarkId::new("read", name), &file, |b, _| b.iter(read));
    }
    let mut turned: Vec<_> = text::schema().fields().to_vec();
    turned.reverse();
    let turned = Schema::new(turned);
    group.bench_function("read/keys in another order", |b| {
        b.iter(|| {
            let decoder = Decoder::new(Format::Json, &turned, &options, &[true; 3], &text::zone()).expect("options");
            text::drain(decoder, &file)
        });
    });
    let serde = || {
        let rows = file.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let readings = rows.map(|line| serde_json::from_slice::<Reading<'_>>(line).expect("valid"));
        readings.map(|r| r.value + f64::from(r.id) + f64::from(r.ts.len() as u8)).sum::<f64>()
    };
    group.bench_function("serde_json into structs", |b| b.iter(serde));
    group.finish();
    write(criterion, &file);
}

fn write(criterion: &mut Criterion, file: &[u8]) {
    let mut decoder =
        Decoder::new(Format::Json, &text::schema(), &Options::default(), &[true; 3], &text::zone()).expect("options");
    let mut block = Block::new(&text::schema());
    let mut rows = 0;
    let mut keep = |from: &firesteel_core::block::BlockRef<'_>| {
        for (i, column) in block.columns_mut().iter_mut().enumerate() {
            (0..from.len()).for_each(|row| column.push_from(&from.column(i), row));
        }
        rows += from.len();
        Ok(())
    };
    decoder.begin_file("bench");
    decoder.push(file, &mut keep).and_then(|()| decoder.flush(&mut keep)).expect("a good file");
    block.set_len(rows);
    let writer = JsonWriter::new(&text::schema(), Style::Plain);
    let mut out = Vec::new();
    writer.write_rows(&block.view(), &mut out);
    assert_eq!(out.iter().filter(|b| **b == b'\n').count(), rows);
    let mut group = criterion.benchmark_group("json");
    group.throughput(Throughput::Bytes(out.len() as u64));
    group.bench_function("write", |b| {
        b.iter(|| {
            out.clear();
            writer.write_rows(&block.view(), &mut out);
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, json);
criterion_main!(benches);
