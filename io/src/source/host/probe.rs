//! The probes: which file says what. Each keeps its files open and reads them again from the start.

use std::{
    fmt,
    fs::{self, File},
    io::{Read, Seek},
    path::{Path, PathBuf},
};

use super::sampler::{Sensor, Sensors, Take};

/// Sensors that are read together.
pub(super) trait Probe: Send {
    /// Reads them; `seconds` have passed since the last time, and `text` is room for a file.
    fn sample(&mut self, sensors: &Sensors, seconds: f64, text: &mut [u8], take: &mut Take<'_>);
}

impl fmt::Debug for dyn Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

/// The probes of this machine.
pub(super) fn probes(sensors: &Sensors) -> Vec<Box<dyn Probe>> {
    let mut probes: Vec<Box<dyn Probe>> = Vec::new();
    let mut add = |path: &str, parse: ParseLines| {
        if let Ok(file) = File::open(path) {
            probes.push(Box::new(Table { file, parse, counters: Vec::new() }));
        }
    };
    add("/proc/stat", cpu);
    add("/proc/loadavg", load);
    add("/proc/meminfo", memory);
    add("/proc/net/dev", network);
    add("/proc/diskstats", disk);
    for resource in ["cpu", "memory", "io"] {
        if let Ok(file) = File::open(format!("/proc/pressure/{resource}")) {
            let sensor = Sensor::new(format!("pressure.{resource}"), sensors);
            probes.push(Box::new(Pressure { file, sensor }));
        }
    }
    probes.extend(gauges(sensors).into_iter().map(|gauge| Box::new(gauge) as Box<dyn Probe>));
    probes
}

/// Tells the values of a file's text. The function is given what was counted before.
type ParseLines = fn(&str, &mut Tally<'_, '_>);

/// A file of several sensors.
#[derive(Debug)]
struct Table {
    file: File,
    parse: ParseLines,
    counters: Vec<Counter>,
}

/// A sensor, and what it had counted the last time.
#[derive(Debug)]
struct Counter {
    sensor: Sensor,
    /// What is counted, and for shares, of how much.
    last: Option<[f64; 2]>,
}

/// Where a parser puts what it finds.
struct Tally<'a, 'b> {
    counters: &'a mut Vec<Counter>,
    sensors: &'a Sensors,
    seconds: f64,
    /// The counter that comes next if the file is as it was.
    next: usize,
    take: &'a mut Take<'b>,
}

impl Probe for Table {
    fn sample(&mut self, sensors: &Sensors, seconds: f64, text: &mut [u8], take: &mut Take<'_>) {
        let Some(text) = read_text(&mut self.file, text) else { return };
        (self.parse)(text, &mut Tally { counters: &mut self.counters, sensors, seconds, next: 0, take });
    }
}

impl Tally<'_, '_> {
    /// A value as it is.
    fn gauge(&mut self, name: fmt::Arguments<'_>, value: f64, unit: &'static str) {
        let i = self.find(name);
        self.counters[i].sensor.tell(value, unit, self.take);
    }

    /// A count that only grows: how much a second. One that was set back starts anew.
    fn rate(&mut self, name: fmt::Arguments<'_>, count: f64, unit: &'static str) {
        let i = self.find(name);
        let Counter { sensor, last } = &mut self.counters[i];
        if let Some([before, _]) = last.replace([count, 0.0])
            && self.seconds > 0.0
            && count >= before
        {
            sensor.tell((count - before) / self.seconds, unit, self.take);
        }
    }

    /// Two counts that only grow: one as percentage of the other.
    fn share(&mut self, name: fmt::Arguments<'_>, part: f64, whole: f64) {
        let i = self.find(name);
        let Counter { sensor, last } = &mut self.counters[i];
        let Some([part_before, whole_before]) = last.replace([part, whole]) else { return };
        let grown = whole - whole_before;
        // The clocks of a machine tick some hundred times a second: between two ticks nothing is known.
        let share = if grown > 0.0 { 100.0 * (part - part_before) / grown } else { 0.0 };
        sensor.tell(share.clamp(0.0, 100.0), "%", self.take);
    }

    /// The counter of a sensor; made if this is the first time.
    fn find(&mut self, name: fmt::Arguments<'_>) -> usize {
        let is_it = |counter: &Counter| is_written(&counter.sensor.name, name);
        let i = match self.counters.get(self.next) {
            Some(counter) if is_it(counter) => self.next,
            _ => self.counters.iter().position(is_it).unwrap_or_else(|| {
                let sensor = Sensor::new(name.to_string(), self.sensors);
                self.counters.push(Counter { sensor, last: None });
                self.counters.len() - 1
            }),
        };
        self.next = i + 1;
        i
    }
}

/// Whether formatting gives this text, found out without memory.
fn is_written(text: &str, arguments: fmt::Arguments<'_>) -> bool {
    struct Rest<'a>(&'a str);
    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(piece).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    fmt::write(&mut rest, arguments).is_ok() && rest.0.is_empty()
}

/// `cpu  user nice system idle iowait irq softirq steal ...`: everything but idle and iowait is busy.
fn cpu(text: &str, tally: &mut Tally<'_, '_>) {
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("cpu") else { return };
        let (core, times) = rest.split_once(' ').unwrap_or((rest, ""));
        let (mut whole, mut idle) = (0.0, 0.0);
        // Time given to guests is in user and nice already.
        for (i, time) in times.split_ascii_whitespace().take(8).enumerate() {
            let time: f64 = time.parse().unwrap_or(0.0);
            whole += time;
            idle += if i == 3 || i == 4 { time } else { 0.0 };
        }
        match core {
            "" => tally.share(format_args!("cpu.total"), whole - idle, whole),
            core => tally.share(format_args!("cpu.{core}"), whole - idle, whole),
        }
    }
}

/// `0.20 0.18 0.12 1/80 11206`
fn load(text: &str, tally: &mut Tally<'_, '_>) {
    let mut words = text.split_ascii_whitespace();
    for name in ["load.1m", "load.5m", "load.15m"] {
        if let Some(value) = words.next().and_then(|word| word.parse().ok()) {
            tally.gauge(format_args!("{name}"), value, "tasks");
        }
    }
    let tasks = words.next().and_then(|word| word.split_once('/'));
    if let Some((Ok(running), Ok(total))) = tasks.map(|(running, total)| (running.parse(), total.parse())) {
        tally.gauge(format_args!("tasks.running"), running, "tasks");
        tally.gauge(format_args!("tasks.total"), total, "tasks");
    }
}

/// `MemTotal:       24683656 kB`
fn memory(text: &str, tally: &mut Tally<'_, '_>) {
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.split_ascii_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
    };
    let mut used = |name: &str, total: Option<f64>, free: Option<f64>| {
        if let (Some(total), Some(free)) = (total, free) {
            tally.gauge(format_args!("{name}.used"), total - free, "bytes");
            tally.gauge(format_args!("{name}.available"), free, "bytes");
        }
    };
    used("memory", kilobytes("MemTotal"), kilobytes("MemAvailable"));
    used("swap", kilobytes("SwapTotal").filter(|total| *total > 0.0), kilobytes("SwapFree"));
}

/// `  eth0: received packets errs drop fifo frame compressed multicast sent ...`
fn network(text: &str, tally: &mut Tally<'_, '_>) {
    for line in text.lines() {
        let Some((name, counts)) = line.split_once(':') else { continue };
        let mut counts = counts.split_ascii_whitespace().map(|count| count.parse::<f64>());
        let (Some(Ok(received)), Some(Ok(sent))) = (counts.next(), counts.nth(7)) else { continue };
        let name = name.trim();
        tally.rate(format_args!("network.{name}.received"), received, "bytes/s");
        tally.rate(format_args!("network.{name}.sent"), sent, "bytes/s");
    }
}

/// `254 0 vda reads merged sectors ms writes merged sectors ms ...`; a sector is 512 bytes here whatever the disk says.
fn disk(text: &str, tally: &mut Tally<'_, '_>) {
    const SECTOR: f64 = 512.0;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().skip(2);
        let Some(name) = words.next() else { continue };
        let counts = (words.nth(2).map(str::parse::<f64>), words.nth(3).map(str::parse::<f64>));
        let (Some(Ok(read)), Some(Ok(written))) = counts else { continue };
        // A device that was never used is not there for anybody.
        if read + written > 0.0 && !name.starts_with("loop") && !name.starts_with("ram") {
            tally.rate(format_args!("disk.{name}.read"), read * SECTOR, "bytes/s");
            tally.rate(format_args!("disk.{name}.written"), written * SECTOR, "bytes/s");
        }
    }
}

/// How much of the time some task waited for a resource: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`.
#[derive(Debug)]
struct Pressure {
    file: File,
    sensor: Sensor,
}

impl Probe for Pressure {
    fn sample(&mut self, _: &Sensors, _: f64, text: &mut [u8], take: &mut Take<'_>) {
        let Some(text) = read_text(&mut self.file, text) else { return };
        let value = text.strip_prefix("some avg10=").and_then(|rest| rest.split(' ').next()?.parse().ok());
        if let Some(value) = value {
            self.sensor.tell(value, "%", take);
        }
    }
}

/// A file that holds one number.
#[derive(Debug)]
struct Gauge {
    file: File,
    sensor: Sensor,
    scale: f64,
    unit: &'static str,
}

impl Probe for Gauge {
    fn sample(&mut self, _: &Sensors, _: f64, text: &mut [u8], take: &mut Take<'_>) {
        let value = read_text(&mut self.file, text).and_then(|text| text.trim().parse::<f64>().ok());
        if let Some(value) = value {
            self.sensor.tell(value * self.scale, self.unit, take);
        }
    }
}

/// Temperatures, and the clocks of the cores, where the system shows them.
fn gauges(sensors: &Sensors) -> Vec<Gauge> {
    let mut gauges: Vec<Gauge> = Vec::new();
    let mut add = |name: String, path: PathBuf, unit: &'static str| {
        let count = gauges.iter().filter(|gauge| gauge.sensor.name.starts_with(&name)).count();
        let name = if count > 0 { format!("{name}.{count}") } else { name };
        let sensor = Sensor::new(name, sensors);
        // Reading a temperature may wake a device: those that nobody wants are left alone.
        if let Some(file) = File::open(path).ok().filter(|_| sensor.is_wanted) {
            gauges.push(Gauge { file, sensor, scale: 1e-3, unit });
        }
    };
    for zone in folders("/sys/class/thermal", "thermal_zone") {
        let name = word_in(&zone.join("type")).unwrap_or_else(|| "zone".into());
        add(format!("temperature.{name}"), zone.join("temp"), "°C");
    }
    for chip in folders("/sys/class/hwmon", "hwmon") {
        let name = word_in(&chip.join("name")).unwrap_or_else(|| "chip".into());
        for number in 1..=32 {
            let input = chip.join(format!("temp{number}_input"));
            if input.exists() {
                let label = word_in(&chip.join(format!("temp{number}_label")));
                let label = label.unwrap_or_else(|| number.to_string());
                add(format!("temperature.{name}.{label}"), input, "°C");
            }
        }
    }
    for core in folders("/sys/devices/system/cpu", "cpu") {
        let number = core.file_name().and_then(|name| name.to_str()?.strip_prefix("cpu")).unwrap_or_default();
        if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
            add(format!("frequency.{number}"), core.join("cpufreq/scaling_cur_freq"), "MHz");
        }
    }
    gauges
}

/// The folders in a folder whose names begin so, in order.
fn folders(path: &str, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let is_one = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_one).collect();
    folders.sort_unstable();
    folders
}

/// The text of a small file as part of a name.
fn word_in(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let word = text.trim().to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-', "_");
    (!word.is_empty()).then_some(word)
}

/// Reads a file from its start into `text`, as far as it fits.
fn read_text<'a>(file: &mut File, text: &'a mut [u8]) -> Option<&'a str> {
    file.rewind().ok()?;
    let mut len = 0;
    while len < text.len() {
        match file.read(&mut text[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(_) => return None,
        }
    }
    let text = &text[..len];
    Some(
        std::str::from_utf8(text).unwrap_or_else(|e| std::str::from_utf8(&text[..e.valid_up_to()]).unwrap_or_default()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a parser tells of one text after another, a second apart.
    fn told(parse: ParseLines, texts: &[&str]) -> Vec<(String, f64)> {
        let (mut counters, sensors) = (Vec::new(), Sensors::all());
        let mut told = Vec::new();
        for text in texts {
            told.clear();
            let take: &mut Take<'_> = &mut |reading| told.push((reading.sensor.to_string(), reading.value));
            parse(text, &mut Tally { counters: &mut counters, sensors: &sensors, seconds: 2.0, next: 0, take });
        }
        told
    }

    fn expect(parse: ParseLines, texts: &[&str], expected: &[(&str, f64)]) {
        let expected: Vec<_> = expected.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        assert_eq!(told(parse, texts), expected);
    }

    #[test]
    fn cores_are_as_busy_as_they_were_since_the_last_look() {
        let before = "cpu  10 0 10 80 0 0 0 0 0 0\ncpu0 10 0 10 80 0 0 0 0 5 0\nintr 1 2\n";
        let after = "cpu  40 0 10 130 20 0 0 0 0 0\ncpu0 10 0 10 180 0 0 0 0 9 0\nintr 1 2\n";
        expect(cpu, &[before], &[]);
        expect(cpu, &[before, after], &[("cpu.total", 30.0), ("cpu.0", 0.0)]);
        expect(cpu, &[before, before], &[("cpu.total", 0.0), ("cpu.0", 0.0)]);
    }

    #[test]
    fn gauges_are_told_as_they_are() {
        let load_1 =
            [("load.1m", 0.2), ("load.5m", 0.18), ("load.15m", 12.0), ("tasks.running", 3.0), ("tasks.total", 80.0)];
        expect(load, &["0.20 0.18 12.00 3/80 11206\n"], &load_1);
        let text = "MemTotal:  100 kB\nMemFree:  1 kB\nMemAvailable:  40 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n";
        expect(memory, &[text], &[("memory.used", 61_440.0), ("memory.available", 40_960.0)]);
        expect(memory, &["nonsense", ""], &[]);
    }

    #[test]
    fn counts_are_told_by_the_second_and_devices_may_come_and_be_reset() {
        let dev = |a: u32, b: u32| format!("Inter-|\n face |bytes\n  lo:{a} 1 0 0 0 0 0 0 {b} 1 0 0\n");
        let both = format!("{}  eth0: 9 1 0 0 0 0 0 0 9 1\n", dev(20, 30));
        let expected = [("network.lo.received", 5.0), ("network.lo.sent", 0.0)];
        expect(network, &[&dev(10, 30), &dev(20, 30)], &expected);
        expect(network, &[&dev(10, 30), &both], &expected);
        expect(network, &[&dev(10, 30), &dev(0, 40)], &[("network.lo.sent", 5.0)]);
        let disks = |read: u32| {
            format!("7 0 loop0 1 0 9 0 1 0 9 0\n254 0 vda 5 0 {read} 1 7 2 8 1 0\n253 0 zram0 0 0 0 0 0 0 0 0\n")
        };
        expect(disk, &[&disks(10), &disks(12)], &[("disk.vda.read", 512.0), ("disk.vda.written", 0.0)]);
    }
}
