//! The engine against the naive evaluator: any query of the family, over any rows, split in any way.
#![allow(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use firesteel_core::plan::OutputMode;
use firesteel_tests::{
    level, naive,
    query::{Query, Row, Window},
    stream::{self, Split},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

const MILLI: i64 = 1_000;

fn row(highest_ms: i64) -> impl Strategy<Value = Row> {
    let ts = prop_oneof![20 => (0..highest_ms * MILLI).prop_map(Some), 1 => Just(None)];
    (ts, option::of(select(vec!["a", "b", "c"])), option::of(0..4), option::of(-3..10))
        .prop_map(|(ts, dev, k, v)| Row { ts, dev, k, v })
}

fn window() -> impl Strategy<Value = Window> {
    let time = (1..40_i64, 1..40_i64, -30..30_i64).prop_map(|(a, b, start)| {
        let (size, slide) = (a.max(b) * MILLI, a.min(b) * MILLI);
        Window::Time { size, slide, start: start * MILLI % slide }
    });
    prop_oneof![2 => Just(Window::None), 6 => time, 3 => (1..30_i64).prop_map(|gap| Window::Session(gap * MILLI))]
}

fn query(delay: impl Strategy<Value = Option<i64>>) -> impl Strategy<Value = Query> {
    (window(), any::<bool>(), any::<bool>(), option::of(-1..4), option::of(1..4_i64), delay).prop_map(
        |(window, by_dev, by_k, above, at_least, delay)| {
            // A session without another key is refused on streams.
            let by_dev = by_dev || matches!(window, Window::Session(_));
            Query { window, by_dev, by_k, above, at_least, delay }
        },
    )
}

fn split() -> impl Strategy<Value = Split> {
    let (block_rows, workers) = (select(vec![1, 2, 3, 7, 4096]), select(vec![0, 1, 2, 7]));
    (block_rows, vec(1..20_usize, 1..4), workers, any::<bool>(), select(level::levels())).prop_map(
        |(block_rows, pushes, workers, tells_times, level)| Split { block_rows, pushes, workers, tells_times, level },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_batch_answers_as_the_naive_evaluator(
        query in query(Just(None)),
        rows in vec(row(100), 0..80),
        split in split(),
    ) {
        prop_assert_eq!(stream::batch(&query, &rows, &split), naive::batch(&query, &rows));
    }

    #[test]
    fn a_stream_answers_epoch_by_epoch_as_sparks_rules_say(
        query in query((0..60_i64).prop_map(|ms| Some(ms * MILLI))),
        epochs in vec(vec(row(200), 0..20), 1..8),
        mode in select(vec![OutputMode::Append, OutputMode::Update, OutputMode::Complete]),
        split in split(),
    ) {
        // Spark refuses these.
        prop_assume!(!matches!(
            (query.window, mode),
            (Window::None, OutputMode::Append) | (Window::Session(_), OutputMode::Update)
        ));
        prop_assert_eq!(stream::stream(&query, mode, &epochs, &split), naive::stream(&query, mode, &epochs));
    }

    #[test]
    fn a_stream_at_the_end_of_its_input_gives_the_batch_answer(
        query in query(Just(None)),
        epochs in vec(vec(row(100), 0..20), 1..8),
        split in split(),
    ) {
        let all: Vec<Row> = epochs.concat();
        let last = stream::stream(&query, OutputMode::Complete, &epochs, &split).pop().unwrap();
        prop_assert_eq!(last, naive::batch(&query, &all));
    }
}
