//! All sensors, read one after the other. After the first sample nothing is allocated unless a device appears.

use std::time::Instant;

use firesteel_core::{Error, Result};

use super::probe::{Probe, probes};

/// One sensor, now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<'a> {
    /// Its name: `cpu.0`, `memory.used`, `network.eth0.received`, `temperature.x86_pkg_temp`.
    pub sensor: &'a str,
    /// What it says.
    pub value: f64,
    /// In which unit: `%`, `bytes`, `bytes/s`, `tasks`, `°C`, `MHz`.
    pub unit: &'static str,
}

/// Which sensors are wanted: names, in which `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensors {
    patterns: Vec<String>,
}

impl Sensors {
    /// Every sensor there is.
    pub fn all() -> Self {
        Self { patterns: vec!["*".into()] }
    }

    /// Those that match one of the patterns, separated by commas: `cpu.*, load.1m`.
    pub fn parse(list: &str) -> Self {
        Self { patterns: list.split(',').map(|pattern| pattern.trim().to_lowercase()).collect() }
    }

    /// Whether a sensor is wanted.
    pub fn contains(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.patterns.iter().any(|pattern| matches(pattern, &name))
    }
}

/// Whether a name matches a pattern: its pieces between the stars come in order, the first and the last at the ends.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        let Some(at) = name.find(piece) else { return false };
        name = &name[at + piece.len()..];
    }
    name.ends_with(last)
}

/// A sensor that was found: its name, and whether anybody wants it.
#[derive(Debug)]
pub(super) struct Sensor {
    pub(super) name: String,
    pub(super) is_wanted: bool,
}

impl Sensor {
    pub(super) fn new(name: String, sensors: &Sensors) -> Self {
        let is_wanted = sensors.contains(&name);
        Self { name, is_wanted }
    }

    pub(super) fn tell(&self, value: f64, unit: &'static str, take: &mut Take<'_>) {
        if self.is_wanted {
            take(Reading { sensor: &self.name, value, unit });
        }
    }
}

/// Takes readings.
pub(super) type Take<'a> = dyn FnMut(Reading<'_>) + 'a;

/// Reads this machine's sensors.
#[derive(Debug)]
pub struct Sampler {
    sensors: Sensors,
    probes: Vec<Box<dyn Probe>>,
    text: Box<[u8]>,
    last: Instant,
}

/// Bytes of a file in `/proc` that are looked at: what is wanted stands before the long parts.
const TEXT_BYTES: usize = 32 << 10;

impl Sampler {
    /// Finds the sensors that are wanted. Those that count something tell how much a second since the sample before;
    /// the first time, since now.
    pub fn new(sensors: Sensors) -> Result<Self> {
        let probes = probes(&sensors);
        let text = vec![0; TEXT_BYTES].into_boxed_slice();
        let mut sampler = Self { sensors, probes, text, last: Instant::now() };
        if sampler.sensor_names().is_empty() {
            return Err(no_sensors(&sampler.sensors));
        }
        sampler.sample(&mut |_| {});
        Ok(sampler)
    }

    /// Reads every sensor once. One that cannot be read has no reading.
    pub fn sample(&mut self, take: &mut dyn FnMut(Reading<'_>)) {
        let now = Instant::now();
        let seconds = now.duration_since(self.last).as_secs_f64();
        self.last = now;
        for probe in &mut self.probes {
            probe.sample(&self.sensors, seconds, &mut self.text, take);
        }
    }

    /// Names of the sensors that are there and wanted.
    pub fn sensor_names(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        // Rates have a value only over a stretch of time; here any will do.
        let mut take = |reading: Reading<'_>| names.push(reading.sensor.to_string());
        for probe in &mut self.probes {
            probe.sample(&self.sensors, 0.0, &mut self.text, &mut |_| {});
            probe.sample(&self.sensors, 1.0, &mut self.text, &mut take);
        }
        names
    }
}

fn no_sensors(sensors: &Sensors) -> Error {
    let patterns = sensors.patterns.join(", ");
    let error = Error::io(format!("this machine has no sensors that match '{patterns}'"));
    if cfg!(target_os = "linux") {
        error.hint("sensors are named like cpu.total, load.1m, memory.used, network.eth0.received, temperature.*")
    } else {
        error.hint("sensors are read from /proc and /sys, which only Linux has")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        let cases = [
            ("*", "cpu.0", true),
            ("cpu.*", "cpu.0", true),
            ("cpu.*", "cpu", false),
            ("*.received", "network.eth0.received", true),
            ("network.*.re*d", "network.eth0.received", true),
            ("network.*.sent", "network.eth0.received", false),
            ("load.1m", "load.1m", true),
            ("load.1m", "load.15m", false),
            ("a*a", "a", false),
            ("", "cpu.0", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(Sensors::parse("x, LOAD.1m").contains("load.1m"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_s_sensors_make_sense() {
        let mut sampler = Sampler::new(Sensors::all()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(60));
        let mut seen = Vec::new();
        sampler.sample(&mut |reading| seen.push((reading.sensor.to_string(), reading.value, reading.unit)));
        let find = |name: &str| seen.iter().find(|(sensor, ..)| sensor == name).map(|(_, value, unit)| (*value, *unit));
        for name in ["cpu.total", "cpu.0"] {
            let (busy, unit) = find(name).unwrap_or_else(|| panic!("{seen:?}"));
            assert!((0.0..=100.0).contains(&busy) && unit == "%", "{name} {busy}");
        }
        let (used, available) = (find("memory.used").unwrap(), find("memory.available").unwrap());
        assert!(used.0 > 0.0 && available.0 > 0.0 && used.1 == "bytes");
        assert!(find("load.1m").is_some() && find("tasks.total").unwrap().0 >= 1.0);
        assert!(
            seen.iter().all(|(name, value, _)| value.is_finite() && *value >= -273.15 && !name.is_empty()),
            "{seen:?}"
        );
        let mut names: Vec<_> = seen.iter().map(|(name, ..)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), seen.len(), "no name twice");
    }
}
