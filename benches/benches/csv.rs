//! Reading CSV of sensors (`ts,id,value`) into blocks: rows and bytes a second. Beside ours: reading only one column,
//! and what it costs merely to find the line ends, which no reader can undercut.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firesteel_benches::text::{self, Expected, ROWS};
use firesteel_io::format::{Decoder, Format, Options};

fn csv(criterion: &mut Criterion) {
    let (file, expected) = text::csv(ROWS);
    let options = Options::from_iter([("header", "true")]);
    let mut group = criterion.benchmark_group("csv");
    group.throughput(Throughput::Bytes(file.len() as u64));
    for (name, needed) in [("all columns", [true; 3]), ("value only", [false, false, true]), ("count", [false; 3])] {
        let decoder = || Decoder::new(Format::Csv, &text::schema(), &options, &needed, &text::zone()).expect("options");
        let read = || Expected::of(decoder(), &file);
        assert_eq!(read(), expected.seen_through(&needed), "rows of {name}");
        group.bench_with_input(BenchmarkId::new("read", name), &file, |b, _| b.iter(read));
    }
    group.bench_function("line ends only", |b| b.iter(|| memchr::memchr2_iter(b'\n', b'\r', &file).count()));
    group.finish();
}

criterion_group!(benches, csv);
criterion_main!(benches);
