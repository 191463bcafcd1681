//! The options of a ring table: `path`, `capacity`, `onFull`, `lane`, `idleTimeout`, and where producers that are not
//! trusted connect: `listen`, `listenUsers`, `listenLanes`.

use std::{path::PathBuf, time::Duration};

use firesteel_core::{Error, Result, ring::OnFull};

use super::check_name;

/// Size of a lane unless told otherwise.
pub const CAPACITY_DEFAULT: u64 = 64 << 20;

/// Lanes that are handed out over a socket at a time, unless told otherwise: each is memory of the table's `capacity`.
const LISTEN_LANES_DEFAULT: usize = 16;

/// All of them.
pub(crate) const KNOWN: [&str; 8] =
    ["path", "capacity", "onFull", "lane", "idleTimeout", "listen", "listenUsers", "listenLanes"];

/// Where producers connect that are handed their lanes, and who may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The socket.
    pub path: PathBuf,
    /// Users besides our own; `None` is anybody who can reach the socket.
    pub users: Option<Vec<u32>>,
    /// Most lanes at a time.
    pub lanes_max: usize,
}

/// The options of a ring table, as given: `None` is "not said".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RingOptions {
    /// The stream's folder.
    pub path: Option<PathBuf>,
    /// Bytes of each lane.
    pub capacity: Option<u64>,
    /// What producers do when the lane is full.
    pub on_full: Option<OnFull>,
    /// Name of the lane a producer writes.
    pub lane: Option<String>,
    /// After how long without rows a lane no longer holds the watermark back.
    pub idle_timeout: Option<Duration>,
    /// The socket at which the reader of the table hands out lanes.
    pub listen: Option<PathBuf>,
    /// The numbers of users that may connect there besides our own; an empty outer `Some(None)` is anybody.
    pub listen_users: Option<Option<Vec<u32>>>,
    /// Most lanes that are handed out at a time.
    pub listen_lanes: Option<usize>,
}

impl RingOptions {
    /// Reads options; keys in any case. One that is not known is an error that lists those that are.
    pub fn parse<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        let mut options = Self::default();
        for (key, value) in pairs {
            options.set(key.as_ref(), value.as_ref()).map_err(|e| e.context(format!("option {}", key.as_ref())))?;
        }
        Ok(options)
    }

    /// Where producers connect, if they may.
    pub fn listen(&self) -> Option<Listen> {
        let path = self.listen.clone()?;
        let users = self.listen_users.clone().unwrap_or(Some(Vec::new()));
        Some(Listen { path, users, lanes_max: self.listen_lanes.unwrap_or(LISTEN_LANES_DEFAULT) })
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let known = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(key));
        match known {
            Some("path") => self.path = Some(value.into()),
            Some("capacity") => self.capacity = Some(parse_bytes(value)?),
            Some("onFull") => self.on_full = Some(OnFull::parse(value)?),
            Some("lane") => {
                check_name("lane", value)?;
                self.lane = Some(value.into());
            }
            Some("idleTimeout") => self.idle_timeout = Some(parse_duration(value)?),
            Some("listen") => self.listen = Some(value.into()),
            Some("listenUsers") => self.listen_users = Some(parse_users(value)?),
            Some("listenLanes") => self.listen_lanes = Some(parse_lanes(value)?),
            _ => {
                return Err(Error::invalid("a ring has no such option")
                    .hint(format!("the options of a ring are {}", KNOWN.join(", "))));
            }
        }
        Ok(())
    }
}

/// `1000`, `64k`, `64KB`, `1.5g`, `2 MiB`: multiples of 1024.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let (number, unit) = split_unit(text);
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => 64,
    };
    match number {
        Some(number) if shift < 64 && number >= 0.0 => Ok((number * (1_u64 << shift) as f64) as u64),
        _ => Err(Error::invalid(format!("'{text}' is not a size")).hint("write it like 64MB, 512k or 1g")),
    }
}

/// `5 seconds`, `500ms`, `2 minutes`, `10s`.
fn parse_duration(text: &str) -> Result<Duration> {
    let text = text.trim();
    let bare = text.strip_prefix("INTERVAL ").or_else(|| text.strip_prefix("interval ")).unwrap_or(text);
    let (number, unit) = split_unit(bare);
    let seconds = match unit.as_str() {
        "us" | "microsecond" | "microseconds" => 1e-6,
        "ms" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => f64::NAN,
    };
    let duration = number.map(|number| number * seconds).and_then(|s| Duration::try_from_secs_f64(s).ok());
    duration.ok_or_else(|| {
        Error::invalid(format!("'{text}' is not a duration")).hint("write it like '5 seconds', '500ms' or '2 minutes'")
    })
}

/// `any`, or numbers of users: `1000, 1001`.
fn parse_users(text: &str) -> Result<Option<Vec<u32>>> {
    if text.trim().eq_ignore_ascii_case("any") {
        return Ok(None);
    }
    let users: std::result::Result<Vec<u32>, _> = text.split(',').map(|user| user.trim().parse()).collect();
    users.map(Some).map_err(|_| {
        Error::invalid(format!("'{text}' are not users")).hint("write their numbers, as in '1000, 1001', or 'any'")
    })
}

fn parse_lanes(text: &str) -> Result<usize> {
    let lanes = text.trim().parse().ok().filter(|lanes| (1..=256).contains(lanes));
    lanes.ok_or_else(|| Error::invalid(format!("'{text}' is not a number of lanes")).hint("it is from 1 to 256"))
}

fn split_unit(text: &str) -> (Option<f64>, String) {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (text[..digits].parse().ok(), text[digits..].trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_any_case() {
        let options = RingOptions::parse([
            ("PATH", "/run/x"),
            ("Capacity", "64MB"),
            ("onfull", "DROP_newest"),
            ("lane", "a-1"),
            ("idletimeout", "5 seconds"),
            ("listen", "/run/x.sock"),
            ("listenusers", "1000, 1001"),
        ])
        .unwrap();
        let expected = RingOptions {
            path: Some("/run/x".into()),
            capacity: Some(64 << 20),
            on_full: Some(OnFull::DropNewest),
            lane: Some("a-1".into()),
            idle_timeout: Some(Duration::from_secs(5)),
            listen: Some("/run/x.sock".into()),
            listen_users: Some(Some(vec![1000, 1001])),
            listen_lanes: None,
        };
        assert_eq!(options, expected);
        let listen = options.listen().unwrap();
        assert_eq!((listen.users, listen.lanes_max), (Some(vec![1000, 1001]), LISTEN_LANES_DEFAULT));
        let any = RingOptions::parse([("listen", "x"), ("listenUsers", "Any"), ("listenLanes", "2")]).unwrap();
        assert_eq!(any.listen(), Some(Listen { path: "x".into(), users: None, lanes_max: 2 }));
        assert_eq!(RingOptions::parse([("listen", "x")]).unwrap().listen().unwrap().users, Some(vec![]));
    }

    #[test]
    fn sizes_and_durations_have_units() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("64k", 65_536), ("1.5 KiB", 1536), ("2G", 2 << 30), ("1tb", 1 << 40)]
        {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
        }
        for (text, ms) in [("10s", 10_000), ("500 ms", 500), ("INTERVAL 2 MINUTES", 120_000), ("1.5 hours", 5_400_000)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["", "x", "-1", "1 parsec", "64X", "1e400 s"] {
            assert!(parse_bytes(text).is_err() || text.contains('s'), "{text}");
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mistakes_name_the_option_and_list_the_known_ones() {
        let error = RingOptions::parse([("capasity", "1")]).unwrap_err();
        assert!(error.message().contains("capasity") && error.hint_text().unwrap().contains("idleTimeout"));
        assert!(error.is_invalid_job());
        for (key, value) in
            [("lane", "../x"), ("lane", ""), ("onFull", "wait"), ("capacity", "much"), ("listenUsers", "me")]
        {
            let error = RingOptions::parse([(key, value)]).unwrap_err();
            assert!(error.message().contains(key) && error.hint_text().is_some(), "{error}");
        }
    }
}
