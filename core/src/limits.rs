//! Every bound of the engine, with its reason. Relations between bounds are checked at compile time.

/// Rows in a block unless the plan says otherwise: 4,096 rows of 24 bytes are 96 KiB, which stay in L2 while a
/// chain of operators passes over them, and amortise one virtual call per operator to nothing.
pub const BLOCK_ROWS: usize = 4096;

/// Fewest rows a block may be planned with. Tests go down to 1 to shake out block boundaries.
pub const BLOCK_ROWS_MIN: usize = 1;

/// Most rows in a block: row indices of a block fit 16 bits, and a 64 Ki-row block already spills L2.
pub const BLOCK_ROWS_MAX: usize = 65_536;

/// Alignment of column buffers in bytes: one cache line, one AVX-512 register.
pub const COLUMN_ALIGN: usize = 64;

/// Depth of nested expressions and subqueries: recursion over them must fit a 2 MiB thread stack.
pub const EXPRESSION_DEPTH_MAX: usize = 200;

/// Levels that parentheses, CASE and operators of one statement may be nested, a query in parentheses counting ten:
/// reading them recurses, and that must fit a 2 MiB stack too. Frames of an unoptimised build are much larger.
pub const NESTING_MAX: usize = if cfg!(debug_assertions) { EXPRESSION_DEPTH_MAX / 2 } else { EXPRESSION_DEPTH_MAX };

/// Longest job text, in bytes, variables put in: every character of it is kept with its place while it is read.
pub const JOB_TEXT_BYTES_MAX: usize = 4 << 20;

/// Depth of queries in queries, those of views and WITH included: each is a few levels of the plan, and whoever walks
/// a plan recurses; see `NESTING_MAX` on unoptimised builds.
pub const QUERY_DEPTH_MAX: usize = if cfg!(debug_assertions) { 20 } else { 64 };

/// Relations of one query, those of views and WITH counted each time they are used: a few names that use the one
/// before twice each would otherwise make a plan of any size.
pub const RELATIONS_MAX: usize = 1_000;

/// Most names of a select list that stand on each other, a projection each.
pub const LATERAL_CHAIN_MAX: usize = QUERY_DEPTH_MAX;

/// Most nodes of an item of a grouped select list, whose names are replaced by what they stand for.
pub const LATERAL_NODES_MAX: usize = 10_000;

/// Longest text line or record that a format reads, in bytes; a longer one is malformed.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// Longest text that `repeat`, `space` and the paddings make of a short one, in bytes: no number in a row may fill the
/// memory.
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// Most elements in an array that `sequence`, `array_repeat` and `array_insert` make, for the same reason.
pub const ARRAY_LENGTH_MAX: usize = 1 << 24;

/// Most values, those of arrays in arrays included, for which an array of literals is a literal itself: as one it takes
/// tens of bytes a value and lives as long as the plan.
pub const LITERAL_VALUES_MAX: usize = 10_000;

/// Most bytes that texts or arrays which an expression makes of one block may take: each value may be short enough, and
/// a block of them not. Thirty-two kilobytes a row of the usual block, and far from where 32-bit offsets end.
pub const COLUMN_BYTES_MAX: usize = 256 << 20;

/// Bytes of text after which a reader hands on a block that is not full: long lines must not make a block of
/// gigabytes, whose strings 32-bit offsets could not reach.
pub const TEXT_BLOCK_BYTES_MAX: usize = 64 << 20;

/// Windows that one row may belong to (`size / slide`, rounded up): Spark has no bound, but a slide of 1 us over
/// a window of a year is a typing error that would fill any memory.
pub const WINDOWS_PER_ROW_MAX: i64 = 1_000_000;

/// Rows after which a query looks at its memory: the look is a walk over its operators, and a row adds some bytes.
pub const ROWS_BETWEEN_MEMORY_CHECKS: usize = 1 << 16;

/// 2025: a clock that shows less was never set since the machine booted, because this was written later.
pub const CLOCK_SET_US: i64 = 1_735_689_600_000_000;

/// Groups that one stateful operator may hold unless the job says otherwise; ids are 32 bits.
pub const GROUPS_MAX: usize = 1 << 28;

/// Most threads of one query: beyond the cores of any gateway they only wait for each other.
pub const WORKERS_MAX: usize = 256;

/// Fewest blocks a lane may have: one being filled, one being read, and two between them, so that a reader that was
/// overrun can go on some way ahead of the producer.
pub const RING_SLOTS_MIN: usize = 4;

/// Most blocks a lane may have: far more than any capacity needs, far fewer than block numbers can tell apart.
pub const RING_SLOTS_MAX: usize = 1 << 24;

/// Bytes of string heap a lane sets aside for each row and string column; a block whose strings are longer on average
/// ends early.
pub const RING_HEAP_BYTES_PER_ROW: usize = 32;

/// Smallest string heap of a block: the longest string a lane can hold is one heap, and a log line should fit.
pub const RING_HEAP_BYTES_MIN: usize = 4 << 10;

/// Largest string heap of a block: offsets into it are 31 bits.
pub const RING_HEAP_BYTES_MAX: usize = 1 << 30;

/// Largest lane file; what a header claims beyond it is not believed.
pub const RING_FILE_BYTES_MAX: u64 = 1 << 40;

/// Longest schema text in a lane's header.
pub const RING_SCHEMA_BYTES_MAX: usize = 1 << 20;

const _: () = assert!(BLOCK_ROWS_MIN >= 1 && BLOCK_ROWS >= BLOCK_ROWS_MIN);
const _: () = assert!(BLOCK_ROWS_MAX >= BLOCK_ROWS, "the default must be allowed");
const _: () = assert!(RING_SLOTS_MIN.is_power_of_two() && RING_SLOTS_MAX.is_power_of_two());
const _: () = assert!(RING_HEAP_BYTES_MAX < i32::MAX as usize, "heap offsets are 31 bits");
const _: () = assert!(TEXT_BLOCK_BYTES_MAX + LINE_BYTES_MAX < i32::MAX as usize / 4, "even if bytes become U+FFFD");
const _: () =
    assert!(COLUMN_BYTES_MAX + 2 * TEXT_BYTES_MAX < i32::MAX as usize / 2, "one value past the bound must fit");
const _: () = assert!(COLUMN_ALIGN.is_power_of_two());
