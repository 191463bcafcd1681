//! Names of tables and views, and what a query reads when it names one.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use firesteel_core::{
    Error, Result,
    expr::{Settings, suggest},
    plan::{Catalog, LogicalPlan, PlanBuilder, Table},
    schema::{Schema, same_name},
};

use crate::{format::Format, source};

/// Which tables a query reads as streams although they end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Streams {
    /// Those with `STREAM` before them, and those that never end.
    #[default]
    AsWritten,
    /// All tables of files.
    All,
    /// These, beside those that are streams anyway.
    Named(Vec<String>),
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Relation {
    Table(Arc<Table>),
    View(Arc<LogicalPlan>),
}

/// All names of a session. Cheap enough to copy for a query that is being planned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relations {
    by_key: BTreeMap<String, (String, Relation)>,
}

impl Relations {
    pub(crate) fn find(&self, name: &[String]) -> Option<&Relation> {
        self.by_key.get(&key(name)).map(|(_, relation)| relation)
    }

    pub(crate) fn insert(&mut self, name: &[String], relation: Relation) {
        self.by_key.insert(key(name), (name.join("."), relation));
    }

    pub(crate) fn remove(&mut self, name: &[String]) -> Option<Relation> {
        self.by_key.remove(&key(name)).map(|(_, relation)| relation)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_key.values().map(|(name, _)| name.as_str())
    }

    /// The error for a name that nothing has.
    pub(crate) fn not_found(&self, name: &[String]) -> Error {
        let name = name.join(".");
        let names: Vec<&str> = self.names().collect();
        let hint = suggest::hint(&name, names.iter().copied()).unwrap_or_else(|| match names.as_slice() {
            [] => "no table has been created: write CREATE TABLE name (columns) USING ...".into(),
            names => format!("there are {}", names.join(", ")),
        });
        Error::unsupported("TABLE_OR_VIEW_NOT_FOUND", format!("there is no table or view `{name}`")).hint(hint)
    }
}

/// Names are the same in any case; the default database need not be written.
fn key(name: &[String]) -> String {
    let mut parts = name.iter().map(|part| part.to_lowercase()).collect::<Vec<_>>();
    for default in ["spark_catalog", "default"] {
        if parts.len() > 1 && parts[0] == default {
            parts.remove(0);
        }
    }
    parts.join(".")
}

/// The catalog as one query sees it.
#[derive(Debug)]
pub(crate) struct QueryCatalog<'a> {
    relations: Arc<Relations>,
    settings: Arc<Settings>,
    streams: &'a Streams,
    /// Names of `streams` that a query has used.
    used: RefCell<BTreeSet<String>>,
}

impl<'a> QueryCatalog<'a> {
    pub(crate) fn new(relations: Arc<Relations>, settings: Arc<Settings>, streams: &'a Streams) -> Self {
        Self { relations, settings, streams, used: RefCell::default() }
    }

    /// Names of `Streams::Named` that were read, as they were given.
    pub(crate) fn used(self) -> BTreeSet<String> {
        self.used.into_inner()
    }

    fn table(&self, table: &Arc<Table>, stream: bool, options: &[(String, String)]) -> Result<PlanBuilder> {
        let table = with_options(table, options);
        let table = with_schema(table)?;
        let is_stream = stream || self.is_wanted_as_stream(&table) || !source::is_bounded(&table);
        Ok(PlanBuilder::scan(table, is_stream, self.settings.clone()))
    }

    fn is_wanted_as_stream(&self, table: &Table) -> bool {
        match self.streams {
            Streams::AsWritten => false,
            Streams::All => Format::parse(&table.provider).is_ok(),
            Streams::Named(names) => {
                let wanted = names.iter().find(|wanted| same_name(wanted, &table.name));
                wanted.is_some_and(|wanted| {
                    self.used.borrow_mut().insert(wanted.clone());
                    true
                })
            }
        }
    }

    fn view(&self, plan: &LogicalPlan, name: &[String], stream: bool) -> Result<PlanBuilder> {
        if stream && !plan.is_streaming() {
            let text = format!("`{}` is not a temporary view of a stream", name.join("."));
            return Err(Error::invalid(text).hint("leave out STREAM, or put it before the table in the view's query"));
        }
        Ok(PlanBuilder::new(plan.clone(), self.settings.clone()))
    }
}

impl Catalog for QueryCatalog<'_> {
    fn relation(&self, name: &[String], stream: bool, options: &[(String, String)]) -> Result<PlanBuilder> {
        match self.relations.find(name) {
            Some(Relation::Table(table)) => self.table(table, stream, options),
            Some(Relation::View(plan)) => self.view(plan, name, stream),
            None => match direct(name) {
                Some(table) => self.table(&Arc::new(table), stream, options),
                None => Err(self.relations.not_found(name)),
            },
        }
    }

    fn relation_names(&self) -> Vec<String> {
        self.relations.names().map(String::from).collect()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// ``FROM json.`/data/readings` ``: a provider and a path.
fn direct(name: &[String]) -> Option<Table> {
    let [provider, path] = name else { return None };
    source::find(provider).ok()?;
    let options = vec![("path".into(), path.clone())];
    Some(Table { name: path.clone(), provider: provider.to_lowercase(), options, schema: Schema::default() })
}

fn with_options(table: &Arc<Table>, options: &[(String, String)]) -> Arc<Table> {
    if options.is_empty() {
        return table.clone();
    }
    let mut table = Table::clone(table);
    table.options.extend_from_slice(options);
    Arc::new(table)
}

/// The table with its columns: those declared, else those that its provider knows.
pub(crate) fn with_schema(table: Arc<Table>) -> Result<Arc<Table>> {
    if !table.schema.is_empty() {
        return Ok(table);
    }
    let Some(schema) = source::schema_of(&table.provider, &table.options)? else {
        let text = format!("the columns of table `{}` are not known", table.name);
        return Err(Error::unsupported("UNABLE_TO_INFER_SCHEMA", text).hint(format!(
            "CREATE TABLE needs columns to read {}: CREATE TABLE {} (ts TIMESTAMP, ...) USING ...",
            table.provider, table.name
        )));
    };
    Ok(Arc::new(Table { schema, ..Table::clone(&table) }))
}
