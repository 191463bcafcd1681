//! Settings of a session: Spark's keys that mean something here, Spark's that do not, and our own. A value that will
//! not do is refused when it is set, not when a query meets it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use firesteel_core::{
    Error, Result,
    exec::OnFullState,
    expr::{Settings, suggest},
    limits::{BLOCK_ROWS, BLOCK_ROWS_MAX, BLOCK_ROWS_MIN, WORKERS_MAX},
    time::zone,
    watermark::WatermarkPolicy,
};

use super::restart::RestartPolicy;
use crate::{ring::Wait, source::options};

/// What queries of a session are made and run with.
#[derive(Clone, Debug)]
pub(crate) struct Conf {
    /// As set, by key.
    values: BTreeMap<String, String>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) no_data_epochs: bool,
    pub(crate) policy: WatermarkPolicy,
    pub(crate) block_rows: usize,
    /// Threads of a query that was given no cores.
    pub(crate) workers: usize,
    /// How a query waits for rows of live tables.
    pub(crate) wait: Wait,
    /// Time between two checkpoints of a stream that has them.
    pub(crate) checkpoint_interval: Duration,
    /// How far ahead of the clock event times may lie.
    pub(crate) max_future: Option<Duration>,
    /// What becomes of new keys when the state of a stream is full.
    pub(crate) on_full_state: OnFullState,
    /// What becomes of streams of jobs that fail.
    pub(crate) restart: RestartPolicy,
}

/// What a value does, or why it will not do.
type Apply = fn(&mut Conf, &str) -> Result<(), String>;

/// Keys that mean something here: default, effect.
const KNOWN: &[(&str, &str, Apply)] = &[
    ("spark.sql.session.timeZone", "UTC", set_time_zone),
    ("spark.sql.ansi.enabled", "true", set_ansi),
    ("spark.sql.streaming.noDataMicroBatches.enabled", "true", set_no_data_epochs),
    ("spark.sql.streaming.multipleWatermarkPolicy", "min", set_policy),
    ("firesteel.blockRows", "4096", set_block_rows),
    ("firesteel.checkpoint.interval", "1 second", set_checkpoint_interval),
    ("firesteel.maxFutureTime", "unlimited", set_max_future),
    ("firesteel.restart", "never", set_restart),
    ("firesteel.restart.delay", "1 second", set_restart_delay),
    ("firesteel.restart.delayMax", "1 minute", set_restart_delay_max),
    ("firesteel.restart.most", "unlimited", set_restart_most),
    ("firesteel.state.onFull", "fail", set_on_full_state),
    ("firesteel.sum", "plain", set_sum),
    ("firesteel.wait", "adaptive", set_wait),
    ("firesteel.workers", "1", set_workers),
];

/// Settings of Spark that change how it works but not what comes out, and have no meaning here: jobs keep them.
const IRRELEVANT: &[&str] = &[
    "spark.app.",
    "spark.default.parallelism",
    "spark.driver.",
    "spark.dynamicAllocation.",
    "spark.eventLog.",
    "spark.executor.",
    "spark.log.",
    "spark.master",
    "spark.memory.",
    "spark.serializer",
    "spark.shuffle.",
    "spark.sql.adaptive.",
    "spark.sql.autoBroadcastJoinThreshold",
    "spark.sql.catalogImplementation",
    "spark.sql.codegen.",
    "spark.sql.files.",
    "spark.sql.inMemoryColumnarStorage.",
    "spark.sql.shuffle.partitions",
    "spark.sql.streaming.metricsEnabled",
    "spark.sql.streaming.numRecentProgressUpdates",
    "spark.sql.streaming.stateStore.",
    "spark.sql.ui.",
    "spark.sql.warehouse.dir",
    "spark.task.",
    "spark.ui.",
];

impl Default for Conf {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            settings: Arc::new(Settings::default()),
            no_data_epochs: true,
            policy: WatermarkPolicy::Min,
            block_rows: BLOCK_ROWS,
            workers: 1,
            wait: Wait::default(),
            checkpoint_interval: Duration::from_secs(1),
            max_future: None,
            on_full_state: OnFullState::Fail,
            restart: RestartPolicy::default(),
        }
    }
}

impl Conf {
    /// Sets a key; gives a warning if nothing here knows it.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<Option<String>> {
        if let Some((_, _, apply)) = KNOWN.iter().find(|(known, ..)| *known == key) {
            apply(self, value).map_err(|rule| {
                Error::invalid(format!("{key} = '{value}': it must be {rule}")).class("INVALID_CONF_VALUE")
            })?;
        } else if key.starts_with("firesteel.") {
            let own = KNOWN.iter().map(|(known, ..)| *known).filter(|known| known.starts_with("firesteel."));
            let hint = suggest::hint(key, own.clone())
                .unwrap_or_else(|| format!("there are {}", own.collect::<Vec<_>>().join(", ")));
            return Err(Error::invalid(format!("there is no setting {key}")).hint(hint));
        }
        self.values.insert(key.into(), value.into());
        Ok(self.is_unknown(key).then(|| warning(key)))
    }

    /// The value of a key, or its default.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let default = || KNOWN.iter().find(|(known, ..)| *known == key).map(|(_, default, _)| *default);
        self.values.get(key).map(String::as_str).or_else(default)
    }

    /// Everything that was set, and the defaults of what is known.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        let defaults = KNOWN.iter().map(|(key, default, _)| (key.to_string(), default.to_string()));
        let mut all: BTreeMap<String, String> = defaults.collect();
        all.extend(self.values.clone());
        all
    }

    fn is_unknown(&self, key: &str) -> bool {
        let is_known = KNOWN.iter().any(|(known, ..)| *known == key);
        let is_irrelevant = IRRELEVANT.iter().any(|prefix| key.starts_with(prefix));
        key.starts_with("spark.") && !is_known && !is_irrelevant
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

fn warning(key: &str) -> String {
    let near = suggest::hint(key, KNOWN.iter().map(|(known, ..)| *known)).map_or(String::new(), |h| format!("; {h}"));
    format!("the setting {key} has no effect here{near}")
}

fn set_time_zone(conf: &mut Conf, value: &str) -> Result<(), String> {
    let name = value.trim().trim_matches(['\'', '"']);
    let zone = zone::find(name).ok_or("a time zone such as 'UTC', 'Europe/Berlin' or '+02:00'")?;
    let settings = conf.settings_mut();
    (settings.time_zone, settings.time_zone_name) = (zone, name.into());
    Ok(())
}

fn set_ansi(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.settings_mut().ansi = flag(value)?;
    Ok(())
}

fn set_no_data_epochs(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.no_data_epochs = flag(value)?;
    Ok(())
}

fn set_policy(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.policy = match value.to_lowercase().as_str() {
        "min" => WatermarkPolicy::Min,
        "max" => WatermarkPolicy::Max,
        _ => return Err("min or max".into()),
    };
    Ok(())
}

fn set_block_rows(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.block_rows = number(value, BLOCK_ROWS_MIN, BLOCK_ROWS_MAX)?;
    Ok(())
}

fn set_workers(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.workers = number(value, 1, WORKERS_MAX)?;
    Ok(())
}

fn set_sum(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.settings_mut().compensated_sums = match value.to_lowercase().as_str() {
        "plain" => false,
        "compensated" => true,
        _ => return Err("plain or compensated".into()),
    };
    Ok(())
}

fn set_wait(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.wait = match value.to_lowercase().as_str() {
        "spin" => Wait::Spin,
        "adaptive" => Wait::Adaptive,
        "sleep" => Wait::Sleep,
        _ => return Err("spin, adaptive or sleep".into()),
    };
    Ok(())
}

fn set_checkpoint_interval(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.checkpoint_interval = duration(value)?;
    Ok(())
}

fn set_max_future(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.max_future = match value.to_lowercase().as_str() {
        "unlimited" => None,
        _ => Some(duration(value).map_err(|rule| format!("{rule}, or unlimited"))?),
    };
    Ok(())
}

fn set_on_full_state(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.on_full_state = match value.trim_matches(['\'', '"']).to_lowercase().as_str() {
        "fail" => OnFullState::Fail,
        "drop_new_keys" => OnFullState::DropNewKeys,
        _ => return Err("fail or drop_new_keys".into()),
    };
    Ok(())
}

fn set_restart(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.restart.on_failure = match value.to_lowercase().as_str() {
        "never" => false,
        "on-failure" => true,
        _ => return Err("never or on-failure".into()),
    };
    Ok(())
}

fn set_restart_delay(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.restart.delay = duration(value)?;
    Ok(())
}

fn set_restart_delay_max(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.restart.delay_max = duration(value)?;
    Ok(())
}

fn set_restart_most(conf: &mut Conf, value: &str) -> Result<(), String> {
    conf.restart.most = match value.to_lowercase().as_str() {
        "unlimited" => None,
        number => Some(number.parse().map_err(|_| "a number, or unlimited")?),
    };
    Ok(())
}

fn duration(value: &str) -> Result<Duration, String> {
    let duration = options::parse_duration(value.trim().trim_matches(['\'', '"']), Duration::from_secs(1));
    duration.ok_or_else(|| "a duration like '100ms', '5 seconds' or '2 minutes'".into())
}

fn flag(value: &str) -> Result<bool, String> {
    match value.to_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false".into()),
    }
}

fn number(value: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = value.parse().ok().filter(|n| (least..=most).contains(n));
    number.ok_or_else(|| format!("a whole number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_effect_and_wrong_ones_name_the_right_ones() {
        let mut conf = Conf::default();
        assert_eq!(conf.set("spark.sql.session.timeZone", "America/New_York").unwrap(), None);
        assert_eq!(conf.settings.time_zone_name, "America/New_York");
        conf.set("spark.sql.ansi.enabled", "FALSE").unwrap();
        assert!(!conf.settings.ansi);
        conf.set("spark.sql.streaming.multipleWatermarkPolicy", "max").unwrap();
        assert_eq!(conf.policy, WatermarkPolicy::Max);
        for (key, value, rule) in [
            ("spark.sql.ansi.enabled", "yes", "true or false"),
            ("spark.sql.streaming.multipleWatermarkPolicy", "avg", "min or max"),
            ("spark.sql.session.timeZone", "Mars/Base", "a time zone"),
            ("firesteel.blockRows", "0", "a whole number from 1 to"),
            ("firesteel.sum", "kahan", "plain or compensated"),
            ("firesteel.wait", "busy", "spin, adaptive or sleep"),
        ] {
            let error = conf.set(key, value).unwrap_err();
            assert!(error.message().contains(rule), "{error}");
        }
    }

    #[test]
    fn unknown_keys_warn_or_fail() {
        let mut conf = Conf::default();
        assert_eq!(conf.set("spark.sql.shuffle.partitions", "1").unwrap(), None);
        assert_eq!(conf.set("my.own", "1").unwrap(), None);
        let warning = conf.set("spark.sql.ansi.enable", "true").unwrap().unwrap();
        assert!(warning.contains("did you mean `spark.sql.ansi.enabled`?"), "{warning}");
        let error = conf.set("firesteel.blockrow", "1").unwrap_err();
        assert!(error.hint_text().unwrap().contains("firesteel.blockRows"));
        assert_eq!(conf.value("my.own"), Some("1"));
        assert_eq!(conf.value("spark.sql.ansi.enabled"), Some("true"));
        assert_eq!(conf.value("nobody"), None);
    }
}
