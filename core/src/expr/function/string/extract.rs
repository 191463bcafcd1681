//! `regexp_extract` of one pattern: a group of a text's first match, or several groups of it at once.

use alloc::{sync::Arc, vec::Vec};

use regex::{CaptureLocations, Regex};

use super::course::{Course, Found, Places};
use crate::{
    block::{Column, ColumnRef, Rows},
    error::Result,
    expr::{EvalContext, Part, ScalarFunction},
};

/// One group, as a text.
#[derive(Debug)]
pub(super) struct Extract {
    finder: Arc<Finder>,
    group: usize,
}

/// These groups, as a struct of texts.
#[derive(Debug)]
struct ExtractGroups {
    finder: Arc<Finder>,
    groups: Vec<usize>,
}

#[derive(Debug)]
struct Finder {
    regex: Regex,
    course: Option<Course>,
}

/// The groups of one text.
struct Groups {
    places: Places,
    /// Those of texts that no course knows.
    searched: CaptureLocations,
}

/// Who has found them.
#[derive(Clone, Copy)]
enum By {
    Course,
    Search,
    /// There is no match.
    Nobody,
}

impl Extract {
    /// A group that the pattern has.
    pub(super) fn new(regex: &Regex, group: usize) -> Self {
        Self { finder: Arc::new(Finder { regex: regex.clone(), course: Course::new(regex.as_str()) }), group }
    }
}

impl ScalarFunction for Extract {
    fn name(&self) -> &'static str {
        "regexp_extract"
    }

    /// What texts and patterns have in common, whatever the group.
    fn part(&self) -> Option<Part> {
        Some(Part { index: self.group, args: 2 })
    }

    fn of_parts(&self, groups: &[usize]) -> Option<Arc<dyn ScalarFunction>> {
        Some(Arc::new(ExtractGroups { finder: self.finder.clone(), groups: groups.to_vec() }))
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let mut groups = self.finder.groups();
        for row in 0..rows.len() {
            if !rows.contains(row) || !args.iter().all(|arg| arg.is_valid(row)) {
                out.push_null();
                continue;
            }
            let text = args[0].str_at(row);
            let by = self.finder.find(text, &mut groups);
            out.push_str(groups.get(self.group, by, text));
        }
        Ok(())
    }
}

impl ScalarFunction for ExtractGroups {
    fn name(&self) -> &'static str {
        "regexp_extract_groups"
    }

    fn parameters(&self) -> alloc::string::String {
        alloc::format!("{:?}", self.groups)
    }

    /// NULL texts have NULL groups, but the struct is there, so that its fields can be lent.
    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let mut groups = self.finder.groups();
        for row in 0..rows.len() {
            if !rows.contains(row) || !args.iter().all(|arg| arg.is_valid(row)) {
                out.push_struct(|fields| fields.iter_mut().for_each(Column::push_null));
                continue;
            }
            let text = args[0].str_at(row);
            let by = self.finder.find(text, &mut groups);
            out.push_struct(|fields| {
                for (field, &group) in fields.iter_mut().zip(&self.groups) {
                    field.push_str(groups.get(group, by, text));
                }
            });
        }
        Ok(())
    }
}

impl Finder {
    fn groups(&self) -> Groups {
        Groups { places: Places::default(), searched: self.regex.capture_locations() }
    }

    fn find(&self, text: &str, groups: &mut Groups) -> By {
        match self.course.as_ref().map_or(Found::Unknown, |course| course.find(text, &mut groups.places)) {
            Found::Match => By::Course,
            Found::Nothing => By::Nobody,
            Found::Unknown => match self.regex.captures_read(&mut groups.searched, text) {
                Some(_) => By::Search,
                None => By::Nobody,
            },
        }
    }
}

impl Groups {
    /// A group's text; empty if there is no match or the group took no part in it.
    fn get<'t>(&self, group: usize, by: By, text: &'t str) -> &'t str {
        match by {
            By::Course => &text[self.places[group].clone()],
            By::Search => self.searched.get(group).map_or("", |(start, end)| &text[start..end]),
            By::Nobody => "",
        }
    }
}
