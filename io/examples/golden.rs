//! throwaway
use firesteel_core::{block::BlockRef, exec::*, expr::Settings, plan::*, sql::*, watermark::WatermarkPolicy, *};
use firesteel_io::format::*;
use std::collections::HashMap;
use std::sync::Arc;
struct Cat {
    tables: HashMap<String, Arc<Table>>,
    settings: Settings,
    stream: Vec<String>,
    all: bool,
}
impl Catalog for Cat {
    fn relation(&self, name: &[String], _s: bool, _o: &[(String, String)]) -> Result<PlanBuilder> {
        let n = name.last().unwrap().to_lowercase();
        let t = self.tables.get(&n).ok_or_else(|| Error::invalid(format!("no table {n}")))?;
        Ok(PlanBuilder::scan(t.clone(), self.all || self.stream.contains(&n), Arc::new(self.settings.clone())))
    }
    fn relation_names(&self) -> Vec<String> {
        vec![]
    }
    fn settings(&self) -> &Settings {
        &self.settings
    }
}
fn main() {
    if let Err(e) = run() {
        eprintln!("error: {e}");
        std::process::exit(1)
    }
}
fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&args[2]).unwrap();
    let mut data = String::new();
    let mut mode = None;
    let mut stream = vec![];
    let mut all = false;
    let mut pfile = None;
    let mut i = 3;
    while i < args.len() {
        match args[i].as_str() {
            "--set" => {
                data = args[i + 1].strip_prefix("DATA=").unwrap().into();
                i += 1
            }
            "--stream" => all = true,
            "--stream-table" => {
                stream.push(args[i + 1].clone());
                i += 1
            }
            "--output-mode" => {
                mode = OutputMode::parse(&args[i + 1]);
                i += 1
            }
            "--format" => i += 1,
            "--progress-file" => {
                pfile = Some(args[i + 1].clone());
                i += 1
            }
            _ => {}
        }
        i += 1
    }
    let mut cat = Cat { tables: HashMap::new(), settings: Settings::default(), stream, all };
    let mut opts = DriverOptions {
        mode,
        block_rows: std::env::var("BR").ok().map_or(4096, |b| b.parse().unwrap()),
        ..Default::default()
    };
    for st in parse(&text, &|n| (n == "DATA").then(|| data.clone()))? {
        match st.kind {
            StatementKind::CreateTable { name, schema, provider, options, .. } => {
                let t = Table { name: name.last().unwrap().clone(), provider, options, schema: schema.unwrap() };
                cat.tables.insert(name.last().unwrap().to_lowercase(), Arc::new(t));
            }
            StatementKind::Set { key, value } => {
                let v = value.unwrap_or_default();
                match key.unwrap().as_str() {
                    "spark.sql.ansi.enabled" => cat.settings.ansi = v == "true",
                    "spark.sql.session.timeZone" => {
                        cat.settings.time_zone = time::zone::find(&v).unwrap();
                        cat.settings.time_zone_name = v
                    }
                    "spark.sql.streaming.noDataMicroBatches.enabled" => opts.no_data_epochs = v == "true",
                    "spark.sql.streaming.multipleWatermarkPolicy" => {
                        opts.policy = if v == "max" { WatermarkPolicy::Max } else { WatermarkPolicy::Min }
                    }
                    k => panic!("{k}"),
                }
            }
            StatementKind::Query(q) => {
                let plan = plan_query(&q, &cat)?.into_plan();
                if let Some(m) = mode {
                    check(&plan, m)?;
                }
                let plan = rewrite(plan);
                if std::env::var("EXPLAIN").is_ok() {
                    eprintln!("{}", explain(&plan));
                }
                let mut d = Driver::new(&plan, opts)?;
                let schema = plan.schema().clone();
                let mut w = write::JsonWriter::new(&schema, write::Style::Plain);
                let mut out = Vec::new();
                let mut queues: HashMap<usize, Vec<Vec<std::path::PathBuf>>> = HashMap::new();
                for s in d.stages() {
                    for sc in s.scans {
                        let mut fs: Vec<_> = files::expand(sc.scan.table.option("path").unwrap())
                            .map(|v| v.into_iter().map(|f| f.path).collect())
                            .unwrap_or_default();
                        let q: Vec<Vec<_>> =
                            if sc.scan.is_stream && sc.scan.table.option("maxFilesPerTrigger").is_some() {
                                fs.drain(..).map(|f| vec![f]).collect()
                            } else {
                                vec![fs]
                            };
                        queues.insert(sc.port, q);
                    }
                }
                let mut n = 0;
                let mut progress = String::new();
                loop {
                    let streams: Vec<usize> = d
                        .stages()
                        .iter()
                        .flat_map(|s| s.scans.clone())
                        .filter(|s| s.scan.is_stream)
                        .map(|s| s.port)
                        .collect();
                    let has = streams.iter().any(|p| n < queues[p].len());
                    if mode.is_some() && !has && !d.wants_empty_epoch() {
                        break;
                    }
                    w.set_batch_id(mode.map(|_| d.next_epoch_id()));
                    d.begin_epoch(0);
                    let mut rows = 0;
                    for s in d.stages() {
                        if s.is_static && n > 0 && mode.is_some() {
                            continue;
                        }
                        d.begin_stage(s.stage);
                        for sc in &s.scans {
                            let fs = if sc.scan.is_stream {
                                queues[&sc.port].get(n).cloned().unwrap_or_default()
                            } else {
                                queues[&sc.port][0].clone()
                            };
                            let o: Options = sc.scan.table.options.iter().cloned().collect();
                            let mut dec = Decoder::new(
                                Format::parse(&sc.scan.table.provider)?,
                                &sc.scan.table.schema,
                                &o,
                                &sc.scan.needed,
                                &cat.settings.time_zone,
                            )?
                            .block_rows(opts.block_rows);
                            let mut sink = |b: &BlockRef<'_>| {
                                rows += b.len();
                                d.push(sc.port, b, &mut |b: &BlockRef<'_>| {
                                    w.write_rows(b, &mut out);
                                    Ok(())
                                })
                            };
                            for f in fs {
                                dec.begin_file(&f.display().to_string());
                                dec.push(&std::fs::read(&f).unwrap(), &mut sink)?;
                                dec.end_file(&mut sink)?;
                            }
                            dec.flush(&mut sink)?;
                        }
                        d.finish_stage(s.stage, &mut |b: &BlockRef<'_>| {
                            w.write_rows(b, &mut out);
                            Ok(())
                        })?;
                    }
                    let r = d.end_epoch();
                    let wm = r
                        .watermark_ms
                        .map(|ms| {
                            format!(
                                "{{\"watermark\":{}}}",
                                serde_json::to_string(
                                    &(jiff::Timestamp::from_millisecond(ms)
                                        .unwrap()
                                        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
                                        .to_string())
                                )
                                .unwrap()
                            )
                        })
                        .unwrap_or("{}".into());
                    let ops: Vec<String> = r
                        .state
                        .iter()
                        .map(|s| format!("{{\"numRowsDroppedByWatermark\":{}}}", s.rows_dropped_by_watermark))
                        .collect();
                    progress += &format!(
                        "{{\"batchId\":{},\"numInputRows\":{},\"eventTime\":{},\"stateOperators\":[{}]}}\n",
                        r.id,
                        rows,
                        wm,
                        ops.join(",")
                    );
                    n += 1;
                    if mode.is_none() {
                        break;
                    }
                }
                use std::io::Write;
                std::io::stdout().write_all(&out).unwrap();
                if let Some(p) = pfile {
                    std::fs::write(p, progress).unwrap();
                }
                return Ok(());
            }
            _ => panic!(),
        }
    }
    Ok(())
}
