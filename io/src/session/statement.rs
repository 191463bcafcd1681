//! What each statement of SQL does to a session.

use std::{collections::BTreeSet, sync::Arc};

use firesteel_core::{
    Error, Result,
    block::Value,
    plan::{LogicalPlan, OutputMode, Table, explain, rewrite},
    schema::{DataType, Field, Schema},
    sql::{Query, StatementKind, plan_query},
};

use super::{
    DataFrame, Session, Streams,
    catalog::{QueryCatalog, Relation},
    execute::trigger_of,
};
use crate::{
    engine::{QueryOptions, StreamingQuery},
    sink::{self, Sink},
    source,
};

/// What is left to do after a statement has been applied.
#[derive(Debug)]
pub(crate) enum Action {
    /// Nothing.
    Done,
    /// Rows for whoever asked.
    Rows(DataFrame),
    /// Rows for a table.
    Insert(Insert),
}

/// Rows on their way into a table.
#[derive(Clone, Debug)]
pub(crate) struct Insert {
    table: Arc<Table>,
    pub(crate) frame: DataFrame,
    overwrite: bool,
}

impl Insert {
    /// The table's sink, opened; `mode` matters for streams.
    pub(crate) fn sink(&self, mode: OutputMode) -> Result<Box<dyn Sink>> {
        self.frame.open_sink(&self.table, mode, self.overwrite)
    }

    /// Whether the table can take the rows, as far as can be told without touching it.
    pub(crate) fn check(&self, mode: OutputMode) -> Result<()> {
        let settings = self.frame.session().conf().settings;
        let mode = self.frame.is_streaming().then_some(mode);
        sink::check(&self.table, self.frame.schema(), &settings, mode)
    }

    /// Runs a batch to its end; starts a stream.
    pub(crate) fn start(&self, session: &Session) -> Result<Option<StreamingQuery>> {
        let (plan, mode) = (self.frame.plan(), OutputMode::Append);
        let sink = self.sink(mode)?;
        if !plan.is_streaming() {
            return session.run_batch(plan, sink).map(|()| None);
        }
        let options = QueryOptions { trigger: trigger_of(plan, false), ..QueryOptions::default() };
        session.start_stream(plan, mode, sink, options).map(Some)
    }
}

impl Session {
    /// Does what a statement says, up to the running of queries.
    pub(crate) fn apply(&self, kind: &StatementKind, streams: &Streams) -> Result<Action> {
        self.apply_noting(kind, streams, &mut BTreeSet::new())
    }

    /// Likewise; adds the names of `streams` that were read to `used`.
    pub(crate) fn apply_noting(
        &self,
        kind: &StatementKind,
        streams: &Streams,
        used: &mut BTreeSet<String>,
    ) -> Result<Action> {
        match kind {
            StatementKind::Query(query) => Ok(Action::Rows(self.plan(query, streams, used)?)),
            StatementKind::Insert { table, columns, overwrite, by_name, query } => {
                let frame = self.plan(query, streams, used)?;
                self.insert(table, (columns, *by_name), *overwrite, frame).map(Action::Insert)
            }
            StatementKind::CreateTable { .. } => self.create_table(kind).map(|()| Action::Done),
            StatementKind::CreateView { name, or_replace, if_not_exists, columns, query } => {
                if *if_not_exists && self.relations().find(name).is_some() {
                    return Ok(Action::Done);
                }
                let frame = self.plan(query, streams, used)?;
                self.create_view(name, columns, *or_replace, frame).map(|()| Action::Done)
            }
            StatementKind::Set { key: Some(key), value: Some(value) } => self.set(key, value).map(|()| Action::Done),
            StatementKind::Set { key, .. } => Ok(Action::Rows(self.settings_frame(key.as_deref()))),
            StatementKind::Explain(inner) => {
                let text = self.explain_statement(inner, streams, used)?;
                Ok(Action::Rows(self.text_frame(&["plan"], vec![vec![text]])))
            }
            StatementKind::Drop { name, if_exists, is_view } => {
                self.drop_relation(name, *if_exists, *is_view).map(|()| Action::Done)
            }
        }
    }

    fn plan(&self, query: &Query, streams: &Streams, used: &mut BTreeSet<String>) -> Result<DataFrame> {
        let catalog = QueryCatalog::new(self.relations(), self.conf().settings, streams);
        let plan = plan_query(query, &catalog)?;
        used.extend(catalog.used());
        Ok(DataFrame::from_builder(self.clone(), plan))
    }

    /// The rows of a query as a table takes them.
    pub(crate) fn insert(
        &self,
        name: &[String],
        (columns, by_name): (&[String], bool),
        overwrite: bool,
        frame: DataFrame,
    ) -> Result<Insert> {
        if overwrite && frame.is_streaming() {
            return Err(Error::invalid("INSERT OVERWRITE of a stream: each epoch would replace the one before")
                .hint("write INSERT INTO"));
        }
        let relations = self.relations();
        let table = match relations.find(name) {
            Some(Relation::Table(table)) => table.clone(),
            Some(Relation::View(_)) => {
                let text = format!("`{}` is a view: rows go into tables", name.join("."));
                return Err(Error::unsupported("EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", text));
            }
            None => return Err(relations.not_found(name)),
        };
        let known = if table.schema.is_empty() { known_schema(&table) } else { table.schema.clone() };
        if known.is_empty() {
            if !columns.is_empty() {
                return Err(columns_unknown(&table));
            }
            // The table has the columns of what is written into it first, for those who read it later in the job.
            let learned = Table { schema: plain(frame.schema()), ..Table::clone(&table) };
            self.with_relations(|relations| relations.insert(name, Relation::Table(Arc::new(learned))));
            return Ok(Insert { table, frame, overwrite });
        }
        let frame = frame.build(|plan| plan.insert_into(&known, columns, by_name))?;
        Ok(Insert { table, frame, overwrite })
    }

    fn create_table(&self, kind: &StatementKind) -> Result<()> {
        let StatementKind::CreateTable { name, if_not_exists, or_replace, schema, provider, options, .. } = kind else {
            return Err(Error::internal("not a CREATE TABLE"));
        };
        if !sink::registry::writable().contains(&provider.as_str()) {
            source::find(provider)?;
        }
        if self.relations().find(name).is_some() && !or_replace {
            return if *if_not_exists { Ok(()) } else { Err(exists(name)) };
        }
        let table = Table {
            name: name.join("."),
            provider: provider.clone(),
            options: options.clone(),
            schema: schema.clone().unwrap_or_default(),
        };
        self.warn(source::warnings(&table));
        self.with_relations(|relations| relations.insert(name, Relation::Table(Arc::new(table))));
        Ok(())
    }

    pub(crate) fn create_view(
        &self,
        name: &[String],
        columns: &[String],
        or_replace: bool,
        frame: DataFrame,
    ) -> Result<()> {
        if self.relations().find(name).is_some() && !or_replace {
            return Err(exists(name));
        }
        let frame =
            if columns.is_empty() { frame } else { frame.build(|plan| plan.alias(&name.join("."), columns))? };
        self.keep(&frame);
        let view = Relation::View(Arc::new(frame.plan().clone()));
        self.with_relations(|relations| relations.insert(name, view));
        Ok(())
    }

    fn drop_relation(&self, name: &[String], if_exists: bool, is_view: bool) -> Result<()> {
        match self.relations().find(name) {
            None if if_exists => return Ok(()),
            None => return Err(self.relations().not_found(name)),
            Some(Relation::Table(_)) if is_view => {
                return Err(Error::invalid(format!("`{}` is a table", name.join("."))).hint("write DROP TABLE"));
            }
            Some(_) => {}
        }
        if let Some(Relation::Table(table)) = self.with_relations(|relations| relations.remove(name)) {
            self.shared.memory.tables.remove(&table.name);
        }
        Ok(())
    }

    fn settings_frame(&self, key: Option<&str>) -> DataFrame {
        let rows = match key {
            Some(key) => vec![vec![key.into(), self.setting(key).unwrap_or_else(|| "<undefined>".into())]],
            None => self.conf().all().into_iter().map(|(key, value)| vec![key, value]).collect(),
        };
        self.text_frame(&["key", "value"], rows)
    }

    fn explain_statement(
        &self,
        kind: &StatementKind,
        streams: &Streams,
        used: &mut BTreeSet<String>,
    ) -> Result<String> {
        match self.fork().apply_noting(kind, streams, used)? {
            Action::Done => Ok("nothing to run\n".into()),
            Action::Rows(frame) => Ok(frame.explain()),
            Action::Insert(insert) => Ok(format!("Insert into {}\n{}", insert.table.name, insert.frame.explain())),
        }
    }

    fn text_frame(&self, columns: &[&str], rows: Vec<Vec<String>>) -> DataFrame {
        use firesteel_core::expr::BoundExpr;
        let text = |text: String| BoundExpr::literal(Value::String(text), DataType::String);
        let rows = rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect();
        let fields: Vec<Field> = columns.iter().map(|&name| Field::new(name, DataType::String)).collect();
        DataFrame::new(self.clone(), LogicalPlan::Values { rows, schema: Schema::new(fields) })
    }
}

impl Insert {
    /// The table that takes the rows.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}

/// The plan as written, and as it runs.
pub(crate) fn explain_plan(plan: &LogicalPlan) -> String {
    let indented = |text: String| text.lines().map(|line| format!("  {line}\n")).collect::<String>();
    format!("Logical plan\n{}\nOperators\n{}", indented(explain(plan)), indented(explain(&rewrite(plan.clone()))))
}

/// The columns of a table that exists already and knows them, as rings do; else none.
fn known_schema(table: &Table) -> Schema {
    source::schema_of(&table.provider, &table.options).ok().flatten().unwrap_or_default()
}

fn columns_unknown(table: &Table) -> Error {
    Error::invalid(format!("the columns of table `{}` are not known, so none can be named", table.name))
        .hint("write them in CREATE TABLE, or leave out the list of columns")
}

/// Columns of a table are not qualified and carry no watermark.
pub(crate) fn plain(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|f| Field::new(f.name.clone(), f.data_type.clone()).nullable(f.nullable));
    Schema::new(fields.collect::<Vec<_>>())
}

fn exists(name: &[String]) -> Error {
    Error::unsupported("TABLE_OR_VIEW_ALREADY_EXISTS", format!("`{}` exists already", name.join(".")))
        .hint("use CREATE OR REPLACE, or another name")
}
