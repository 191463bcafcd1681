//! Duplicates: which row stays, and how long a stream remembers its key.

use super::*;

fn watermarked() -> PlanBuilder {
    events().with_watermark(col("ts"), Interval::from_micros(10 * MICROS_PER_SECOND)).unwrap()
}

/// The values of `v` that come out, epoch by epoch.
fn kept(plan: PlanBuilder, epochs: &[&[(i64, &str, f64)]]) -> Vec<Vec<f64>> {
    let out = run(plan, OutputMode::Append, epochs);
    out.into_iter().map(|rows| rows.into_iter().map(|row| row[2].as_f64().unwrap()).collect()).collect()
}

#[test]
fn the_first_row_of_a_key_stays_and_the_key_is_known_for_good() {
    let epochs: [&[(i64, &str, f64)]; 3] =
        [&[(1_000, "a", 1.0), (1_001, "a", 2.0), (1_001, "b", 3.0)], &[(5_000, "b", 4.0)], &[(9_000, "c", 5.0)]];
    let all = [vec![1.0, 3.0], vec![], vec![5.0]];
    assert_eq!(kept(events().drop_duplicates(&["dev".into()]).unwrap(), &epochs), all);
    // A watermark of which the key is no part changes nothing; the last epoch is the one without rows.
    assert_eq!(kept(watermarked().drop_duplicates(&["dev".into()]).unwrap(), &epochs)[..3], all);
    let whole = kept(events().drop_duplicates(&[]).unwrap(), &epochs);
    assert_eq!(whole.concat(), [1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn keys_with_the_event_time_are_forgotten_as_the_watermark_passes_and_late_rows_are_dropped() {
    let epochs: [&[(i64, &str, f64)]; 4] = [
        &[(1_000, "a", 1.0), (1_000, "a", 2.0)],
        &[(1_100, "x", 3.0)],
        &[(1_000, "a", 4.0)],
        &[(1_000, "b", 5.0), (1_095, "b", 6.0)],
    ];
    let plan = || watermarked().drop_duplicates(&["dev".into(), "ts".into()]).unwrap();
    // In epoch 2 the key of 1,000 s is still there: it leaves at the end of that epoch, and rows at or below the
    // watermark of the epoch before are late from the next on.
    assert_eq!(kept(plan(), &epochs)[..4], [vec![1.0], vec![3.0], vec![], vec![6.0]]);
}

#[test]
fn within_the_watermark_a_key_lives_for_the_delay_after_its_first_row() {
    let epochs: [&[(i64, &str, f64)]; 5] = [
        &[(1_000, "a", 1.0)],
        &[(1_009, "a", 2.0), (1_019, "x", 3.0)],
        &[(1_015, "a", 4.0), (1_040, "y", 5.0)],
        &[(1_041, "y", 6.0)],
        &[(1_042, "a", 7.0)],
    ];
    let plan = watermarked().drop_duplicates_within_watermark(&["dev".into()]).unwrap();
    assert_eq!(kept(plan, &epochs).concat(), [1.0, 3.0, 5.0, 7.0]);
    assert!(events().drop_duplicates_within_watermark(&[]).is_err(), "there is no watermark");
}

/// The counts of windows of a minute of what a plan lets through.
fn counted(plan: PlanBuilder) -> PlanBuilder {
    let plan = plan.select(Select {
        projection: vec![Expr::function("count", [lit(1)]).alias("v"), col("window.start").alias("ts")],
        group_by: Some(GroupBy::Exprs(vec![Expr::function("window", [col("ts"), lit("10 seconds")])])),
        ..Select::default()
    });
    plan.unwrap()
}

#[test]
fn what_is_left_of_duplicates_is_aggregated_in_every_mode() {
    let epochs: [&[(i64, &str, f64)]; 3] =
        [&[(20, "a", 0.0), (25, "b", 0.0), (20, "a", 0.0)], &[(100, "a", 0.0), (20, "b", 0.0)], &[(101, "a", 0.0)]];
    let delay = Interval::from_micros(5 * MICROS_PER_SECOND);
    let plan = || {
        let watermarked = events().with_watermark(col("ts"), delay).unwrap();
        counted(watermarked.drop_duplicates(&["ts".into(), "dev".into()]).unwrap())
    };
    let counts = |mode| -> Vec<Vec<i64>> {
        let out = run(plan(), mode, &epochs);
        out.iter().map(|rows| rows.iter().map(|row| row[0].as_i64().unwrap()).collect()).collect()
    };
    assert_eq!(counts(OutputMode::Append)[..3], [vec![], vec![], vec![3]]);
    assert_eq!(counts(OutputMode::Update).concat(), [2, 3, 1, 2]);
    assert_eq!(counts(OutputMode::Complete).concat()[..5], [2, 3, 1, 3, 2]);
}

#[test]
fn duplicates_among_results_are_dropped_in_append_mode_alone() {
    let plan = counted(watermarked()).drop_duplicates(&["ts".into()]).unwrap().into_plan();
    assert!(check(&plan, OutputMode::Append).is_ok());
    assert!(check(&plan, OutputMode::Update).is_err() && check(&plan, OutputMode::Complete).is_err());
}
