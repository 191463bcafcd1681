//! HLL sketches against what Spark and the library answered.

use super::*;
use crate::sketch::testing::unhex;

fn range(from: i64, to: i64, lg_k: u8) -> Hll {
    let mut sketch = Hll::new(lg_k);
    (from..to).for_each(|i| sketch.update(Item::Long(i)));
    sketch
}

/// What a query gives: a part's sketch, entered into an empty one.
fn finished(part: &Hll) -> Hll {
    let mut whole = Hll::new(part.lg_k());
    whole.union(part, part.lg_k());
    whole
}

fn rounded(sketch: &Hll) -> i64 {
    libm::floor(sketch.estimate() + 0.5) as i64
}

/// Bytes that Spark 4.3 gave for `hll_sketch_agg(id, lg_k)` over `range(n)`.
#[test]
fn bytes_are_those_of_spark() {
    let cases = [
        (0, 12, "0201070c03040008"),
        (7, 4, "0201070403000708CBD7C2042BF2FB06862FF90D7581660781BC5D067B65E608FC2D420A00000000"),
        (
            8,
            4,
            "0A0107040000000AADAAAA0400002040000000000040294000000000000000000B0000000000000000010000000103000000000202000000",
        ),
        (
            40,
            4,
            "0A0107040000000AC65A5653F5BE40400000000000F00E400000000000000000000000000000000004010101030103060303050202020701",
        ),
        (
            24,
            8,
            "0301070805000009180000000000000081BC5D0600000000CEF05B1F6EC5340600000000862FF90D00000000C87A2404DB522D0400000000\
             CBD7C20400000000B05B4612AE3C881136470907C1E9170500000000D2167307C4B59F0734A2610E75816607F671F20600000000B83FF907\
             464AB704FC2D420A7B65E6082BF2FB06C3DD51049EE49B187C74B907",
        ),
    ];
    for (n, lg_k, hex) in cases {
        let mut expected = unhex(hex);
        expected.resize(expected.len().max(40), 0);
        let bytes = finished(&range(0, n, lg_k)).to_bytes();
        assert_eq!(bytes, expected, "range({n}), lg_k {lg_k}");
        assert_eq!(Hll::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    }
}

#[test]
fn estimates_are_those_of_spark() {
    let cases = [(40, 4, 33), (1000, 10, 1031), (100_000, 12, 101_148), (100_000, 21, 100_009)];
    for (n, lg_k, expected) in cases {
        assert_eq!(rounded(&range(0, n, lg_k)), expected, "range({n}), lg_k {lg_k}");
    }
}

/// Unions that Spark 4.3 made: of lists, of dense sketches, of two sizes.
#[test]
fn unions_are_those_of_spark() {
    let cases = [
        (
            range(0, 5, 4),
            range(3, 8, 4),
            8,
            "0A0107040000000AADAAAA0400002040000000000040294000000000000000000B0000000000000000010000000103000000000202000000",
        ),
        (
            range(0, 50, 4),
            range(30, 80, 4),
            95,
            "0A0107040010020A0000000000000000000000000000FD3F0000000000000000040000000000000004020307030403060304050202020704",
        ),
        (
            range(0, 50, 8),
            range(30, 80, 6),
            73,
            "0A0107060010000A000000000000000000000000001E40400000000000000000140000000000000000010107010203000100000100020701000101010104000600030102000206000402010201000005000405010101040404000300030301000300000202000001",
        ),
        (
            range(0, 50, 6),
            range(30, 80, 8),
            73,
            "0A0107060010000A000000000000000000000000001E40400000000000000000140000000000000000010107010203000100000100020701000101010104000600030102000206000402010201000005000405010101040404000300030301000300000202000001",
        ),
    ];
    for (a, b, estimate, hex) in cases {
        let lg_k = a.lg_k().min(b.lg_k());
        let mut union = Hll::new(lg_k);
        union.union(&a, lg_k);
        union.union(&b, lg_k);
        assert_eq!((union.to_bytes(), rounded(&union)), (unhex(hex), estimate));
    }
}

#[test]
fn coupons_after_a_merge_count_by_the_old_sums() {
    let mut union = Hll::new(4);
    for part in [range(0, 30, 4), range(100, 130, 4), range(200, 203, 4)] {
        union.union(&part, 4);
    }
    let hex = "0A0107040010010A44278724487B034000000000005002400000000000000000010000000000000004010204030203030303050204030704";
    assert_eq!(union.to_bytes(), unhex(hex));
}

#[test]
fn corrupt_bytes_are_no_sketch() {
    for sketch in [range(0, 3, 4), range(0, 20, 10), range(0, 100, 4)] {
        let bytes = sketch.to_bytes();
        for i in 0..bytes.len().min(60) {
            // Free slots at the end of a list are not needed.
            assert!(Hll::from_bytes(&bytes[..i]).is_none_or(|cut| cut == sketch && i >= 20));
            let mut bent = bytes.clone();
            bent[i] ^= 0xff;
            if let Some(mut sketch) = Hll::from_bytes(&bent) {
                sketch.update(Item::Long(-1));
                sketch.union(&range(0, 100, 4), 4);
                let _ = (sketch.estimate(), sketch.to_bytes());
            }
        }
    }
}
